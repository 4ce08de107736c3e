//! How the Gemini API reads requests and shows failures.

use std::time::Duration;

use http::header::ACCEPT;
use murphy_core::failure::FailureKind;
use proptest::prelude::*;

use super::*;
use crate::rendering::tests::{any_json, at, failure, header, json as body_of, limited, waiting};

const PATH: &str = "/v1beta/models/gemini-x:generateContent";
const VERTEX: &str = "/v1/projects/p/locations/global/publishers/google/models/gemini-x:generateContent";

fn facts(path: &str, body: &Value) -> Facts {
    Gemini.facts(&Method::POST, path, &HeaderMap::new(), Some(body))
}

fn types(body: &Value) -> Vec<&str> {
    let details = body["error"]["details"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    details
        .iter()
        .map(|detail| detail["@type"].as_str().unwrap().rsplit('.').next().unwrap())
        .collect()
}

#[test]
fn every_failure_looks_as_the_api_shows_it() {
    let quota = &["QuotaFailure", "Help"][..];
    let cases = [
        (
            FailureKind::RateLimited,
            429,
            "RESOURCE_EXHAUSTED",
            quota,
            "limit: 10, model: gemini-x",
        ),
        (
            FailureKind::Overloaded,
            503,
            "UNAVAILABLE",
            &[],
            "The model is overloaded.",
        ),
        (
            FailureKind::Internal,
            500,
            "INTERNAL",
            &[],
            "An internal error has occurred.",
        ),
        (
            FailureKind::BadGateway,
            502,
            "",
            &[],
            "Error 502 (Server Error)!!1",
        ),
        (
            FailureKind::Unavailable,
            503,
            "UNAVAILABLE",
            &[],
            "currently unavailable",
        ),
        (
            FailureKind::Timeout,
            504,
            "DEADLINE_EXCEEDED",
            &[],
            "Deadline expired",
        ),
        (
            FailureKind::Unauthorized,
            400,
            "INVALID_ARGUMENT",
            &["ErrorInfo", "LocalizedMessage"],
            "API key not valid.",
        ),
        (
            FailureKind::Forbidden,
            403,
            "PERMISSION_DENIED",
            &[],
            "does not have permission",
        ),
        (
            FailureKind::QuotaExhausted,
            429,
            "RESOURCE_EXHAUSTED",
            quota,
            "limit: 250, model: gemini-x",
        ),
        (
            FailureKind::ContextLength,
            400,
            "INVALID_ARGUMENT",
            &[],
            "tokens allowed (1048576).",
        ),
        (
            FailureKind::ContentFilter,
            400,
            "INVALID_ARGUMENT",
            &[],
            "Responsible AI practices",
        ),
        (
            FailureKind::NotFound,
            404,
            "NOT_FOUND",
            &[],
            "models/gemini-x is not found for API version v1beta, or is not supported for generateContent.",
        ),
        (
            FailureKind::TooLarge,
            400,
            "INVALID_ARGUMENT",
            &[],
            "exceeds the limit: 20971520 bytes",
        ),
        (FailureKind::Conflict, 409, "ABORTED", &[], "aborted"),
    ];
    assert_eq!(cases.map(|case| case.0), FailureKind::ALL);
    for (kind, status, name, details, words) in cases {
        let reply = Gemini.render(&failure(kind), &at(PATH, None));
        assert_eq!(reply.status, status, "{kind}");
        assert_eq!(header(&reply, "retry-after"), None, "{kind}");
        let text = std::str::from_utf8(&reply.body).unwrap();
        assert!(text.contains(words), "{kind}: {text}");
        if name.is_empty() {
            assert_eq!(header(&reply, "content-type"), Some("text/html; charset=UTF-8"));
            continue;
        }
        assert!(
            text.starts_with("{\n  \"error\": {\n    \"code\": ") && text.ends_with("}\n"),
            "{text}"
        );
        let body = body_of(&reply);
        assert_eq!(
            header(&reply, "content-type"),
            Some("application/json; charset=UTF-8"),
            "{kind}"
        );
        assert!(
            header(&reply, "server-timing")
                .unwrap()
                .starts_with("gfet4t7; dur="),
            "{kind}"
        );
        assert_eq!(body["error"]["code"], status, "{kind}");
        assert_eq!(body["error"]["status"], name, "{kind}");
        assert!(body["error"]["message"].is_string(), "{kind}");
        assert_eq!(types(&body), details, "{kind}");
        assert_eq!(
            body["error"].get("details").is_some(),
            !details.is_empty(),
            "{kind}"
        );
    }
}

#[test]
fn quotas_tell_whether_waiting_helps() {
    for (kind, id, value) in [
        (
            FailureKind::RateLimited,
            "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "10",
        ),
        (
            FailureKind::QuotaExhausted,
            "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
            "250",
        ),
    ] {
        let body = body_of(&Gemini.render(&failure(kind), &at(PATH, None)));
        let violation = &body["error"]["details"][0]["violations"][0];
        assert_eq!(violation["quotaId"], id);
        assert_eq!(violation["quotaValue"], value);
        assert_eq!(
            violation["quotaDimensions"],
            json!({ "location": "global", "model": "gemini-x" })
        );
    }
}

#[test]
fn a_wait_is_told_in_the_details_and_a_date_in_a_header() {
    for kind in FailureKind::ALL {
        let reply = Gemini.render(&waiting(kind, 37_200, RetryAfterForm::Seconds), &at(PATH, None));
        if kind == FailureKind::BadGateway {
            assert_eq!(header(&reply, "retry-after"), Some("38"));
            continue;
        }
        assert_eq!(header(&reply, "retry-after"), None, "{kind}");
        let body = body_of(&reply);
        let last = body["error"]["details"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        assert_eq!(
            last,
            json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.2s" }),
            "{kind}"
        );
        let reply = Gemini.render(&waiting(kind, 37_200, RetryAfterForm::Date), &at(PATH, None));
        assert_eq!(
            header(&reply, "retry-after"),
            Some("Sun, 06 Nov 1994 08:50:15 GMT"),
            "{kind}"
        );
    }
    let body = body_of(&Gemini.render(
        &waiting(FailureKind::RateLimited, 37_200, RetryAfterForm::Seconds),
        &at(PATH, None),
    ));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("\nPlease retry in 37.2s."), "{message}");
}

#[test]
fn a_limiter_speaks_in_the_details_alone() {
    let reply = Gemini.render(&failure(FailureKind::RateLimited), &limited(true, at(PATH, None)));
    let body = body_of(&reply);
    assert_eq!(types(&body), ["QuotaFailure", "Help", "RetryInfo"]);
    assert_eq!(body["error"]["details"][0]["violations"][0]["quotaValue"], "10");
    assert_eq!(body["error"]["details"][2]["retryDelay"], "12.3s");
    assert!(Gemini.limit_headers(&limited(false, at(PATH, None))).is_empty());
}

#[test]
fn durations_have_the_decimals_that_they_need() {
    for (nanos, text) in [
        (0, "0s"),
        (37_000_000_000, "37s"),
        (37_200_000_000, "37.2s"),
        (600_000_000_000, "600s"),
        (1, "0.000000001s"),
    ] {
        assert_eq!(details::duration(Duration::from_nanos(nanos)), text);
    }
}

#[test]
fn a_message_replaces_the_words_whatever_it_contains() {
    let text = "line\r\nx-injected: 1\u{2028}\0\"<b>";
    for kind in FailureKind::ALL {
        let failure = Failure {
            message: Some(text.to_owned()),
            ..failure(kind)
        };
        let reply = Gemini.render(&failure, &at(PATH, None));
        if kind == FailureKind::BadGateway {
            let page = String::from_utf8(reply.body.to_vec()).unwrap();
            assert!(page.contains("\0&quot;&lt;b&gt;<p>"), "{page}");
        } else {
            assert_eq!(body_of(&reply)["error"]["message"], text, "{kind}");
        }
    }
}

#[test]
fn vertex_ai_fails_authentication_in_its_own_way() {
    let reply = Gemini.render(&failure(FailureKind::Unauthorized), &at(VERTEX, None));
    let body = body_of(&reply);
    assert_eq!(
        (reply.status, &body["error"]["status"]),
        (401, &json!("UNAUTHENTICATED"))
    );
    assert!(
        header(&reply, "www-authenticate")
            .unwrap()
            .starts_with("Bearer realm=")
    );
    assert_eq!(
        body["error"]["details"][0]["metadata"]["service"],
        "aiplatform.googleapis.com"
    );
}

#[test]
fn a_stream_that_is_an_array_fails_as_one() {
    let body = |path| body_of(&Gemini.render(&failure(FailureKind::Internal), &at(path, None)));
    let array = body("/v1beta/models/m:streamGenerateContent?key=k");
    assert_eq!(array[0]["error"]["code"], 500);
    assert_eq!(array.as_array().unwrap().len(), 1);
    for path in [
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        "/v1beta/models/m:streamGenerateContent?key=k&alt=sse",
        "/v1beta/models/m:streamGenerateContent",
        "/v1beta/models/m:generateContent?key=k",
        "/",
    ] {
        assert_eq!(body(path)["error"]["code"], 500, "{path}");
    }
}

#[test]
fn model_and_stream_stand_in_the_path() {
    let body = json!({});
    for (path, model, stream) in [
        ("/v1beta/models/gemini-x:generateContent", Some("gemini-x"), false),
        (
            "/models/gemini-x:streamGenerateContent?alt=sse",
            Some("gemini-x"),
            true,
        ),
        (
            "/v1/models/gemini-x:streamGenerateContent",
            Some("gemini-x"),
            true,
        ),
        (
            "/gemini/v1beta/tunedModels/my%2Dmodel:countTokens",
            Some("my-model"),
            false,
        ),
        (
            "/v1beta/models/gemini-x%3AgenerateContent",
            Some("gemini-x"),
            false,
        ),
        (
            "/v1/projects/p/locations/l/endpoints/7:streamGenerateContent",
            Some("7"),
            true,
        ),
        (VERTEX, Some("gemini-x"), false),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/c:streamRawPredict",
            Some("c"),
            true,
        ),
        ("/v1beta/models/gemini-x", None, false),
        ("/v1beta/models/:generateContent", None, false),
        ("/v1beta/things/x:generateContent", None, false),
        (":generateContent", None, false),
        ("", None, false),
    ] {
        let read = facts(path, &body);
        assert_eq!((read.model.as_deref(), read.stream), (model, stream), "{path}");
        assert_eq!(Gemini.reads_body(&Method::POST, path), model.is_some(), "{path}");
        assert!(!Gemini.reads_body(&Method::GET, path));
    }
    let without = Gemini.facts(&Method::POST, PATH, &HeaderMap::new(), None);
    assert_eq!(
        without.model.as_deref(),
        Some("gemini-x"),
        "the body is not needed for that"
    );
    let headers = [(ACCEPT, HeaderValue::from_static("text/event-stream"))]
        .into_iter()
        .collect();
    assert!(Gemini.facts(&Method::GET, "/x", &headers, None).stream);
}

