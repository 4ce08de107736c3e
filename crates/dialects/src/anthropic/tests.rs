//! How the Messages API reads requests and shows failures.

use http::header::ACCEPT;
use murphy_core::failure::{FailureKind, RetryAfterForm};
use proptest::prelude::*;

use super::*;
use crate::rendering::tests::{any_json, at, failure, header, json as body_of, limited, waiting};

const PATH: &str = "/v1/messages";

fn facts(path: &str, body: &Value) -> Facts {
    Anthropic.facts(&Method::POST, path, &HeaderMap::new(), Some(body))
}

#[test]
fn every_failure_looks_as_the_api_shows_it() {
    let model = Some("claude-x");
    let cases = [
        (
            FailureKind::RateLimited,
            429,
            "rate_limit_error",
            Some("true"),
            "50 requests per minute (model: claude-x)",
        ),
        (
            FailureKind::Overloaded,
            529,
            "overloaded_error",
            Some("true"),
            "Overloaded",
        ),
        (
            FailureKind::Internal,
            500,
            "api_error",
            Some("true"),
            "Internal server error",
        ),
        (FailureKind::BadGateway, 502, "", None, "<h1>502 Bad Gateway</h1>"),
        (
            FailureKind::Unavailable,
            503,
            "api_error",
            Some("true"),
            "Service unavailable",
        ),
        (
            FailureKind::Timeout,
            504,
            "timeout_error",
            Some("true"),
            "Request timeout",
        ),
        (
            FailureKind::Unauthorized,
            401,
            "authentication_error",
            Some("false"),
            "invalid x-api-key",
        ),
        (
            FailureKind::Forbidden,
            403,
            "permission_error",
            Some("false"),
            "does not have permission",
        ),
        (
            FailureKind::QuotaExhausted,
            400,
            "invalid_request_error",
            Some("false"),
            "credit balance is too low",
        ),
        (
            FailureKind::ContextLength,
            400,
            "invalid_request_error",
            Some("false"),
            "tokens > 200000 maximum",
        ),
        (
            FailureKind::ContentFilter,
            400,
            "invalid_request_error",
            Some("false"),
            "content filtering policy",
        ),
        (
            FailureKind::NotFound,
            404,
            "not_found_error",
            Some("false"),
            "model: claude-x",
        ),
        (
            FailureKind::TooLarge,
            413,
            "request_too_large",
            None,
            "exceeds the maximum size",
        ),
        (FailureKind::Conflict, 409, "conflict_error", None, "conflicts"),
    ];
    assert_eq!(cases.map(|case| case.0), FailureKind::ALL);
    for (kind, status, name, should_retry, words) in cases {
        let reply = Anthropic.render(&failure(kind), &at(PATH, model));
        assert_eq!(reply.status, status, "{kind}");
        assert_eq!(header(&reply, "x-should-retry"), should_retry, "{kind}");
        assert_eq!(header(&reply, "retry-after"), None, "{kind}");
        assert_eq!(header(&reply, "server"), Some("cloudflare"), "{kind}");
        assert_eq!(header(&reply, "cf-ray").unwrap().len(), 20, "{kind}");
        let text = std::str::from_utf8(&reply.body).unwrap();
        assert!(text.contains(words), "{kind}: {text}");
        if name.is_empty() {
            assert_eq!(header(&reply, "content-type"), Some("text/html"), "{kind}");
            assert_eq!(header(&reply, "request-id"), None, "{kind}");
            continue;
        }
        let body = body_of(&reply);
        assert_eq!(header(&reply, "content-type"), Some("application/json"), "{kind}");
        assert_eq!(body["error"]["type"], name, "{kind}");
        if kind == FailureKind::TooLarge {
            assert_eq!(body["type"], Value::Null, "the edge knows no envelope");
            assert_eq!(header(&reply, "request-id"), None, "{kind}");
            continue;
        }
        assert_eq!(body["type"], "error", "{kind}");
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["type", "error", "request_id"], "{kind}");
        let id = header(&reply, "request-id").unwrap();
        assert_eq!(body["request_id"], id, "{kind}");
        assert!(id.starts_with("req_011C") && id.len() == 28, "{id}");
    }
}

#[test]
fn ids_come_from_the_bits_of_the_answer() {
    let id = |bits| {
        let reply = Anthropic.render(
            &failure(FailureKind::Internal),
            &Rendering {
                bits,
                ..at(PATH, None)
            },
        );
        header(&reply, "request-id").unwrap().to_owned()
    };
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}

#[test]
fn a_message_replaces_the_words_whatever_it_contains() {
    let text = "line\r\nx-injected: 1\u{2028}\0\"<b>";
    for kind in FailureKind::ALL {
        let failure = Failure {
            message: Some(text.to_owned()),
            ..failure(kind)
        };
        let reply = Anthropic.render(&failure, &at(PATH, None));
        if kind == FailureKind::BadGateway {
            let page = String::from_utf8(reply.body.to_vec()).unwrap();
            assert!(page.contains("\0&quot;&lt;b&gt;</h1>"), "{page}");
        } else {
            assert_eq!(body_of(&reply)["error"]["message"], text, "{kind}");
        }
    }
}

#[test]
fn a_wait_is_told_for_every_failure_in_the_form_that_was_asked_for() {
    for kind in FailureKind::ALL {
        for (form, told) in [
            (RetryAfterForm::Seconds, "2"),
            (RetryAfterForm::Date, "Sun, 06 Nov 1994 08:49:39 GMT"),
        ] {
            let reply = Anthropic.render(&waiting(kind, 1_500, form), &at(PATH, None));
            assert_eq!(header(&reply, "retry-after"), Some(told), "{kind}");
        }
    }
}

