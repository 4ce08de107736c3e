//! Sans-I/O codecs and body edits: bytes in, bytes out.
//!
//! Nothing here knows a socket, a clock or a source of chance: time comes in as an argument, places come in as
//! drawn bits. So every part can be tested and fuzzed alone, and is the same for each transport.

pub mod coding;
pub mod corrupt;
pub mod event_stream;
mod feed;
pub mod http1;
mod json;
pub mod json_edit;
pub mod json_span;
pub mod pace;
pub mod sse;
pub mod truncate;

/// What the crate's property tests have in common.
#[cfg(test)]
pub(crate) mod testing {
    use proptest::test_runner::{Config, RngSeed};

    /// So many cases, the same in every run.
    pub(crate) fn cases(cases: u32) -> Config {
        Config {
            cases,
            rng_seed: RngSeed::Fixed(0x6d75_7270_6879),
            failure_persistence: None,
            ..Config::default()
        }
    }
}
