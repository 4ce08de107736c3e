//! How the Bedrock runtime reads requests and shows failures.

use http::header::ACCEPT;
use murphy_core::failure::{FailureKind, RetryAfterForm};
use proptest::prelude::*;

use super::*;
use crate::rendering::tests::{any_json, at, failure, header, json as body_of, limited, waiting};

const CONVERSE: &str = "/model/m/converse";
const INVOKE: &str = "/model/m/invoke";

fn facts(path: &str, body: &Value) -> Facts {
    Bedrock.facts(&Method::POST, path, &HeaderMap::new(), Some(body))
}

#[test]
fn every_failure_looks_as_the_service_shows_it() {
    let cases = [
        (
            FailureKind::RateLimited,
            429,
            "ThrottlingException",
            "Too many requests, please wait",
        ),
        (
            FailureKind::Overloaded,
            503,
            "ServiceUnavailableException",
            "Too many connections, please wait",
        ),
        (
            FailureKind::Internal,
            500,
            "InternalServerException",
            "unexpected error during processing",
        ),
        (FailureKind::BadGateway, 502, "", "<h1>502 Bad Gateway</h1>"),
        (
            FailureKind::Unavailable,
            503,
            "ServiceUnavailableException",
            "unable to process your request",
        ),
        (
            FailureKind::Timeout,
            408,
            "ModelTimeoutException",
            "has timed out",
        ),
        (
            FailureKind::Unauthorized,
            403,
            "UnrecognizedClientException",
            "security token",
        ),
        (
            FailureKind::Forbidden,
            403,
            "AccessDeniedException",
            "don't have access",
        ),
        (
            FailureKind::QuotaExhausted,
            429,
            "ThrottlingException",
            "Too many tokens per day",
        ),
        (
            FailureKind::ContextLength,
            400,
            "ValidationException",
            "Input is too long for requested model.",
        ),
        (
            FailureKind::ContentFilter,
            400,
            "ValidationException",
            "blocked by our content filters",
        ),
        (
            FailureKind::NotFound,
            404,
            "ResourceNotFoundException",
            "end of its life",
        ),
        (
            FailureKind::TooLarge,
            413,
            "",
            "<h1>413 Request Entity Too Large</h1>",
        ),
        (FailureKind::Conflict, 400, "ConflictException", "conflict"),
    ];
    assert_eq!(cases.map(|case| case.0), FailureKind::ALL);
    for (kind, status, name, words) in cases {
        shows(kind, CONVERSE, status, name, words);
    }
}

#[test]
fn an_invocation_has_its_own_exceptions() {
    for path in [INVOKE, "/model/m/invoke-with-response-stream"] {
        shows(
            FailureKind::QuotaExhausted,
            path,
            400,
            "ServiceQuotaExceededException",
            "service quota",
        );
        shows(
            FailureKind::TooLarge,
            path,
            400,
            "ValidationException",
            "less than or equal to 25000000",
        );
    }
}

fn shows(kind: FailureKind, path: &str, status: u16, name: &str, words: &str) {
    let reply = Bedrock.render(&failure(kind), &at(path, None));
    assert_eq!(reply.status, status, "{kind}");
    assert_eq!(header(&reply, "retry-after"), None, "{kind}");
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.contains(words), "{kind}: {text}");
    let errortype = header(&reply, "x-amzn-errortype");
    if name.is_empty() {
        assert_eq!(errortype, None, "{kind}");
        assert_eq!(header(&reply, "x-amzn-requestid"), None, "{kind}");
        assert_eq!(header(&reply, "content-type"), Some("text/html"), "{kind}");
        return;
    }
    assert_eq!(header(&reply, "x-amzn-requestid").unwrap().len(), 36, "{kind}");
    let (found, namespace) = errortype.unwrap().split_once(':').unwrap();
    assert_eq!(found, name, "{kind}");
    assert!(
        namespace.starts_with("http://internal.amazon.com/coral/"),
        "{namespace}"
    );
    assert_eq!(header(&reply, "content-type"), Some("application/json"), "{kind}");
    let body = body_of(&reply);
    assert_eq!(
        body.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["message"],
        "{kind}"
    );
}

#[test]
fn ids_come_from_the_bits_of_the_answer() {
    let id = |bits| {
        let rendering = Rendering {
            bits,
            ..at(CONVERSE, None)
        };
        let reply = Bedrock.render(&failure(FailureKind::Internal), &rendering);
        header(&reply, "x-amzn-requestid").unwrap().to_owned()
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
        let reply = Bedrock.render(&failure, &at(CONVERSE, None));
        if header(&reply, "content-type") == Some("text/html") {
            let page = String::from_utf8(reply.body.to_vec()).unwrap();
            assert!(page.contains("\0&quot;&lt;b&gt;</h1>"), "{page}");
        } else {
            assert_eq!(body_of(&reply)["message"], text, "{kind}");
        }
    }
}

