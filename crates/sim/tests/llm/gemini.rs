//! Gemini's `generateContent`.

use serde_json::{Value, json};

use crate::apis::{Called, Seen, Talk, results, schema, string};

pub(crate) fn gemini_body(talk: &Talk<'_>) -> Value {
    let mut contents = vec![json!({ "role": "user", "parts": [{ "text": talk.said }] })];
    if let Some((seen, _)) = talk.then {
        let calls = seen.calls.iter().map(
            |call| json!({ "functionCall": { "id": call.id, "name": call.name, "args": call.arguments } }),
        );
        contents.push(json!({ "role": "model", "parts": calls.collect::<Vec<_>>() }));
        let results = results(talk).map(|(call, result)| {
            json!({ "functionResponse": { "id": call.id, "name": call.name, "response": { "result": result } } })
        });
        contents.push(json!({ "role": "user", "parts": results.collect::<Vec<_>>() }));
    }
    let mut body = json!({ "contents": contents, "generationConfig": { "maxOutputTokens": talk.max } });
    if talk.tool {
        let function = json!({ "name": "get_weather", "parameters": schema() });
        body["tools"] = json!([{ "functionDeclarations": [function] }]);
    }
    body
}

pub(crate) fn gemini_whole(answer: &Value) -> Seen {
    let candidate = &answer["candidates"][0];
    let mut seen = Seen::default();
    gemini_parts(&candidate["content"], &mut seen);
    seen.stop = match (candidate["finishReason"].as_str().unwrap(), seen.calls.is_empty()) {
        ("STOP", true) => "end".to_owned(),
        ("STOP", false) => "calls".to_owned(),
        ("MAX_TOKENS", _) => "length".to_owned(),
        other => panic!("{other:?}"),
    };
    let usage = |key: &str| answer["usageMetadata"][key].as_u64().unwrap();
    assert_eq!(
        usage("totalTokenCount"),
        usage("promptTokenCount") + usage("candidatesTokenCount")
    );
    seen.tokens = (usage("promptTokenCount"), usage("candidatesTokenCount"));
    seen
}

fn gemini_parts(content: &Value, seen: &mut Seen) {
    assert_eq!(content["role"], "model");
    for part in content["parts"].as_array().unwrap() {
        if let Some(call) = part.get("functionCall") {
            seen.calls.push(Called {
                id: string(&call["id"]),
                name: string(&call["name"]),
                arguments: call["args"].clone(),
            });
        } else {
            seen.text.push_str(part["text"].as_str().unwrap());
        }
    }
}

pub(crate) fn gemini_stream(chunks: &[Value]) -> Seen {
    let (last, before) = chunks.split_last().unwrap();
    let mut parts = Vec::new();
    for chunk in before {
        assert_eq!(
            (&chunk["responseId"], &chunk["modelVersion"]),
            (&last["responseId"], &json!("m"))
        );
        assert!(chunk["candidates"][0].get("finishReason").is_none());
        parts.extend(
            chunk["candidates"][0]["content"]["parts"]
                .as_array()
                .unwrap()
                .clone(),
        );
    }
    let mut whole = last.clone();
    let of_last = whole["candidates"][0]["content"]["parts"]
        .as_array()
        .unwrap()
        .clone();
    parts.extend(of_last);
    whole["candidates"][0]["content"]["parts"] = json!(parts);
    gemini_whole(&whole)
}
