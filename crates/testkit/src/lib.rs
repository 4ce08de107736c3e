//! Fakes and clients for tests (dev only): they look at bytes, and they report.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`peer`] | a raw TCP or TLS server that follows a script and re-raises its failures on `join` |
//! | [`recorder`] | an HTTP upstream that keeps each request and answers by a function |
//! | [`raw`] | a raw-socket client that shows framing and how the connection ended |
//! | [`message`] | the little HTTP/1.1 reader that peer and client share |
//! | [`tls`] | a certificate authority of one's own, and rustls configurations |
//! | [`daemon`] | the built `murphy` binary as a process |
//! | [`call`] | a builder that owns what a [`murphy_core::call::Call`] borrows |
//!
//! Nothing here has a deadline of its own, so that it works in paused time: the test runner's limit ends a test
//! that hangs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a fake fails loudly

pub mod call;
mod capture;
pub mod daemon;
pub mod line;
pub mod message;
pub mod peer;
pub mod raw;
pub mod recorder;
mod script;
pub mod tls;

pub use murphy_sim::Sim;
