//! Which path is answered by what.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, Query, State as Shared};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Deserialize;
use tokio::sync::watch;

use crate::bodies::{Framing, Pattern, timed};
use crate::pattern::pattern;
use crate::plain::{Refusal, bounded, framing, milliseconds, octets};
use crate::server::State;
use crate::{calls, coded, echo, llm, plain};

/// The longest body that has an end: 1 TiB.
const BYTES_MAX: u64 = 1 << 40;

/// The most events of one stream.
const EVENTS_MAX: u64 = 1_000_000;

/// The most bytes that are sent one by one.
const DRIP_BYTES_MAX: u64 = 1024 * 1024;

/// The largest WebSocket message.
const WS_MESSAGE_BYTES_MAX: usize = 1024 * 1024;

pub(crate) fn router(state: State) -> Router {
    Router::new()
        .merge(llm_apis())
        .route("/echo", any(echo::echo))
        .route("/sink", any(echo::sink))
        .route("/status/{code}", any(plain::status))
        .route("/bytes/{n}", get(bytes))
        .route("/endless", get(async || octets(Body::new(Pattern::endless()))))
        .route("/sse", get(sse))
        .route("/drip", get(drip))
        .route("/slow", any(plain::slow))
        .route("/trailers", get(trailers))
        .route("/json", get(coded::document))
        .route("/time", get(plain::time))
        .route("/drop", get(plain::drop_connection))
        .route("/redirect", any(plain::redirect))
        .route("/cookies", get(plain::cookies))
        .route("/head-304", get(plain::not_modified))
        .route("/ws", get(web_socket))
        .route("/calls", get(calls::show))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "no such path"))
        .layer(DefaultBodyLimit::disable()) // each reader of a body has its own bound
        .layer(middleware::from_fn_with_state(state.clone(), calls::count))
        .with_state(state)
}

/// The simulated LLM APIs.
fn llm_apis() -> Router<State> {
    use llm::{anthropic, bedrock, gemini, models, openai};

    let azure = "/openai/deployments/{deployment}/chat/completions";
    Router::new()
        .route("/v1/chat/completions", post(openai::chat_completion))
        .route(azure, post(openai::chat_completion))
        .route("/v1/responses", post(openai::responses))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{model}", get(models::one).post(gemini::call))
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .route("/v1beta/models", get(models::gemini_list))
        .route(
            "/v1beta/models/{call}",
            get(models::gemini_one).post(gemini::call),
        )
        .route("/model/{model}/converse", post(bedrock::converse))
        .route("/model/{model}/converse-stream", post(bedrock::converse_stream))
        .route("/model/{model}/invoke", post(bedrock::invoke))
        .route(
            "/model/{model}/invoke-with-response-stream",
            post(bedrock::invoke_stream),
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunked {
    chunked: Option<u8>,
}

async fn bytes(Path(n): Path<u64>, Query(query): Query<Chunked>) -> Result<Response, Refusal> {
    let n = bounded("n", n, BYTES_MAX)?;
    Ok(octets(Body::new(Pattern::new(n, framing(query.chunked)))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    #[serde(default = "ten")]
    events: u64,
    #[serde(default = "tenth_of_a_second")]
    interval_ms: u64,
}

fn ten() -> u64 {
    10
}

fn tenth_of_a_second() -> u64 {
    100
}

async fn sse(Query(query): Query<Events>) -> Result<Response, Refusal> {
    let events = bounded("events", query.events, EVENTS_MAX)?;
    let interval = milliseconds("interval_ms", query.interval_ms)?;
    let body = timed(events, interval, |n| {
        format!("id: {n}\nevent: tick\ndata: {{\"n\":{n}}}\n\n").into()
    });
    Ok(event_stream(body))
}

/// A response of server-sent events.
pub(crate) fn event_stream(body: Body) -> Response {
    let head = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (head, body).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drip {
    #[serde(default = "ten")]
    bytes: u64,
    #[serde(default = "tenth_of_a_second")]
    interval_ms: u64,
    chunked: Option<u8>,
}

async fn drip(Query(query): Query<Drip>) -> Result<Response, Refusal> {
    let bytes = bounded("bytes", query.bytes, DRIP_BYTES_MAX)?;
    let interval: Duration = milliseconds("interval_ms", query.interval_ms)?;
    let mut response = octets(timed(bytes, interval, |n| pattern(n, 1)));
    if framing(query.chunked) == Framing::Sized {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, bytes.into());
    }
    Ok(response)
}

async fn trailers() -> Response {
    let mut trailers = HeaderMap::new();
    let part = HeaderName::from_static("x-part");
    trailers.insert("x-checksum", HeaderValue::from_static("d3adb33f"));
    trailers.append(&part, HeaderValue::from_static("one"));
    trailers.append(&part, HeaderValue::from_static("two"));
    // A stream, since hyper frames a body of known length by that, and then there is no room for trailers.
    let frames = [
        Frame::data(Bytes::from_static(b"a body with trailers\n")),
        Frame::trailers(trailers),
    ];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let head = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::TRAILER, "x-checksum, x-part"), // hyper sends only those that are announced
    ];
    (head, Body::new(body)).into_response()
}

async fn web_socket(Shared(state): Shared<State>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(WS_MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| echo_messages(socket, state.ended))
}

async fn echo_messages(mut socket: WebSocket, mut ended: watch::Receiver<()>) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            _ = ended.changed() => return,
        };
        let echoed = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            Some(Ok(_)) => Ok(()), // pings and the close are answered by the library
            Some(Err(_)) | None => return,
        };
        if echoed.is_err() {
            return;
        }
    }
}
