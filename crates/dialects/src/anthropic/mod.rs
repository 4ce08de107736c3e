//! The Messages API of Anthropic: failures are `{type: "error", error, request_id}`, limits `anthropic-ratelimit-*`.
//!
//! Facts of the protocol are those of the official Python SDK 2.14 (types and exceptions), of the API's
//! documentation (errors, rate limits) and of answers that users of the API published.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::Reply;
use murphy_core::failure::Failure;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::plain::Plain;
use crate::rendering::{BASE58, field, letters, wait};
use crate::retry_after::retry_after;

mod edge;
mod facts;
mod failures;
mod limits;

use facts::Endpoint;
use failures::Maker;

/// The Messages API.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn reads_body(&self, method: &Method, path: &str) -> bool {
        Endpoint::of(method, path).is_some()
    }

    fn facts(&self, method: &Method, path: &str, headers: &HeaderMap, body: Option<&Value>) -> Facts {
        match (Endpoint::of(method, path), body) {
            (Some(endpoint), Some(body)) => facts::read(endpoint, body),
            _ => Plain.facts(method, path, headers, body),
        }
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        match failures::maker(failure.kind) {
            Maker::Api {
                status,
                name,
                should_retry,
            } => {
                let id = request_id(at.bits);
                let message = failures::message(failure, at);
                let body = json!({
                    "type": "error",
                    "error": { "type": name, "message": message },
                    "request_id": id,
                });
                let mut headers = vec![
                    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                    field("request-id", &id),
                ];
                if let Some(should_retry) = should_retry {
                    headers.push(field("x-should-retry", should_retry));
                }
                headers.extend(limits::of_failure(failure, at));
                edge::reply(status, headers, body.to_string(), failure, at)
            }
            Maker::EdgeJson { status, name } => {
                let message = failures::message(failure, at);
                let body = json!({ "error": { "type": name, "message": message } });
                let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                edge::reply(status, headers, body.to_string(), failure, at)
            }
            Maker::EdgePage { status, title } => edge::page(status, title, failure, at),
        }
    }

    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        limits::of_limiter(at)
    }
}

/// An id such as `req_011CSHoEeqs5C35K2UUqR7Fy`: base 58 behind a version. Those of 2025 and 2026 begin with `011C`.
fn request_id(bits: u64) -> String {
    format!("req_011C{}", letters(bits, BASE58, 20))
}

/// `retry-after` if the answer tells a wait.
fn wait_field(failure: &Failure, at: &Rendering<'_>) -> Option<(HeaderName, HeaderValue)> {
    let wait = wait(failure, at)?;
    Some((http::header::RETRY_AFTER, retry_after(wait, failure.form, at.now)))
}

#[cfg(test)]
mod tests;