#[test]
fn a_wait_is_told_to_the_sdks_and_to_all_others() {
    for kind in FailureKind::ALL {
        for (form, told) in [
            (RetryAfterForm::Seconds, "2"),
            (RetryAfterForm::Date, "Sun, 06 Nov 1994 08:49:39 GMT"),
        ] {
            let reply = Bedrock.render(&waiting(kind, 1_500, form), &at(CONVERSE, None));
            assert_eq!(header(&reply, "retry-after"), Some(told), "{kind}");
            assert_eq!(header(&reply, "x-amz-retry-after"), Some("1500"), "{kind}");
        }
    }
    let reply = Bedrock.render(
        &failure(FailureKind::RateLimited),
        &limited(true, at(CONVERSE, None)),
    );
    assert_eq!(header(&reply, "retry-after"), Some("13"));
    assert_eq!(header(&reply, "x-amz-retry-after"), Some("12300"));
    assert!(
        Bedrock
            .limit_headers(&limited(false, at(CONVERSE, None)))
            .is_empty()
    );
}

#[test]
fn model_and_stream_stand_in_the_path() {
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.x";
    for (path, model, stream) in [
        (CONVERSE, Some("m"), false),
        (INVOKE, Some("m"), false),
        (
            "/model/anthropic.claude-x-v1%3A0/converse-stream",
            Some("anthropic.claude-x-v1:0"),
            true,
        ),
        ("/model/a:0/invoke-with-response-stream", Some("a:0"), true),
        ("/model/m/count-tokens", Some("m"), false),
        ("/bedrock/model/m/converse?x=1", Some("m"), false),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse",
            Some(arn),
            false,
        ),
        (
            "/model/arn:aws:bedrock:us-east-1:1:inference-profile/us.x/converse",
            Some(arn),
            false,
        ),
        ("/model/%FF/converse", Some("%FF"), false),
        ("/model//converse", None, false),
        ("/model/converse", None, false),
        ("/model/m/other", None, false),
        ("/guardrail/g/version/1/apply", None, false),
        ("", None, false),
    ] {
        let read = facts(path, &json!({}));
        assert_eq!((read.model.as_deref(), read.stream), (model, stream), "{path}");
        assert_eq!(Bedrock.reads_body(&Method::POST, path), model.is_some(), "{path}");
        assert!(!Bedrock.reads_body(&Method::GET, path));
    }
    let without = Bedrock.facts(&Method::POST, CONVERSE, &HeaderMap::new(), None);
    assert_eq!(
        without.model.as_deref(),
        Some("m"),
        "the body is not needed for that"
    );
    let headers = [(ACCEPT, HeaderValue::from_static("text/event-stream"))]
        .into_iter()
        .collect();
    assert!(Bedrock.facts(&Method::GET, "/x", &headers, None).stream);
}

#[test]
fn a_tool_is_named_by_the_choice_of_its_operation() {
    let converse = json!({ "toolConfig": { "toolChoice": { "tool": { "name": "f" } } } });
    let invoke = json!({ "tool_choice": { "type": "tool", "name": "f" } });
    let named = Some("f".to_owned());
    assert_eq!(facts(CONVERSE, &converse).tool, named);
    assert_eq!(facts(INVOKE, &invoke).tool, named);
    assert_eq!(facts(CONVERSE, &invoke).tool, None);
    assert_eq!(facts(INVOKE, &converse).tool, None);
    for body in [
        json!(null),
        json!([1]),
        json!({ "toolConfig": { "toolChoice": { "any": {} } } }),
        json!({ "toolConfig": { "toolChoice": { "tool": { "name": 7 } } } }),
        json!({ "toolConfig": "x" }),
        json!({ "tool_choice": { "type": "auto", "name": "f" } }),
        json!({ "tool_choice": "f" }),
    ] {
        assert_eq!(facts(CONVERSE, &body).tool, None, "{body}");
        assert_eq!(facts(INVOKE, &body).tool, None, "{body}");
    }
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        path in prop_oneof![".*", "/model/.*/converse", Just(INVOKE.to_owned())],
        body in any_json(&["toolConfig", "toolChoice", "tool", "name", "tool_choice", "type"]),
        bits in any::<u64>(),
    ) {
        let read = facts(&path, &body);
        prop_assert_eq!(read.model.is_some(), Bedrock.reads_body(&Method::POST, &path));
        let rendering = Rendering { bits, ..at(&path, None) };
        for kind in FailureKind::ALL {
            prop_assert!(Bedrock.render(&failure(kind), &rendering).status >= 400);
        }
    }
}

#[test]
fn tools_messages_and_the_limit_stand_elsewhere_in_each_operation() {
    let converse = json!({
        "messages": [{}], "inferenceConfig": { "maxTokens": 5 },
        "toolConfig": { "tools": [{ "toolSpec": { "name": "pay" } }, { "cachePoint": {} }] },
    });
    let invoke = json!({ "messages": [{}], "max_tokens": 5, "tools": [{ "name": "pay" }] });
    for (path, body) in [("/model/m/converse", converse), ("/model/m/invoke", invoke)] {
        let read = facts(path, &body);
        assert_eq!(read.tools, ["pay"], "{path}");
        assert_eq!((read.messages, read.max_tokens), (Some(1), Some(5)), "{path}");
    }
}
