//! What happened: exchanges, event log, error window, operations, metrics, redaction.
//!
//! The proxy reports every call to one [`Observer`]: [`Observer::start`] when it is routed and
//! [`Observer::finish`] when its last byte has gone. Everybody else reads: the control API the metrics and the
//! exchanges, the director the verdict of the error window and whether calls still make progress.

pub mod exchange_log;
pub mod jsonl;
pub mod liveness;
pub mod metrics;
mod observer;
pub mod operations;
pub mod redact;
pub mod window;

pub use jsonl::JsonlOptions;
pub use liveness::{InjectedWait, Liveness};
pub use metrics::{Metrics, RuleSeries};
pub use observer::{Finished, Observer, ObserverOptions, Ticket};
pub use window::{Basis, ErrorWindow, Reading, Reason, Unit, Verdict, WindowOptions};
