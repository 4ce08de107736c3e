//! What the simulated LLM APIs answer, each read by a strict client of its own, and all held to the same brain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests fail loudly

use std::net::{Ipv4Addr, SocketAddr};

use murphy_sim::Sim;
use reqwest::{Client, Response};
use serde_json::{Value, json};

#[path = "llm/anthropic.rs"]
mod anthropic;
#[path = "llm/apis.rs"]
mod apis;
#[path = "llm/bedrock.rs"]
mod bedrock;
#[path = "llm/frames.rs"]
mod frames;
#[path = "llm/gemini.rs"]
mod gemini;
#[path = "llm/openai.rs"]
mod openai;

use apis::{ALL, Called, Seen, Talk, schema};

fn sim() -> Sim {
    Sim::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

async fn post(sim: &Sim, target: &str, body: Value) -> Response {
    let request = Client::new()
        .post(format!("http://{}{target}", sim.addr()))
        .json(&body);
    request.send().await.unwrap()
}

async fn asked(sim: &Sim, target: &str, body: Value) -> Value {
    post(sim, target, body).await.json().await.unwrap()
}

#[tokio::test]
async fn every_api_repeats_what_was_said_plain_and_streamed() {
    let sim = sim();
    let talk = Talk {
        said: "hello  there,\n\"wörld\" ",
        ..Talk::default()
    };
    let expected = Seen {
        text: "You said: hello  there,\n\"wörld\" ".to_owned(),
        stop: "end".to_owned(),
        tokens: (3, 5),
        ..Seen::default()
    };
    for api in ALL {
        assert_eq!(api.plain(&sim, &talk).await, expected, "{api:?}");
        assert_eq!(api.streamed(&sim, &talk).await, expected, "{api:?}");
        let again = api.send(&sim, &talk, true).await;
        assert_eq!(
            again,
            api.send(&sim, &talk, true).await,
            "{api:?}: equal requests"
        );
    }
}

#[tokio::test]
async fn every_api_calls_tools_and_quotes_their_results() {
    let sim = sim();
    let said = r#"First say "Let me look.", use the tool get_weather with {"city": "Zürich", "days": [1, 2]},
        then call get_weather. And call me."#;
    for api in ALL {
        let talk = Talk {
            said,
            tool: true,
            ..Talk::default()
        };
        let plain = api.plain(&sim, &talk).await;
        let streamed = api.streamed(&sim, &talk).await;
        for seen in [&plain, &streamed] {
            assert_eq!(
                (seen.text.as_str(), seen.stop.as_str()),
                ("Let me look.", "calls"),
                "{api:?}"
            );
            let calls: Vec<_> = seen
                .calls
                .iter()
                .map(|call| (call.name.as_str(), &call.arguments))
                .collect();
            let (given, made) = (
                json!({ "city": "Zürich", "days": [1, 2] }),
                json!({ "city": "sample" }),
            );
            assert_eq!(
                calls,
                [("get_weather", &given), ("get_weather", &made)],
                "{api:?}"
            );
            assert_ne!(seen.calls[0].id, seen.calls[1].id, "{api:?}");
            // Three words, and each call by its bytes: 11 of the name with 33 and 17 of the arguments.
            assert_eq!(
                (seen.tokens.1, seen.tokens.0),
                (3 + 11 + 7, plain.tokens.0),
                "{api:?}"
            );
        }
        let results = Talk {
            then: Some((&plain, &["21 degrees", "rain"])),
            ..talk
        };
        let expected = "The tool get_weather returned: 21 degrees\nThe tool get_weather returned: rain";
        for seen in [
            api.plain(&sim, &results).await,
            api.streamed(&sim, &results).await,
        ] {
            assert_eq!(
                (seen.text.as_str(), seen.stop.as_str()),
                (expected, "end"),
                "{api:?}"
            );
            assert_eq!((seen.calls.len(), seen.tokens.1), (0, 11), "{api:?}");
            assert!(seen.tokens.0 > plain.tokens.0, "{api:?}: the history costs");
        }
    }
}

#[tokio::test]
async fn every_api_respects_the_limit_on_its_answer() {
    let sim = sim();
    for api in ALL {
        let talk = Talk {
            said: "one two three",
            max: Some(3),
            ..Talk::default()
        };
        let plain = api.plain(&sim, &talk).await;
        let cut = ("You said: one", "length", 3);
        assert_eq!(
            (plain.text.as_str(), plain.stop.as_str(), plain.tokens.1),
            cut,
            "{api:?}"
        );
        assert_eq!(api.streamed(&sim, &talk).await, plain, "{api:?}");
        let talk = Talk {
            said: r#"say "Well." and call get_weather"#,
            tool: true,
            max: Some(7),
            ..Talk::default()
        };
        let plain = api.plain(&sim, &talk).await;
        let cut = ("Well.", "length", 1);
        assert_eq!(
            (plain.text.as_str(), plain.stop.as_str(), plain.tokens.1),
            cut,
            "{api:?}"
        );
        assert_eq!(
            plain.calls,
            Vec::<Called>::new(),
            "{api:?}: a call that does not fit is not made"
        );
        assert_eq!(api.streamed(&sim, &talk).await, plain, "{api:?}");
    }
}

#[tokio::test]
async fn a_limit_of_nothing_leaves_an_empty_answer_that_is_whole() {
    let sim = sim();
    let talk = Talk {
        said: "one",
        max: Some(0),
        ..Talk::default()
    };
    for api in ALL {
        let plain = api.plain(&sim, &talk).await;
        assert_eq!(
            (plain.text.as_str(), plain.stop.as_str(), plain.tokens.1),
            ("", "length", 0),
            "{api:?}"
        );
        assert_eq!(api.streamed(&sim, &talk).await, plain, "{api:?}");
    }
}

#[tokio::test]
async fn a_choice_of_tools_is_obeyed() {
    let sim = sim();
    let tools = ["first", "second"];
    let said = "call first with {\"a\":1}";
    let chat = async |choice: Value, said: &str| {
        let tools = tools
            .map(|name| json!({ "type": "function", "function": { "name": name, "parameters": schema() } }));
        let body = json!({ "model": "m", "tools": tools, "tool_choice": choice,
            "messages": [{ "role": "user", "content": said }] });
        let answer = asked(&sim, "/v1/chat/completions", body).await;
        answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"].clone()
    };
    assert_eq!(chat(json!("auto"), "hello").await, Value::Null);
    assert_eq!(chat(json!("none"), said).await, Value::Null);
    assert_eq!(chat(json!("required"), "hello").await, "first");
    assert_eq!(
        chat(
            json!({ "type": "function", "function": { "name": "second" } }),
            said
        )
        .await,
        "second"
    );

    let messages = async |choice: Value| {
        let tools = tools.map(|name| json!({ "name": name, "input_schema": schema() }));
        let body = json!({ "model": "m", "max_tokens": 99, "tools": tools, "tool_choice": choice,
            "messages": [{ "role": "user", "content": said }] });
        asked(&sim, "/v1/messages", body).await["content"][0]["name"].clone()
    };
    assert_eq!(messages(json!({ "type": "none" })).await, Value::Null);
    assert_eq!(
        messages(json!({ "type": "tool", "name": "second" })).await,
        "second"
    );

    let gemini = async |config: Value| {
        let tools = tools.map(|name| json!({ "name": name, "parameters": schema() }));
        let body = json!({ "contents": [{ "parts": [{ "text": said }] }],
            "tools": [{ "function_declarations": tools }],
            "tool_config": { "function_calling_config": config } });
        let answer = asked(&sim, "/v1beta/models/m:generateContent", body).await;
        answer["candidates"][0]["content"]["parts"][0]["functionCall"]["name"].clone()
    };
    assert_eq!(gemini(json!({ "mode": "NONE" })).await, Value::Null);
    assert_eq!(
        gemini(json!({ "mode": "ANY", "allowed_function_names": ["second"] })).await,
        "second"
    );

    let converse = async |choice: Value| {
        let tools =
            tools.map(|name| json!({ "toolSpec": { "name": name, "inputSchema": { "json": schema() } } }));
        let body = json!({ "messages": [{ "role": "user", "content": [{ "text": "hello" }] }],
            "toolConfig": { "tools": tools, "toolChoice": choice } });
        let answer = asked(&sim, "/model/m/converse", body).await;
        answer["output"]["message"]["content"][0]["toolUse"]["name"].clone()
    };
    assert_eq!(converse(json!({ "auto": {} })).await, Value::Null);
    assert_eq!(converse(json!({ "any": {} })).await, "first");
    assert_eq!(converse(json!({ "tool": { "name": "second" } })).await, "second");
}

#[tokio::test]
async fn stop_sequences_and_schemas_shape_the_answer() {
    let sim = sim();
    let said = json!([{ "role": "user", "content": "one END two" }]);
    let body =
        json!({ "model": "m", "max_tokens": 99, "stop_sequences": ["never", "END"], "messages": said });
    let answer = asked(&sim, "/v1/messages", body).await;
    assert_eq!(answer["content"][0]["text"], "You said: one ");
    assert_eq!(
        (&answer["stop_reason"], &answer["stop_sequence"]),
        (&json!("stop_sequence"), &json!("END"))
    );

    let format = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema() } });
    let body = json!({ "model": "m", "messages": said, "response_format": format });
    let answer = asked(&sim, "/v1/chat/completions", body).await;
    assert_eq!(answer["choices"][0]["message"]["content"], r#"{"city":"sample"}"#);
}

