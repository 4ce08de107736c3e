//! What the dialects of the family read from requests, sound and odd.

use http::HeaderMap;
use murphy_core::effect::Reply;
use murphy_core::failure::FailureKind;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::{Dialect, Rendering};
use crate::openai::OpenAi;
use crate::openai::testing::{at, body, failure};

const CHAT: &str = "/v1/chat/completions";

fn facts(path: &str, body: &Value) -> Facts {
    OpenAi.facts(&Method::POST, path, &HeaderMap::new(), Some(body))
}

#[test]
fn facts_of_chat_and_responses() {
    let body = json!({ "model": "gpt-4o", "stream": true, "tools": [], "user": "u" });
    for path in [
        CHAT,
        "/chat/completions",
        "/v1/responses",
        "/responses/",
        "/v1/embeddings",
    ] {
        let expected = Facts {
            model: Some("gpt-4o".to_owned()),
            stream: true,
            ..Facts::default()
        };
        assert_eq!(facts(path, &body), expected, "{path}");
        assert!(OpenAi.reads_body(&Method::POST, path), "{path}");
        assert!(!OpenAi.reads_body(&Method::GET, path), "{path}");
    }
    for path in ["/v1/models", "/v1/files", "/v1/responses/resp_1", "/"] {
        assert!(!OpenAi.reads_body(&Method::POST, path), "{path}");
        assert_eq!(facts(path, &body), Facts::default(), "{path}");
    }
    let of_path = OpenAi.facts(&Method::GET, "/v1/models/ft%3Agpt", &HeaderMap::new(), None);
    assert_eq!(of_path.model.as_deref(), Some("ft:gpt"));
}

#[test]
fn a_tool_is_a_fact_only_if_it_is_forced() {
    for (choice, tool) in [
        (
            json!({ "type": "function", "function": { "name": "search" } }),
            Some("search"),
        ),
        (json!({ "type": "function", "name": "search" }), Some("search")),
        (
            json!({ "type": "custom", "custom": { "name": "run" } }),
            Some("run"),
        ),
        (json!("auto"), None),
        (json!("required"), None),
        (json!({ "type": "web_search" }), Some("web_search")),
        (
            json!({ "type": "allowed_tools", "mode": "auto", "tools": [{ "type": "function", "name": "search" }] }),
            None,
        ),
        (json!({ "type": "function", "function": {} }), None),
        (json!({ "type": "function", "function": "search" }), None),
        (json!({ "type": "function", "name": 7 }), None),
        (json!(null), None),
        (json!([]), None),
    ] {
        let body = json!({ "model": "m", "tool_choice": choice });
        assert_eq!(facts(CHAT, &body).tool.as_deref(), tool, "{body}");
    }
    let offered = json!({ "tools": [{ "type": "function", "function": { "name": "search" } }] });
    assert_eq!(facts(CHAT, &offered).tool, None);
    let legacy = json!({ "function_call": { "name": "search" } });
    assert_eq!(facts(CHAT, &legacy).tool.as_deref(), Some("search"));
}

#[test]
fn what_is_offered_is_known_by_name() {
    let chat = json!({ "tools": [
        { "type": "function", "function": { "name": "search", "parameters": {} } },
        { "type": "custom", "custom": { "name": "run" } },
        { "type": "function", "function": {} },
        "search",
        7,
    ]});
    assert_eq!(facts(CHAT, &chat).tools, ["search", "run"]);
    let responses = json!({ "tools": [
        { "type": "function", "name": "search" },
        { "type": "web_search" },
    ]});
    assert_eq!(facts("/v1/responses", &responses).tools, ["search", "web_search"]);
    let legacy = json!({ "functions": [{ "name": "search" }] });
    assert_eq!(facts(CHAT, &legacy).tools, ["search"]);
    for none in [
        json!({ "tools": {} }),
        json!({ "tools": "search" }),
        json!({ "tools": [] }),
    ] {
        assert!(facts(CHAT, &none).tools.is_empty(), "{none}");
    }
}

