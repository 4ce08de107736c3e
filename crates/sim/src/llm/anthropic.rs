//! Anthropic's Messages and its token count (<https://docs.anthropic.com/en/api/messages>), plain and as a stream
//! of named server-sent events. Bedrock's InvokeModel carries the same bodies.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use murphy_core::draw::identity;
use serde_json::{Value, json};

use super::brain::{Answer, Call, Choice, Past, Prompt, Role, Stop, Tool, Turn};
use super::json::{at, content, list, object, parse, strings, text};
use super::send::{self, named, pieces, receive, sse, words};
use crate::plain::Refusal;

/// `POST /v1/messages`.
pub(crate) async fn messages(request: Request) -> Result<Response, Refusal> {
    let (_, body, interval) = receive(request).await?;
    let id = identity(&[&body]);
    let request = match parse(&body) {
        Ok(request) => request,
        Err(why) => return Ok(invalid(&why, id)),
    };
    let model = match model_of(&request) {
        Ok(model) => model,
        Err(why) => return Ok(invalid(why, id)),
    };
    let message = match Message::new(&request, model, id) {
        Ok(message) => message,
        Err(why) => return Ok(invalid(why, id)),
    };
    let response = if at(&request, "/stream").as_bool() == Some(true) {
        sse(message.events().iter().map(named).collect(), interval)
    } else {
        send::json(StatusCode::OK, &message.whole())
    };
    Ok(identified(response, id))
}

/// `POST /v1/messages/count_tokens`: what the same request would cost as a message.
pub(crate) async fn count_tokens(request: Request) -> Result<Response, Refusal> {
    let (_, body, _) = receive(request).await?;
    let id = identity(&[&body]);
    let prompt = parse(&body).and_then(|request| {
        let checked = model_of(&request).and_then(|_| prompt(&request, id));
        checked.map_err(str::to_owned)
    });
    let response = match prompt {
        Ok(prompt) => send::json(StatusCode::OK, &json!({ "input_tokens": prompt.tokens() })),
        Err(why) => return Ok(invalid(&why, id)),
    };
    Ok(identified(response, id))
}

fn request_id(id: u64) -> String {
    format!("req_sim{id:021x}")
}

/// Every response has an id in this field.
fn identified(response: Response, id: u64) -> Response {
    send::with_header(response, "request-id", &request_id(id))
}

/// A refusal in the API's own shape.
fn invalid(message: &str, id: u64) -> Response {
    let error = json!({
        "type": "error",
        "error": { "type": "invalid_request_error", "message": message },
        "request_id": request_id(id),
    });
    identified(send::json(StatusCode::BAD_REQUEST, &error), id)
}

fn model_of(request: &Value) -> Result<&str, &'static str> {
    at(request, "/model").as_str().ok_or("model: Field required")
}

fn prompt(request: &Value, id: u64) -> Result<Prompt, &'static str> {
    let messages = at(request, "/messages").as_array();
    let messages = messages.ok_or("messages: Field required")?;
    if messages.is_empty() {
        return Err("messages: at least one message is required");
    }
    let mut turns: Vec<Turn> = messages.iter().map(turn).collect();
    let system = content(at(request, "/system"));
    if !system.is_empty() {
        turns.insert(0, Turn::said(Role::System, system));
    }
    let tools = list(at(request, "/tools")).iter();
    let tools = tools.map(|tool| Tool::new(text(tool, "/name"), at(tool, "/input_schema"), tool));
    let choice = match text(request, "/tool_choice/type") {
        "none" => Choice::None,
        "any" => Choice::Any,
        "tool" => Choice::Named(text(request, "/tool_choice/name").to_owned()),
        _ => Choice::Auto,
    };
    let formats = ["/output_config/format/schema", "/output_format/schema"];
    let format = formats
        .iter()
        .map(|place| at(request, place))
        .find(|format| format.is_object());
    Ok(Prompt {
        id,
        turns,
        tools: tools.filter(|tool| !tool.name.is_empty()).collect(),
        choice,
        schema: format.cloned(),
        max_tokens: at(request, "/max_tokens").as_u64(),
        stops: strings(at(request, "/stop_sequences")),
    })
}

