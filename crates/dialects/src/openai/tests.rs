//! How OpenAI reads requests and shows failures.

use murphy_core::failure::FailureKind;

use super::testing::{at, body, failure, header, holds_of_every_failure, limited, names, waiting};
use super::*;

const CHAT: &str = "/v1/chat/completions";

#[test]
fn every_failure_has_openais_status_type_code_and_param() {
    // kind, status, type, code, param; a page has no type
    let rows = [
        (
            FailureKind::RateLimited,
            429,
            "requests",
            json!("rate_limit_exceeded"),
            json!(null),
        ),
        (
            FailureKind::Overloaded,
            503,
            "service_unavailable_error",
            json!("server_is_overloaded"),
            json!(null),
        ),
        (
            FailureKind::Internal,
            500,
            "server_error",
            json!(null),
            json!(null),
        ),
        (FailureKind::BadGateway, 502, "", json!(null), json!(null)),
        (
            FailureKind::Unavailable,
            503,
            "cf_service_unavailable",
            json!(503),
            json!(null),
        ),
        (FailureKind::Timeout, 504, "", json!(null), json!(null)),
        (
            FailureKind::Unauthorized,
            401,
            "invalid_request_error",
            json!("invalid_api_key"),
            json!(null),
        ),
        (
            FailureKind::Forbidden,
            403,
            "invalid_request_error",
            json!("missing_scope"),
            json!(null),
        ),
        (
            FailureKind::QuotaExhausted,
            429,
            "insufficient_quota",
            json!("insufficient_quota"),
            json!(null),
        ),
        (
            FailureKind::ContextLength,
            400,
            "invalid_request_error",
            json!("context_length_exceeded"),
            json!("messages"),
        ),
        (
            FailureKind::ContentFilter,
            400,
            "invalid_request_error",
            json!("invalid_prompt"),
            json!(null),
        ),
        (
            FailureKind::NotFound,
            404,
            "invalid_request_error",
            json!("model_not_found"),
            json!(null),
        ),
        (FailureKind::TooLarge, 413, "", json!(null), json!(null)),
        (
            FailureKind::Conflict,
            409,
            "invalid_request_error",
            json!(null),
            json!(null),
        ),
    ];
    assert_eq!(rows.each_ref().map(|row| row.0), FailureKind::ALL);
    for (kind, status, error_type, code, param) in rows {
        let reply = OpenAi.render(&failure(kind), &at(CHAT));
        assert_eq!(reply.status, status, "{kind}");
        let Some(body) = body(&reply) else {
            assert_eq!(error_type, "", "{kind}");
            continue;
        };
        let error = body["error"].as_object().unwrap();
        let keys: Vec<_> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["message", "type", "param", "code"], "{kind}");
        assert_eq!(error["type"], error_type, "{kind}");
        assert_eq!(error["code"], code, "{kind}");
        assert_eq!(error["param"], param, "{kind}");
        assert!(
            error["message"].as_str().is_some_and(|text| !text.is_empty()),
            "{kind}"
        );
    }
}

#[test]
fn waits_messages_and_ids_are_right_for_every_failure() {
    holds_of_every_failure(&OpenAi);
}

#[test]
fn only_the_api_signs_its_answers_with_a_request_id() {
    for kind in FailureKind::ALL {
        let reply = OpenAi.render(&failure(kind), &at(CHAT));
        let edge = matches!(
            kind,
            FailureKind::BadGateway | FailureKind::Timeout | FailureKind::TooLarge | FailureKind::Unavailable
        );
        let id = header(&reply, "x-request-id");
        assert_eq!(id.is_none(), edge, "{kind}");
        assert!(
            id.is_none_or(|id| id.starts_with("req_") && id.len() == 36),
            "{kind}"
        );
        assert_eq!(header(&reply, "openai-version").is_none(), edge, "{kind}");
        assert_eq!(header(&reply, "openai-processing-ms").is_none(), edge, "{kind}");
        assert!(header(&reply, "cf-ray").is_some(), "{kind}");
        assert_eq!(
            header(&reply, "x-should-retry"),
            None,
            "{kind}: OpenAI does not send it"
        );
        let unauthorized = kind == FailureKind::Unauthorized;
        assert_eq!(
            header(&reply, "www-authenticate").is_some(),
            unauthorized,
            "{kind}"
        );
        assert_eq!(
            header(&reply, "openai-organization").is_some(),
            !edge && !unauthorized,
            "{kind}: whose key is not known has no organization"
        );
    }
}

