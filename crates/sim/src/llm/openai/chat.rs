//! Chat completions (<https://platform.openai.com/docs/api-reference/chat>), plain and as a stream of unnamed
//! server-sent events that `[DONE]` ends.

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use murphy_core::draw::identity;
use serde_json::{Value, json};

use super::{CREATED, choice, identified, invalid, missing, mistral, tools, unreadable};
use crate::llm::brain::{Answer, Call, Past, Prompt, Role, Stop, Turn};
use crate::llm::json::{at, content, either, list, parse, set, strings, text};
use crate::llm::send::{self, data, pieces, receive, sse, words};
use crate::plain::Refusal;

/// `POST /v1/chat/completions`.
pub(crate) async fn chat_completion(request: Request) -> Result<Response, Refusal> {
    let (parts, body, interval) = receive(request).await?;
    let request = match parse(&body) {
        Ok(request) => request,
        Err(why) => return Ok(unreadable(&why)),
    };
    let Some(model) = at(&request, "/model").as_str() else {
        return Ok(missing("model"));
    };
    let Some(messages) = at(&request, "/messages").as_array() else {
        return Ok(missing("messages"));
    };
    if messages.is_empty() {
        let why = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Ok(invalid(why, Some("messages")));
    }
    let prompt = prompt(&request, messages, identity(&[&body]));
    let completion = Completion {
        model,
        answer: prompt.answer(),
    };
    let of_mistral = mistral::asks(&parts.headers);
    let response = if at(&request, "/stream").as_bool() == Some(true) {
        let usage = at(&request, "/stream_options/include_usage").as_bool() == Some(true);
        let chunks = if of_mistral {
            mistral::chunks(&completion)
        } else {
            completion.chunks(usage)
        };
        let mut events: Vec<Bytes> = chunks.iter().map(data).collect();
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        sse(events, interval)
    } else {
        let whole = if of_mistral {
            mistral::whole(&completion)
        } else {
            completion.whole()
        };
        send::json(StatusCode::OK, &whole)
    };
    Ok(identified(response, completion.answer.id))
}

fn prompt(request: &Value, messages: &[Value], id: u64) -> Prompt {
    let format = at(request, "/response_format/json_schema/schema");
    Prompt {
        id,
        turns: messages.iter().map(turn).collect(),
        tools: tools(request),
        choice: choice(request),
        schema: format.is_object().then(|| format.clone()),
        max_tokens: either(request, &["max_completion_tokens", "max_tokens"]).as_u64(),
        stops: strings(at(request, "/stop")),
    }
}

fn turn(message: &Value) -> Turn {
    let said = content(at(message, "/content"));
    let role = match text(message, "/role") {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        "tool" => {
            let result = Past {
                id: text(message, "/tool_call_id").to_owned(),
                name: text(message, "/name").to_owned(),
                text: said,
            };
            return Turn {
                results: vec![result],
                ..Turn::default()
            };
        }
        _ => Role::User,
    };
    let calls = list(at(message, "/tool_calls")).iter().map(|call| Past {
        id: text(call, "/id").to_owned(),
        name: text(call, "/function/name").to_owned(),
        text: text(call, "/function/arguments").to_owned(),
    });
    Turn {
        calls: calls.collect(),
        ..Turn::said(role, said)
    }
}

/// An answer in the shapes of this API.
pub(super) struct Completion<'a> {
    pub(super) model: &'a str,
    pub(super) answer: Answer,
}

impl Completion<'_> {
    fn usage(&self) -> Value {
        let (prompt, completion) = (self.answer.input_tokens, self.answer.output_tokens);
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        match self.answer.stop {
            Stop::End | Stop::Sequence(_) => "stop",
            Stop::Calls => "tool_calls",
            Stop::Length => "length",
        }
    }

    fn frame(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": format!("chatcmpl-{:016x}", self.answer.id),
            "object": object,
            "created": CREATED,
            "model": self.model,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": "fp_sim",
        })
    }

    /// Null where the API says null: no text, but calls.
    fn content(&self) -> Value {
        let answer = &self.answer;
        if answer.text.is_empty() && !answer.calls.is_empty() {
            return Value::Null;
        }
        json!(answer.text)
    }

    fn whole(&self) -> Value {
        let mut message = json!({
            "role": "assistant", "content": self.content(), "refusal": null, "annotations": [],
        });
        if !self.answer.calls.is_empty() {
            let calls = self
                .answer
                .calls
                .iter()
                .map(|call| tool_call(call, &call.arguments));
            set(&mut message, "tool_calls", calls.collect());
        }
        let choices = json!([{
            "index": 0, "message": message, "logprobs": null, "finish_reason": self.finish_reason(),
        }]);
        let mut whole = self.frame("chat.completion", choices);
        set(&mut whole, "usage", self.usage());
        whole
    }

    fn chunks(&self, with_usage: bool) -> Vec<Value> {
        let content = match self.content() {
            Value::Null => Value::Null,
            _ => json!(""),
        };
        let role = json!({ "role": "assistant", "content": content, "refusal": null });
        let mut chunks = vec![self.chunk(role, Value::Null)];
        let words = words(&self.answer.text);
        chunks.extend(words.map(|word| self.chunk(json!({ "content": word }), Value::Null)));
        for (index, call) in self.answer.calls.iter().enumerate() {
            let mut start = tool_call(call, "");
            set(&mut start, "index", json!(index));
            chunks.push(self.chunk(json!({ "tool_calls": [start] }), Value::Null));
            chunks.extend(pieces(&call.arguments).into_iter().map(|piece| {
                let delta = json!({ "index": index, "function": { "arguments": piece } });
                self.chunk(json!({ "tool_calls": [delta] }), Value::Null)
            }));
        }
        chunks.push(self.chunk(json!({}), json!(self.finish_reason())));
        if with_usage {
            // `stream_options.include_usage`: null in every chunk but one more at the end, which has no choices.
            for chunk in &mut chunks {
                set(chunk, "usage", Value::Null);
            }
            let mut last = self.frame("chat.completion.chunk", json!([]));
            set(&mut last, "usage", self.usage());
            chunks.push(last);
        }
        chunks
    }

    fn chunk(&self, delta: Value, finish_reason: Value) -> Value {
        let choices = json!([
            { "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason },
        ]);
        self.frame("chat.completion.chunk", choices)
    }
}

fn tool_call(call: &Call, arguments: &str) -> Value {
    json!({
        "id": format!("call_{:016x}", call.id),
        "type": "function",
        "function": { "name": call.name, "arguments": arguments },
    })
}
