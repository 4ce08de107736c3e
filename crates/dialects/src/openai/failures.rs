//! Every kind of failure in OpenAI's own words.
//!
//! The envelope has always the same four keys: `{"error":{"message","type","param","code"}}`. Where OpenAI has no
//! words of its own (502, 504, 413), Cloudflare in front of it answers with a page.

use std::time::Duration;

use murphy_core::effect::Limit;
use murphy_core::failure::{Failure, FailureKind};
use murphy_core::plan::LimitReading;

use super::endpoint::Endpoint;
use super::{ORGANIZATION, ids, limits};
use crate::dialect::Rendering;
use crate::percent::decoded;
use crate::rendering::wait;

/// Who answers, and what.
#[derive(Debug)]
pub(crate) enum Words {
    /// The API.
    Api(Error),
    /// The gateway in front of it, with a page.
    Page { status: u16, line: &'static str },
    /// The gateway in front of it, in the form of the API but with a number for a code.
    Gateway {
        status: u16,
        kind: &'static str,
        message: &'static str,
    },
}

/// An error of the API.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'static str>,
    pub(crate) param: Option<&'static str>,
    pub(crate) message: String,
}

/// The type of every error that is the caller's fault.
const INVALID: &str = "invalid_request_error";

/// The failure in OpenAI's words.
pub(crate) fn words(failure: &Failure, at: &Rendering<'_>) -> Words {
    let (status, kind, code, message) = match failure.kind {
        FailureKind::RateLimited => (
            429,
            "requests",
            Some("rate_limit_exceeded"),
            rate_limited(failure, at),
        ),
        FailureKind::Overloaded => (
            503,
            "service_unavailable_error",
            Some("server_is_overloaded"),
            "Our servers are currently overloaded. Please try again later.".to_owned(),
        ),
        FailureKind::Internal => (
            500,
            "server_error",
            None,
            "The server had an error while processing your request. Sorry about that!".to_owned(),
        ),
        FailureKind::BadGateway => return page(502, "Bad Gateway"),
        FailureKind::Unavailable => {
            return Words::Gateway {
                status: 503,
                kind: "cf_service_unavailable",
                message: "Service Unavailable.",
            };
        }
        FailureKind::Timeout => return page(504, "Gateway Time-out"),
        FailureKind::TooLarge => return page(413, "Request Entity Too Large"),
        FailureKind::Unauthorized => (401, INVALID, Some("invalid_api_key"), wrong_key(at.bits)),
        FailureKind::Forbidden => (403, INVALID, Some("missing_scope"), missing_scope(at)),
        FailureKind::QuotaExhausted => (
            429,
            "insufficient_quota",
            Some("insufficient_quota"),
            QUOTA.to_owned(),
        ),
        FailureKind::ContextLength => return Words::Api(context_length(at)),
        FailureKind::ContentFilter => return Words::Api(content_filter(at)),
        FailureKind::NotFound => return Words::Api(not_found(at)),
        FailureKind::Conflict => (
            409,
            INVALID,
            None,
            "The resource was updated by another request. Please retry your request.".to_owned(),
        ),
    };
    Words::Api(Error {
        status,
        kind,
        code,
        param: None,
        message,
    })
}

/// What OpenAI says when the credit is used up; clients and their users grep for it.
pub(crate) const QUOTA: &str = "You exceeded your current quota, please check your plan and billing details. \
     For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";

fn page(status: u16, line: &'static str) -> Words {
    Words::Page { status, line }
}

/// The model that the message names.
pub(crate) fn model<'a>(at: &Rendering<'a>) -> &'a str {
    at.model.unwrap_or("gpt-4o")
}

