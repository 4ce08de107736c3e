//! The events of a streamed response (<https://platform.openai.com/docs/api-reference/responses-streaming>): each
//! has the next `sequence_number`, items open and close in order, and no `[DONE]` follows the last.

use serde_json::{Value, json};

use super::responses::{Made, function_call, function_call_id, text_part};
use crate::llm::brain::{Call, Stop};
use crate::llm::json::set;
use crate::llm::send::{pieces, words};

/// All events, in order.
pub(super) fn events(made: &Made<'_>) -> Vec<Value> {
    let mut events = vec![
        json!({ "type": "response.created", "response": made.started() }),
        json!({ "type": "response.in_progress", "response": made.started() }),
    ];
    let mut output_index = 0;
    if made.has_message() {
        message(made, &mut events);
        output_index = 1;
    }
    for call in &made.answer.calls {
        function(call, output_index, &mut events);
        output_index += 1;
    }
    let last = match made.answer.stop {
        Stop::Length => "response.incomplete",
        _ => "response.completed",
    };
    events.push(json!({ "type": last, "response": made.whole() }));
    for (number, event) in events.iter_mut().enumerate() {
        set(event, "sequence_number", json!(number));
    }
    events
}

/// The message is the first item, and its text the only part.
fn message(made: &Made<'_>, events: &mut Vec<Value>) {
    let id = made.message_id();
    let text = &made.answer.text;
    let status = match made.answer.stop {
        Stop::Length => "incomplete",
        _ => "completed",
    };
    events.push(json!({
        "type": "response.output_item.added", "output_index": 0,
        "item": made.message("in_progress", &[]),
    }));
    events.push(json!({
        "type": "response.content_part.added", "item_id": id, "output_index": 0, "content_index": 0,
        "part": text_part(""),
    }));
    events.extend(words(text).map(|word| {
        json!({
            "type": "response.output_text.delta", "item_id": id, "output_index": 0, "content_index": 0,
            "delta": word, "logprobs": [],
        })
    }));
    events.push(json!({
        "type": "response.output_text.done", "item_id": id, "output_index": 0, "content_index": 0,
        "text": text, "logprobs": [],
    }));
    events.push(json!({
        "type": "response.content_part.done", "item_id": id, "output_index": 0, "content_index": 0,
        "part": text_part(text),
    }));
    events.push(json!({
        "type": "response.output_item.done", "output_index": 0,
        "item": made.message(status, &[text_part(text)]),
    }));
}

fn function(call: &Call, output_index: usize, events: &mut Vec<Value>) {
    let id = function_call_id(call);
    events.push(json!({
        "type": "response.output_item.added", "output_index": output_index,
        "item": function_call(call, "in_progress", ""),
    }));
    events.extend(pieces(&call.arguments).into_iter().map(|piece| {
        json!({
            "type": "response.function_call_arguments.delta", "item_id": id,
            "output_index": output_index, "delta": piece,
        })
    }));
    events.push(json!({
        "type": "response.function_call_arguments.done", "item_id": id, "name": call.name,
        "output_index": output_index, "arguments": call.arguments,
    }));
    events.push(json!({
        "type": "response.output_item.done", "output_index": output_index,
        "item": function_call(call, "completed", &call.arguments),
    }));
}
