//! The only writer of policy: settings, strict loading, file watch, activation, kill switch, alerts.
//!
//! Whatever changes what the proxy does is a message to the [`director::Director`], which publishes a new
//! immutable snapshot. Others hold a [`handle::Handle`].

mod event;
pub mod handle;
pub mod names;
pub mod refusal;
pub mod report;
pub mod settings;
pub mod view;

pub use handle::Handle;
pub use refusal::Refusal;
