//! From a request to the facts that rules match on. The body is read only if a rule of the route needs it, and
//! only up to a limit; what was read is put back in front of the rest.

use std::borrow::Cow;

use bytes::Bytes;
use http::request;
use murphy_core::agent::AgentId;
use murphy_core::call::{Body, Call, Facts};
use murphy_dialects::dialect::Dialect;
use murphy_rules::snapshot::RouteEntry;
use serde_json::Value;

use crate::body::{BoxBody, Collected, Parts, collect_capped};

/// A request's body as far as it was read, and the body to send on.
pub struct Inspected {
    read: Read,
    /// The whole body, still to be sent.
    pub body: BoxBody,
}

enum Read {
    Not,
    TooLarge,
    Whole(Bytes, Option<Value>),
}

/// Reads the body if a rule of the route needs it.
pub async fn body(
    entry: &RouteEntry,
    dialect: &dyn Dialect,
    (parts, path): (&request::Parts, &str),
    body: BoxBody,
    cap: u64,
) -> Inspected {
    let facts_are_in_body = entry.needs_facts && dialect.reads_body(&parts.method, path);
    if !entry.needs_body && !facts_are_in_body {
        return Inspected {
            read: Read::Not,
            body,
        };
    }
    match collect_capped(body, cap).await {
        Collected::Whole(bytes, trailers) => {
            let value = serde_json::from_slice(&bytes).ok();
            let body = Box::pin(Parts::whole(bytes.clone(), trailers));
            Inspected {
                read: Read::Whole(bytes, value),
                body,
            }
        }
        Collected::TooLarge(body) => Inspected {
            read: Read::TooLarge,
            body,
        },
        Collected::Broken(body) => Inspected {
            read: Read::Not,
            body,
        },
    }
}

/// What is known of a request besides its head and body.
pub struct Known<'a> {
    /// The path below the route's prefix.
    pub path: &'a str,
    /// Who calls.
    pub agent: &'a AgentId,
    /// Which try of the operation this is.
    pub attempt: u32,
}

impl Inspected {
    /// The facts that the dialect reads.
    #[must_use]
    pub fn facts(&self, dialect: &dyn Dialect, parts: &request::Parts, path: &str) -> Facts {
        let value = match &self.read {
            Read::Whole(_, value) => value.as_ref(),
            Read::Not | Read::TooLarge => None,
        };
        dialect.facts(&parts.method, path, &parts.headers, value)
    }

    /// The call that rules match on.
    #[must_use]
    pub fn call<'a>(
        &'a self,
        entry: &'a RouteEntry,
        dialect: &'a str,
        parts: &'a request::Parts,
        known: Known<'a>,
        facts: Facts,
    ) -> Call<'a> {
        Call {
            route: entry.route.name.clone(),
            dialect,
            method: &parts.method,
            path: known.path,
            query: parts.uri.query(),
            headers: &parts.headers,
            agent: known.agent,
            attempt: known.attempt,
            facts,
            body: match &self.read {
                Read::Not => Body::Unread,
                Read::TooLarge => Body::TooLarge,
                Read::Whole(bytes, Some(value)) => Body::Json(bytes, value),
                Read::Whole(bytes, None) => Body::Bytes(bytes),
            },
        }
    }
}

/// The host that a request names: `:authority` or an absolute target first (RFC 9112 §3.2.2), then `Host`.
#[must_use]
pub fn host(parts: &request::Parts) -> Option<Cow<'_, str>> {
    match parts.uri.authority() {
        Some(authority) => Some(Cow::Borrowed(authority.as_str())),
        None => parts
            .headers
            .get(http::header::HOST)
            .map(|value| String::from_utf8_lossy(value.as_bytes())),
    }
}
