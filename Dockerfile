# Murphy in a container: built with the locked dependencies, run on distroless (glibc, libgcc, certificates, no shell),
# as a user without a name, with a health check by the binary itself. See docs/docker.md.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The target folder is a cache and not a layer: what is kept is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package murphy --bin murphy \
    && install -D target/release/murphy /out/murphy \
    && mkdir -p /out/state

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="murphy" \
      org.opencontainers.image.description="A transparent fault-injecting proxy for AI agents" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
COPY --from=build /out/murphy /usr/local/bin/murphy
COPY --from=build /src/scenarios /etc/murphy/scenarios
COPY --from=build /src/deploy/murphy.toml /etc/murphy/murphy.toml
COPY --from=build --chown=65532:65532 /out/state /var/lib/murphy
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
WORKDIR /var/lib/murphy
EXPOSE 7070 7071
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/murphy", "status", "--ready"]
ENTRYPOINT ["/usr/local/bin/murphy"]
CMD ["serve", "--config", "/etc/murphy/murphy.toml"]