#[test]
fn messages_are_counted_and_the_bound_is_read() {
    let count = |path, body: Value| facts(path, &body).messages;
    assert_eq!(count(CHAT, json!({ "messages": [{}, {}, 3] })), Some(3));
    assert_eq!(count(CHAT, json!({ "messages": [] })), Some(0));
    assert_eq!(count(CHAT, json!({ "messages": "hi", "input": [1] })), None);
    assert_eq!(count("/v1/responses", json!({ "input": "hi" })), Some(1));
    assert_eq!(count("/v1/responses", json!({ "input": [{}, {}] })), Some(2));
    assert_eq!(count("/v1/responses", json!({ "input": {} })), None);
    assert_eq!(count("/v1/embeddings", json!({ "input": ["a", "b"] })), None);

    let bound = |body: Value| facts(CHAT, &body).max_tokens;
    assert_eq!(bound(json!({ "max_tokens": 5 })), Some(5));
    assert_eq!(
        bound(json!({ "max_completion_tokens": 6, "max_tokens": 5 })),
        Some(6)
    );
    assert_eq!(bound(json!({ "max_output_tokens": 7 })), Some(7));
    for odd in [json!(-1), json!(1.5), json!("5"), json!(1e30), json!(null)] {
        assert_eq!(bound(json!({ "max_tokens": odd })), None);
    }
}

#[test]
fn odd_bodies_have_fewer_facts() {
    let mut deep = json!("model");
    for _ in 0..127 {
        deep = json!({ "tool_choice": [deep] });
    }
    for body in [
        json!([]),
        json!([{ "model": "m" }]),
        json!("model"),
        json!(1e308),
        json!(null),
        json!({}),
        json!({ "model": "", "stream": "true" }),
        json!({ "model": ["m"], "stream": 1 }),
        json!({ "model": { "model": "m" }, "stream": null }),
        deep,
    ] {
        assert_eq!(facts(CHAT, &body), Facts::default(), "{body}");
    }
}

/// Any JSON, with the keys that are read more often than chance would have them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("model".to_owned()),
        Just("stream".to_owned()),
        Just("tool_choice".to_owned()),
        Just("function".to_owned()),
        Just("function_call".to_owned()),
        Just("tools".to_owned()),
        Just("type".to_owned()),
        Just("messages".to_owned()),
        Just("input".to_owned()),
        Just("max_tokens".to_owned()),
        Just("name".to_owned()),
        any::<String>(),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn facts_are_read_from_any_json_at_any_path(
        body in any_json(),
        path in prop_oneof![
            Just(CHAT.to_owned()),
            "/[a-z%/]{0,24}(deployments|models|files)/[ -~]{0,12}",
            any::<String>(),
        ],
    ) {
        let dialects: [&dyn Dialect; 4] = [
            &OpenAi,
            &crate::azure_openai::AzureOpenAi,
            &crate::mistral::Mistral,
            &crate::openai_compatible::OpenAiCompatible,
        ];
        for dialect in dialects {
            for method in [Method::POST, Method::GET] {
                let facts = dialect.facts(&method, &path, &HeaderMap::new(), Some(&body));
                // A fact says something, and comes from the request.
                prop_assert!(facts.model.as_deref() != Some("") && facts.tool.as_deref() != Some(""));
                prop_assert!(!facts.stream || body.get("stream") == Some(&Value::Bool(true)));
                prop_assert!(facts.tools.iter().all(|tool| !tool.is_empty()));
                prop_assert!(facts.session.is_none() && facts.mcp_method.is_none());
            }
            for kind in FailureKind::ALL {
                let rendering = Rendering { model: Some(&path), ..at(&path) };
                let reply = dialect.render(&failure(kind), &rendering);
                prop_assert!(body_is_sound(&reply), "{kind}");
            }
        }
    }
}

fn body_is_sound(reply: &Reply) -> bool {
    body(reply).is_none_or(|body| body.is_object())
}
