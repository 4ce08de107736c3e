//! Google's Gemini API (<https://ai.google.dev/api/generate-content>): `generateContent`, `streamGenerateContent`
//! as server-sent events (`alt=sse`) or as one JSON array that is sent element by element, and `countTokens`.
//! Requests are proto3 JSON, which takes camelCase and snake_case names.

use std::time::Duration;

use axum::extract::{Path, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use murphy_core::draw::identity;
use serde_json::{Value, json};

use super::brain::{Answer, Choice, Past, Prompt, Role, Stop, Tool, Turn};
use super::json::{at, either, list, object, parse, set, strings, text};
use super::send::{self, paced, receive, sse, words};
use crate::plain::Refusal;

/// `POST /v1beta/models/{model}:{method}`, or under `/v1`.
pub(crate) async fn call(Path(call): Path<String>, request: Request) -> Result<Response, Refusal> {
    let (parts, body, interval) = receive(request).await?;
    let Some((model, method)) = call.rsplit_once(':') else {
        return Ok(unknown(&call));
    };
    let request = match parse(&body) {
        Ok(request) => request,
        Err(why) => return Ok(invalid(&format!("Invalid JSON payload received. {why}"))),
    };
    let prompt = match prompt(&request, identity(&[&body])) {
        Ok(prompt) => prompt,
        Err(why) => return Ok(invalid(why)),
    };
    let generation = |prompt: Prompt| Generation {
        model,
        answer: prompt.answer(),
    };
    Ok(match method {
        "generateContent" => send::json(StatusCode::OK, &generation(prompt).whole()),
        "streamGenerateContent" => {
            let query = parts.uri.query().unwrap_or_default();
            let as_events = query.split('&').any(|pair| pair == "alt=sse");
            streamed(&generation(prompt).chunks(), as_events, interval)
        }
        "countTokens" => send::json(StatusCode::OK, &json!({ "totalTokens": prompt.tokens() })),
        _ => unknown(&call),
    })
}

/// A refusal in the API's own shape.
fn refused(status: StatusCode, name: &str, message: &str) -> Response {
    let error = json!({ "error": { "code": status.as_u16(), "message": message, "status": name } });
    send::json(status, &error)
}

fn invalid(message: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
}

fn unknown(call: &str) -> Response {
    refused(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        &format!("no method at models/{call}"),
    )
}

/// A stream of chunks, framed as asked.
fn streamed(chunks: &[Value], as_events: bool, interval: Duration) -> Response {
    if as_events {
        let events = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n").into());
        let mut response = sse(events.collect(), interval);
        let plain = http::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        return response;
    }
    let mut pieces: Vec<Bytes> = Vec::new();
    for (number, chunk) in chunks.iter().enumerate() {
        let before = if number == 0 { "[" } else { ",\r\n" };
        pieces.push(format!("{before}{chunk}").into());
    }
    pieces.push(Bytes::from_static(b"\n]\n"));
    let head = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    (head, paced(pieces, interval)).into_response()
}

fn prompt(request: &Value, id: u64) -> Result<Prompt, &'static str> {
    // `countTokens` may wrap the request that it is about.
    let wrapped = either(request, &["generateContentRequest", "generate_content_request"]);
    let request = if wrapped.is_null() { request } else { wrapped };
    let contents = at(request, "/contents");
    let mut turns: Vec<Turn> = match contents {
        Value::Object(_) => vec![turn(contents)],
        _ => list(contents).iter().map(turn).collect(),
    };
    if turns.is_empty() {
        return Err("* GenerateContentRequest.contents: contents is not specified\n");
    }
    let system = either(request, &["systemInstruction", "system_instruction"]);
    if !system.is_null() {
        turns.insert(0, Turn::said(Role::System, turn(system).text));
    }
    let config = either(request, &["generationConfig", "generation_config"]);
    let format = either(
        config,
        &["responseJsonSchema", "responseSchema", "response_schema"],
    );
    Ok(Prompt {
        id,
        turns,
        tools: tools(request),
        choice: choice(request),
        schema: format.is_object().then(|| format.clone()),
        max_tokens: either(config, &["maxOutputTokens", "max_output_tokens"]).as_u64(),
        stops: strings(either(config, &["stopSequences", "stop_sequences"])),
    })
}

