//! What the agent saw, and who caused it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the agent saw of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A complete answer below 400.
    Ok,
    /// A 4xx other than 429.
    ClientError,
    /// A 429.
    RateLimited,
    /// A 5xx.
    ServerError,
    /// The connection broke before the answer was complete.
    Dropped,
    /// No answer came in time: a 504 of Murphy's, or the agent left while it waited for the head.
    Timeout,
    /// A complete answer that does not parse or is not what its headers say.
    Malformed,
    /// A tool answered that it failed.
    ToolError,
}

impl Outcome {
    /// All outcomes, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::ClientError,
        Self::RateLimited,
        Self::ServerError,
        Self::Dropped,
        Self::Timeout,
        Self::Malformed,
        Self::ToolError,
    ];

    /// The outcome that a complete answer with this status is.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            429 => Self::RateLimited,
            400..=499 => Self::ClientError,
            500.. => Self::ServerError,
            _ => Self::Ok,
        }
    }

    /// Whether the kill switch counts this outcome as an error.
    #[must_use]
    pub fn is_error(self) -> bool {
        !matches!(self, Self::Ok | Self::ClientError)
    }

    /// The name as it stands in metrics, events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Dropped => "dropped",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::ToolError => "tool_error",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who caused an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The real answer, or the real failure to get one.
    Upstream,
    /// An injected fault.
    Murphy,
    /// The agent: it hung up, or sent what no route or rule of HTTP allows.
    Agent,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 3] = [Self::Upstream, Self::Murphy, Self::Agent];

    /// The name as it stands in metrics, events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Murphy => "murphy",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
