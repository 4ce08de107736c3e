//! Azure OpenAI: the shapes of OpenAI under `/openai/deployments/{deployment}/…` and `/openai/v1/…`, behind
//! Azure's API management, which answers some failures itself, with codes of its own.
//!
//! Limits are told as OpenAI tells them, but resets in whole seconds, with the period in which the limit renews and
//! with the axis that refused. Sources: the path and header names that the official client sends and reads
//! (`openai` 3.57, `lib/azure.py`), and answers that were seen in the wild.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::{Limit, Reply};
use murphy_core::failure::{Failure, FailureKind};
use murphy_core::plan::LimitReading;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::openai::endpoint::{self, Endpoint};
use crate::openai::reply::Answer;
use crate::openai::{facts, failures, ids, limits};
use crate::percent::decoded;
use crate::rendering::wait;
use crate::retry_after::whole_seconds;

/// The dialect of Azure OpenAI.
#[derive(Debug, Clone, Copy, Default)]
pub struct AzureOpenAi;

/// The version of the API that the message of a rate limit names: the query that would say is not known here.
const API_VERSION: &str = "2024-10-21";

/// The gateway that answers when nothing behind it does.
const GATEWAY: &str = "Microsoft-Azure-Application-Gateway/v2";

impl Dialect for AzureOpenAi {
    fn name(&self) -> &'static str {
        "azure-openai"
    }

    fn reads_body(&self, method: &Method, path: &str) -> bool {
        facts::reads_body(method, path)
    }

    fn facts(&self, method: &Method, path: &str, _: &HeaderMap, body: Option<&Value>) -> Facts {
        let mut facts = facts::read(method, path, body);
        // The deployment is what is asked, whatever model the body names.
        if let Some(deployment) = endpoint::deployment(path) {
            facts.model = Some(decoded(deployment).into_owned());
        }
        facts
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        match words(failure, at) {
            Words::Json { status, body } => api(failure, at, status, body),
            Words::Page { status, line } => {
                let mut answer = Answer::page(status, line, failure.message.as_deref(), GATEWAY);
                answer.header("server", GATEWAY);
                answer.retry_after(failure, at, false);
                answer.into_reply()
            }
        }
    }

    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        at.limit
            .map(|(limit, reading)| family(&limit, &reading))
            .unwrap_or_default()
    }
}

/// An answer of the service or of the API management in front of it.
fn api(failure: &Failure, at: &Rendering<'_>, status: u16, mut body: Value) -> Reply {
    let message = if body.get("error").is_some() {
        body.pointer_mut("/error/message")
    } else {
        body.get_mut("message")
    };
    if let (Some(text), Some(message)) = (&failure.message, message) {
        *message = text.as_str().into();
    }
    let mut answer = Answer::json(status, &body);
    answer.header("apim-request-id", &ids::uuid(at.bits));
    if !by_management(failure.kind) {
        answer.header("x-request-id", &ids::other_uuid(at.bits));
        answer.header("x-ms-region", "East US");
        answer.header("x-ms-client-request-id", &ids::uuid(at.bits));
    }
    answer.header(
        "strict-transport-security",
        "max-age=31536000; includeSubDomains; preload",
    );
    answer.header("x-content-type-options", "nosniff");
    let limited = failure.kind == FailureKind::RateLimited;
    answer.headers(match (&at.limit, limited) {
        (Some((limit, reading)), _) => family(limit, reading),
        (None, true) => made_up(failure),
        (None, false) => Vec::new(),
    });
    if limited {
        answer.header("x-ratelimit-type", "Requests");
    }
    answer.retry_after(failure, at, limited);
    answer.into_reply()
}

/// Whether the API management refuses the call before the service sees it: no id of the service then.
fn by_management(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Unauthorized | FailureKind::Forbidden | FailureKind::NotFound | FailureKind::Conflict
    )
}

/// The family of requests, in whole seconds.
fn family(limit: &Limit, reading: &LimitReading) -> Vec<(HeaderName, HeaderValue)> {
    fields(limit.limit, reading.remaining, reading.resets_in, limit.window)
}

/// The family of a rate limit that no limiter counted.
fn made_up(failure: &Failure) -> Vec<(HeaderName, HeaderValue)> {
    let made_up = limits::made_up(failure.retry_after);
    fields(made_up.limit, 0, made_up.reset, made_up.window)
}

fn fields(limit: u32, remaining: u32, reset: Duration, window: Duration) -> Vec<(HeaderName, HeaderValue)> {
    [
        ("x-ratelimit-limit-requests", u64::from(limit)),
        ("x-ratelimit-remaining-requests", u64::from(remaining.min(limit))),
        ("x-ratelimit-reset-requests", whole_seconds(reset)),
        ("x-ratelimit-renewalperiod-requests", whole_seconds(window)),
    ]
    .map(|(name, number)| (HeaderName::from_static(name), HeaderValue::from(number)))
    .into()
}

