//! `/echo` and `/sink`: what arrived, told to the client.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};

use crate::pattern::is_pattern;
use crate::plain::{Refusal, whole};

/// The largest body that `/echo` takes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a request looked like when it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The method.
    pub method: String,
    /// The host that the request's target names (HTTP/2 `:authority`, absolute form), if it does.
    pub authority: Option<String>,
    /// The path as it was encoded.
    pub path: String,
    /// The query as it was encoded, without `?`.
    pub query: Option<String>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Names in lower case, in the order in which each first came, repeated ones as often as they came.
    /// Values byte by byte as ISO 8859-1, so that none is lost.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: EchoBody,
    /// The length of the body in bytes.
    pub body_bytes: usize,
    /// Trailers, as the headers.
    pub trailers: Vec<(String, String)>,
}

/// A body in JSON: as text if it is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoBody {
    /// UTF-8.
    Text(String),
    /// Anything else, in standard base64 with padding.
    Base64(String),
}

impl Echo {
    /// All values of a header, in order.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }
}

/// `/echo`.
pub(crate) async fn echo(request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let (body, trailers) = whole(body, BODY_BYTES_MAX).await?;
    let echo = Echo {
        method: head.method.to_string(),
        authority: head.uri.authority().map(ToString::to_string),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        version: format!("{:?}", head.version),
        headers: pairs(&head.headers),
        body_bytes: body.len(),
        body: in_json(body),
        trailers: trailers.as_ref().map(pairs).unwrap_or_default(),
    };
    Ok(axum::Json(echo).into_response())
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

fn in_json(body: Bytes) -> EchoBody {
    match String::from_utf8(body.into()) {
        Ok(text) => EchoBody::Text(text),
        Err(other) => EchoBody::Base64(STANDARD.encode(other.as_bytes())),
    }
}

#[derive(Serialize)]
struct Sunk {
    bytes: u64,
    pattern: bool,
}

/// `/sink`: reads the body in constant memory.
pub(crate) async fn sink(mut body: Body) -> Result<Response, Refusal> {
    let mut sunk = Sunk {
        bytes: 0,
        pattern: true,
    };
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => {
                sunk.pattern &= is_pattern(sunk.bytes, data.chunk());
                sunk.bytes += data.len() as u64;
            }
            Ok(Err(_trailers)) => {}
            Err(error) => {
                let why = format!("no complete body: {error}");
                return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
            }
        }
    }
    Ok(axum::Json(sunk).into_response())
}
