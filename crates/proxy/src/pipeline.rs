//! The eight steps of a call, in order: listen, route, inspect, decide, request effects, upstream, response
//! effects, observe.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use hyper::body::Incoming;
use murphy_core::Name;
use murphy_core::agent::{AgentId, Salt};
use murphy_core::clock::{Offset, WallClock};
use murphy_core::draw::identity;
use murphy_core::exchange::Exchange;
use murphy_core::outcome::{Cause, Outcome};
use murphy_dialects::registry::AUTO;
use murphy_observe::Observer;
use murphy_observe::metrics::NO_ROUTE;
use murphy_rules::matcher::Head;
use murphy_rules::snapshot::{RouteEntry, Snapshot};
use tokio::time::Instant;

use crate::body::ProxyBody;
use crate::effects::memory::Memory;
use crate::effects::wait::Gate;
use crate::error::Break;
use crate::faulted::{self, dialect_of};
use crate::gatekeeper::Gatekeeper;
use crate::listen::Conn;
use crate::record::{Opening, Record};
use crate::rescue::{self, Problem};
use crate::upstream::{UpstreamError, Upstreams};
use crate::{forward, inspect};

/// What all workers share.
pub struct Proxy {
    /// The published snapshot and the timer of injected waits.
    pub gate: Gate,
    /// Who observes.
    pub observer: Arc<Observer>,
    /// Who may ask.
    pub gatekeeper: Gatekeeper,
    /// Salts the hashes by which agents are shown.
    pub salt: Salt,
    /// Tells the time for people.
    pub clock: Arc<dyn WallClock>,
    /// When offsets start.
    pub started: Instant,
    /// Earlier answers.
    pub memory: Memory,
    /// Called when Murphy's own machinery failed: trips the kill switch.
    pub alarm: Box<dyn Fn(&str) + Send + Sync>,
}

/// One runtime's share: the proxy, and connections to upstreams that stay on their core.
#[derive(Clone)]
pub struct Worker {
    /// What all workers share.
    pub proxy: Arc<Proxy>,
    /// This worker's upstream connections.
    pub upstreams: Arc<Upstreams>,
}

/// A request on its way through, with what every step needs to know of it.
pub struct Arrival {
    /// When it came, for measuring.
    pub start: Instant,
    /// When it came, for people.
    pub arrived: SystemTime,
    /// The same since the process started.
    pub offset: Offset,
    /// The connection that it came on.
    pub conn: Arc<Conn>,
    /// Who calls.
    pub agent: AgentId,
    /// The host that it names.
    pub host: Option<Name>,
}

/// What the agent gets: an answer, or a break.
pub type Answer = Result<Response<ProxyBody>, Break>;

impl Worker {
    /// Takes a request through the steps.
    ///
    /// # Errors
    /// If the connection or stream is to be broken: a fault asks for it, or the agent hung up.
    pub async fn handle(&self, conn: Arc<Conn>, request: Request<Incoming>) -> Answer {
        let violation = conn.take_violation(&request);
        let (parts, body) = request.into_parts();
        let arrival = self.arrival(conn, &parts);
        if let Some(violation) = violation {
            let status = StatusCode::from_u16(violation.status()).unwrap_or(StatusCode::BAD_REQUEST);
            return self.refuse(
                &arrival,
                &parts,
                Problem::new(status, "bad-request", "Bad request", violation.to_string()),
            );
        }
        if let Some(problem) = unroutable(&parts) {
            return self.refuse(&arrival, &parts, problem);
        }
        let local = arrival.conn.local_addr();
        if let Err(refusal) = self
            .proxy
            .gatekeeper
            .check(local, arrival.host.as_deref(), &parts.headers)
        {
            return self.refuse(&arrival, &parts, forbidden(&refusal));
        }
        let snapshot = self.proxy.gate.live.load();
        let uri = parts.uri.clone();
        let Some((entry, rest)) = snapshot.find(arrival.host.as_deref(), uri.path()) else {
            return self.refuse(&arrival, &parts, no_route(&snapshot));
        };
        let head = Head {
            method: &parts.method,
            path: rest,
            query: uri.query(),
            headers: &parts.headers,
            agent: &arrival.agent,
        };
        let untouched = entry.rules.is_empty() || !entry.may_touch(&head);
        let request = Request::from_parts(parts, body);
        if untouched {
            return self.untouched(&snapshot, entry, &arrival, rest, request).await;
        }
        // On the heap: the future of an ordinary call is moved once, so it should be small.
        Box::pin(faulted::call(self, &snapshot, entry, &arrival, rest, request)).await
    }

