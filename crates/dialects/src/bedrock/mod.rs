//! The runtime of Amazon Bedrock (REST-JSON of AWS): a failure is a status, the exception's name in
//! `x-amzn-errortype`, and `{"message"}`.
//!
//! Facts of the protocol are those of the service model in botocore 1.44 (`bedrock-runtime/2023-09-30`), of
//! botocore's parser (`RestJSONParser`: the name ends at `:`) and of answers that users of the API published.
//! The service has no rate-limit headers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::Reply;
use murphy_core::failure::Failure;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::plain::Plain;
use crate::rendering::{field, gateway_page, uuid, wait};
use crate::retry_after::retry_after;

mod facts;
mod failures;

use facts::Endpoint;
use failures::Maker;

/// The runtime of Amazon Bedrock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bedrock;

impl Dialect for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn reads_body(&self, method: &Method, path: &str) -> bool {
        Endpoint::of(method, path).is_some()
    }

    fn facts(&self, method: &Method, path: &str, headers: &HeaderMap, body: Option<&Value>) -> Facts {
        match Endpoint::of(method, path) {
            Some(endpoint) => facts::read(&endpoint, body),
            None => Plain.facts(method, path, headers, body),
        }
    }

    fn render(&self, failure: &Failure, at: &Rendering<'_>) -> Reply {
        let operation = Endpoint::in_path(at.path).map(|endpoint| endpoint.operation);
        let mut headers = Vec::new();
        let (status, body) = match failures::maker(failure.kind, operation) {
            Maker::Service(exception) => {
                headers.push(field("x-amzn-requestid", uuid(at.bits)));
                headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
                headers.push(field(
                    "x-amzn-errortype",
                    format_args!("{}:{}", exception.name, exception.namespace),
                ));
                let message = failure.message.as_deref().unwrap_or(exception.message);
                (exception.status, json!({ "message": message }).to_string())
            }
            Maker::FrontEnd { status, title } => {
                headers.push((CONTENT_TYPE, HeaderValue::from_static("text/html")));
                let headline = failure.message.as_deref().unwrap_or(title);
                (status, gateway_page(title, headline, None))
            }
        };
        headers.extend(wait_fields(failure, at));
        Reply {
            status,
            headers,
            body: Bytes::from(body),
        }
    }

    fn limit_headers(&self, _: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        Vec::new()
    }
}

/// The wait, if the answer tells one: `retry-after` for clients at large, and `x-amz-retry-after` in milliseconds,
/// which alone the SDKs of AWS heed (botocore, `retries/standard.py`).
fn wait_fields(failure: &Failure, at: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some(wait) = wait(failure, at) else {
        return Vec::new();
    };
    vec![
        field("x-amz-retry-after", wait.as_micros().div_ceil(1_000)),
        (RETRY_AFTER, retry_after(wait, failure.form, at.now)),
    ]
}

#[cfg(test)]
mod tests;
