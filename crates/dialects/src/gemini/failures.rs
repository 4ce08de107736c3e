//! Failures of the Gemini API: the canonical code of each, its status and its words.

use std::borrow::Cow;

use murphy_core::failure::{Failure, FailureKind};

use super::details;
use super::facts::Endpoint;
use crate::dialect::Rendering;
use crate::rendering::{number, wait};

/// The context of the models of the day, in tokens.
const CONTEXT: u64 = 1_048_576;

/// A canonical code (`google/rpc/code.proto`) and the status that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// The HTTP status, which the body repeats.
    pub(super) code: u16,
    /// The name of the canonical code.
    pub(super) name: &'static str,
}

/// How the API answers a failure; `None` if its front end does in its stead.
pub(super) fn status(kind: FailureKind, endpoint: Option<&Endpoint<'_>>) -> Option<Status> {
    let (code, name) = match kind {
        FailureKind::RateLimited | FailureKind::QuotaExhausted => (429, "RESOURCE_EXHAUSTED"),
        FailureKind::Overloaded | FailureKind::Unavailable => (503, "UNAVAILABLE"),
        FailureKind::Internal => (500, "INTERNAL"),
        FailureKind::BadGateway => return None,
        FailureKind::Timeout => (504, "DEADLINE_EXCEEDED"),
        FailureKind::Unauthorized if is_vertex(endpoint) => (401, "UNAUTHENTICATED"),
        // A bad key is an invalid argument, not a missing authentication. A filter's work is mostly a 200 with a
        // block reason; the error is what the image models send.
        FailureKind::Unauthorized
        | FailureKind::ContextLength
        | FailureKind::ContentFilter
        | FailureKind::TooLarge => (400, "INVALID_ARGUMENT"),
        FailureKind::Forbidden => (403, "PERMISSION_DENIED"),
        FailureKind::NotFound => (404, "NOT_FOUND"),
        FailureKind::Conflict => (409, "ABORTED"),
    };
    Some(Status { code, name })
}

/// Whether Vertex AI is asked.
pub(super) fn is_vertex(endpoint: Option<&Endpoint<'_>>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.vertex)
}

/// The words of a failure: those of the rule, else the API's.
pub(super) fn message<'f>(
    failure: &'f Failure,
    at: &Rendering<'_>,
    endpoint: Option<&Endpoint<'_>>,
) -> Cow<'f, str> {
    if let Some(message) = &failure.message {
        return message.into();
    }
    match failure.kind {
        FailureKind::RateLimited | FailureKind::QuotaExhausted => exhausted(failure, at, endpoint).into(),
        FailureKind::Overloaded => "The model is overloaded. Please try again later.".into(),
        FailureKind::Internal => {
            "An internal error has occurred. Please retry or report in \
             https://developers.generativeai.google/guide/troubleshooting"
                .into()
        }
        FailureKind::BadGateway => "Bad gateway".into(),
        FailureKind::Unavailable => "The service is currently unavailable.".into(),
        FailureKind::Timeout => "Deadline expired before operation could complete.".into(),
        FailureKind::Unauthorized if is_vertex(endpoint) => {
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project."
                .into()
        }
        FailureKind::Unauthorized => details::KEY_INVALID.into(),
        FailureKind::Forbidden => "The caller does not have permission".into(),
        FailureKind::ContextLength => {
            let tokens = number(at.bits, &(CONTEXT + 1..=CONTEXT + CONTEXT / 4));
            format!(
                "The input token count ({tokens}) exceeds the maximum number of tokens allowed ({CONTEXT})."
            )
            .into()
        }
        FailureKind::ContentFilter => {
            "The prompt could not be submitted. This prompt contains sensitive words that violate Google's \
             Responsible AI practices. Try rephrasing the prompt. If you think this was an error, send feedback."
                .into()
        }
        FailureKind::NotFound => not_found(endpoint).into(),
        FailureKind::TooLarge => "Request payload size exceeds the limit: 20971520 bytes.".into(),
        FailureKind::Conflict => "The operation was aborted.".into(),
    }
}

fn exhausted(failure: &Failure, at: &Rendering<'_>, endpoint: Option<&Endpoint<'_>>) -> String {
    let quota = details::quota(failure.kind, at);
    let model = details::model(at, endpoint).map_or_else(String::new, |model| format!(", model: {model}"));
    let retry = wait(failure, at).map_or_else(String::new, |wait| {
        format!("\nPlease retry in {}.", details::duration(wait))
    });
    format!(
        "You exceeded your current quota, please check your plan and billing details. For more information on \
         this error, head to: {}. \n* Quota exceeded for metric: {}, limit: {}{model}{retry}",
        details::HELP,
        details::METRIC,
        quota.value
    )
}

fn not_found(endpoint: Option<&Endpoint<'_>>) -> String {
    let Some(endpoint) = endpoint else {
        return "Requested entity was not found.".to_owned();
    };
    format!(
        "{}/{} is not found for API version {}, or is not supported for {}. Call ListModels to see the list of \
         available models and their supported methods.",
        endpoint.collection,
        endpoint.model,
        endpoint.version.unwrap_or("v1beta"),
        endpoint.verb
    )
}