/// Agents read the wait out of this sentence; it is the same as that of the headers.
fn rate_limited(failure: &Failure, at: &Rendering<'_>) -> String {
    let made_up = limits::made_up(failure.retry_after);
    let (limit, used, window) = match at.limit {
        Some((limit, reading)) => (limit.limit, used(limit, reading), limit.window),
        None => (made_up.limit, made_up.limit, made_up.window),
    };
    format!(
        "Rate limit reached for {} in organization {ORGANIZATION} on {}: Limit {limit}, Used {used}, Requested 1. \
         Please try again in {}. Visit https://platform.openai.com/account/rate-limits to learn more.",
        model(at),
        axis(window),
        limits::go_duration(wait(failure, at).unwrap_or(made_up.reset)),
    )
}

fn used(limit: Limit, reading: LimitReading) -> u32 {
    limit.limit.saturating_sub(reading.remaining)
}

/// What is counted, as OpenAI calls it; other windows than its own are named by their length.
fn axis(window: Duration) -> String {
    match window.as_secs() {
        60 => "requests per min (RPM)".to_owned(),
        86_400 => "requests per day (RPD)".to_owned(),
        _ => format!("requests per {}", limits::go_duration(window)),
    }
}

/// The key is shown as OpenAI shows it: the first eight characters and the last four. Those are made up: the
/// caller's own never leave the request.
fn wrong_key(bits: u64) -> String {
    format!(
        "Incorrect API key provided: sk-proj-{}{}. You can find your API key at \
         https://platform.openai.com/account/api-keys.",
        "*".repeat(24),
        ids::key_end(bits),
    )
}

fn missing_scope(at: &Rendering<'_>) -> String {
    let scope = match Endpoint::of(at.path) {
        Endpoint::Responses => "api.responses.write",
        Endpoint::Models(_) => "api.model.read",
        Endpoint::Files(_) => "api.files.write",
        _ => "model.request",
    };
    format!(
        "You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you have the \
         correct role in your organization (Reader, Writer, Owner) and project (Member, Owner), and if you're using \
         a restricted API key, that it has the necessary scopes."
    )
}

/// Chat and Responses have different words for the same thing, and embeddings a third, without a code.
pub(crate) fn context_length(at: &Rendering<'_>) -> Error {
    let (code, param, message) = match Endpoint::of(at.path) {
        Endpoint::Responses => (
            Some("context_length_exceeded"),
            Some("input"),
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
        ),
        Endpoint::Embeddings => (
            None,
            None,
            "This model's maximum context length is 8192 tokens, however you requested 10240 tokens (10240 in your \
             prompt; 0 for the completion). Please reduce your prompt; or completion length.",
        ),
        _ => (
            Some("context_length_exceeded"),
            Some("messages"),
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 131244 \
             tokens. Please reduce the length of the messages.",
        ),
    };
    Error {
        status: 400,
        kind: INVALID,
        code,
        param,
        message: message.to_owned(),
    }
}

fn content_filter(at: &Rendering<'_>) -> Error {
    let (code, message) = match Endpoint::of(at.path) {
        Endpoint::Images => (
            "content_policy_violation",
            "Your request was rejected as a result of our safety system. Your prompt may contain text that is not \
             allowed by our safety system.",
        ),
        _ => (
            "invalid_prompt",
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again \
             with a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting",
        ),
    };
    Error {
        status: 400,
        kind: INVALID,
        code: Some(code),
        param: None,
        message: message.to_owned(),
    }
}

fn not_found(at: &Rendering<'_>) -> Error {
    let (code, param, message) = match Endpoint::of(at.path) {
        Endpoint::Files(id) => (None, Some("id"), format!("No such File object: {}", decoded(id))),
        endpoint => {
            // Asked for a model, OpenAI says which parameter named it; calls to one are told only the code.
            let param = matches!(endpoint, Endpoint::Models(_)).then_some("model");
            let message = format!(
                "The model `{}` does not exist or you do not have access to it.",
                model(at)
            );
            (Some("model_not_found"), param, message)
        }
    };
    Error {
        status: 404,
        kind: INVALID,
        code,
        param,
        message,
    }
}
