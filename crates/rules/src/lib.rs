//! When and how often a fault happens: scenarios as they are written, compiled once, and decided per call.
//!
//! A [`scenario::Scenario`] is compiled at load ([`compile::compile`]); the director puts the compiled ones
//! that are switched on into a [`snapshot::Snapshot`]; the proxy asks [`snapshot::Snapshot::plan`] for each
//! call. Between them stands one pure function, [`decide::decide`]: what it needs beyond the call (numbers,
//! the time, the seed) comes in as values, numbered by [`ordinals::Counters`], the only state.

pub mod cadence;
pub mod compile;
pub mod decide;
pub mod explain;
pub mod limits;
pub mod matcher;
pub mod ordinals;
pub mod pattern;
pub mod scenario;
pub mod snapshot;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
