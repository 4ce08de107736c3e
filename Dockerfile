# Murphy in a container: static-ish binary on distroless, non-root, health check by the binary itself.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p murphy && cp target/release/murphy /murphy && mkdir -p /state

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="murphy" \
      org.opencontainers.image.description="A transparent fault-injecting proxy for AI agents" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
COPY --from=build /murphy /usr/local/bin/murphy
COPY --from=build /src/scenarios /etc/murphy/scenarios
COPY --from=build /src/deploy/murphy.toml /etc/murphy/murphy.toml
COPY --from=build --chown=nonroot:nonroot /state /var/lib/murphy
USER nonroot
WORKDIR /var/lib/murphy
EXPOSE 7070 7071
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["/usr/local/bin/murphy", "status", "--ready", "--control", "http://127.0.0.1:7071"]
ENTRYPOINT ["/usr/local/bin/murphy"]
CMD ["serve", "--config", "/etc/murphy/murphy.toml"]
