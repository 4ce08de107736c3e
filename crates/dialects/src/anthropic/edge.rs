//! Cloudflare before Anthropic's API: every answer passes it, and some are its own and carry no `request-id`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderName, HeaderValue};
use murphy_core::effect::Reply;
use murphy_core::failure::Failure;

use super::wait_field;
use crate::dialect::Rendering;
use crate::rendering::{field, gateway_page, letters};

/// An answer with what the edge adds: its name, the id of its ray and, if asked for, the wait.
pub(super) fn reply(
    status: u16,
    mut headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    failure: &Failure,
    at: &Rendering<'_>,
) -> Reply {
    headers.extend(wait_field(failure, at));
    headers.push((SERVER, HeaderValue::from_static("cloudflare")));
    let ray = letters(at.bits.rotate_left(32), b"0123456789abcdef", 16);
    headers.push(field("cf-ray", format_args!("{ray}-IAD")));
    Reply {
        status,
        headers,
        body: Bytes::from(body),
    }
}

/// The page that the edge sends when the API behind it gave no answer.
pub(super) fn page(status: u16, title: &str, failure: &Failure, at: &Rendering<'_>) -> Reply {
    let headline = failure.message.as_deref().unwrap_or(title);
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("text/html"))];
    let body = gateway_page(title, headline, Some("cloudflare"));
    reply(status, headers, body, failure, at)
}
