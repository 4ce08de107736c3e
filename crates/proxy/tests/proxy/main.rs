//! The proxy over real sockets, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod listen_ends;
mod listen_http1;
mod listen_http2;
mod support;
mod upstream;
mod upstream_stale;
mod upstream_tls;