#[tokio::test]
async fn tokens_are_counted_as_they_are_charged() {
    let sim = sim();
    let body = json!({
        "model": "m", "max_tokens": 99, "system": [{ "type": "text", "text": "be brief" }],
        "tools": [{ "name": "get_weather", "input_schema": schema() }],
        "messages": [{ "role": "user", "content": "one two" }],
    });
    let answer = asked(&sim, "/v1/messages", body.clone()).await;
    let count = asked(&sim, "/v1/messages/count_tokens", body).await;
    assert_eq!(count, json!({ "input_tokens": answer["usage"]["input_tokens"] }));
    assert!(count["input_tokens"].as_u64().unwrap() > 4, "the tool costs, too");

    let contents = json!([{ "role": "user", "parts": [{ "text": "one two" }] }]);
    let count = asked(
        &sim,
        "/v1beta/models/m:countTokens",
        json!({ "contents": contents }),
    )
    .await;
    assert_eq!(count, json!({ "totalTokens": 2 }));
}

#[tokio::test]
async fn embeddings_are_unit_vectors_of_the_words_in_both_encodings() {
    let sim = sim();
    let floats = json!({ "model": "m", "input": ["a red apple", "a red car", "tax"], "dimensions": 256 });
    let mut packed = floats.clone();
    packed["encoding_format"] = json!("base64");
    let floats = asked(&sim, "/v1/embeddings", floats).await;
    let packed = asked(&sim, "/v1/embeddings", packed).await;
    assert_eq!(floats["usage"], json!({ "prompt_tokens": 7, "total_tokens": 7 }));
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    for index in 0..3 {
        let (float, pack) = (&floats["data"][index], &packed["data"][index]);
        assert_eq!((&float["index"], &pack["index"]), (&json!(index), &json!(index)));
        let bytes = frames::base64(pack["embedding"].as_str().unwrap());
        let unpacked: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|x| f32::from_le_bytes(x.try_into().unwrap()))
            .collect();
        let vector: Vec<f32> = serde_json::from_value(float["embedding"].clone()).unwrap();
        assert_eq!((&vector, vector.len()), (&unpacked, 256));
        vectors.push(vector);
    }
    let likeness =
        |a: usize, b: usize| -> f32 { vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum() };
    assert!((likeness(0, 0) - 1.0).abs() < 1e-5);
    assert!(likeness(0, 1) > likeness(0, 2) + 0.3);

    let tokens = asked(
        &sim,
        "/v1/embeddings",
        json!({ "model": "m", "input": [[1, 2], [3]] }),
    )
    .await;
    assert_eq!(
        (&tokens["data"][1]["index"], &tokens["usage"]["prompt_tokens"]),
        (&json!(1), &json!(3))
    );
}

