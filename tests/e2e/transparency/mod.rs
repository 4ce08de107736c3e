//! Pass-through: with no rule on, nobody can tell whether Murphy stands between, except by what a hop must change.
//!
//! Each file is a theme. Most cases send the same bytes twice, directly and through the built binary, and compare
//! what arrived at both ends ([`pair`]).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr
)] // helpers of tests fail loudly, and print the figures that they measured

mod pair;
mod process;
mod setup;
mod upstreams;

mod bombs;
mod cancellation;
mod connections;
mod desync;
mod exhaustion;
mod hop_by_hop;
mod hosts;
mod http2;
mod http2_frames;
mod idle_race;
mod limits;
mod memory;
mod nagle;
mod request_cases;
mod response_cases;
mod slow_clients;
mod streams;
mod tls;
mod truncation;
mod upstream_failures;
mod websocket;
