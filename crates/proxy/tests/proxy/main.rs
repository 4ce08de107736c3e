//! The proxy over real sockets, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods, // bodies of tests have a bound
    unreachable_pub
)]

mod listen_ends;
mod listen_http1;
mod listen_http2;
mod support;
mod upstream;
mod upstream_http2;
mod upstream_stale;
mod upstream_tls;
