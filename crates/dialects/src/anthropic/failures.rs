//! Failures of the Messages API: who makes the answer, its status, type and words.

use std::borrow::Cow;

use murphy_core::failure::{Failure, FailureKind};

use super::limits;
use crate::dialect::Rendering;
use crate::rendering::{number, window_in_words};

/// The context of the models of the day, in tokens.
const CONTEXT: u64 = 200_000;

/// Who makes an answer, and how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// The API: the whole envelope, with a request id.
    Api {
        /// The status.
        status: u16,
        /// `error.type`, of the vocabulary of the SDK (`types/shared/error_type.py`).
        name: &'static str,
        /// `x-should-retry` as it was seen; none where nobody published it.
        should_retry: Option<bool>,
    },
    /// The edge, in the API's name: `error` alone.
    EdgeJson {
        /// The status.
        status: u16,
        /// `error.type`.
        name: &'static str,
    },
    /// The edge, in its own name: a page.
    EdgePage {
        /// The status.
        status: u16,
        /// The page's title.
        title: &'static str,
    },
}

/// Who makes the answer of a failure.
pub(super) fn maker(kind: FailureKind) -> Maker {
    let api = |status, name, should_retry| Maker::Api {
        status,
        name,
        should_retry,
    };
    match kind {
        FailureKind::RateLimited => api(429, "rate_limit_error", Some(true)),
        FailureKind::Overloaded => api(529, "overloaded_error", Some(true)),
        FailureKind::Internal => api(500, "api_error", Some(true)),
        FailureKind::BadGateway => Maker::EdgePage {
            status: 502,
            title: "502 Bad Gateway",
        },
        FailureKind::Unavailable => api(503, "api_error", Some(true)),
        FailureKind::Timeout => api(504, "timeout_error", Some(true)),
        FailureKind::Unauthorized => api(401, "authentication_error", Some(false)),
        FailureKind::Forbidden => api(403, "permission_error", Some(false)),
        // Prepaid credit: 400 in every published answer, although the documentation has a 402 `billing_error`.
        // Filters mostly end in a 200 that refuses; this is the rarer form, an error.
        FailureKind::QuotaExhausted | FailureKind::ContextLength | FailureKind::ContentFilter => {
            api(400, "invalid_request_error", Some(false))
        }
        FailureKind::NotFound => api(404, "not_found_error", Some(false)),
        FailureKind::TooLarge => Maker::EdgeJson {
            status: 413,
            name: "request_too_large",
        },
        FailureKind::Conflict => api(409, "conflict_error", None),
    }
}

/// The words of a failure: those of the rule, else the API's.
pub(super) fn message<'f>(failure: &'f Failure, at: &Rendering<'_>) -> Cow<'f, str> {
    if let Some(message) = &failure.message {
        return message.into();
    }
    match failure.kind {
        FailureKind::RateLimited => rate_limited(at).into(),
        FailureKind::Overloaded => "Overloaded".into(),
        FailureKind::Internal => "Internal server error".into(),
        FailureKind::BadGateway => "Bad gateway".into(),
        FailureKind::Unavailable => "Service unavailable".into(),
        FailureKind::Timeout => "Request timeout".into(),
        FailureKind::Unauthorized => "invalid x-api-key".into(),
        FailureKind::Forbidden => {
            "Your API key does not have permission to use the specified resource.".into()
        }
        FailureKind::QuotaExhausted => {
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to \
             upgrade or purchase credits."
                .into()
        }
        FailureKind::ContextLength => {
            let tokens = number(at.bits, &(CONTEXT + 1..=CONTEXT + CONTEXT / 4));
            format!("prompt is too long: {tokens} tokens > {CONTEXT} maximum").into()
        }
        FailureKind::ContentFilter => "Output blocked by content filtering policy".into(),
        FailureKind::NotFound => match at.model {
            Some(model) => format!("model: {model}").into(),
            None => "Not found".into(),
        },
        FailureKind::TooLarge => "Request exceeds the maximum size".into(),
        FailureKind::Conflict => "The request conflicts with the current state of the resource.".into(),
    }
}

fn rate_limited(at: &Rendering<'_>) -> String {
    let (limit, window) = limits::requests(at);
    let window = window_in_words(window);
    let model = at
        .model
        .map_or_else(String::new, |model| format!(" (model: {model})"));
    format!(
        "This request would exceed your organization's rate limit of {limit} requests per {window}{model}. For \
         details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the response headers for \
         current usage. Please reduce the prompt length or the maximum tokens requested, or try again later. You \
         may also contact sales at https://claude.com/contact-sales to discuss your options for a rate limit \
         increase."
    )
}