#[tokio::test]
async fn a_bad_request_is_refused_in_the_shape_of_each_api() {
    let sim = sim();
    let wrong = json!({ "model": "m", "max_tokens": 1 });
    for target in ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"] {
        let response = post(&sim, target, wrong.clone()).await;
        assert_eq!(response.status(), 400, "{target}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["error"]["type"], "invalid_request_error", "{target}");
        assert!(error["error"]["param"].is_string(), "{target}");
    }
    for target in ["/v1/messages", "/v1/messages/count_tokens"] {
        let response = post(&sim, target, wrong.clone()).await;
        assert_eq!(response.status(), 400, "{target}");
        let id = response.headers()["request-id"].clone();
        let error: Value = response.json().await.unwrap();
        assert_eq!(
            (&error["type"], &error["error"]["type"]),
            (&json!("error"), &json!("invalid_request_error"))
        );
        assert_eq!(error["request_id"], id.to_str().unwrap());
    }
    for (target, status, name) in [
        ("/v1beta/models/m:generateContent", 400, "INVALID_ARGUMENT"),
        ("/v1beta/models/m:unheardOf", 404, "NOT_FOUND"),
    ] {
        let body = if status == 400 {
            json!({})
        } else {
            json!({ "contents": [{ "parts": [] }] })
        };
        let response = post(&sim, target, body).await;
        assert_eq!(response.status(), status);
        let error: Value = response.json().await.unwrap();
        assert_eq!(
            (&error["error"]["code"], &error["error"]["status"]),
            (&json!(status), &json!(name))
        );
    }
    for target in [
        "/model/m/converse",
        "/model/m/converse-stream",
        "/model/titan/invoke",
        "/model/claude/invoke",
    ] {
        let response = post(&sim, target, wrong.clone()).await;
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["x-amzn-errortype"]
            ),
            (400, &"ValidationException".parse().unwrap())
        );
        assert_eq!(response.headers()["x-amzn-requestid"].len(), 36);
        assert!(response.json::<Value>().await.unwrap()["message"].is_string());
    }
}

