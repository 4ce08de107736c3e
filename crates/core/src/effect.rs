//! The primitives that the proxy executes. Every fault kind compiles to a list of these, and the executors
//! know nothing else.
//!
//! An [`Effect`] is what stands in a compiled rule; the random part of it is drawn when a call is decided and
//! travels beside it as [`crate::plan::Drawn`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::Law;
use crate::failure::Failure;

/// One primitive.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Wait, then go on.
    Delay(Delay),
    /// Answer in the upstream's place (terminal).
    Respond(Respond),
    /// Break the connection or the stream (terminal).
    Abort(Abort),
    /// Never answer (terminal).
    Hang(Hang),
    /// Count the call against a limit: pass with headers, or answer as rate limited (terminal when exhausted).
    Limit(Limit),
    /// Edit headers.
    Head(HeadEdit),
    /// Edit a body.
    Body(BodyEdit),
    /// Slow a body down.
    Pace(PaceEdit),
    /// Send the request upstream more than once; the first answer is the answer.
    Duplicate {
        /// How many requests are sent in all, at least 2.
        sends: u32,
    },
}

impl Effect {
    /// Whether no later rule is tried once this effect fires. A limit decides that by its reading.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Respond(_) | Self::Abort(_) | Self::Hang(_))
    }

    /// Whether the request's body must be read whole before the upstream is called.
    #[must_use]
    pub fn needs_request_body(&self) -> bool {
        match self {
            Self::Duplicate { .. } => true,
            Self::Body(edit) => edit.side == Side::Request,
            _ => false,
        }
    }

    /// Whether earlier answers must be kept so that this effect can give one again.
    #[must_use]
    pub fn needs_memory(&self) -> bool {
        matches!(
            self,
            Self::Respond(Respond {
                reply: ReplySource::Earlier,
                ..
            })
        )
    }

    /// Whether it happens before a request was read.
    #[must_use]
    pub fn is_at_accept(&self) -> bool {
        matches!(
            self,
            Self::Abort(Abort {
                at: AbortAt::Accept,
                ..
            })
        )
    }

    /// The most that this effect can make a call wait, if it is bounded.
    #[must_use]
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Delay(_) | Self::Hang(_) | Self::Pace(_))
    }
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The agent's request.
    Request,
    /// The upstream's response.
    #[default]
    Response,
}

/// Whether the upstream does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamUse {
    /// It is not called: the fault costs nothing and has no side effect.
    #[default]
    Skip,
    /// It is called, and its answer is thrown away.
    Call,
}

/// When a delay happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DelayAt {
    /// Before the request goes upstream.
    #[default]
    Request,
    /// After the upstream's head arrived, before it is passed on.
    Headers,
    /// After the head was passed on, before the first byte of the body.
    Body,
}

/// Wait, then go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// When.
    pub at: DelayAt,
    /// How long; drawn when the call is decided.
    pub law: Law,
    /// Never longer than this.
    pub cap: Duration,
}

/// Answer in the upstream's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Respond {
    /// With what.
    pub reply: ReplySource,
    /// Whether the upstream does the work first.
    pub upstream: UpstreamUse,
    /// Whether the answer, though complete, is not what its headers or its status say (HTML with 200).
    pub malformed: bool,
}

/// Where an injected answer comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplySource {
    /// It is the same for each call.
    Fixed(Arc<Reply>),
    /// The route's dialect renders it.
    Failure(Failure),
    /// A redirect to the very URL that was asked for.
    SelfRedirect {
        /// The status: 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// The answer that the same route, method, path and query gave before.
    Earlier,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers, in order; names may repeat.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// Break the connection or the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Abort {
    /// When.
    pub at: AbortAt,
    /// How.
    pub how: AbortHow,
}

/// When a connection is broken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AbortAt {
    /// When it is accepted, before a byte is read.
    Accept,
    /// After the request was read, without calling the upstream.
    BeforeResponse,
    /// After the upstream answered; the answer is lost.
    AfterUpstream,
    /// Inside the body.
    MidBody(Position),
}

