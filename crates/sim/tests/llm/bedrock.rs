//! Bedrock's Converse, and its frames around Anthropic's events.

use serde_json::{Value, json};

use crate::anthropic::{anthropic_stop, messages_stream};
use crate::apis::{Called, Seen, Talk, parsed, results, schema, string};
use crate::frames;

pub(crate) fn invoke_stream(body: &[u8]) -> Seen {
    let events: Vec<Value> = frames::events(body)
        .iter()
        .map(|(kind, payload)| {
            assert_eq!(kind, "chunk");
            serde_json::from_slice(&frames::base64(payload["bytes"].as_str().unwrap())).unwrap()
        })
        .collect();
    let seen = messages_stream(&events);
    let metrics = &events.last().unwrap()["amazon-bedrock-invocationMetrics"];
    assert_eq!(
        (&metrics["inputTokenCount"], &metrics["outputTokenCount"]),
        (&json!(seen.tokens.0), &json!(seen.tokens.1))
    );
    seen
}

pub(crate) fn converse_body(talk: &Talk<'_>) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": [{ "text": talk.said }] })];
    if let Some((seen, _)) = talk.then {
        let calls = seen.calls.iter().map(
            |call| json!({ "toolUse": { "toolUseId": call.id, "name": call.name, "input": call.arguments } }),
        );
        messages.push(json!({ "role": "assistant", "content": calls.collect::<Vec<_>>() }));
        let results = results(talk).map(|(call, result)| {
            json!({ "toolResult": { "toolUseId": call.id, "content": [{ "text": result }] } })
        });
        messages.push(json!({ "role": "user", "content": results.collect::<Vec<_>>() }));
    }
    let mut body = json!({ "messages": messages });
    if let Some(max) = talk.max {
        body["inferenceConfig"] = json!({ "maxTokens": max });
    }
    if talk.tool {
        let tool = json!({ "name": "get_weather", "inputSchema": { "json": schema() } });
        body["toolConfig"] = json!({ "tools": [{ "toolSpec": tool }] });
    }
    body
}

pub(crate) fn converse_whole(answer: &Value) -> Seen {
    let mut seen = Seen {
        stop: anthropic_stop(&answer["stopReason"]),
        ..Seen::default()
    };
    for block in answer["output"]["message"]["content"].as_array().unwrap() {
        if let Some(call) = block.get("toolUse") {
            seen.calls.push(Called {
                id: string(&call["toolUseId"]),
                name: string(&call["name"]),
                arguments: call["input"].clone(),
            });
        } else {
            seen.text.push_str(block["text"].as_str().unwrap());
        }
    }
    let usage = |key: &str| answer["usage"][key].as_u64().unwrap();
    assert_eq!(usage("totalTokens"), usage("inputTokens") + usage("outputTokens"));
    seen.tokens = (usage("inputTokens"), usage("outputTokens"));
    seen
}

pub(crate) fn converse_stream(events: &[(String, Value)]) -> Seen {
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[0], "messageStart");
    assert_eq!(kinds[kinds.len() - 2..], ["messageStop", "metadata"]);
    let mut blocks: Vec<Value> = Vec::new();
    let mut open = json!({});
    let mut pieces = String::new();
    for (kind, event) in &events[1..events.len() - 2] {
        assert_eq!(event["contentBlockIndex"], blocks.len(), "{kind}");
        match kind.as_str() {
            "contentBlockStart" => open = event["start"].clone(),
            "contentBlockDelta" => {
                let delta = &event["delta"];
                let piece = delta.get("text").unwrap_or(&delta["toolUse"]["input"]);
                pieces.push_str(piece.as_str().unwrap());
            }
            "contentBlockStop" => {
                match open.get_mut("toolUse") {
                    Some(call) => call["input"] = parsed(&pieces),
                    None => open = json!({ "text": pieces }),
                }
                blocks.push(std::mem::take(&mut open));
                pieces.clear();
            }
            other => panic!("{other}"),
        }
    }
    let mut whole = events.last().unwrap().1.clone();
    whole["stopReason"] = events[events.len() - 2].1["stopReason"].clone();
    whole["output"] = json!({ "message": { "role": "assistant", "content": blocks } });
    converse_whole(&whole)
}
