//! What is in `deploy/` and the Dockerfile: held against what Murphy really does, by the built binary where it can
//! be, and by the linters of each format (Python packages and Debian's systemd; without one its test is skipped,
//! loudly, but never in CI).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr
)] // a test fails loudly

mod compose;
mod image;
mod image_run;
mod kubernetes;
mod kubernetes_run;
mod notify;
mod support;
mod systemd;
