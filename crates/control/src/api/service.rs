//! Beside the API: probes, metrics, the document, the status page.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::{ControlState, openapi};

const PAGE: &str = include_str!("../dashboard/page.html");
const SCRIPT: &str = include_str!("../dashboard/page.js");
/// The page runs its own script and talks to its own server, and may not be put into a frame.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Alive: something answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready: configured, listening and not draining. A tripped kill switch is ready: it forwards.
pub(crate) async fn readyz(State(state): State<ControlState>, RawQuery(query): RawQuery) -> Response {
    let checks = state.readiness.checks();
    let ready = checks.iter().all(|(_, good)| *good);
    let verbose = query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("verbose"))
    });
    let mut text = String::new();
    if verbose {
        for (name, good) in checks {
            let sign = if good { '+' } else { '-' };
            let word = if good { "ok" } else { "not ok" };
            text.push_str(&format!("[{sign}] {name} {word}\n"));
        }
    }
    text.push_str(if ready { "ready\n" } else { "not ready\n" });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text).into_response()
}

/// The metrics, in the format that is asked for.
pub(crate) async fn metrics(State(state): State<ControlState>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let (content_type, body) = state.observer.metrics().render(accept);
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

pub(crate) async fn document() -> Json<Value> {
    Json(openapi::document())
}

/// The status page. It holds no token: anybody who can open it would have it.
pub(crate) async fn page() -> Response {
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response();
    let policy = HeaderValue::from_static(PAGE_POLICY);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

pub(crate) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}
