//! What every dialect provides.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::{Limit, Reply};
use murphy_core::failure::Failure;
use murphy_core::plan::LimitReading;
use serde_json::Value;

/// The circumstances of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendering<'a> {
    /// The time now.
    pub now: SystemTime,
    /// The limiter that counted the call, and what it read.
    pub limit: Option<(Limit, LimitReading)>,
    /// Drawn for this answer: what an API makes up for each answer, its request ids say, is made of these bits.
    pub bits: u64,
    /// The path below the route's prefix, and the query: endpoints of one API may fail in different words.
    pub path: &'a str,
    /// The model that was asked, as far as it is known.
    pub model: Option<&'a str>,
}

/// What an API speaks.
pub trait Dialect: Send + Sync {
    /// The name as it is written in a configuration.
    fn name(&self) -> &'static str;

    /// Whether [`Dialect::facts`] wants the body of such a request.
    fn reads_body(&self, method: &Method, path: &str) -> bool;

    /// What rules may match on. `body` is there if it was read and is JSON; the path is that below the
    /// route's prefix.
    fn facts(&self, method: &Method, path: &str, headers: &HeaderMap, body: Option<&Value>) -> Facts;

    /// A failure as this API sends it, with the headers of the limiter if there is one.
    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply;

    /// The headers by which this API tells a call how it stands with a limiter; none without one.
    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)>;
}
