//! Responses (<https://platform.openai.com/docs/api-reference/responses>). Nothing is stored: a
//! `previous_response_id` is taken, but what was said there is not known.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use murphy_core::draw::identity;
use serde_json::{Value, json};

use super::responses_stream::events;
use super::{CREATED, choice, identified, missing, tools, unreadable};
use crate::llm::brain::{Answer, Call, Past, Prompt, Role, Stop, Turn};
use crate::llm::json::{at, content, list, parse, text};
use crate::llm::send::{self, named, receive, sse};
use crate::plain::Refusal;

/// `POST /v1/responses`.
pub(crate) async fn responses(request: Request) -> Result<Response, Refusal> {
    let (_, body, interval) = receive(request).await?;
    let request = match parse(&body) {
        Ok(request) => request,
        Err(why) => return Ok(unreadable(&why)),
    };
    let Some(model) = at(&request, "/model").as_str() else {
        return Ok(missing("model"));
    };
    let turns = turns(&request);
    if turns.is_empty() {
        return Ok(missing("input"));
    }
    let answer = prompt(&request, turns, identity(&[&body])).answer();
    let made = Made {
        model,
        request: &request,
        answer,
    };
    let response = if at(&request, "/stream").as_bool() == Some(true) {
        sse(events(&made).iter().map(named).collect(), interval)
    } else {
        send::json(StatusCode::OK, &made.whole())
    };
    Ok(identified(response, made.answer.id))
}

fn prompt(request: &Value, mut turns: Vec<Turn>, id: u64) -> Prompt {
    let instructions = content(at(request, "/instructions"));
    if !instructions.is_empty() {
        turns.insert(0, Turn::said(Role::System, instructions));
    }
    let format = at(request, "/text/format/schema");
    Prompt {
        id,
        turns,
        tools: tools(request),
        choice: choice(request),
        schema: format.is_object().then(|| format.clone()),
        max_tokens: at(request, "/max_output_tokens").as_u64(),
        stops: Vec::new(), // this API has none
    }
}

/// The input is one text of the user, or a list of items.
fn turns(request: &Value) -> Vec<Turn> {
    let input = at(request, "/input");
    if let Some(said) = input.as_str() {
        return vec![Turn::said(Role::User, said.to_owned())];
    }
    list(input).iter().map(turn).collect()
}

fn turn(item: &Value) -> Turn {
    let id = || text(item, "/call_id").to_owned();
    match text(item, "/type") {
        "function_call" => {
            let call = Past {
                id: id(),
                name: text(item, "/name").to_owned(),
                text: text(item, "/arguments").to_owned(),
            };
            Turn {
                role: Role::Assistant,
                calls: vec![call],
                ..Turn::default()
            }
        }
        "function_call_output" => {
            let result = Past {
                id: id(),
                name: String::new(),
                text: content(at(item, "/output")),
            };
            Turn {
                results: vec![result],
                ..Turn::default()
            }
        }
        "message" | "" => {
            let role = match text(item, "/role") {
                "system" | "developer" => Role::System,
                "assistant" => Role::Assistant,
                _ => Role::User,
            };
            Turn::said(role, content(at(item, "/content")))
        }
        // Reasoning and the provider's own tools: part of the model's turn, with nothing to answer.
        _ => Turn::said(Role::Assistant, String::new()),
    }
}

/// An answer in the shapes of this API.
pub(super) struct Made<'a> {
    model: &'a str,
    request: &'a Value,
    pub(super) answer: Answer,
}

impl Made<'_> {
    /// The finished response.
    pub(super) fn whole(&self) -> Value {
        let incomplete = self.answer.stop == Stop::Length;
        let status = if incomplete { "incomplete" } else { "completed" };
        let mut output = Vec::new();
        if self.has_message() {
            output.push(self.message(status, &[text_part(&self.answer.text)]));
        }
        output.extend(
            self.answer
                .calls
                .iter()
                .map(|call| function_call(call, status, &call.arguments)),
        );
        let usage = json!({
            "input_tokens": self.answer.input_tokens,
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": self.answer.output_tokens,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": self.answer.input_tokens + self.answer.output_tokens,
        });
        self.response(status, output, usage)
    }

    /// The response before anything is said.
    pub(super) fn started(&self) -> Value {
        self.response("in_progress", Vec::new(), Value::Null)
    }

    /// Whether there is a message: also an empty one, if there is nothing else.
    pub(super) fn has_message(&self) -> bool {
        !self.answer.text.is_empty() || self.answer.calls.is_empty()
    }

    pub(super) fn message_id(&self) -> String {
        format!("msg_{:016x}", self.answer.id)
    }

    pub(super) fn message(&self, status: &str, content: &[Value]) -> Value {
        json!({
            "id": self.message_id(), "type": "message", "status": status,
            "role": "assistant", "content": content,
        })
    }

    fn response(&self, status: &str, output: Vec<Value>, usage: Value) -> Value {
        let given = |pointer: &str, default: Value| match at(self.request, pointer) {
            Value::Null => default,
            value => value.clone(),
        };
        let reason = (status == "incomplete").then(|| json!({ "reason": "max_output_tokens" }));
        let completed_at = (status == "completed").then_some(CREATED);
        json!({
            "id": format!("resp_{:016x}", self.answer.id),
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": false,
            "completed_at": completed_at,
            "error": null,
            "incomplete_details": reason,
            "instructions": given("/instructions", Value::Null),
            "max_output_tokens": given("/max_output_tokens", Value::Null),
            "metadata": given("/metadata", json!({})),
            "model": self.model,
            "output": output,
            "parallel_tool_calls": given("/parallel_tool_calls", json!(true)),
            "previous_response_id": given("/previous_response_id", Value::Null),
            "reasoning": { "effort": null, "summary": null },
            "service_tier": "default",
            "store": given("/store", json!(true)),
            "temperature": given("/temperature", json!(1.0)),
            "text": given("/text", json!({ "format": { "type": "text" } })),
            "tool_choice": given("/tool_choice", json!("auto")),
            "tools": given("/tools", json!([])),
            "top_p": given("/top_p", json!(1.0)),
            "truncation": "disabled",
            "usage": usage,
            "user": null,
        })
    }
}

/// The part of a message that holds this text.
pub(super) fn text_part(text: &str) -> Value {
    json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
}

pub(super) fn function_call_id(call: &Call) -> String {
    format!("fc_{:016x}", call.id)
}

/// The item of a call, with as much of the arguments as is known.
pub(super) fn function_call(call: &Call, status: &str, arguments: &str) -> Value {
    json!({
        "id": function_call_id(call), "type": "function_call", "status": status,
        "call_id": format!("call_{:016x}", call.id), "name": call.name, "arguments": arguments,
    })
}
