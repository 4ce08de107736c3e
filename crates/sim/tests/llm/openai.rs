//! Chat completions of OpenAI and Mistral, and OpenAI's Responses.

use serde_json::{Value, json};

use crate::apis::{Called, Seen, Talk, events, named, parsed, results, schema, string};

pub(crate) fn chat_body(talk: &Talk<'_>) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": talk.said })];
    if let Some((seen, _)) = talk.then {
        let calls = seen.calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments.to_string() });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        messages.push(
            json!({ "role": "assistant", "content": seen.text, "tool_calls": calls.collect::<Vec<_>>() }),
        );
    }
    messages.extend(
        results(talk)
            .map(|(call, result)| json!({ "role": "tool", "tool_call_id": call.id, "content": result })),
    );
    let mut body = json!({ "messages": messages, "max_tokens": talk.max });
    if talk.tool {
        let function = json!({ "name": "get_weather", "parameters": schema() });
        body["tools"] = json!([{ "type": "function", "function": function }]);
    }
    body
}

fn chat_stop(reason: &Value) -> String {
    let stop = match reason.as_str().unwrap() {
        "stop" => "end",
        "tool_calls" => "calls",
        other => other,
    };
    stop.to_owned()
}

fn chat_usage(usage: &Value) -> (u64, u64) {
    let count = |key: &str| usage[key].as_u64().unwrap();
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
    (count("prompt_tokens"), count("completion_tokens"))
}

fn chat_call(call: &Value, arguments: &str) -> Called {
    assert_eq!(call["type"], "function");
    Called {
        id: string(&call["id"]),
        name: string(&call["function"]["name"]),
        arguments: parsed(arguments),
    }
}

pub(crate) fn chat_whole(answer: &Value) -> Seen {
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    let calls = choice["message"]["tool_calls"].as_array().into_iter().flatten();
    Seen {
        text: choice["message"]["content"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        calls: calls
            .map(|call| chat_call(call, call["function"]["arguments"].as_str().unwrap()))
            .collect(),
        stop: chat_stop(&choice["finish_reason"]),
        tokens: chat_usage(&answer["usage"]),
    }
}

pub(crate) fn chat_stream(body: &[u8], mistral: bool) -> Seen {
    let body = body.strip_suffix(b"data: [DONE]\n\n").unwrap();
    let mut chunks = events(body, "\n\n");
    let usage = if mistral {
        chunks.last().unwrap().clone()
    } else {
        chunks.pop().unwrap()
    };
    assert_eq!(usage["choices"].as_array().unwrap().is_empty(), !mistral);
    let mut seen = Seen {
        tokens: chat_usage(&usage["usage"]),
        ..Seen::default()
    };
    let mut calls: Vec<(Value, String)> = Vec::new();
    let last = chunks.len() - 1;
    for (n, chunk) in chunks.iter().enumerate() {
        assert_eq!(
            (&chunk["id"], &chunk["object"]),
            (&usage["id"], &json!("chat.completion.chunk"))
        );
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        assert_eq!(delta["role"] == "assistant", n == 0);
        assert_eq!(choice["finish_reason"].is_string(), n == last);
        seen.text.push_str(delta["content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap() as usize;
            if index == calls.len() {
                calls.push((call.clone(), String::new()));
            } else {
                assert_eq!((index, call.get("id")), (calls.len() - 1, None)); // a piece of the call at hand
            }
            calls[index]
                .1
                .push_str(call["function"]["arguments"].as_str().unwrap());
        }
    }
    seen.calls = calls
        .iter()
        .map(|(call, arguments)| chat_call(call, arguments))
        .collect();
    seen.stop = chat_stop(&chunks[last]["choices"][0]["finish_reason"]);
    seen
}

pub(crate) fn responses_body(talk: &Talk<'_>) -> Value {
    let mut input = vec![json!({ "role": "user", "content": [{ "type": "input_text", "text": talk.said }] })];
    for (call, _) in results(talk) {
        input.push(json!({
            "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments.to_string(),
        }));
    }
    input.extend(results(talk).map(
        |(call, result)| json!({ "type": "function_call_output", "call_id": call.id, "output": result }),
    ));
    let mut body = json!({ "input": input, "max_output_tokens": talk.max });
    if talk.tool {
        body["tools"] = json!([{ "type": "function", "name": "get_weather", "parameters": schema() }]);
    }
    body
}

pub(crate) fn responses_whole(answer: &Value) -> Seen {
    let mut seen = Seen::default();
    for item in answer["output"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "message" => seen.text.push_str(item["content"][0]["text"].as_str().unwrap()),
            "function_call" => seen.calls.push(Called {
                id: string(&item["call_id"]),
                name: string(&item["name"]),
                arguments: parsed(item["arguments"].as_str().unwrap()),
            }),
            other => panic!("{other}"),
        }
    }
    seen.stop = match (answer["status"].as_str().unwrap(), seen.calls.is_empty()) {
        ("completed", true) => "end".to_owned(),
        ("completed", false) => "calls".to_owned(),
        ("incomplete", _) => {
            assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
            "length".to_owned()
        }
        other => panic!("{other:?}"),
    };
    let usage = |key: &str| answer["usage"][key].as_u64().unwrap();
    assert_eq!(
        usage("total_tokens"),
        usage("input_tokens") + usage("output_tokens")
    );
    seen.tokens = (usage("input_tokens"), usage("output_tokens"));
    seen
}

pub(crate) fn responses_stream(body: &[u8]) -> Seen {
    let events = named(body);
    let (last, between) = events.split_last().unwrap();
    let response = &last["response"];
    assert_eq!(
        last["type"],
        format!("response.{}", response["status"].as_str().unwrap())
    );
    let numbers: Vec<u64> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let mut items: Vec<Value> = Vec::new();
    let mut deltas = String::new();
    let mut order = Vec::new();
    for event in between {
        let kind = event["type"].as_str().unwrap().strip_prefix("response.").unwrap();
        if order.last() != Some(&kind) {
            order.push(kind);
        }
        if let Some(index) = event.get("output_index") {
            assert_eq!(*index, items.len(), "{kind}");
            let id = event.get("item_id").unwrap_or(&event["item"]["id"]);
            assert_eq!(*id, response["output"][items.len()]["id"], "{kind}");
        }
        match kind {
            "created" | "in_progress" => assert_eq!(event["response"]["id"], response["id"]),
            "output_item.added" => deltas.clear(),
            "output_text.delta" | "function_call_arguments.delta" => {
                deltas.push_str(event["delta"].as_str().unwrap());
            }
            "output_text.done" => assert_eq!(event["text"], deltas),
            "function_call_arguments.done" => assert_eq!(event["arguments"], deltas),
            "content_part.added" => assert_eq!(event["part"]["text"], ""),
            "content_part.done" => assert_eq!(event["part"]["text"], deltas),
            "output_item.done" => items.push(event["item"].clone()),
            other => panic!("{other}"),
        }
    }
    let mut expected = vec!["created", "in_progress"];
    for item in &items {
        expected.extend(match item["type"].as_str() {
            Some("message") => [
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
            ]
            .as_slice(),
            _ => [
                "output_item.added",
                "function_call_arguments.delta",
                "function_call_arguments.done",
            ]
            .as_slice(),
        });
        expected.push("output_item.done");
    }
    if items.first().is_some_and(|item| item["content"][0]["text"] == "") {
        expected.retain(|kind| *kind != "output_text.delta"); // an empty text has no pieces
    }
    assert_eq!(order, expected);
    assert_eq!(response["output"], Value::Array(items));
    responses_whole(response)
}
