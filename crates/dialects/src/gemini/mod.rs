//! The Gemini API of Google: failures are `{error: {code, message, status, details}}` (`google.rpc.Status` as JSON).
//!
//! Facts of the protocol are those of the API's documentation (troubleshooting), of AIP-193 and
//! `google/rpc/error_details.proto` (details), of the SDK google-genai 3.6 (paths, and that it takes a failure
//! in a list of one), and of answers that users of the API published. The API has no rate-limit headers: what
//! it tells about limits stands in the details.

use bytes::Bytes;
use http::header::{
    CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, SERVER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use murphy_core::call::Facts;
use murphy_core::effect::Reply;
use murphy_core::failure::{Failure, RetryAfterForm};
use serde_json::{Map, Value, json};

use crate::dialect::{Dialect, Rendering};
use crate::plain::Plain;
use crate::rendering::{field, html, number, wait};
use crate::retry_after::retry_after;

mod details;
mod facts;
mod failures;

use facts::{Endpoint, Operation};
use failures::Status;

/// The Gemini API, as it is served by `generativelanguage.googleapis.com` and by Vertex AI.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gemini;

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
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
        let endpoint = Endpoint::in_path(at.path);
        match failures::status(failure.kind, endpoint.as_ref()) {
            Some(status) => error(status, failure, at, endpoint.as_ref()),
            None => page(failure, at),
        }
    }

    fn limit_headers(&self, _: &Rendering<'_>) -> Vec<(HeaderName, HeaderValue)> {
        Vec::new()
    }
}

/// The API's own failure.
fn error(status: Status, failure: &Failure, at: &Rendering<'_>, endpoint: Option<&Endpoint<'_>>) -> Reply {
    let mut error = Map::new();
    error.insert("code".to_owned(), status.code.into());
    error.insert(
        "message".to_owned(),
        failures::message(failure, at, endpoint).into(),
    );
    error.insert("status".to_owned(), status.name.into());
    let details = details::of(failure, at, endpoint);
    if !details.is_empty() {
        error.insert("details".to_owned(), details.into());
    }
    let mut body = json!({ "error": error });
    if endpoint.is_some_and(|endpoint| endpoint.operation == Operation::StreamArray) {
        body = Value::Array(vec![body]); // such a stream is one array, a failed one too
    }
    let mut headers = vec![(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    )];
    if status.code == 401 {
        let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
        headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    }
    // The API tells a wait in the details. A date can only be a header, so who asks for one gets the header.
    if failure.form == RetryAfterForm::Date {
        headers.extend(wait_field(failure, at));
    }
    headers.extend(["Origin", "X-Origin", "Referer"].map(|name| (VARY, HeaderValue::from_static(name))));
    headers.extend([
        (SERVER, HeaderValue::from_static("scaffolding on HTTPServer2")),
        (X_XSS_PROTECTION, HeaderValue::from_static("0")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    let took = number(at.bits, &(20..=900));
    headers.push(field("server-timing", format_args!("gfet4t7; dur={took}")));
    Reply {
        status: status.code,
        headers,
        body: Bytes::from(format!("{body:#}\n")), // the API indents its JSON
    }
}

/// The page of Google's front end, which makes an answer if the API gave none.
fn page(failure: &Failure, at: &Rendering<'_>) -> Reply {
    let told = failure
        .message
        .as_deref()
        .unwrap_or("The server encountered a temporary error and could not complete your request.");
    let body = format!(
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error 502 (Server Error)!!1</title>\n  \
         <p><b>502.</b> <ins>That\u{2019}s an error.</ins>\n  <p>{}<p>Please try again in 30 seconds.  \
         <ins>That\u{2019}s all we know.</ins>\n",
        html(told)
    );
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    headers.extend(wait_field(failure, at));
    Reply {
        status: 502,
        headers,
        body: Bytes::from(body),
    }
}

fn wait_field(failure: &Failure, at: &Rendering<'_>) -> Option<(HeaderName, HeaderValue)> {
    let wait = wait(failure, at)?;
    Some((RETRY_AFTER, retry_after(wait, failure.form, at.now)))
}

#[cfg(test)]
mod tests;