    fn arrival(&self, conn: Arc<Conn>, parts: &request::Parts) -> Arrival {
        let agent = AgentId::derive(&parts.headers, parts.uri.query(), self.proxy.salt)
            .unwrap_or_else(|| conn.peer_agent().clone());
        let host = inspect::host(parts).map(|host| conn.host(&host));
        self.arrived(conn, agent, host)
    }

    /// Something that arrives now.
    #[must_use]
    pub fn arrived(&self, conn: Arc<Conn>, agent: AgentId, host: Option<Name>) -> Arrival {
        let start = Instant::now();
        let offset = Offset(start.duration_since(self.proxy.started));
        Arrival {
            start,
            arrived: self.proxy.clock.now(),
            offset,
            conn,
            agent,
            host,
        }
    }

    /// The way of a call that no rule can touch: nothing is read, nothing is decided.
    async fn untouched(
        &self,
        snapshot: &Snapshot,
        entry: &RouteEntry,
        arrival: &Arrival,
        rest: &str,
        request: Request<Incoming>,
    ) -> Answer {
        let identity = plain_identity(entry, arrival, &request, rest);
        let record = self.open(
            snapshot,
            Some(entry),
            arrival,
            identity,
            (Exchange::method_of(request.method()), rest),
        );
        forward::untouched(self, entry, arrival, rest, request, record).await
    }

