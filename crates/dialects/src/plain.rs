//! Plain HTTP: failures are problem details (RFC 9457), limits are `x-ratelimit-*`.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use murphy_core::call::Facts;
use murphy_core::effect::Reply;
use murphy_core::failure::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::retry_after::{retry_after, whole_seconds};

/// The dialect of an API of which nothing is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn reads_body(&self, _: &Method, _: &str) -> bool {
        false
    }

    fn facts(&self, _: &Method, _: &str, headers: &HeaderMap, _: Option<&Value>) -> Facts {
        Facts {
            stream: accepts_events(headers),
            ..Facts::default()
        }
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        let status = status(failure.kind);
        let detail = failure.message.as_deref().unwrap_or_else(|| detail(failure.kind));
        let problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
            "code": failure.kind.name(),
        });
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2: a 401 must say how to authenticate.
            headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        let exhausted = at.limit.filter(|(_, reading)| reading.exhausted);
        if let Some(wait) = failure
            .retry_after
            .or(exhausted.map(|(_, reading)| reading.resets_in))
        {
            headers.push((RETRY_AFTER, retry_after(wait, failure.form, at.now)));
        }
        headers.extend(self.limit_headers(at));
        Reply {
            status: status.as_u16(),
            headers,
            body: Bytes::from(problem.to_string()),
        }
    }

    fn limit_headers(&self, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let Some((limit, reading)) = &at.limit else {
            return Vec::new();
        };
        [
            ("x-ratelimit-limit", u64::from(limit.limit)),
            ("x-ratelimit-remaining", u64::from(reading.remaining)),
            ("x-ratelimit-reset", whole_seconds(reading.resets_in)),
        ]
        .map(|(name, number)| (HeaderName::from_static(name), HeaderValue::from(number)))
        .into()
    }
}

/// Whether the client asks for server-sent events.
fn accepts_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let media_type = range.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("text/event-stream")
        })
}

fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        FailureKind::Overloaded | FailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        FailureKind::BadGateway => StatusCode::BAD_GATEWAY,
        FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        FailureKind::Unauthorized => StatusCode::UNAUTHORIZED,
        FailureKind::Forbidden => StatusCode::FORBIDDEN,
        FailureKind::QuotaExhausted => StatusCode::PAYMENT_REQUIRED,
        FailureKind::ContextLength | FailureKind::ContentFilter => StatusCode::BAD_REQUEST,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FailureKind::Conflict => StatusCode::CONFLICT,
    }
}

fn detail(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::RateLimited => "Too many requests. Wait before the next one.",
        FailureKind::Overloaded => "The service is overloaded. Try again later.",
        FailureKind::Internal => "The service failed unexpectedly.",
        FailureKind::BadGateway => "The service behind this gateway gave no valid answer.",
        FailureKind::Unavailable => "The service is down for now.",
        FailureKind::Timeout => "The service behind this gateway did not answer in time.",
        FailureKind::Unauthorized => "The credential is missing or not valid.",
        FailureKind::Forbidden => "This credential may not do that.",
        FailureKind::QuotaExhausted => "The quota is used up. Waiting does not help.",
        FailureKind::ContextLength => "The input is longer than the model's context.",
        FailureKind::ContentFilter => "The content was refused by a filter.",
        FailureKind::NotFound => "There is no such thing.",
        FailureKind::TooLarge => "The request body is too large.",
        FailureKind::Conflict => "The request conflicts with the state of what it would change.",
    }
}

#[cfg(test)]
mod tests;
