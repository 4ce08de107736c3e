//! How Mistral reads requests and shows failures.

use std::time::Duration;

use super::*;
use crate::openai::testing::{at, body, failure, header, holds_of_every_failure, limited, waiting};

const CHAT: &str = "/v1/chat/completions";

#[test]
fn every_failure_has_mistrals_status_type_and_code() {
    // A page and a detail have no type.
    let rows = [
        (FailureKind::RateLimited, 429, "rate_limited", json!("1300")),
        (
            FailureKind::Overloaded,
            429,
            "service_tier_capacity_exceeded",
            json!("3505"),
        ),
        (FailureKind::Internal, 500, "internal_server_error", json!("3000")),
        (FailureKind::BadGateway, 502, "", json!(null)),
        (
            FailureKind::Unavailable,
            503,
            "internal_server_error",
            json!("3800"),
        ),
        (FailureKind::Timeout, 504, "", json!(null)),
        (FailureKind::Unauthorized, 401, "", json!(null)),
        (FailureKind::Forbidden, 403, "tier_not_allowed", json!("1910")),
        (FailureKind::QuotaExhausted, 402, "payment_required", json!(null)),
        (
            FailureKind::ContextLength,
            400,
            "invalid_request_error",
            json!(null),
        ),
        (
            FailureKind::ContentFilter,
            400,
            "invalid_request_error",
            json!(null),
        ),
        (FailureKind::NotFound, 400, "invalid_model", json!("1500")),
        (FailureKind::TooLarge, 413, "", json!(null)),
        (FailureKind::Conflict, 409, "invalid_request_error", json!(null)),
    ];
    assert_eq!(rows.each_ref().map(|row| row.0), FailureKind::ALL);
    for (kind, status, error_type, code) in rows {
        let reply = Mistral.render(&failure(kind), &at(CHAT));
        assert_eq!(reply.status, status, "{kind}");
        let Some(body) = body(&reply) else {
            assert!(error_type.is_empty(), "{kind}");
            assert_eq!(header(&reply, "mistral-correlation-id"), None, "{kind}");
            continue;
        };
        assert!(header(&reply, "mistral-correlation-id").is_some(), "{kind}");
        if kind == FailureKind::Unauthorized {
            assert_eq!(body, json!({ "detail": "Unauthorized" }));
            continue;
        }
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["object", "message", "type", "param", "code", "raw_status_code"],
            "{kind}"
        );
        assert_eq!(body["object"], "error", "{kind}");
        assert_eq!(body["type"], error_type, "{kind}");
        assert_eq!(body["code"], code, "{kind}");
        assert_eq!(body["raw_status_code"], status, "{kind}");
    }
}

#[test]
fn waits_messages_and_ids_are_right_for_every_failure() {
    holds_of_every_failure(&Mistral);
}

#[test]
fn a_thing_that_is_not_there_depends_on_what_was_asked() {
    let reply = |path| Mistral.render(&failure(FailureKind::NotFound), &at(path));
    assert_eq!(reply("/v1/models/x").status, 404);
    assert_eq!(reply("/v1/embeddings").status, 400);
    assert_eq!(
        body(&reply("/v1/embeddings")).unwrap()["message"],
        "Invalid model: gpt-test"
    );
    assert_eq!(reply("/v1/files/x").status, 404);
    assert_eq!(
        body(&reply("/v1/files/x")).unwrap(),
        json!({ "detail": "Not Found" })
    );
}

#[test]
fn a_limit_is_named_by_its_window() {
    let fields = |seconds, exhausted| {
        let mut rendering = limited(CHAT, exhausted);
        if let Some((limit, _)) = &mut rendering.limit {
            limit.window = Duration::from_secs(seconds);
        }
        let fields = Mistral.limit_headers(&rendering);
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fields(60, false),
        [
            "x-ratelimit-limit-req-minute: 10",
            "x-ratelimit-remaining-req-minute: 3"
        ]
    );
    assert_eq!(
        fields(1, true),
        [
            "x-ratelimit-limit-req-second: 10",
            "x-ratelimit-remaining-req-second: 0"
        ]
    );
    for (seconds, unit) in [(2, "minute"), (61, "hour"), (86_400, "day"), (86_401, "month")] {
        assert!(
            fields(seconds, true)
                .iter()
                .all(|field| field.contains(&format!("-req-{unit}: ")))
        );
    }
    let reply = Mistral.render(&failure(FailureKind::RateLimited), &limited(CHAT, true));
    assert_eq!(
        header(&reply, "x-ratelimit-remaining-req-minute").as_deref(),
        Some("0")
    );
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("13"));
    let reply = Mistral.render(&waiting(FailureKind::RateLimited, 700), &at(CHAT));
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("1"));
}

#[test]
fn facts_of_its_own_endpoints() {
    let body = json!({
        "model": "codestral-latest",
        "stream": true,
        "tool_choice": { "type": "function", "function": { "name": "search" } },
    });
    for path in [CHAT, "/v1/fim/completions", "/v1/agents/completions", "/v1/ocr"] {
        let facts = Mistral.facts(&Method::POST, path, &HeaderMap::new(), Some(&body));
        assert_eq!(facts.model.as_deref(), Some("codestral-latest"), "{path}");
        assert_eq!(
            (facts.stream, facts.tool.as_deref()),
            (true, Some("search")),
            "{path}"
        );
        assert!(Mistral.reads_body(&Method::POST, path), "{path}");
    }
}
