//! Failures named by meaning, not by status: a dialect decides how each looks on the wire.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong, in the words that every API shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Too many requests or tokens in a window; waiting helps.
    RateLimited,
    /// The service has no capacity just now.
    Overloaded,
    /// The service failed in a way that it did not expect.
    Internal,
    /// A gateway got nonsense from the service behind it.
    BadGateway,
    /// The service is down for now.
    Unavailable,
    /// A gateway waited too long for the service behind it.
    Timeout,
    /// No credential, or one that is not valid.
    Unauthorized,
    /// A valid credential that may not do this.
    Forbidden,
    /// The account's quota, credit or budget is used up; waiting does not help.
    QuotaExhausted,
    /// The input is longer than the model's context.
    ContextLength,
    /// The content was refused by a filter.
    ContentFilter,
    /// The thing asked for does not exist.
    NotFound,
    /// The request body is larger than the service takes.
    TooLarge,
    /// The request conflicts with the state of the thing it changes.
    Conflict,
}

impl FailureKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::RateLimited,
        Self::Overloaded,
        Self::Internal,
        Self::BadGateway,
        Self::Unavailable,
        Self::Timeout,
        Self::Unauthorized,
        Self::Forbidden,
        Self::QuotaExhausted,
        Self::ContextLength,
        Self::ContentFilter,
        Self::NotFound,
        Self::TooLarge,
        Self::Conflict,
    ];

    /// The name as it is written in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
            Self::BadGateway => "bad_gateway",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::QuotaExhausted => "quota_exhausted",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Conflict => "conflict",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a wait is told in `retry-after` (RFC 9110 §10.2.3 allows both).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// Whole seconds, rounded up.
    #[default]
    Seconds,
    /// An HTTP date.
    Date,
}

/// A failure as a rule asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// How long the client is told to wait, if at all.
    pub retry_after: Option<Duration>,
    /// How that wait is written.
    pub form: RetryAfterForm,
    /// Text that replaces the dialect's own message.
    pub message: Option<String>,
}
