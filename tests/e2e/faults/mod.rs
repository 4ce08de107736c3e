//! Faults through the front door: by raw sockets, by HTTP/2, and by real client libraries.
//!
//! | module | what it shows |
//! | --- | --- |
//! | [`harness`] | one daemon between a test and an upstream that reports |
//! | [`kinds`] | each fault kind, by what a raw socket sees and what is told about it |
//! | [`abort`], [`h2`], [`truncate`], [`corrupt`], [`after_upstream`], [`release`], … | its variants |
//! | [`skips`] | what passes unfaulted, byte for byte, and is counted |
//! | [`cadence`], [`matching`], [`limits`], [`seeds`], [`rates`] | the engine |
//! | [`field_cases`] | what went wrong elsewhere |
//! | [`ready`] | the scenarios of the repository |
//! | [`sdk`] | what httpx, requests and fetch make of it |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)] // tests fail loudly

mod abort;
mod after_upstream;
mod cadence;
mod corrupt;
mod edits;
mod field_cases;
mod h2;
mod harness;
mod kinds;
mod limiter;
mod limits;
mod matching;
mod pacing;
mod rates;
mod ready;
mod release;
mod sdk;
mod seeds;
mod skips;
mod truncate;