#[test]
fn a_tool_is_named_by_a_single_allowed_function() {
    let tool = |config: Value| {
        facts(
            PATH,
            &json!({ "toolConfig": { "functionCallingConfig": config } }),
        )
        .tool
    };
    let named = Some("f".to_owned());
    assert_eq!(
        tool(json!({ "mode": "ANY", "allowedFunctionNames": ["f"] })),
        named
    );
    assert_eq!(
        tool(json!({ "mode": "any", "allowed_function_names": ["f"] })),
        named
    );
    for config in [
        json!({ "mode": "ANY", "allowedFunctionNames": ["f", "g"] }),
        json!({ "mode": "ANY", "allowedFunctionNames": [] }),
        json!({ "mode": "ANY", "allowedFunctionNames": [7] }),
        json!({ "mode": "ANY", "allowedFunctionNames": "f" }),
        json!({ "mode": "AUTO", "allowedFunctionNames": ["f"] }),
        json!({ "mode": 1, "allowedFunctionNames": ["f"] }),
        json!([]),
        json!(null),
    ] {
        assert_eq!(tool(config.clone()), None, "{config}");
    }
    let snake = json!({ "tool_config": { "function_calling_config": {
        "mode": "ANY", "allowed_function_names": ["f"] } } });
    assert_eq!(facts(PATH, &snake).tool, named);
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        path in prop_oneof![".*", "/v1/models/.*:generateContent", Just(PATH.to_owned())],
        body in any_json(&["toolConfig", "functionCallingConfig", "mode", "allowedFunctionNames"]),
        bits in any::<u64>(),
    ) {
        let read = facts(&path, &body);
        prop_assert_eq!(read.model.is_some(), Gemini.reads_body(&Method::POST, &path));
        let rendering = Rendering { bits, ..at(&path, None) };
        for kind in FailureKind::ALL {
            prop_assert!(Gemini.render(&failure(kind), &rendering).status >= 400);
        }
    }
}

#[test]
fn tools_contents_and_the_limit_are_read_in_both_spellings() {
    let camel = json!({
        "contents": [{}, {}, {}], "generationConfig": { "maxOutputTokens": 7 },
        "tools": [{ "functionDeclarations": [{ "name": "pay" }, { "name": "ask" }] }, { "googleSearch": {} }],
    });
    let snake = json!({
        "contents": [{}, {}, {}], "generation_config": { "max_output_tokens": 7 },
        "tools": [{ "function_declarations": [{ "name": "pay" }] }, { "function_declarations": [{ "name": "ask" }] }],
    });
    for body in [camel, snake] {
        let read = facts(PATH, &body);
        assert_eq!(read.tools, ["pay", "ask"], "{body}");
        assert_eq!((read.messages, read.max_tokens), (Some(3), Some(7)), "{body}");
    }
}
