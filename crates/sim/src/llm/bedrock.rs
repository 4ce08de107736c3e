//! AWS Bedrock Runtime (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>):
//! Converse and ConverseStream for any model, InvokeModel and its stream for Anthropic's. Signatures are not
//! looked at.

use axum::extract::{Path, Request};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{StatusCode, header};
use murphy_core::draw::identity;
use serde_json::{Value, json};

use super::anthropic::Message;
use super::json::{parse, set};
use super::send::{self, paced, receive};
use crate::plain::Refusal;

mod converse;
mod event_stream;

/// The content type of the event stream.
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// What every metric of time says: nothing here takes any.
const LATENCY_MS: u64 = 1;

/// `POST /model/{model}/converse`.
pub(crate) async fn converse(request: Request) -> Result<Response, Refusal> {
    let (_, body, _) = receive(request).await?;
    let id = identity(&[&body]);
    Ok(match converse::Reply::new(&body, id) {
        Ok(reply) => identified(send::json(StatusCode::OK, &reply.whole()), id),
        Err(why) => invalid(&why, id),
    })
}

/// `POST /model/{model}/converse-stream`.
pub(crate) async fn converse_stream(request: Request) -> Result<Response, Refusal> {
    let (_, body, interval) = receive(request).await?;
    let id = identity(&[&body]);
    Ok(match converse::Reply::new(&body, id) {
        Ok(reply) => {
            let events = reply.events();
            let frames = events
                .iter()
                .map(|(kind, payload)| event_stream::event(kind, payload));
            streamed(frames.collect(), interval, id)
        }
        Err(why) => invalid(&why, id),
    })
}

/// `POST /model/{model}/invoke`.
pub(crate) async fn invoke(Path(model): Path<String>, request: Request) -> Result<Response, Refusal> {
    let (_, body, _) = receive(request).await?;
    let id = identity(&[&body]);
    Ok(match invoked(&model, &body, id) {
        Ok(message) => {
            let response = send::json(StatusCode::OK, &message.whole());
            let (input, output) = (message.answer.input_tokens, message.answer.output_tokens);
            let counts = [
                ("x-amzn-bedrock-input-token-count", input),
                ("x-amzn-bedrock-output-token-count", output),
                ("x-amzn-bedrock-invocation-latency", LATENCY_MS),
            ];
            let response = counts.into_iter().fold(response, |response, (name, count)| {
                send::with_header(response, name, &count.to_string())
            });
            identified(response, id)
        }
        Err(why) => invalid(&why, id),
    })
}

/// `POST /model/{model}/invoke-with-response-stream`: the events of the model's own API, in base64 in chunks.
pub(crate) async fn invoke_stream(Path(model): Path<String>, request: Request) -> Result<Response, Refusal> {
    let (_, body, interval) = receive(request).await?;
    let id = identity(&[&body]);
    let message = match invoked(&model, &body, id) {
        Ok(message) => message,
        Err(why) => return Ok(invalid(&why, id)),
    };
    let mut events = message.events();
    if let Some(last) = events.last_mut() {
        let metrics = json!({
            "inputTokenCount": message.answer.input_tokens,
            "outputTokenCount": message.answer.output_tokens,
            "invocationLatency": LATENCY_MS,
            "firstByteLatency": LATENCY_MS,
        });
        set(last, "amazon-bedrock-invocationMetrics", metrics);
    }
    let frames = events.iter().map(|event| {
        let bytes = BASE64_STANDARD.encode(event.to_string());
        event_stream::event("chunk", &json!({ "bytes": bytes }))
    });
    let response = streamed(frames.collect(), interval, id);
    Ok(send::with_header(
        response,
        "x-amzn-bedrock-content-type",
        "application/json",
    ))
}

fn invoked<'a>(model: &'a str, body: &Bytes, id: u64) -> Result<Message<'a>, String> {
    if !model.contains("anthropic") && !model.contains("claude") {
        return Err(format!(
            "the simulated InvokeModel knows only Anthropic's models, not {model}"
        ));
    }
    let request: Value = parse(body)?;
    if request.get("anthropic_version").is_none() {
        return Err("anthropic_version: Field required".to_owned());
    }
    Message::new(&request, model, id).map_err(str::to_owned)
}

fn streamed(frames: Vec<Bytes>, interval: std::time::Duration, id: u64) -> Response {
    let head = [(header::CONTENT_TYPE, EVENT_STREAM)];
    identified((head, paced(frames, interval)).into_response(), id)
}

/// Every response has an id in this field, a UUID.
fn identified(response: Response, id: u64) -> Response {
    let (high, low) = (id >> 48, id & 0xffff_ffff_ffff);
    let id = format!("00000000-0000-4000-{:04x}-{low:012x}", high >> 2 | 0x8000);
    send::with_header(response, "x-amzn-requestid", &id)
}

/// A refusal in the API's own shape.
fn invalid(message: &str, id: u64) -> Response {
    let response = send::json(StatusCode::BAD_REQUEST, &json!({ "message": message }));
    let response = send::with_header(response, "x-amzn-errortype", "ValidationException");
    identified(response, id)
}
