//! The vocabulary of Murphy as types: calls, effects, plans, outcomes, draws.
//!
//! Everything here is data. There is no I/O, no clock and no global randomness, so that each other crate
//! can depend on this one without learning how any of the others works.

pub mod agent;
pub mod call;
pub mod clock;
pub mod draw;
pub mod effect;
pub mod exchange;
pub mod failure;
pub mod live;
pub mod outcome;
pub mod plan;
pub mod problem;
pub mod route;
pub mod span;

/// A name that is shared by many calls: of a route, a scenario, a rule, a dialect.
pub type Name = std::sync::Arc<str>;
