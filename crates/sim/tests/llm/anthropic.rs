//! Anthropic's Messages.

use serde_json::{Value, json};

use crate::apis::{Called, Seen, Talk, parsed, results, schema, string};

pub(crate) fn messages_body(talk: &Talk<'_>) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": talk.said })];
    if let Some((seen, _)) = talk.then {
        let calls = seen.calls.iter().map(
            |call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments }),
        );
        messages.push(json!({ "role": "assistant", "content": calls.collect::<Vec<_>>() }));
        let results = results(talk).map(|(call, result)| {
            json!({ "type": "tool_result", "tool_use_id": call.id, "content": [{ "type": "text", "text": result }] })
        });
        messages.push(json!({ "role": "user", "content": results.collect::<Vec<_>>() }));
    }
    let mut body = json!({ "messages": messages, "max_tokens": talk.max.unwrap_or(1_000) });
    if talk.tool {
        body["tools"] = json!([{ "name": "get_weather", "input_schema": schema() }]);
    }
    body
}

pub(crate) fn anthropic_stop(reason: &Value) -> String {
    let stop = match reason.as_str().unwrap() {
        "end_turn" => "end",
        "tool_use" => "calls",
        "max_tokens" => "length",
        other => other,
    };
    stop.to_owned()
}

pub(crate) fn messages_whole(answer: &Value) -> Seen {
    assert_eq!(
        (&answer["type"], &answer["role"]),
        (&json!("message"), &json!("assistant"))
    );
    let mut seen = Seen {
        stop: anthropic_stop(&answer["stop_reason"]),
        ..Seen::default()
    };
    for block in answer["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => seen.text.push_str(block["text"].as_str().unwrap()),
            "tool_use" => seen.calls.push(Called {
                id: string(&block["id"]),
                name: string(&block["name"]),
                arguments: block["input"].clone(),
            }),
            other => panic!("{other}"),
        }
    }
    let usage = |key: &str| answer["usage"][key].as_u64().unwrap();
    seen.tokens = (usage("input_tokens"), usage("output_tokens"));
    seen
}

/// Puts the message together as the client's helper does.
pub(crate) fn messages_stream(events: &[Value]) -> Seen {
    assert_eq!(events[0]["type"], "message_start");
    let mut message = events[0]["message"].clone();
    assert_eq!(
        (&message["content"], &message["stop_reason"]),
        (&json!([]), &Value::Null)
    );
    let mut open: Option<(Value, String)> = None;
    let mut over = false;
    for (n, event) in events.iter().enumerate().skip(1) {
        let blocks = message["content"].as_array_mut().unwrap();
        match event["type"].as_str().unwrap() {
            "ping" => assert!(!over),
            "content_block_start" => {
                assert!(open.is_none());
                assert_eq!(event["index"], blocks.len());
                open = Some((event["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                assert_eq!(event["index"], blocks.len());
                let (block, whole) = open.as_mut().unwrap();
                let (kind, piece) = match block["type"].as_str().unwrap() {
                    "text" => ("text_delta", &event["delta"]["text"]),
                    _ => ("input_json_delta", &event["delta"]["partial_json"]),
                };
                assert_eq!(event["delta"]["type"], kind);
                whole.push_str(piece.as_str().unwrap());
            }
            "content_block_stop" => {
                assert_eq!(event["index"], blocks.len());
                let (mut block, whole) = open.take().unwrap();
                match block["type"].as_str().unwrap() {
                    "text" => block["text"] = json!(whole),
                    _ => block["input"] = parsed(&whole),
                }
                blocks.push(block);
            }
            "message_delta" => {
                assert!(open.is_none() && !over);
                over = true;
                assert_eq!(event["usage"]["input_tokens"], message["usage"]["input_tokens"]);
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => assert!(over && n == events.len() - 1),
            other => panic!("{other}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    messages_whole(&message)
}