#[test]
fn one_over_the_limit_is_told_numbers_that_fit_together() {
    let family = |reply: &Reply, family: &str| {
        ["limit", "remaining", "reset"].map(|part| {
            let name = format!("anthropic-ratelimit-{family}-{part}");
            header(reply, &name).unwrap_or_default().to_owned()
        })
    };
    let limited_reply = Anthropic.render(&failure(FailureKind::RateLimited), &limited(true, at(PATH, None)));
    assert_eq!(
        family(&limited_reply, "requests"),
        ["10", "0", "1994-11-06T08:49:50Z"]
    );
    assert_eq!(
        header(&limited_reply, "retry-after"),
        Some("13"),
        "until 08:49:50"
    );
    let message = body_of(&limited_reply)["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("rate limit of 10 requests per minute. For"),
        "{message}"
    );

    let asked = waiting(FailureKind::RateLimited, 4_000, RetryAfterForm::Seconds);
    let told = Anthropic.render(&asked, &at(PATH, None));
    assert_eq!(family(&told, "requests"), ["50", "0", "1994-11-06T08:49:41Z"]);
    let free = Anthropic.render(&failure(FailureKind::RateLimited), &at(PATH, None));
    assert_eq!(family(&free, "requests"), ["50", "0", "1994-11-06T08:50:37Z"]);
    for reply in [limited_reply, told, free] {
        assert_eq!(
            family(&reply, "input-tokens"),
            ["30000", "30000", "1994-11-06T08:49:37Z"]
        );
        assert_eq!(
            family(&reply, "output-tokens"),
            ["8000", "8000", "1994-11-06T08:49:37Z"]
        );
        assert_eq!(
            family(&reply, "tokens"),
            ["38000", "38000", "1994-11-06T08:49:37Z"]
        );
    }
}

#[test]
fn a_limiter_speaks_of_requests_and_nothing_else_does() {
    let fields = Anthropic.limit_headers(&limited(false, at(PATH, None)));
    let told: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("anthropic-ratelimit-requests-limit", "10"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("anthropic-ratelimit-requests-reset", "1994-11-06T08:49:50Z"),
        ]
    );
    assert!(Anthropic.limit_headers(&at(PATH, None)).is_empty());
    for kind in FailureKind::ALL {
        let reply = Anthropic.render(&failure(kind), &at(PATH, None));
        let told = reply
            .headers
            .iter()
            .any(|(name, _)| name.as_str().starts_with("anthropic-ratelimit"));
        assert_eq!(told, kind == FailureKind::RateLimited, "{kind}");
    }
}

#[test]
fn calls_are_known_by_method_and_end_of_path() {
    for (method, path, known) in [
        (Method::POST, "/v1/messages", true),
        (Method::POST, "/messages", true),
        (Method::POST, "/anthropic/v1/messages/", true),
        (Method::POST, "/v1/messages?beta=true", true),
        (Method::POST, "/v1/messages/count_tokens", true),
        (Method::GET, "/v1/messages", false),
        (Method::POST, "/v1/messages/batches", false),
        (Method::POST, "/v1/xmessages", false),
        (Method::GET, "/v1/models", false),
        (Method::POST, "", false),
    ] {
        assert_eq!(Anthropic.reads_body(&method, path), known, "{method} {path}");
    }
}

#[test]
fn facts_come_from_the_body() {
    let body = json!({
        "model": "claude-x", "stream": true, "max_tokens": 9,
        "messages": [{ "role": "user", "content": "a" }, {}],
        "tools": [{ "name": "search", "input_schema": {} }, { "type": "web_search_20250305", "name": "web_search" }],
        "tool_choice": { "type": "tool", "name": "search", "disable_parallel_tool_use": true },
    });
    let expected = Facts {
        model: Some("claude-x".to_owned()),
        stream: true,
        tool: Some("search".to_owned()),
        tools: vec!["search".to_owned(), "web_search".to_owned()],
        messages: Some(2),
        max_tokens: Some(9),
        ..Facts::default()
    };
    assert_eq!(facts(PATH, &body), expected);
    let counted = Facts {
        stream: false,
        ..expected
    };
    assert_eq!(facts("/v1/messages/count_tokens", &body), counted);
    assert_eq!(facts("/v1/models", &body), Facts::default());
}

#[test]
fn what_is_odd_in_a_body_is_no_fact() {
    for body in [
        json!(null),
        json!([]),
        json!("claude"),
        json!({ "model": 7, "stream": "true", "tool_choice": "search" }),
        json!({ "stream": 1, "tool_choice": { "type": "auto", "name": "search" } }),
        json!({ "tool_choice": { "type": "tool", "name": ["search"] } }),
        json!({ "tool_choice": [{ "type": "tool", "name": "search" }] }),
    ] {
        assert_eq!(facts(PATH, &body), Facts::default(), "{body}");
    }
}

#[test]
fn without_a_body_the_call_is_a_plain_one() {
    let headers = [(ACCEPT, HeaderValue::from_static("text/event-stream"))]
        .into_iter()
        .collect();
    let facts = Anthropic.facts(&Method::POST, PATH, &headers, None);
    assert!(facts.stream && facts.model.is_none());
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        path in prop_oneof![".*", Just(PATH.to_owned()), Just("/v1/messages/count_tokens".to_owned())],
        body in any_json(&["model", "stream", "tool_choice", "type", "name"]),
    ) {
        let read = facts(&path, &body);
        prop_assert_eq!(read.model.as_deref(), body["model"].as_str().filter(|_| path.contains("messages")));
    }
}
