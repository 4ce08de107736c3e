//! The one place where what goes wrong becomes an answer. Injected failures are rendered by dialects; nothing
//! else in this crate builds a response.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use murphy_core::effect::Reply;
use serde_json::{Map, Value};

/// A problem of Murphy's own (RFC 9457).
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem with a stable slug (its `type` is `urn:murphy:problem:<slug>`).
    #[must_use]
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            slug,
            title,
            detail: detail.into(),
            more: Map::new(),
        }
    }

    /// The same problem with one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.more.insert(member.to_owned(), value.into());
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The detail, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As an answer.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        let mut document = Map::new();
        document.insert("type".into(), format!("urn:murphy:problem:{}", self.slug).into());
        document.insert("title".into(), self.title.into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.into());
        document.extend(self.more);
        let content_type = HeaderValue::from_static("application/problem+json");
        Reply {
            status: self.status.as_u16(),
            headers: vec![(header::CONTENT_TYPE, content_type)],
            body: Value::Object(document).to_string().into(),
        }
    }
}

/// An answer of Murphy's as a response, with `content-length` and, since no upstream wrote one, `date`.
#[must_use]
pub fn respond(reply: &Reply, now: std::time::SystemTime) -> Response<Bytes> {
    let mut response = Response::new(reply.body.clone());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        headers.append(name.clone(), value.clone());
    }
    if !headers.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now))
    {
        headers.insert(header::DATE, date);
    }
    let bodiless = matches!(reply.status, 100..=199 | 204 | 304);
    if !bodiless && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    response
}
