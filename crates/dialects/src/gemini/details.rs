//! The details of a failure (`google/rpc/error_details.proto`): what is exhausted, when to come again, why a key
//! is not taken.

use std::time::Duration;

use murphy_core::failure::{Failure, FailureKind};
use serde_json::{Value, json};

use super::facts::Endpoint;
use super::failures::is_vertex;
use crate::dialect::Rendering;
use crate::rendering::wait;

/// Where the API sends those who meet a limit.
pub(super) const HELP: &str = "https://ai.google.dev/gemini-api/docs/rate-limits";

/// What is counted.
pub(super) const METRIC: &str = "generativelanguage.googleapis.com/generate_content_free_tier_requests";

/// The words for a key that is not taken.
pub(super) const KEY_INVALID: &str = "API key not valid. Please pass a valid API key.";

/// A quota that is used up.
pub(super) struct Quota {
    /// Its id, from which clients read whether waiting helps: `PerMinute` or `PerDay`.
    pub(super) id: &'static str,
    /// How much of it there is.
    pub(super) value: u32,
}

/// The quota that a failure is about; a limiter knows better how much of it there is.
pub(super) fn quota(kind: FailureKind, at: &Rendering<'_>) -> Quota {
    let (id, value) = match kind {
        FailureKind::QuotaExhausted => ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 250),
        _ => ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", 10),
    };
    Quota {
        id,
        value: at.limit.map_or(value, |(limit, _)| limit.limit),
    }
}

/// The model that was asked.
pub(super) fn model<'a>(at: &Rendering<'a>, endpoint: Option<&'a Endpoint<'_>>) -> Option<&'a str> {
    at.model.or(endpoint.map(|endpoint| &*endpoint.model))
}

/// A duration in the JSON of protocol buffers: seconds, with as many decimals as it needs.
pub(super) fn duration(wait: Duration) -> String {
    let seconds = format!("{}.{:09}", wait.as_secs(), wait.subsec_nanos());
    format!("{}s", seconds.trim_end_matches('0').trim_end_matches('.'))
}

/// The details of a failure, in the API's order.
pub(super) fn of(failure: &Failure, at: &Rendering<'_>, endpoint: Option<&Endpoint<'_>>) -> Vec<Value> {
    let mut details = Vec::new();
    match failure.kind {
        FailureKind::RateLimited | FailureKind::QuotaExhausted => {
            let quota = quota(failure.kind, at);
            let mut dimensions = json!({ "location": "global" });
            if let (Some(model), Some(dimensions)) = (model(at, endpoint), dimensions.as_object_mut()) {
                dimensions.insert("model".to_owned(), model.into());
            }
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{
                    "quotaMetric": METRIC,
                    "quotaId": quota.id,
                    "quotaDimensions": dimensions,
                    "quotaValue": quota.value.to_string(),
                }],
            }));
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{ "description": "Learn more about Gemini API quotas", "url": HELP }],
            }));
        }
        FailureKind::Unauthorized if is_vertex(endpoint) => {
            details.push(reason(
                "ACCESS_TOKEN_TYPE_UNSUPPORTED",
                "aiplatform.googleapis.com",
            ));
        }
        FailureKind::Unauthorized => {
            details.push(reason("API_KEY_INVALID", "generativelanguage.googleapis.com"));
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "en-US",
                "message": failure.message.as_deref().unwrap_or(KEY_INVALID),
            }));
        }
        _ => {}
    }
    if let Some(wait) = wait(failure, at) {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": duration(wait),
        }));
    }
    details
}

fn reason(reason: &str, service: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": { "service": service },
    })
}
