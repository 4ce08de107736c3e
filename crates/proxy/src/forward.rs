//! The step to the upstream and back: what is rewritten for the next hop, and nothing else.

use std::pin::Pin;

use http::{Request, Response, StatusCode, header, request, response};
use http_body::Body;
use hyper::body::Incoming;
use murphy_core::outcome::Cause;
use murphy_core::route::Route;
use murphy_rules::snapshot::RouteEntry;
use tokio::time::{Instant, Sleep};

use crate::body::{ProxyBody, content_length};
use crate::counted::Counted;
use crate::error::BoxError;
use crate::hop::{self, Hop};
use crate::pipeline::{Answer, Arrival, Worker};
use crate::record::Record;
use crate::upgrade;
use crate::upstream::{Sent, UpstreamError, UpstreamErrorKind};

/// Forwards a call that no rule can touch.
///
/// # Errors
/// If the agent hung up.
pub async fn untouched(
    worker: &Worker,
    entry: &RouteEntry,
    arrival: &Arrival,
    rest: &str,
    mut request: Request<Incoming>,
    mut record: Box<Record>,
) -> Answer {
    let agent_side = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| upgrade::agent_side(&mut request));
    let (mut parts, body) = request.into_parts();
    let switching = rewrite(&mut parts, &entry.route, arrival, rest);
    let body = Counted::new(body, content_length(&parts.headers));
    let counter = body.counter();
    record.sent_upstream();
    let sent = send(
        worker,
        &entry.route,
        Request::from_parts(parts, body),
        arrival.start,
    )
    .await;
    record.received(counter.read());
    let Sent {
        mut response, lease, ..
    } = match sent {
        Ok(sent) => sent,
        Err(error) => {
            arrival.conn.not_upgraded();
            return Ok(worker.upstream_failed(arrival, record, &error));
        }
    };
    if let (StatusCode::SWITCHING_PROTOCOLS, true, Some(agent)) = (response.status(), switching, agent_side) {
        record.head(101, Cause::Upstream, true);
        upgrade::splice(agent, &mut response, &arrival.conn, record);
        return Ok(response.map(|_| ProxyBody::full(bytes::Bytes::new())));
    }
    arrival.conn.not_upgraded();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(worker.upstream_failed(arrival, record, &unasked_switch(&entry.route)));
    }
    let (mut parts, body) = response.into_parts();
    clean(&mut parts, &entry.route);
    record.head(parts.status.as_u16(), Cause::Upstream, is_stream(&parts.headers));
    let body = ProxyBody::upstream(body, lease)
        .until(deadline(&entry.route, arrival.start))
        .recorded(record, &parts.headers, &arrival.conn);
    Ok(Response::from_parts(parts, body))
}

/// Rewrites a request's head for the upstream. Tells whether it asks for another protocol.
pub fn rewrite(parts: &mut request::Parts, route: &Route, arrival: &Arrival, rest: &str) -> bool {
    let upgrade = hop::strip_request(&mut parts.headers);
    if parts.version == http::Version::HTTP_2 {
        hop::join_cookies(&mut parts.headers);
    }
    let hop = Hop {
        peer: arrival.conn.peer_addr().ip(),
        tls: arrival.conn.is_tls(),
        host: arrival.host.as_deref(),
    };
    hop::address(&mut parts.headers, route, hop);
    if let Some(uri) = hop::upstream_uri(&route.upstream, rest, parts.uri.query()) {
        parts.uri = uri;
    }
    let switching = upgrade.is_some() && parts.version <= http::Version::HTTP_11;
    if let (Some(protocol), true) = (upgrade, switching) {
        parts
            .headers
            .insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, protocol);
    }
    parts.version = http::Version::HTTP_11;
    switching
}

/// An upstream that switches protocols though nobody asked it to.
#[must_use]
pub fn unasked_switch(route: &Route) -> UpstreamError {
    let source = "it switches protocols unasked".into();
    UpstreamError::new(UpstreamErrorKind::BadResponse, &route.upstream, Some(source))
}

/// Removes from an answer what was for this hop only. The version is that of a hop: hyper writes the agent's.
pub fn clean(parts: &mut response::Parts, route: &Route) {
    parts.version = http::Version::HTTP_11;
    hop::strip_response(&mut parts.headers);
    if parts.status == StatusCode::NO_CONTENT {
        hop::remove(&mut parts.headers, &header::CONTENT_LENGTH); // RFC 9110 §8.6
    }
    if route.via {
        hop::via(&mut parts.headers);
    }
}

/// Sends a request within the route's total deadline.
///
/// # Errors
/// What went wrong on the way to the answer's head.
pub async fn send<B>(
    worker: &Worker,
    route: &Route,
    request: Request<B>,
    start: Instant,
) -> Result<Sent, UpstreamError>
where
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let sending = worker.upstreams.send(route, request);
    match route.timeouts.total {
        Some(total) => Box::pin(tokio::time::timeout_at(start + total, sending))
            .await
            .unwrap_or_else(|_| {
                Err(UpstreamError::new(
                    UpstreamErrorKind::TotalTimeout,
                    &route.upstream,
                    None,
                ))
            }),
        None => sending.await,
    }
}

/// The end of the route's total deadline, for a body.
#[must_use]
pub fn deadline(route: &Route, start: Instant) -> Option<Pin<Box<Sleep>>> {
    route
        .timeouts
        .total
        .map(|total| Box::pin(tokio::time::sleep_until(start + total)))
}

/// Whether an answer is a stream of events.
#[must_use]
pub fn is_stream(headers: &http::HeaderMap) -> bool {
    crate::effects::edit::is_event_stream(headers)
}
