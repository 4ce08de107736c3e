//! The only writer of policy: settings, strict loading, file watch, activation, kill switch, alerts.
//!
//! Whatever changes what the proxy does is a message to the [`Director`], which publishes a new immutable
//! snapshot. Others hold a [`Handle`].

use std::time::Duration;

use murphy_core::clock::WallClock;

mod activation;
pub mod alerts;
pub mod check;
pub mod director;
mod event;
mod forecast;
mod gather;
pub mod generate;
pub mod handle;
pub mod kill_switch;
pub mod latch;
pub mod layers;
mod library;
pub mod load;
pub mod locate;
mod meaning;
pub mod names;
pub mod parse;
mod probe;
pub mod refusal;
pub mod report;
mod resolve;
mod restart;
pub mod settings;
pub mod view;
mod watch;

pub use alerts::{Outgoing, Post, Sending};
pub use check::check;
pub use director::{Director, Startup};
pub use generate::{default_config, scenario_schema};
pub use handle::Handle;
pub use layers::Override;
pub use load::{Loaded, Sources, load};
pub use refusal::Refusal;

/// The wall-clock time so much later than now: RFC 3339 with milliseconds, UTC.
fn clock_text(clock: &dyn WallClock, later: Duration) -> String {
    let at = clock.now().checked_add(later);
    let at = at
        .and_then(|at| jiff::Timestamp::try_from(at).ok())
        .unwrap_or_default();
    format!("{at:.3}")
}
