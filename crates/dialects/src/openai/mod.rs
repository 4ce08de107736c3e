//! The OpenAI API: Chat Completions, Responses, Embeddings, Models; other endpoints, Files say, pass and fail in
//! the same words.
//!
//! What is told here comes from the API's own specification and documentation, from what its official Python
//! client (`openai` 3.57) reads, and from answers that were seen in the wild. `x-should-retry`, which that client
//! obeys, is none of the headers that OpenAI itself sends.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::Reply;
use murphy_core::failure::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};

pub(crate) mod endpoint;
pub(crate) mod facts;
pub(crate) mod failures;
pub(crate) mod ids;
pub(crate) mod limits;
pub(crate) mod reply;

use failures::Words;
use reply::Answer;

/// The dialect of `api.openai.com`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAi;

/// An organization that nobody has: OpenAI names the caller's in a header and in the message of a rate limit.
pub(crate) const ORGANIZATION: &str = "org-3hXpq5mWk2TzYv8nRc7LbDsA";

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn reads_body(&self, method: &Method, path: &str) -> bool {
        facts::reads_body(method, path)
    }

    fn facts(&self, method: &Method, path: &str, _: &HeaderMap, body: Option<&Value>) -> Facts {
        facts::read(method, path, body)
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        match failures::words(failure, at) {
            Words::Api(error) => api(failure, at, &error),
            Words::Page { status, line } => edge(
                Answer::page(status, line, failure.message.as_deref(), "cloudflare"),
                failure,
                at,
            ),
            Words::Gateway {
                status,
                kind,
                message,
            } => {
                let message = failure.message.as_deref().unwrap_or(message);
                let body =
                    json!({ "error": { "message": message, "type": kind, "param": null, "code": status } });
                edge(Answer::json(status, &body), failure, at)
            }
        }
    }

    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        limits::openai(at.limit)
    }
}

/// An answer of the API itself.
fn api(failure: &Failure, at: &Rendering<'_>, error: &failures::Error) -> Reply {
    let message = failure.message.as_deref().unwrap_or(&error.message);
    let mut answer = Answer::json(
        error.status,
        &json!({ "error": {
            "message": message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
        }}),
    );
    if failure.kind == FailureKind::Unauthorized {
        answer.header("www-authenticate", "Bearer realm=\"OpenAI API\"");
    } else {
        answer.header("openai-organization", ORGANIZATION);
    }
    answer.header("openai-version", "2020-10-01");
    answer.header("x-request-id", &ids::openai_request(at.bits));
    answer.header("openai-processing-ms", &ids::processing_ms(at.bits).to_string());
    if failure.kind == FailureKind::RateLimited && at.limit.is_none() {
        answer.headers(limits::openai_made_up(failure.retry_after));
    } else {
        answer.headers(limits::openai(at.limit));
    }
    // `retry-after-ms` was seen on rate limits only.
    let millis = failure.kind == FailureKind::RateLimited;
    answer.retry_after(failure, at, millis);
    answer.cloudflare(at.bits);
    answer.into_reply()
}

/// An answer of Cloudflare, in front of the API: it knows no request id and no limits.
fn edge(mut answer: Answer, failure: &Failure, at: &Rendering<'_>) -> Reply {
    answer.retry_after(failure, at, false);
    answer.cloudflare(at.bits);
    answer.into_reply()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
