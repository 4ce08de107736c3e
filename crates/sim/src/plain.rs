//! Small answers: statuses, redirects, cookies, waits, drops, and refusals of bad parameters.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, LengthLimitError, Limited, StreamBody};
use murphy_core::clock::{SystemClock, WallClock as _};
use serde::Deserialize;
use serde_json::json;

use crate::bodies::{Broken, Framing};
use crate::line::Cut;
use crate::server::State;

/// The longest wait or interval, in milliseconds: an hour.
pub(crate) const MS_MAX: u64 = 3_600_000;

/// The most bytes that `/drop` sends before it breaks.
const DROP_AFTER_MAX: u64 = 1024 * 1024;

/// How many bytes of a sized body `/drop` leaves out.
const DROP_MISSING: u64 = 1_024;

/// Marks a response that must not be sent: the connection ends instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoAnswer;

/// What is wrong with a request.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    why: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self {
            status,
            why: why.into(),
        }
    }

    fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.why }))).into_response()
    }
}

/// Refuses a parameter that is over its bound.
pub(crate) fn bounded(name: &str, value: u64, max: u64) -> Result<u64, Refusal> {
    if value <= max {
        return Ok(value);
    }
    Err(Refusal::bad(format!(
        "{name} is {value}, at most {max} is possible"
    )))
}

/// A parameter in milliseconds, bounded.
pub(crate) fn milliseconds(name: &str, value: u64) -> Result<Duration, Refusal> {
    bounded(name, value, MS_MAX).map(Duration::from_millis)
}

/// Reads a body of at most `bytes_max` bytes with its trailers.
pub(crate) async fn whole(body: Body, bytes_max: usize) -> Result<(Bytes, Option<HeaderMap>), Refusal> {
    #[allow(clippy::disallowed_methods)] // this is a capped collector
    let whole = Limited::new(body, bytes_max).collect().await;
    match whole {
        Ok(whole) => {
            let trailers = whole.trailers().cloned();
            Ok((whole.to_bytes(), trailers))
        }
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("a body may have {bytes_max} bytes here");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why))
        }
        Err(error) => Err(Refusal::bad(format!("no complete body: {error}"))),
    }
}

/// `/status/{code}`.
pub(crate) async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        Ok(status) if (200..600).contains(&code) => match status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
                status.into_response()
            }
            _ => (status, Json(json!({ "status": code }))).into_response(),
        },
        _ => Refusal::bad("a final status is from 200 to 599").into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slow {
    #[serde(default = "second")]
    ms: u64,
}

fn second() -> u64 {
    1_000
}

/// `/slow`.
pub(crate) async fn slow(Query(slow): Query<Slow>) -> Result<Response, Refusal> {
    let wait = milliseconds("ms", slow.ms)?;
    tokio::time::sleep(wait).await;
    Ok(Json(json!({ "waited_ms": slow.ms })).into_response())
}

/// `/time`.
pub(crate) async fn time(Shared(state): Shared<State>) -> Response {
    let count = state.clock_reads.fetch_add(1, Ordering::Relaxed) + 1;
    let since = SystemClock.now().duration_since(SystemTime::UNIX_EPOCH);
    let unix_ms = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    Json(json!({ "count": count, "unix_ms": unix_ms })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drop {
    #[serde(default)]
    how: How,
    after: Option<u64>,
    chunked: Option<u8>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Fin,
    Rst,
}

/// `/drop`.
pub(crate) async fn drop_connection(
    Query(drop): Query<Drop>,
    Extension(cut): Extension<Arc<Cut>>,
) -> Result<Response, Refusal> {
    let after = bounded("after", drop.after.unwrap_or(0), DROP_AFTER_MAX)?;
    if drop.how == How::Rst {
        cut.ask_for_reset();
    }
    if drop.after.is_none() {
        return Ok((Extension(NoAnswer), ()).into_response());
    }
    let body = Broken::new(after, DROP_MISSING, framing(drop.chunked));
    Ok(octets(Body::new(body)))
}

/// The framing that `?chunked=1` asks for.
pub(crate) fn framing(chunked: Option<u8>) -> Framing {
    match chunked {
        None | Some(0) => Framing::Sized,
        Some(_) => Framing::Chunked,
    }
}

/// A body of arbitrary bytes.
pub(crate) fn octets(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redirect {
    #[serde(default = "found")]
    status: u16,
}

fn found() -> u16 {
    302
}

/// `/redirect`.
pub(crate) async fn redirect(Query(redirect): Query<Redirect>) -> Response {
    match StatusCode::from_u16(redirect.status) {
        Ok(status) if matches!(redirect.status, 301 | 302 | 303 | 307 | 308) => {
            (status, [(header::LOCATION, "/echo")]).into_response()
        }
        _ => Refusal::bad("status is one of 301, 302, 303, 307, 308").into_response(),
    }
}

/// `/cookies`: two fields of one name, which must not become one.
pub(crate) async fn cookies() -> Response {
    let cookies = axum::response::AppendHeaders([
        (header::SET_COOKIE, "flavour=oat; Path=/"),
        (header::SET_COOKIE, "shape=round; Path=/; HttpOnly"),
    ]);
    (cookies, Json(json!({ "cookies": 2 }))).into_response()
}

/// `/head-304`: RFC 9110 §15.4.5 and §8.6 let a 304 name the length of what it does not send.
pub(crate) async fn not_modified() -> Response {
    let head = [(header::ETAG, "\"sim\""), (header::CONTENT_LENGTH, "1234")];
    // hyper takes the length out of a 304 if the body is known to be empty.
    let body = Body::new(StreamBody::new(
        stream::empty::<Result<Frame<Bytes>, Infallible>>(),
    ));
    (StatusCode::NOT_MODIFIED, head, body).into_response()
}
