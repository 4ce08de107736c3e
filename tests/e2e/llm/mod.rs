//! LLM APIs through the front door, called with their official SDKs.
//!
//! | module | what it shows |
//! | --- | --- |
//! | [`harness`] | one daemon with a route for each dialect, and the scripts that make the calls |
//! | [`expected`] | what each SDK must make of each failure, from the SDKs' own sources |
//! | [`failures`] | what the application sees of each failure kind, and how often the SDK tries |
//! | [`matrix`] | `docs/sdk-matrix.md` and `docs/sdk-matrix.json`, made from what was seen |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)] // tests fail loudly

mod expected;
mod failures;
mod harness;
mod matrix;