#[tokio::test]
async fn models_are_listed_in_the_shape_of_who_asks() {
    let sim = sim();
    for (header, place, name) in [
        ("x-none", "/data/0/id", "sim-large"),
        ("anthropic-version", "/data/0/display_name", "sim-large"),
        ("x-goog-api-key", "/models/0/name", "models/sim-large"),
    ] {
        let request = Client::new()
            .get(format!("http://{}/v1/models", sim.addr()))
            .header(header, "x");
        let list: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(list.pointer(place), Some(&json!(name)), "{header}");
        let request = Client::new()
            .get(format!("http://{}/v1/models/any", sim.addr()))
            .header(header, "x");
        let model = request.send().await.unwrap().text().await.unwrap();
        assert!(model.contains("any\""), "{header}: {model}");
    }
}

#[tokio::test]
async fn hostile_requests_are_answered() {
    let sim = sim();
    let deep = "[".repeat(100_000);
    let many = "say \"x\" call get_weather with {\"a\":".repeat(20_000);
    for target in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/model/m/converse",
    ] {
        let request = Client::new()
            .post(format!("http://{}{target}", sim.addr()))
            .body(deep.clone());
        assert_eq!(request.send().await.unwrap().status(), 400, "{target}");
    }
    for api in ALL {
        let talk = Talk {
            said: &many,
            tool: true,
            ..Talk::default()
        };
        assert_eq!(api.plain(&sim, &talk).await.calls.len(), 16, "{api:?}");
    }
}

#[test]
fn the_checksum_of_this_test_is_the_standard_one() {
    assert_eq!(frames::crc32(b"123456789"), 0xcbf4_3926);
}
