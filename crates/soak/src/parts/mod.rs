//! The parts of a run: each sets up its own daemon, drives it for a bounded time, and says what it measured.

pub mod bodies;
pub mod exhaustion;
pub mod latch;
pub mod many;
pub mod mutants;
pub mod slow_clients;
pub mod traffic;
pub mod upstream;

use crate::report::Bar;

/// What a part found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was asked and measured.
    pub bars: Vec<Bar>,
    /// What went wrong, in words.
    pub notes: Vec<String>,
}
