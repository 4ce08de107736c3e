//! Executors: each effect of a plan, done. They know effects, not fault kinds, and never roll dice.
//!
//! Before each effect its gate is asked again whether the activation still holds, so that a trip of the kill
//! switch stops what was decided and not yet done.

pub mod cut;
pub mod edit;
pub mod head;
pub mod memory;
pub mod pace;
pub mod request;
pub mod respond;
pub mod response;
pub mod trace;
pub mod wait;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use murphy_core::plan::Skip;
use murphy_core::span::print_duration;
use murphy_dialects::dialect::Dialect;

use crate::listen::Conn;
use memory::Memory;
use trace::Trace;
use wait::Gate;

/// The header that marks a response which a fault touched: `<scenario>/<rule>`.
pub const MARK_HEADER: &str = "x-murphy-fault";

/// What executors share for one call.
pub struct Ctx<'a> {
    /// Asked before each effect; makes the waits.
    pub gate: &'a Gate,
    /// Where they tell what they did.
    pub trace: &'a Arc<Trace>,
    /// The agent's connection.
    pub conn: &'a Arc<Conn>,
    /// Whether the agent speaks HTTP/2.
    pub http2: bool,
    /// The route's dialect: renders failures.
    pub dialect: &'static dyn Dialect,
    /// Earlier answers.
    pub memory: &'a Memory,
    /// The key of this call in [`Ctx::memory`].
    pub memory_key: u64,
    /// The largest body, in bytes, that is buffered for an edit, decoded or not.
    pub body_bytes_max: u64,
    /// When the request arrived.
    pub arrived: SystemTime,
    /// The request's path and query as the agent wrote them.
    pub target: &'a str,
    /// The path below the route's prefix, and the query.
    pub path: &'a str,
    /// The model that was asked, as far as it is known.
    pub model: Option<&'a str>,
}

/// The whole-body edits share this end: the edited bytes, or the reason why not.
pub type Edited = Result<(Vec<u8>, String), Skip>;

/// Runs an edit so that a panic in it forwards the call unfaulted instead of losing it.
///
/// # Errors
/// What the edit says, or [`Skip::Internal`] if it panicked.
pub fn contained<T>(edit: impl FnOnce() -> Result<T, Skip>) -> Result<T, Skip> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(edit)).unwrap_or(Err(Skip::Internal))
}

/// A drawn wait as it is shown: to the millisecond, which is as fine as it helps anybody.
#[must_use]
pub fn shown(wait: Duration) -> String {
    let whole = Duration::from_millis(u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX));
    print_duration(if wait < Duration::from_millis(1) {
        wait
    } else {
        whole
    })
}

/// Marks a response with the rules that touched it.
pub fn mark(headers: &mut HeaderMap, trace: &Trace) {
    for rule in trace.touched() {
        if let Ok(value) = HeaderValue::try_from(rule) {
            headers.append(MARK_HEADER, value);
        }
    }
}
