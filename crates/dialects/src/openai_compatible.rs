//! Servers that speak as OpenAI does: vLLM, Ollama, LM Studio, OpenRouter, Groq, DeepSeek.
//!
//! Requests are the same everywhere; errors are not. What is rendered is what most have in common:
//! `{"error":{"message","type","param":null,"code"}}` with the **status as a number** for a code, as vLLM and
//! OpenRouter send it, and vLLM's types: the name of an exception where the engine refuses (`BadRequestError`,
//! `NotFoundError`, `InternalServerError`), else the status's phrase. Every failure is JSON, because these servers
//! (OpenRouter documents it for 408, 413, 502 and 504, too) have no gateway of a known make in front of them.
//! Used-up credit is 402, as OpenRouter and DeepSeek have it. Limits are told as Groq tells them: OpenAI's headers.
//!
//! Not rendered: vLLM's `{"error":"Unauthorized"}`, Ollama's native API, OpenRouter's errors inside a 200, Groq's
//! and DeepSeek's codes in words.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use murphy_core::call::Facts;
use murphy_core::effect::Reply;
use murphy_core::failure::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::openai::reply::Answer;
use crate::openai::{facts, ids, limits};
use crate::rendering::wait;

/// The dialect of servers that speak as OpenAI does.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAiCompatible;

impl Dialect for OpenAiCompatible {
    fn name(&self) -> &'static str {
        "openai-compatible"
    }

    fn reads_body(&self, method: &Method, path: &str) -> bool {
        facts::reads_body(method, path)
    }

    fn facts(&self, method: &Method, path: &str, _: &HeaderMap, body: Option<&Value>) -> Facts {
        facts::read(method, path, body)
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        let (status, own, message) = words(failure, at);
        let phrase = status.canonical_reason().unwrap_or_default();
        let mut answer = Answer::json(
            status.as_u16(),
            &json!({ "error": {
                "message": failure.message.as_deref().unwrap_or(&message),
                "type": own.unwrap_or(phrase),
                "param": null,
                "code": status.as_u16(),
            }}),
        );
        answer.header("x-request-id", &ids::hex32(at.bits));
        if failure.kind == FailureKind::RateLimited && at.limit.is_none() {
            answer.headers(limits::openai_made_up(failure.retry_after));
        } else {
            answer.headers(limits::openai(at.limit));
        }
        answer.retry_after(failure, at, false);
        answer.into_reply()
    }

    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        limits::openai(at.limit)
    }
}

/// The status, the type where it is not the status's phrase, and the message.
fn words(failure: &Failure, at: &Rendering<'_>) -> (StatusCode, Option<&'static str>, String) {
    let model = at.model.unwrap_or("default");
    let (status, own, message) = match failure.kind {
        FailureKind::RateLimited => return (StatusCode::TOO_MANY_REQUESTS, None, rate_limited(failure, at)),
        FailureKind::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            None,
            "Server overloaded, please try again later",
        ),
        FailureKind::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Some("InternalServerError"),
            "Internal server error",
        ),
        FailureKind::BadGateway => (StatusCode::BAD_GATEWAY, None, "Provider returned error"),
        FailureKind::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            None,
            "No available model provider that meets your routing requirements",
        ),
        FailureKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, None, "The provider timed out"),
        FailureKind::Unauthorized => (StatusCode::UNAUTHORIZED, None, "Invalid API Key"),
        FailureKind::Forbidden => (
            StatusCode::FORBIDDEN,
            None,
            "You are not allowed to use this model",
        ),
        FailureKind::QuotaExhausted => (StatusCode::PAYMENT_REQUIRED, None, "Insufficient Balance"),
        FailureKind::ContextLength => (
            StatusCode::BAD_REQUEST,
            Some("BadRequestError"),
            "This model's maximum context length is 8192 tokens. However, you requested 8703 tokens (8191 in the \
             messages, 512 in the completion). Please reduce the length of the messages or completion.",
        ),
        FailureKind::ContentFilter => (
            StatusCode::BAD_REQUEST,
            Some("BadRequestError"),
            "Content Exists Risk",
        ),
        FailureKind::NotFound => {
            let message = format!("The model `{model}` does not exist.");
            return (StatusCode::NOT_FOUND, Some("NotFoundError"), message);
        }
        FailureKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None, "Request body too large"),
        FailureKind::Conflict => (
            StatusCode::CONFLICT,
            None,
            "The resource was updated by another request",
        ),
    };
    (status, own, message.to_owned())
}

fn rate_limited(failure: &Failure, at: &Rendering<'_>) -> String {
    let model = at.model.unwrap_or("default");
    let wait = wait(failure, at).unwrap_or_else(|| limits::made_up(None).reset);
    format!(
        "Rate limit reached for model `{model}`. Please try again in {}.",
        limits::go_duration(wait)
    )
}

#[cfg(test)]
mod tests;