enum Words {
    Json { status: u16, body: Value },
    Page { status: u16, line: &'static str },
}

fn words(failure: &Failure, at: &Rendering<'_>) -> Words {
    let (status, body) = match failure.kind {
        FailureKind::RateLimited => (429, coded("429", rate_limited(failure, at))),
        FailureKind::Overloaded => (429, peak_load()),
        FailureKind::Internal => (
            500,
            coded(
                "InternalServerError",
                "Backend returned unexpected response. Please contact Microsoft for help.",
            ),
        ),
        FailureKind::BadGateway => return page(502, "Bad Gateway"),
        FailureKind::TooLarge => return page(413, "Request Entity Too Large"),
        FailureKind::Unavailable => (
            503,
            coded(
                "ServiceUnavailable",
                "The service is temporarily unable to process your request. Please try again later.",
            ),
        ),
        // Azure says 408 when the model behind it took too long.
        FailureKind::Timeout => (408, coded("Timeout", "The operation was timeout.")),
        FailureKind::Unauthorized => (401, coded("401", WRONG_KEY)),
        FailureKind::Forbidden => (
            403,
            coded("403", "Access denied due to Virtual Network/Firewall rules."),
        ),
        FailureKind::QuotaExhausted => (
            429,
            full(
                "insufficient_quota",
                None,
                Some("insufficient_quota"),
                failures::QUOTA,
            ),
        ),
        FailureKind::ContextLength => {
            let error = failures::context_length(at);
            (
                error.status,
                full(error.kind, error.param, error.code, &error.message),
            )
        }
        FailureKind::ContentFilter => (400, content_filter()),
        FailureKind::NotFound => (404, not_found(at)),
        // The API management's own envelope, for what the service has no words for.
        FailureKind::Conflict => (
            409,
            json!({
                "statusCode": 409,
                "message": "The resource was updated by another request. Please retry your request.",
            }),
        ),
    };
    Words::Json { status, body }
}

fn page(status: u16, line: &'static str) -> Words {
    Words::Page { status, line }
}

const WRONG_KEY: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a \
     valid key for an active subscription and use a correct regional API endpoint for your resource.";

/// The envelope of the API management: only a code and a message.
fn coded(code: &str, message: impl Into<String>) -> Value {
    json!({ "error": { "code": code, "message": message.into() } })
}

/// The envelope of the service: that of OpenAI.
fn full(kind: &str, param: Option<&str>, code: Option<&str>, message: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
}

fn rate_limited(failure: &Failure, at: &Rendering<'_>) -> String {
    let operation = match Endpoint::of(at.path) {
        Endpoint::Completions => "Completions_Create",
        Endpoint::Responses => "Responses_Create",
        Endpoint::Embeddings => "Embeddings_Create",
        Endpoint::Images => "ImageGenerations_Create",
        _ => "ChatCompletions_Create",
    };
    let retry = match wait(failure, at).map(whole_seconds) {
        None => String::new(),
        Some(1) => "Please retry after 1 second. ".to_owned(),
        Some(seconds) => format!("Please retry after {seconds} seconds. "),
    };
    format!(
        "Requests to the {operation} Operation under Azure OpenAI API version {API_VERSION} have exceeded call rate \
         limit of your current OpenAI S0 pricing tier. {retry}Please go here: https://aka.ms/oai/quotaincrease if you \
         would like to further increase the default rate limit."
    )
}

/// Azure sheds load with 429, too, but with another code.
fn peak_load() -> Value {
    full(
        "too_many_requests",
        None,
        Some("too_many_requests"),
        "The system is currently experiencing high demand and cannot process your request. Your request exceeds the \
         maximum usage size allowed during peak load. For improved capacity reliability, consider switching to \
         Provisioned Throughput.",
    )
}

/// The filter of the prompt: a 400 that says which category was hit.
fn content_filter() -> Value {
    let safe = json!({ "filtered": false, "severity": "safe" });
    json!({ "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. \
            Please modify your prompt and retry. To learn more about our content filtering policies please read our \
            documentation: https://go.microsoft.com/fwlink/?linkid=2198766",
        "type": null,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": safe,
                "jailbreak": { "filtered": false, "detected": false },
                "self_harm": safe,
                "sexual": safe,
                "violence": { "filtered": true, "severity": "high" },
            },
        },
    }})
}

fn not_found(at: &Rendering<'_>) -> Value {
    let endpoint = Endpoint::of(at.path);
    if endpoint.asks_a_model() || endpoint::deployment(at.path).is_some() {
        coded(
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 \
             minutes, please wait a moment and try again.",
        )
    } else {
        coded("404", "Resource not found")
    }
}

#[cfg(test)]
mod tests;
