//! Where Mistral's chat completions (<https://docs.mistral.ai/api/>) differ from OpenAI's: calls come whole in the
//! last chunk, since its clients refuse a piece without a name, and that chunk has the usage without being asked.

use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::CREATED;
use super::chat::Completion;
use crate::llm::json::set;
use crate::llm::send::words;

/// What Mistral's clients have in their user agent: the generated ones their package's name at its end.
const AGENTS: [&str; 2] = ["mistralai", "mistral-client"];

/// Whether a client of Mistral's asks: it is on OpenAI's path.
pub(in crate::llm) fn asks(headers: &HeaderMap) -> bool {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| AGENTS.iter().any(|name| agent.contains(name)))
}

/// The completion in one piece.
pub(super) fn whole(completion: &Completion<'_>) -> Value {
    let message = json!({
        "role": "assistant", "tool_calls": tool_calls(completion), "content": completion.answer.text,
    });
    let choices = json!([{
        "index": 0, "finish_reason": completion.finish_reason(), "message": message,
    }]);
    let mut whole = frame(completion, "chat.completion", choices);
    set(&mut whole, "usage", usage(completion));
    whole
}

/// The completion in chunks.
pub(super) fn chunks(completion: &Completion<'_>) -> Vec<Value> {
    let chunk = |delta: Value, reason: Value| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        frame(completion, "chat.completion.chunk", choices)
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    let words = words(&completion.answer.text);
    chunks.extend(words.map(|word| chunk(json!({ "content": word }), Value::Null)));
    let mut delta = json!({ "content": "" });
    let calls = tool_calls(completion);
    if !calls.is_null() {
        set(&mut delta, "tool_calls", calls);
    }
    let mut last = chunk(delta, json!(completion.finish_reason()));
    set(&mut last, "usage", usage(completion));
    chunks.push(last);
    chunks
}

fn frame(completion: &Completion<'_>, object: &str, choices: Value) -> Value {
    json!({
        "id": format!("{:032x}", completion.answer.id),
        "object": object,
        "created": CREATED,
        "model": completion.model,
        "choices": choices,
    })
}

fn usage(completion: &Completion<'_>) -> Value {
    let (prompt, output) = (completion.answer.input_tokens, completion.answer.output_tokens);
    json!({ "prompt_tokens": prompt, "total_tokens": prompt + output, "completion_tokens": output })
}

/// The calls, or null; their ids are nine letters or digits, which the API insists on.
fn tool_calls(completion: &Completion<'_>) -> Value {
    let calls = completion.answer.calls.iter().enumerate().map(|(index, call)| {
        json!({
            "id": format!("{:09x}", call.id & 0xf_ffff_ffff),
            "type": "function",
            "function": { "name": call.name, "arguments": call.arguments },
            "index": index,
        })
    });
    let calls: Vec<Value> = calls.collect();
    if calls.is_empty() {
        Value::Null
    } else {
        Value::Array(calls)
    }
}