#[test]
fn a_rate_limit_tells_one_wait_everywhere() {
    let reply = OpenAi.render(&waiting(FailureKind::RateLimited, 1_500), &at(CHAT));
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("2"));
    assert_eq!(header(&reply, "retry-after-ms").as_deref(), Some("1500"));
    assert_eq!(
        header(&reply, "x-ratelimit-limit-requests").as_deref(),
        Some("500")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-remaining-requests").as_deref(),
        Some("0")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("1.5s")
    );
    let message = body(&reply).unwrap()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.starts_with("Rate limit reached for gpt-test in organization org-"),
        "{message}"
    );
    assert!(
        message.contains(
            "on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 1.5s."
        ),
        "{message}"
    );

    let reply = OpenAi.render(&failure(FailureKind::RateLimited), &limited(CHAT, true));
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("13"));
    assert_eq!(header(&reply, "retry-after-ms").as_deref(), Some("12300"));
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
    let message = body(&reply).unwrap()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("Limit 10, Used 10, Requested 1. Please try again in 12.3s."),
        "{message}"
    );

    // A wait longer than a minute belongs to no limit per minute.
    let reply = OpenAi.render(&waiting(FailureKind::RateLimited, 90_000), &at(CHAT));
    assert_eq!(
        header(&reply, "x-ratelimit-limit-requests").as_deref(),
        Some("10000")
    );
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("1m30s")
    );
    let message = body(&reply).unwrap()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains(
            "on requests per day (RPD): Limit 10000, Used 10000, Requested 1. Please try again in 1m30s."
        ),
        "{message}"
    );

    // Told no wait, the client finds none in the headers that it obeys.
    let reply = OpenAi.render(&failure(FailureKind::RateLimited), &at(CHAT));
    assert_eq!(
        header(&reply, "x-ratelimit-reset-requests").as_deref(),
        Some("120ms")
    );
    assert!(!names(&reply).iter().any(|name| name.starts_with("retry-after")));
}

#[test]
fn a_quota_is_no_rate_limit_that_waiting_helps() {
    let reply = OpenAi.render(&failure(FailureKind::QuotaExhausted), &at(CHAT));
    let waits = |name: &&str| name.starts_with("retry-after") || name.starts_with("x-ratelimit");
    assert!(!names(&reply).iter().any(waits), "{:?}", names(&reply));
}

#[test]
fn a_call_that_passes_is_told_what_is_left() {
    let fields = OpenAi.limit_headers(&limited(CHAT, false));
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        fields,
        [
            ("x-ratelimit-limit-requests", "10"),
            ("x-ratelimit-remaining-requests", "3"),
            ("x-ratelimit-reset-requests", "12.3s"),
        ]
    );
}

#[test]
fn endpoints_fail_in_their_own_words() {
    let error = |kind, path| {
        let reply = OpenAi.render(&failure(kind), &at(path));
        body(&reply).unwrap()["error"].clone()
    };
    let responses = error(FailureKind::ContextLength, "/v1/responses");
    assert_eq!(responses["param"], "input");
    assert!(responses["message"].as_str().unwrap().contains("context window"));
    let embeddings = error(FailureKind::ContextLength, "/embeddings");
    assert_eq!(
        (&embeddings["param"], &embeddings["code"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        error(FailureKind::ContentFilter, "/v1/images/generations")["code"],
        "content_policy_violation"
    );
    assert_eq!(error(FailureKind::NotFound, "/v1/models/gpt-0")["param"], "model");
    let file = error(FailureKind::NotFound, "/v1/files/file-1/content");
    assert_eq!(file["message"], "No such File object: file-1");
    assert!(
        error(FailureKind::Forbidden, "/v1/responses")["message"]
            .as_str()
            .unwrap()
            .contains("Missing scopes: api.responses.write.")
    );
}