fn turn(message: &Value) -> Turn {
    let said = at(message, "/content");
    let blocks = || list(said).iter();
    let of_type = |kind: &'static str| blocks().filter(move |block| text(block, "/type") == kind);
    let role = match text(message, "/role") {
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => Role::User,
    };
    let calls = of_type("tool_use").map(|block| Past {
        id: text(block, "/id").to_owned(),
        name: text(block, "/name").to_owned(),
        text: at(block, "/input").to_string(),
    });
    let results = of_type("tool_result").map(|block| Past {
        id: text(block, "/tool_use_id").to_owned(),
        name: String::new(),
        text: content(at(block, "/content")),
    });
    Turn {
        role,
        text: content(said),
        calls: calls.collect(),
        results: results.collect(),
    }
}

/// An answer in the shapes of this API.
pub(super) struct Message<'a> {
    model: &'a str,
    pub(super) answer: Answer,
}

impl<'a> Message<'a> {
    /// Answers a request, or says what it lacks.
    pub(super) fn new(request: &Value, model: &'a str, id: u64) -> Result<Self, &'static str> {
        if at(request, "/max_tokens").as_u64().is_none() {
            return Err("max_tokens: Field required");
        }
        let answer = prompt(request, id)?.answer();
        Ok(Self { model, answer })
    }

    /// The message in one piece.
    pub(super) fn whole(&self) -> Value {
        let answer = &self.answer;
        let mut blocks = Vec::new();
        if !answer.text.is_empty() {
            blocks.push(json!({ "type": "text", "text": answer.text }));
        }
        blocks.extend(
            answer
                .calls
                .iter()
                .map(|call| tool_use(call, object(&call.arguments))),
        );
        self.message(
            &blocks,
            self.stop_reason(),
            self.stop_sequence(),
            answer.output_tokens,
        )
    }

    /// The message in events: blocks open and close in order, and the usage of the last event is the whole.
    pub(super) fn events(&self) -> Vec<Value> {
        let answer = &self.answer;
        let start = self.message(&[], Value::Null, Value::Null, 0);
        let mut events = vec![json!({ "type": "message_start", "message": start })];
        let mut index = 0;
        if !answer.text.is_empty() {
            let deltas = words(&answer.text).map(|word| json!({ "type": "text_delta", "text": word }));
            block(
                index,
                &json!({ "type": "text", "text": "" }),
                deltas.collect(),
                &mut events,
            );
            index += 1;
        }
        for call in &answer.calls {
            // As the provider does: the first piece is an empty one.
            let pieces = std::iter::once("").chain(pieces(&call.arguments));
            let deltas = pieces.map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }));
            block(index, &tool_use(call, json!({})), deltas.collect(), &mut events);
            index += 1;
        }
        events.push(json!({
            "type": "message_delta",
            "delta": {
                "stop_reason": self.stop_reason(),
                "stop_sequence": self.stop_sequence(),
                "stop_details": null,
            },
            "usage": usage(answer.input_tokens, answer.output_tokens),
        }));
        events.push(json!({ "type": "message_stop" }));
        events
    }

    fn stop_reason(&self) -> Value {
        json!(match self.answer.stop {
            Stop::End => "end_turn",
            Stop::Calls => "tool_use",
            Stop::Length => "max_tokens",
            Stop::Sequence(_) => "stop_sequence",
        })
    }

    fn stop_sequence(&self) -> Value {
        match &self.answer.stop {
            Stop::Sequence(sequence) => json!(sequence),
            _ => Value::Null,
        }
    }

    fn message(
        &self,
        blocks: &[Value],
        stop_reason: Value,
        stop_sequence: Value,
        output_tokens: u64,
    ) -> Value {
        let mut usage = usage(self.answer.input_tokens, output_tokens);
        super::json::set(&mut usage, "service_tier", json!("standard"));
        json!({
            "id": format!("msg_{:024x}", self.answer.id),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": blocks,
            "stop_reason": stop_reason,
            "stop_sequence": stop_sequence,
            "stop_details": null,
            "usage": usage,
        })
    }
}

fn usage(input_tokens: u64, output_tokens: u64) -> Value {
    json!({
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    })
}

fn tool_use(call: &Call, input: Value) -> Value {
    json!({ "type": "tool_use", "id": format!("toolu_{:024x}", call.id), "name": call.name, "input": input })
}

/// The events of one block. A ping follows the start of the first.
fn block(index: usize, start: &Value, deltas: Vec<Value>, events: &mut Vec<Value>) {
    events.push(json!({ "type": "content_block_start", "index": index, "content_block": start }));
    if index == 0 {
        events.push(json!({ "type": "ping" }));
    }
    let deltas = deltas.into_iter();
    events
        .extend(deltas.map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })));
    events.push(json!({ "type": "content_block_stop", "index": index }));
}