/// How a connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AbortHow {
    /// An orderly end of the TCP stream (on HTTP/2 the stream ends by `RST_STREAM`, `INTERNAL_ERROR`).
    #[default]
    Fin,
    /// A TCP reset.
    Rst,
    /// On HTTP/2 `RST_STREAM` with this code (RFC 9113 §7); on HTTP/1.1 a TCP reset.
    H2Reset(u32),
}

/// Never answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hang {
    /// Give up after this and break the connection; `None` holds until the agent leaves.
    pub max: Option<Duration>,
    /// Whether the upstream does the work first.
    pub upstream: UpstreamUse,
}

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Position {
    /// After this many bytes.
    Bytes(u64),
    /// After this share of the bytes (0 to 1).
    Share(f64),
    /// At a drawn place inside the JSON text, so that it no longer parses.
    InsideJson,
}

/// A real limiter: `limit` calls in each window for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Calls in a window.
    pub limit: u32,
    /// The window.
    pub window: Duration,
    /// Whose calls are counted together.
    pub per: Per,
    /// How the wait is written.
    pub form: crate::failure::RetryAfterForm,
}

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// All calls that the rule matches.
    #[default]
    Call,
    /// Those of one agent.
    Agent,
    /// Those of one session.
    Session,
    /// Those of one operation: the tries of the same thing.
    Operation,
}

/// Edit headers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeadEdit {
    /// Of which message.
    pub side: Side,
    /// Names whose fields are removed first.
    pub remove: Vec<HeaderName>,
    /// Fields that replace those of the same name.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields that are added to those of the same name.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Whether the edit makes the answer lie about its body (a wrong content type).
    pub malformed: bool,
}

/// Edit a body.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyEdit {
    /// Of which message.
    pub side: Side,
    /// How.
    pub edit: Edit,
}

/// How a body is edited. All but [`Edit::Length`] and an abrupt [`Edit::Truncate`] need the whole body.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Cut it.
    Truncate {
        /// Where.
        at: Position,
        /// `true`: the framing ends well, so that only the parser notices. `false`: the connection breaks.
        clean: bool,
    },
    /// Damage it.
    Corrupt(Corrupt),
    /// Put another in its place.
    Replace {
        /// The new body.
        body: Bytes,
        /// Its content type, if it changes.
        content_type: Option<HeaderValue>,
    },
    /// JSON Patch (RFC 6902); a body that is no JSON, or to which it does not apply, passes unchanged.
    JsonPatch(Arc<serde_json::Value>),
    /// JSON merge patch (RFC 7396).
    MergePatch(Arc<serde_json::Value>),
    /// Declare a wrong `content-length`: so many bytes more (the connection then breaks) or fewer.
    Length {
        /// Difference to the true length.
        delta: i64,
    },
}

/// How a body is damaged. Places are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corrupt {
    /// Flip this many bytes.
    FlipBytes(u32),
    /// Put a byte that is not UTF-8 into a string.
    InvalidUtf8,
    /// Remove the quote that ends a string.
    UnclosedString,
    /// Put a comma before a closing bracket.
    TrailingComma,
    /// Write single quotes around a string.
    WrongQuote,
    /// Put `NaN` where a value stood.
    Nan,
}

/// Slow a body down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceEdit {
    /// Whether the request's body is slowed.
    pub request: bool,
    /// Whether the response's body is slowed.
    pub response: bool,
    /// How.
    pub pace: Pace,
}

/// How a body is slowed down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// An even rate.
    Throttle {
        /// Bytes in a second, at least 1.
        bytes_per_second: u64,
    },
    /// A pause.
    Stall {
        /// Where ([`Position::InsideJson`] does not occur).
        after: Position,
        /// How long; `None` is until the agent leaves.
        wait: Option<Duration>,
    },
    /// Some bytes at a time.
    Drip {
        /// How many, at least 1.
        bytes: u64,
        /// How often.
        every: Duration,
    },
}
