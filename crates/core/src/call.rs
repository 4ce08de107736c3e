//! The immutable facts of one request that a rule may match on.

use http::{HeaderMap, Method};

use crate::Name;
use crate::agent::AgentId;
use crate::draw::identity;

/// The facts of one request. It borrows what the request owns: a call lives for one decision.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The name of the route that took it.
    pub route: Name,
    /// The route's dialect.
    pub dialect: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The path below the route's prefix, as it was encoded; starts with `/`.
    pub path: &'a str,
    /// The query without `?`, as it was encoded.
    pub query: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// Who calls.
    pub agent: &'a AgentId,
    /// Which try of the same operation this is, from 1.
    pub attempt: u32,
    /// Facts that the dialect read.
    pub facts: Facts,
    /// The body, if a rule of the route needs it.
    pub body: Body<'a>,
}

/// What a dialect reads from a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The model that is asked.
    pub model: Option<String>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The JSON-RPC method of an MCP message.
    pub mcp_method: Option<String>,
    /// The tool that is called, or that the model is told to call.
    pub tool: Option<String>,
    /// The tools that are offered, by name.
    pub tools: Vec<String>,
    /// How many messages (or contents, or input items) the request has.
    pub messages: Option<u32>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u64>,
    /// The session that the call belongs to.
    pub session: Option<String>,
}

/// The request's body as far as it was read.
#[derive(Debug, Clone, Copy, Default)]
pub enum Body<'a> {
    /// No rule of the route needs it.
    #[default]
    Unread,
    /// It was larger than the limit for inspection.
    TooLarge,
    /// It was read and is no JSON.
    Bytes(&'a [u8]),
    /// It was read and parsed.
    Json(&'a [u8], &'a serde_json::Value),
}

impl Call<'_> {
    /// The identity on which draws depend: agent, method, path and query, and the body where it was read.
    #[must_use]
    pub fn identity(&self) -> u64 {
        let body = match self.body {
            Body::Unread | Body::TooLarge => &[][..],
            Body::Bytes(bytes) | Body::Json(bytes, _) => bytes,
        };
        identity(&[
            self.route.as_bytes(),
            &self.agent.identity.to_le_bytes(),
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
            self.query.unwrap_or_default().as_bytes(),
            body,
        ])
    }
}
