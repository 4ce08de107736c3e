//! How answers leave: the bodies of requests with their bound, the pace of streams, the pieces of a text.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Query, Request};
use axum::response::IntoResponse as _;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderName;
use http::request::Parts;
use serde::Deserialize;
use serde_json::Value;

use crate::bodies::timed;
use crate::plain::{Refusal, milliseconds, whole};
use crate::routes::event_stream;

/// The largest request.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The bytes of one piece of streamed JSON arguments, at least.
const PIECE_BYTES: usize = 12;

/// The pace of a stream. Other parameters are the API's own (`api-version`, `alt`, `key`, `beta`).
#[derive(Deserialize)]
struct Speed {
    #[serde(default)]
    interval_ms: u64,
}

/// Reads a whole request: its head, its body, and the time between the events of a streamed answer.
pub(super) async fn receive(request: Request) -> Result<(Parts, Bytes, Duration), Refusal> {
    let (mut parts, body) = request.into_parts();
    let Query(speed) = Query::<Speed>::from_request_parts(&mut parts, &())
        .await
        .map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let interval = milliseconds("interval_ms", speed.interval_ms)?;
    let (body, _) = whole(body, BODY_BYTES_MAX).await?;
    Ok((parts, body, interval))
}

/// A body that sends one event after the other.
pub(super) fn paced(events: Vec<Bytes>, interval: Duration) -> Body {
    let count = events.len() as u64;
    timed(count, interval, move |n| {
        events.get(n as usize).cloned().unwrap_or_default()
    })
}

/// A response of server-sent events.
pub(super) fn sse(events: Vec<Bytes>, interval: Duration) -> Response {
    event_stream(paced(events, interval))
}

/// A server-sent event without a name.
pub(super) fn data(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

/// A server-sent event that is named by the `type` of its data.
pub(super) fn named(value: &Value) -> Bytes {
    let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {value}\n\n").into()
}

/// The pieces in which a text is streamed: its words, each with the space after it.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// The pieces in which arguments are streamed.
pub(super) fn pieces(arguments: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = arguments;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Adds a header field whose value is made of plain letters.
pub(super) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = value.parse() {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    response
}

/// A JSON answer with this status.
pub(super) fn json(status: http::StatusCode, value: &Value) -> Response {
    (status, axum::Json(value)).into_response()
}
