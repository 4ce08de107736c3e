//! OpenAI's chat completions and model list, in the shapes of the API reference
//! (<https://platform.openai.com/docs/api-reference/chat>).

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use murphy_core::draw::identity;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bodies::timed;
use crate::plain::{Refusal, milliseconds, whole};
use crate::routes::event_stream;

/// The largest request.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How much of the last message is repeated, in bytes: each word of a stream is a chunk of its own.
const ECHO_BYTES_MAX: usize = 64 * 1024;

/// When everything here was made: fixed, so that equal requests have equal answers.
const CREATED: u64 = 1_760_000_000;

#[derive(Deserialize)]
struct ChatRequest {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)] // the API's own shape: a string or a list of parts
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts: Vec<&str> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
                texts.join(" ")
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speed {
    #[serde(default)]
    interval_ms: u64,
}

/// `POST /v1/chat/completions`.
pub(crate) async fn chat_completion(
    Query(speed): Query<Speed>,
    request: Request,
) -> Result<Response, Refusal> {
    let interval = milliseconds("interval_ms", speed.interval_ms)?;
    let (body, _) = whole(request.into_body(), BODY_BYTES_MAX).await?;
    let chat: ChatRequest = match serde_json::from_slice(&body) {
        Ok(chat) => chat,
        Err(error) => {
            let why = format!("We could not parse the JSON body of your request: {error}");
            return Ok(invalid(&why, None));
        }
    };
    if chat.messages.is_empty() {
        let why = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Ok(invalid(why, Some("messages")));
    }
    let completion = Completion::new(&chat, identity(&[&body]));
    let mut response = if chat.stream {
        let usage = chat.stream_options.is_some_and(|options| options.include_usage);
        completion.streamed(usage, interval)
    } else {
        Json(completion.whole()).into_response()
    };
    if let Ok(id) = format!("req_{:032x}", completion.id).parse() {
        response.headers_mut().insert("x-request-id", id);
    }
    Ok(response)
}

/// A refusal in the API's own shape.
fn invalid(message: &str, param: Option<&str>) -> Response {
    let error = json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": param, "code": null,
    }});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// One answer, before it is put into a shape.
struct Completion {
    id: u64,
    model: String,
    text: String,
    prompt_tokens: usize,
}

impl Completion {
    fn new(chat: &ChatRequest, id: u64) -> Self {
        let last = chat.messages.iter().rev().find(|message| message.role == "user");
        let mut text = format!("You said: {}", last.map(Message::text).unwrap_or_default());
        text.truncate(text.floor_char_boundary(ECHO_BYTES_MAX));
        Self {
            id,
            model: chat.model.clone(),
            text,
            prompt_tokens: chat.messages.iter().map(|message| tokens(&message.text())).sum(),
        }
    }

    fn usage(&self) -> Value {
        let completion_tokens = tokens(&self.text);
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }

    fn frame(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": format!("chatcmpl-{:016x}", self.id),
            "object": object,
            "created": CREATED,
            "model": self.model,
            "choices": choices,
            "service_tier": "default",
            "system_fingerprint": "fp_sim",
        })
    }

    fn whole(&self) -> Value {
        let message = json!({
            "role": "assistant", "content": self.text, "refusal": null, "annotations": [],
        });
        let choices = json!([
            { "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" },
        ]);
        let mut whole = self.frame("chat.completion", choices);
        set(&mut whole, "usage", self.usage());
        whole
    }

    fn streamed(&self, with_usage: bool, interval: Duration) -> Response {
        let mut events: Vec<Bytes> = self.chunks(with_usage).iter().map(event).collect();
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        let count = events.len() as u64;
        let body = timed(count, interval, move |n| {
            events.get(n as usize).cloned().unwrap_or_default()
        });
        event_stream(body)
    }

    fn chunks(&self, with_usage: bool) -> Vec<Value> {
        let role = json!({ "role": "assistant", "content": "", "refusal": null });
        let mut chunks = vec![self.chunk(role, Value::Null)];
        chunks.extend(
            self.text
                .split_inclusive(' ')
                .map(|word| self.chunk(json!({ "content": word }), Value::Null)),
        );
        chunks.push(self.chunk(json!({}), json!("stop")));
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

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn event(chunk: &Value) -> Bytes {
    format!("data: {chunk}\n\n").into()
}

/// Words stand for tokens.
fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

/// `GET /v1/models`.
pub(crate) async fn models() -> Response {
    let model = |id: &str| json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "sim" });
    let list = json!({ "object": "list", "data": [model("sim-large"), model("sim-small")] });
    ([(header::CACHE_CONTROL, "no-store")], Json(list)).into_response()
}