    /// Opens the record of a call.
    #[must_use]
    pub fn open(
        &self,
        snapshot: &Snapshot,
        entry: Option<&RouteEntry>,
        arrival: &Arrival,
        identity: u64,
        line: (Cow<'static, str>, &str),
    ) -> Box<Record> {
        let route = entry.map(|entry| &entry.route);
        let nowhere = || Name::from(NO_ROUTE);
        let name = route.map_or_else(nowhere, |route| Name::clone(&route.name));
        let ticket = self.proxy.observer.start(identity, &name, arrival.offset);
        let mut exchange = Exchange::empty();
        exchange.agent = Name::clone(&arrival.agent.shown);
        if let Some(route) = route {
            exchange.route = Name::clone(&route.name);
            exchange.dialect = if *route.dialect == *AUTO {
                Name::from(dialect_of(route, line.1).name())
            } else {
                Name::clone(&route.dialect)
            };
        }
        (exchange.method, exchange.path) = (line.0, line.1.to_owned());
        exchange.generation = snapshot.generation;
        let opening = Opening {
            observer: Arc::clone(&self.proxy.observer),
            arrived: arrival.arrived,
            start: arrival.start,
            offset: arrival.offset,
            exchange,
        };
        Record::open(opening, ticket)
    }

    /// Answers a request that no route takes.
    fn refuse(&self, arrival: &Arrival, parts: &request::Parts, problem: Problem) -> Answer {
        let snapshot = self.proxy.gate.live.load();
        let identity = identity(&[parts.method.as_str().as_bytes(), parts.uri.path().as_bytes()]);
        let line = (Exchange::method_of(&parts.method), parts.uri.path());
        let record = self.open(&snapshot, None, arrival, identity, line);
        Ok(self.problem(arrival, record, problem, Cause::Agent))
    }

    /// Answers with a problem of Murphy's own.
    #[must_use]
    pub fn problem(
        &self,
        arrival: &Arrival,
        mut record: Box<Record>,
        problem: Problem,
        cause: Cause,
    ) -> Response<ProxyBody> {
        let reply = problem.into_reply();
        record.head(reply.status, cause, false);
        self.answer(arrival, rescue::respond(&reply, arrival.arrived), record)
    }

    /// Hands an answer of Murphy's to the agent; the record closes when it was sent.
    #[must_use]
    pub fn answer(
        &self,
        arrival: &Arrival,
        response: Response<Bytes>,
        record: Box<Record>,
    ) -> Response<ProxyBody> {
        let (mut parts, body) = response.into_parts();
        say_close(&arrival.conn, &mut parts.headers);
        let body = ProxyBody::full(body).recorded(record, &parts.headers, &arrival.conn);
        Response::from_parts(parts, body)
    }

    /// Answers for an upstream that could not be reached or did not answer right.
    #[must_use]
    pub fn upstream_failed(
        &self,
        arrival: &Arrival,
        mut record: Box<Record>,
        error: &UpstreamError,
    ) -> Response<ProxyBody> {
        let (status, cause) = (error.status(), error.cause());
        let (outcome, slug, title) = match status {
            StatusCode::GATEWAY_TIMEOUT => (
                Outcome::Timeout,
                "upstream-timeout",
                "The upstream did not answer in time",
            ),
            status if status.is_client_error() => {
                (Outcome::ClientError, "request-broke-off", "The request broke off")
            }
            _ => (Outcome::ServerError, "upstream-failed", "The upstream failed"),
        };
        record.upstream_done();
        record.failed(outcome, error.to_string());
        let problem = Problem::new(status, slug, title, error.to_string()).with("cause", cause.name());
        self.problem(arrival, record, problem, cause)
    }
}

/// An answer of Murphy's that comes before the end of the request is the last one on its connection: it says so,
/// or the client would send its next request into a connection that nobody reads.
pub fn say_close(conn: &Conn, headers: &mut http::HeaderMap) {
    if conn.ends_with_answer() {
        headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    }
}

/// The identity of a call whose body nobody reads; the same as [`murphy_core::call::Call::identity`] gives.
fn plain_identity(entry: &RouteEntry, arrival: &Arrival, request: &Request<Incoming>, rest: &str) -> u64 {
    identity(&[
        entry.route.name.as_bytes(),
        &arrival.agent.identity.to_le_bytes(),
        request.method().as_str().as_bytes(),
        rest.as_bytes(),
        request.uri().query().unwrap_or_default().as_bytes(),
        &[],
    ])
}

/// What no route can take: a tunnel to the client's choice of host, and two different hosts in one request
/// (RFC 9113 §8.3.1).
fn unroutable(parts: &request::Parts) -> Option<Problem> {
    if parts.method == http::Method::CONNECT {
        let detail = "this is a reverse proxy: it opens no tunnels";
        return Some(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "no-tunnels",
            "No tunnels",
            detail,
        ));
    }
    let differs = parts.version == http::Version::HTTP_2
        && parts.uri.authority().is_some_and(|authority| {
            let other = |host: &http::HeaderValue| {
                !authority
                    .as_str()
                    .as_bytes()
                    .eq_ignore_ascii_case(host.as_bytes())
            };
            parts.headers.get_all(http::header::HOST).iter().any(other)
        });
    let detail = "host and :authority name different hosts (RFC 9113 section 8.3.1)";
    differs.then(|| Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail))
}

fn forbidden(refusal: &crate::gatekeeper::Refusal) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "host-not-allowed",
        "Host or origin not allowed",
        refusal.to_string(),
    )
}

fn no_route(snapshot: &Snapshot) -> Problem {
    let routes: Vec<String> = snapshot
        .routes
        .iter()
        .map(|entry| {
            let host = entry.route.host.as_deref().unwrap_or_default();
            let path = if entry.route.prefix.is_empty() {
                "/"
            } else {
                &entry.route.prefix
            };
            format!("{host}{path} ({})", entry.route.name)
        })
        .collect();
    let detail = "no route takes this host and path; `routes` lists those that there are";
    Problem::new(StatusCode::NOT_FOUND, "no-route", "No such route", detail).with("routes", routes)
}
