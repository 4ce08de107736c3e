//! The data path: listeners, routing, upstream pools, the pipeline, executors of effects.
//!
//! Bytes flow in one direction: listen, route, inspect, decide, request effects, upstream, response effects,
//! observe. Nothing downstream of `decide` chooses; nothing upstream of it acts. The crate knows effects, not
//! fault kinds, and sees only the published snapshot, not who publishes it.

pub mod body;
pub mod counted;
pub mod effects;
pub mod error;
pub mod faulted;
pub mod forward;
pub mod gatekeeper;
pub mod hop;
pub mod inspect;
pub mod listen;
pub mod pipeline;
pub mod record;
pub mod rescue;
pub mod service;
pub mod timer;
pub mod upgrade;
pub mod upstream;
