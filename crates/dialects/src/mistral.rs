//! Mistral's API: the requests of Chat Completions, errors of its own.
//!
//! Errors are flat, `{"object":"error","message","type","param","code","raw_status_code"}`, except those that
//! come from the framework (`{"detail":…}`) or from the gateway (a page). Sources: Mistral's error glossary and
//! answers that were seen in the wild; the official client (`mistralai` 3.7) reads no code, only the status, and
//! has a class of its own only for 422, which no failure here is. Mistral documents no refusal for content, none
//! for conflicts: those two are in its form, but their words are made up.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::{Limit, Reply};
use murphy_core::failure::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::openai::endpoint::Endpoint;
use crate::openai::reply::Answer;
use crate::openai::{facts, ids};

/// The dialect of `api.mistral.ai`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mistral;

impl Dialect for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn reads_body(&self, method: &Method, path: &str) -> bool {
        facts::reads_body(method, path)
    }

    fn facts(&self, method: &Method, path: &str, _: &HeaderMap, body: Option<&Value>) -> Facts {
        facts::read(method, path, body)
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        let message = failure.message.as_deref();
        let mut answer = match words(failure.kind, at) {
            Words::Flat(error) => Answer::json(error.status, &error.body(message)),
            Words::Detail { status, text } => {
                Answer::json(status, &json!({ "detail": message.unwrap_or(text) }))
            }
            Words::Page { status, line } => Answer::page(status, line, message, "cloudflare"),
        };
        if !matches!(
            failure.kind,
            FailureKind::BadGateway | FailureKind::Timeout | FailureKind::TooLarge
        ) {
            let id = ids::uuid(at.bits);
            answer.header("mistral-correlation-id", &id);
            answer.header("x-kong-request-id", &id);
            answer.headers(self.limit_headers(at));
        }
        answer.retry_after(failure, at, false);
        answer.cloudflare(at.bits);
        answer.into_reply()
    }

    /// `x-ratelimit-limit-req-minute` and `x-ratelimit-remaining-req-minute`: the name says the window, and no
    /// header says when it ends.
    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let Some((limit, reading)) = &at.limit else {
            return Vec::new();
        };
        let [of, left] = names(limit);
        vec![
            (HeaderName::from_static(of), HeaderValue::from(limit.limit)),
            (
                HeaderName::from_static(left),
                HeaderValue::from(reading.remaining.min(limit.limit)),
            ),
        ]
    }
}

/// The names for the window that fits: the shortest that is no shorter than the limiter's.
fn names(limit: &Limit) -> [&'static str; 2] {
    match limit.window.as_secs() {
        0..=1 => ["x-ratelimit-limit-req-second", "x-ratelimit-remaining-req-second"],
        2..=60 => ["x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute"],
        61..=3_600 => ["x-ratelimit-limit-req-hour", "x-ratelimit-remaining-req-hour"],
        3_601..=86_400 => ["x-ratelimit-limit-req-day", "x-ratelimit-remaining-req-day"],
        _ => ["x-ratelimit-limit-req-month", "x-ratelimit-remaining-req-month"],
    }
}

enum Words {
    Flat(Error),
    Detail { status: u16, text: &'static str },
    Page { status: u16, line: &'static str },
}

struct Error {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
}

impl Error {
    fn body(&self, message: Option<&str>) -> Value {
        json!({
            "object": "error",
            "message": message.unwrap_or(&self.message),
            "type": self.kind,
            "param": null,
            "code": self.code,
            "raw_status_code": self.status,
        })
    }
}

fn words(kind: FailureKind, at: &Rendering<'_>) -> Words {
    let (status, kind, code, message) = match kind {
        FailureKind::RateLimited => (429, "rate_limited", Some("1300"), "Rate limit exceeded"),
        FailureKind::Overloaded => (
            429,
            "service_tier_capacity_exceeded",
            Some("3505"),
            "Service tier capacity exceeded for this model.",
        ),
        FailureKind::Internal => (
            500,
            "internal_server_error",
            Some("3000"),
            "Internal server error",
        ),
        FailureKind::Unavailable => (503, "internal_server_error", Some("3800"), "Service unavailable."),
        FailureKind::BadGateway => return page(502, "Bad Gateway"),
        FailureKind::Timeout => return page(504, "Gateway Time-out"),
        FailureKind::TooLarge => return page(413, "Request Entity Too Large"),
        FailureKind::Unauthorized => {
            return Words::Detail {
                status: 401,
                text: "Unauthorized",
            };
        }
        FailureKind::Forbidden => (
            403,
            "tier_not_allowed",
            Some("1910"),
            "This model is not available in your subscription tier",
        ),
        FailureKind::QuotaExhausted => (402, "payment_required", None, "Payment required"),
        FailureKind::ContextLength => (
            400,
            "invalid_request_error",
            None,
            "Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length",
        ),
        FailureKind::ContentFilter => (
            400,
            "invalid_request_error",
            None,
            "The request was refused by the content moderation.",
        ),
        FailureKind::NotFound => return not_found(at),
        FailureKind::Conflict => (
            409,
            "invalid_request_error",
            None,
            "The resource was updated by another request.",
        ),
    };
    Words::Flat(Error {
        status,
        kind,
        code,
        message: message.to_owned(),
    })
}

fn page(status: u16, line: &'static str) -> Words {
    Words::Page { status, line }
}

/// Mistral calls a model that it does not know a bad request, unless the model is the thing asked for.
fn not_found(at: &Rendering<'_>) -> Words {
    let status = match Endpoint::of(at.path) {
        Endpoint::Models(_) => 404,
        endpoint if endpoint.asks_a_model() => 400,
        _ => {
            return Words::Detail {
                status: 404,
                text: "Not Found",
            };
        }
    };
    Words::Flat(Error {
        status,
        kind: "invalid_model",
        code: Some("1500"),
        message: format!("Invalid model: {}", at.model.unwrap_or("mistral-large-latest")),
    })
}

#[cfg(test)]
mod tests;