fn tools(request: &Value) -> Vec<Tool> {
    let groups = list(at(request, "/tools")).iter();
    let functions =
        groups.flat_map(|group| list(either(group, &["functionDeclarations", "function_declarations"])));
    let tools = functions.map(|function| {
        let schema = either(
            function,
            &["parametersJsonSchema", "parameters_json_schema", "parameters"],
        );
        Tool::new(text(function, "/name"), schema, function)
    });
    tools.filter(|tool| !tool.name.is_empty()).collect()
}

fn choice(request: &Value) -> Choice {
    let config = either(request, &["toolConfig", "tool_config"]);
    let config = either(config, &["functionCallingConfig", "function_calling_config"]);
    let allowed = strings(either(
        config,
        &["allowedFunctionNames", "allowed_function_names"],
    ));
    match text(config, "/mode") {
        "NONE" => Choice::None,
        "ANY" => match allowed.into_iter().next() {
            Some(name) => Choice::Named(name),
            None => Choice::Any,
        },
        _ => Choice::Auto,
    }
}

fn turn(content: &Value) -> Turn {
    let role = match text(content, "/role") {
        "model" => Role::Assistant,
        _ => Role::User,
    };
    let parts = list(at(content, "/parts"));
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|part| at(part, "/text").as_str())
        .collect();
    let past = |part: &Value, names: &[&str], what: &str| {
        let part = either(part, names);
        part.is_object().then(|| Past {
            id: text(part, "/id").to_owned(),
            name: text(part, "/name").to_owned(),
            text: outcome(at(part, what)),
        })
    };
    let calls = parts
        .iter()
        .filter_map(|part| past(part, &["functionCall", "function_call"], "/args"));
    let results = parts
        .iter()
        .filter_map(|part| past(part, &["functionResponse", "function_response"], "/response"));
    Turn {
        role,
        text: texts.join(" "),
        calls: calls.collect(),
        results: results.collect(),
    }
}

/// A result is an object; the clients put a text into its only field.
fn outcome(response: &Value) -> String {
    let texts = ["/result", "/output", "/error"]
        .iter()
        .filter_map(|place| at(response, place).as_str());
    match (texts.into_iter().next(), response.as_object()) {
        (Some(text), Some(fields)) if fields.len() == 1 => text.to_owned(),
        _ => response.to_string(),
    }
}

/// An answer in the shapes of this API.
struct Generation<'a> {
    model: &'a str,
    answer: Answer,
}

impl Generation<'_> {
    fn whole(&self) -> Value {
        let mut parts = Vec::new();
        if !self.answer.text.is_empty() {
            parts.push(json!({ "text": self.answer.text }));
        }
        parts.extend(self.calls());
        self.last(parts)
    }

    /// Text in pieces, calls whole; the last chunk has the reason and the whole usage.
    fn chunks(&self) -> Vec<Value> {
        let mut parts: Vec<Value> = words(&self.answer.text)
            .map(|word| json!({ "text": word }))
            .collect();
        parts.extend(self.calls());
        let last = parts.pop();
        let mut chunks: Vec<Value> = parts.into_iter().map(|part| self.chunk(vec![part])).collect();
        chunks.push(self.last(last.into_iter().collect()));
        chunks
    }

    fn calls(&self) -> impl Iterator<Item = Value> {
        self.answer.calls.iter().map(|call| {
            let id = format!("call-{:016x}", call.id);
            json!({ "functionCall": { "id": id, "name": call.name, "args": object(&call.arguments) } })
        })
    }

    fn last(&self, parts: Vec<Value>) -> Value {
        let reason = match self.answer.stop {
            Stop::Length => "MAX_TOKENS",
            Stop::End | Stop::Calls | Stop::Sequence(_) => "STOP", // there is no reason of its own for calls
        };
        let mut chunk = self.chunk(parts);
        if let Some(candidate) = chunk.pointer_mut("/candidates/0") {
            set(candidate, "finishReason", json!(reason));
        }
        let (prompt, output) = (self.answer.input_tokens, self.answer.output_tokens);
        if let Some(usage) = chunk.get_mut("usageMetadata") {
            set(usage, "candidatesTokenCount", json!(output));
            set(usage, "totalTokenCount", json!(prompt + output));
        }
        chunk
    }

    fn chunk(&self, parts: Vec<Value>) -> Value {
        let prompt = self.answer.input_tokens;
        json!({
            "candidates": [{ "content": { "parts": parts, "role": "model" }, "index": 0 }],
            "usageMetadata": {
                "promptTokenCount": prompt,
                "totalTokenCount": prompt,
                "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": prompt }],
            },
            "modelVersion": self.model,
            "responseId": format!("sim{:016x}", self.answer.id),
        })
    }
}
