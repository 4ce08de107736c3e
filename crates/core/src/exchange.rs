//! One line of the event log: what came, what was decided, what the agent saw. No bodies, no credentials.

mod stamp;

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;
use crate::outcome::{Cause, Outcome};
use crate::plan::Why;

pub use stamp::{Moment, OperationId};

static NO_NAME: LazyLock<Name> = LazyLock::new(|| Name::from(""));
static NO_ROUTE: LazyLock<Name> = LazyLock::new(|| Name::from("-"));
static PLAIN: LazyLock<Name> = LazyLock::new(|| Name::from("plain"));

/// What happened in one call. Most of it is shared or has a fixed size: there is one for each call, and a daemon
/// keeps many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// Its number in this process, from 1, in order of completion; also the cursor of `GET exchanges`.
    pub id: u64,
    /// When the request arrived, RFC 3339 with milliseconds, UTC.
    #[schemars(with = "String")]
    pub at: Moment,
    /// Who called.
    pub agent: Name,
    /// The operation that it belongs to: tries of the same thing share it.
    #[schemars(with = "String")]
    pub operation: OperationId,
    /// Which try of the operation, from 1.
    pub attempt: u32,
    /// The route's name; `-` if none took it.
    pub route: Name,
    /// The route's dialect.
    pub dialect: Name,
    /// The method.
    pub method: Cow<'static, str>,
    /// The path below the route's prefix, without the query.
    pub path: String,
    /// The model that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tool that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The MCP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_method: Option<String>,
    /// Whether the answer was asked for, or came, as a stream.
    pub stream: bool,
    /// The faults that fired.
    pub faults: Vec<AppliedFault>,
    /// The rules that matched and did not fire, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldRule>,
    /// What the agent saw.
    pub outcome: Outcome,
    /// Who caused it.
    pub cause: Cause,
    /// The status that the agent saw, if it saw a head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body that were handed to the agent's connection.
    pub bytes_out: u64,
    /// From arrival to the response's head, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfb_ms: Option<f64>,
    /// From arrival to the end, in milliseconds.
    pub duration_ms: f64,
    /// Injected waits, in milliseconds.
    pub injected_ms: f64,
    /// From the request's dispatch upstream to the end of the upstream's response, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    /// What went wrong, in words, when it was not injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The generation of the configuration that decided.
    pub generation: u64,
}

impl Exchange {
    /// An exchange of which nothing is known yet.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            id: 0,
            at: Moment::default(),
            agent: Name::clone(&NO_NAME),
            operation: OperationId::default(),
            attempt: 1,
            route: Name::clone(&NO_ROUTE),
            dialect: Name::clone(&PLAIN),
            method: Cow::Borrowed(""),
            path: String::new(),
            model: None,
            tool: None,
            mcp_method: None,
            stream: false,
            faults: Vec::new(),
            held: Vec::new(),
            outcome: Outcome::Ok,
            cause: Cause::Upstream,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            ttfb_ms: None,
            duration_ms: 0.0,
            injected_ms: 0.0,
            upstream_ms: None,
            error: None,
            generation: 0,
        }
    }

    /// A method as an exchange holds it.
    #[must_use]
    pub fn method_of(method: &http::Method) -> Cow<'static, str> {
        use http::Method;
        const KNOWN: [(Method, &str); 7] = [
            (Method::GET, "GET"),
            (Method::POST, "POST"),
            (Method::PUT, "PUT"),
            (Method::DELETE, "DELETE"),
            (Method::HEAD, "HEAD"),
            (Method::OPTIONS, "OPTIONS"),
            (Method::PATCH, "PATCH"),
        ];
        let known = KNOWN.iter().find(|(known, _)| known == method);
        known.map_or_else(
            || Cow::Owned(method.as_str().to_owned()),
            |(_, name)| Cow::Borrowed(*name),
        )
    }

    /// Whether a fault fired.
    #[must_use]
    pub fn injected(&self) -> bool {
        !self.faults.is_empty()
    }
}

/// A fault that fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedFault {
    /// The scenario.
    pub scenario: String,
    /// The rule.
    pub rule: String,
    /// The fault kind.
    pub fault: String,
    /// What was done, effect by effect: `delay 812ms`, `cut after 512 of 2048 bytes`.
    pub effects: Vec<String>,
    /// Why it could not be applied, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The draw that made it fire, if one was needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<f64>,
}

/// A rule that matched and did not fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldRule {
    /// The scenario.
    pub scenario: String,
    /// The rule.
    pub rule: String,
    /// The reason.
    pub why: Why,
    /// The draw that was compared with the probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<f64>,
}
