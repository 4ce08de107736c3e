//! The yardstick: bare hyper reverse proxies, nginx where it is installed, an origin, a load generator, and a
//! command that compares Murphy with them: `cargo run --release -p murphy-bench`.
//!
//! All of a measurement shares a few cores, so load generator and origin are raw sockets with as little parsing as
//! checks every answer. Machines drift: what is compared is taken in neighbouring slices of a round, and what is
//! shown are medians of rounds and of the ratios of each round.

use std::error::Error;

pub mod bare;
pub mod client;
pub mod clock;
pub mod http1;
pub mod load;
pub mod measure;
pub mod origin;
pub mod probe;
pub mod process;
pub mod report;
pub mod results;
pub mod scale;
pub mod targets;
pub mod threads;
pub mod verdict;

/// Why a measurement is void: an answer was wrong or missing, or something could not be started.
pub type Void = Box<dyn Error + Send + Sync>;
