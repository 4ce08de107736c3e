//! Answers in the making: what the dialects of the OpenAI family share.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue};
use murphy_core::effect::Reply;
use murphy_core::failure::{Failure, RetryAfterForm};
use serde_json::Value;

use super::ids;
use crate::dialect::Rendering;
use crate::rendering::{gateway_page, wait};
use crate::retry_after::retry_after;

/// An answer in the making.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    /// One with a JSON body.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Bytes::from(body.to_string()),
        }
    }

    /// The page that a gateway shows for want of an answer of the API: the short one that nginx and its kin send,
    /// signed by the gateway's name. A message stands in place of the page's heading.
    pub(crate) fn page(status: u16, line: &str, message: Option<&str>, gateway: &str) -> Self {
        let title = format!("{status} {line}");
        let page = gateway_page(&title, message.unwrap_or(&title), Some(gateway));
        Self {
            status,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("text/html"))],
            body: Bytes::from(page),
        }
    }

    /// Adds a header. Values are made by the dialects, of printable ASCII; one that is not is left out.
    pub(crate) fn header(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
    }

    /// Adds headers.
    pub(crate) fn headers(&mut self, headers: Vec<(HeaderName, HeaderValue)>) {
        self.headers.extend(headers);
    }

    /// Adds `retry-after` if the client is told to wait, and with `millis` also `retry-after-ms`. Not beside a
    /// date: clients prefer milliseconds, so the date that the rule asks for would never be read.
    pub(crate) fn retry_after(&mut self, failure: &Failure, at: &Rendering<'_>, millis: bool) {
        let Some(wait) = wait(failure, at) else {
            return;
        };
        if millis && failure.form == RetryAfterForm::Seconds {
            let millis = wait.as_micros().div_ceil(1_000);
            self.header("retry-after-ms", &millis.to_string());
        }
        self.headers
            .push((RETRY_AFTER, retry_after(wait, failure.form, at.now)));
    }

    /// Adds what Cloudflare adds to every answer that passes it.
    pub(crate) fn cloudflare(&mut self, bits: u64) {
        self.header("server", "cloudflare");
        self.header("cf-ray", &ids::ray(bits));
    }

    /// The answer.
    pub(crate) fn into_reply(self) -> Reply {
        Reply {
            status: self.status,
            headers: self.headers,
            body: self.body,
        }
    }
}
