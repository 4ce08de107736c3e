//! How servers that speak as OpenAI does read requests and show failures.

use super::*;
use crate::openai::testing::{at, body, failure, header, holds_of_every_failure, limited, waiting};

const CHAT: &str = "/v1/chat/completions";

#[test]
fn every_failure_has_its_status_type_and_the_status_for_a_code() {
    let rows = [
        (FailureKind::RateLimited, 429, "Too Many Requests"),
        (FailureKind::Overloaded, 503, "Service Unavailable"),
        (FailureKind::Internal, 500, "InternalServerError"),
        (FailureKind::BadGateway, 502, "Bad Gateway"),
        (FailureKind::Unavailable, 503, "Service Unavailable"),
        (FailureKind::Timeout, 504, "Gateway Timeout"),
        (FailureKind::Unauthorized, 401, "Unauthorized"),
        (FailureKind::Forbidden, 403, "Forbidden"),
        (FailureKind::QuotaExhausted, 402, "Payment Required"),
        (FailureKind::ContextLength, 400, "BadRequestError"),
        (FailureKind::ContentFilter, 400, "BadRequestError"),
        (FailureKind::NotFound, 404, "NotFoundError"),
        (FailureKind::TooLarge, 413, "Payload Too Large"),
        (FailureKind::Conflict, 409, "Conflict"),
    ];
    assert_eq!(rows.each_ref().map(|row| row.0), FailureKind::ALL);
    for (kind, status, error_type) in rows {
        let reply = OpenAiCompatible.render(&failure(kind), &at(CHAT));
        assert_eq!(reply.status, status, "{kind}");
        let error = body(&reply).unwrap()["error"].clone();
        let keys: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["message", "type", "param", "code"], "{kind}");
        assert_eq!(error["type"], error_type, "{kind}");
        assert_eq!(error["code"], status, "{kind}");
        assert_eq!(
            header(&reply, "x-request-id").map(|id| id.len()),
            Some(32),
            "{kind}"
        );
    }
}

#[test]
fn waits_messages_and_ids_are_right_for_every_failure() {
    holds_of_every_failure(&OpenAiCompatible);
}

#[test]
fn a_rate_limit_tells_one_wait_everywhere() {
    let reply = OpenAiCompatible.render(&waiting(FailureKind::RateLimited, 7_660), &at(CHAT));
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("8"));
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("7.66s")
    );
    assert_eq!(
        body(&reply).unwrap()["error"]["message"],
        "Rate limit reached for model `gpt-test`. Please try again in 7.66s."
    );
    let reply = OpenAiCompatible.render(&failure(FailureKind::RateLimited), &limited(CHAT, true));
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("13"));
    assert_eq!(
        header(&reply, "x-ratelimit-limit-requests").as_deref(),
        Some("10")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-remaining-requests").as_deref(),
        Some("0")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("12.3s")
    );
}

#[test]
fn a_model_may_have_a_slash_in_its_name() {
    let body = json!({ "model": "meta-llama/llama-3:free", "stream": false });
    let facts = OpenAiCompatible.facts(
        &Method::POST,
        "/api/v1/chat/completions",
        &HeaderMap::new(),
        Some(&body),
    );
    assert_eq!(facts.model.as_deref(), Some("meta-llama/llama-3:free"));
    let facts = OpenAiCompatible.facts(&Method::GET, "/api/v1/models/a/b", &HeaderMap::new(), None);
    assert_eq!(facts.model.as_deref(), Some("a/b"));
}
