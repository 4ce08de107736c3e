//! A call on a route that rules can touch: inspect, decide, and execute what was decided.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::{Request, Response, StatusCode, header, request, response};
use hyper::body::Incoming;
use murphy_core::draw::identity;
use murphy_core::effect::{AbortAt, DelayAt, Effect};
use murphy_core::exchange::Exchange;
use murphy_core::outcome::Cause;
use murphy_core::plan::{Plan, Planned};
use murphy_core::route::Route;
use murphy_dialects::dialect::Dialect;

use murphy_dialects::registry;
use murphy_rules::explain::held_rules;
use murphy_rules::snapshot::{RouteEntry, Snapshot};

use crate::body::{BoxBody, Parts, ProxyBody, content_length};
use crate::counted::{Counted, Counter};
use crate::effects::request::{Forward, Next};
use crate::effects::trace::Trace;
use crate::effects::{Ctx, mark, request as before, response as behind};
use crate::forward::{clean, deadline, is_stream, rewrite, send, unasked_switch};
use crate::inspect::{self, Inspected, Known};
use crate::pipeline::{Answer, Arrival, Worker, say_close};
use crate::record::{End, Record};
use crate::upgrade;
use crate::upstream::Sent;

/// Takes a call that rules may touch through inspection and decision, then executes the plan.
///
/// # Errors
/// If a fault gives the connection up, or the agent hung up.
pub async fn call(
    worker: &Worker,
    snapshot: &Snapshot,
    entry: &RouteEntry,
    arrival: &Arrival,
    rest: &str,
    mut request: Request<Incoming>,
) -> Answer {
    let agent_side = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| upgrade::agent_side(&mut request));
    let (mut parts, body) = request.into_parts();
    let body = Counted::new(body, content_length(&parts.headers));
    let counter = body.counter();
    let dialect = dialect_of(&entry.route, rest);
    let cap = snapshot.options.body_inspect_bytes_max as u64;
    let inspected = inspect::body(entry, dialect, (&parts, rest), boxed(body), cap).await;
    let (mut record, plan) = decide(
        worker, snapshot, entry, arrival, rest, &parts, &inspected, dialect,
    );

    let trace = Trace::new(&plan, Arc::clone(&worker.proxy.observer));
    record.decided(Some(Arc::clone(&trace)), held_rules(&plan));
    let Plan { effects, permits, .. } = plan;
    // A place under a limit is given back when the fault is over, not when a long answer is.
    let until_head = !effects.iter().any(|planned| lasts_into_body(&planned.effect));
    record.hold(permits, until_head);
    let model = record.model();
    let query = parts.uri.query();
    let path = query.map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let ctx = Ctx {
        gate: &worker.proxy.gate,
        trace: &trace,
        conn: &arrival.conn,
        http2: parts.version == http::Version::HTTP_2,
        dialect,
        memory: &worker.proxy.memory,
        memory_key: memory_key(entry, &parts, rest),
        body_bytes_max: cap,
        arrived: arrival.arrived,
        target: &target,
        path: &path,
        model: model.as_deref(),
    };
    let running = Running {
        worker,
        snapshot,
        entry,
        arrival,
        ctx: &ctx,
        record,
        counter,
    };
    let forward = match before::execute(&ctx, effects, &mut parts, inspected.body).await {
        Next::Forward(forward) => forward,
        Next::Answer(response) => return Ok(running.injected(response.map(ProxyBody::full))),
        Next::GiveUp(broken) => {
            running.record.close(End::Broken((&broken).into()));
            return Err(broken);
        }
    };
    let switching = rewrite(&mut parts, &entry.route, arrival, rest);
    running.upstream(parts, forward, switching, agent_side).await
}

/// Reads the facts, opens the record and asks the rules. A panic in the rules forwards the call unfaulted and
/// trips the kill switch.
#[allow(clippy::too_many_arguments)] // it is the seam between inspect, observe and decide
fn decide(
    worker: &Worker,
    snapshot: &Snapshot,
    entry: &RouteEntry,
    arrival: &Arrival,
    rest: &str,
    parts: &request::Parts,
    inspected: &Inspected,
    dialect: &dyn Dialect,
) -> (Box<Record>, Plan) {
    let facts = inspected.facts(dialect, parts, rest);
    let known = Known {
        path: rest,
        agent: &arrival.agent,
        attempt: 1,
    };
    let mut call = inspected.call(entry, dialect.name(), parts, known, facts);
    let mut record = worker.open(
        snapshot,
        Some(entry),
        arrival,
        call.identity(),
        (Exchange::method_of(&parts.method), rest),
    );
    record.facts(&call.facts);
    call.attempt = record.attempt().max(said_attempt(&parts.headers));
    let decided = catch_unwind(AssertUnwindSafe(|| {
        snapshot.plan(&entry.rules, &call, record.operation(), arrival.offset)
    }));
    let plan = decided.unwrap_or_else(|_| {
        (worker.proxy.alarm)("deciding panicked");
        Plan::default()
    });
    (record, plan)
}

/// The dialect of a call on a route.
#[must_use]
pub fn dialect_of(route: &Route, rest: &str) -> &'static dyn Dialect {
    if *route.dialect != *registry::AUTO || route.upstream.base_path.is_empty() {
        return registry::of_call(&route.dialect, route.upstream.authority.as_str(), rest);
    }
    let path = format!("{}{rest}", route.upstream.base_path);
    registry::of_call(&route.dialect, route.upstream.authority.as_str(), &path)
}

/// Which try the client says that it is: the official SDKs count their retries from 0.
fn said_attempt(headers: &http::HeaderMap) -> u32 {
    let said = headers.get("x-stainless-retry-count");
    let retries = said.and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    retries.map_or(1, |retries| retries.saturating_add(1))
}

fn lasts_into_body(effect: &Effect) -> bool {
    match effect {
        Effect::Pace(_) => true,
        Effect::Delay(delay) => delay.at == DelayAt::Body,
        Effect::Abort(abort) => matches!(abort.at, AbortAt::MidBody(_)),
        _ => false,
    }
}

fn boxed(body: Counted<Incoming>) -> BoxBody {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;
    if body.is_end_stream() {
        return Box::pin(Parts::whole(bytes::Bytes::new(), None));
    }
    Box::pin(body.map_err(|_| crate::error::Break::AgentLeft))
}

/// The key under which an answer is remembered: route, method, path and query.
fn memory_key(entry: &RouteEntry, parts: &request::Parts, rest: &str) -> u64 {
    identity(&[
        entry.route.name.as_bytes(),
        parts.method.as_str().as_bytes(),
        rest.as_bytes(),
        parts.uri.query().unwrap_or_default().as_bytes(),
    ])
}

/// A call whose request effects are done.
struct Running<'a> {
    worker: &'a Worker,
    snapshot: &'a Snapshot,
    entry: &'a RouteEntry,
    arrival: &'a Arrival,
    ctx: &'a Ctx<'a>,
    record: Box<Record>,
    counter: Counter,
}

impl Running<'_> {
    /// Calls the upstream and executes what is left to do on its answer.
    async fn upstream(
        mut self,
        parts: request::Parts,
        forward: Forward,
        switching: bool,
        agent_side: Option<hyper::upgrade::OnUpgrade>,
    ) -> Answer {
        let Forward {
            body,
            again,
            after,
            later,
        } = forward;
        self.send_again(&parts, again);
        self.record.sent_upstream();
        let head_only = parts.method == http::Method::HEAD;
        let sent = send(
            self.worker,
            &self.entry.route,
            Request::from_parts(parts, body),
            self.arrival.start,
        )
        .await;
        self.record.received(self.counter.read());
        let Sent {
            mut response, lease, ..
        } = match sent {
            Ok(sent) => sent,
            Err(error) => {
                self.arrival.conn.not_upgraded();
                let mut response = self.worker.upstream_failed(self.arrival, self.record, &error);
                mark_if_asked(self.snapshot, self.ctx, &mut response);
                return Ok(response);
            }
        };
        if let (StatusCode::SWITCHING_PROTOCOLS, true, Some(agent)) =
            (response.status(), switching, agent_side)
        {
            self.record.head(101, Cause::Upstream, true);
            upgrade::splice(agent, &mut response, &self.arrival.conn, self.record);
            return Ok(response.map(|_| ProxyBody::full(bytes::Bytes::new())));
        }
        self.arrival.conn.not_upgraded();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let error = unasked_switch(&self.entry.route);
            return Ok(self.worker.upstream_failed(self.arrival, self.record, &error));
        }
        let (mut head, body) = response.into_parts();
        clean(&mut head, &self.entry.route);
        self.answer(head, ProxyBody::upstream(body, lease), after, later, head_only)
            .await
    }

    async fn answer(
        mut self,
        head: response::Parts,
        body: ProxyBody,
        after: Option<Planned>,
        later: Vec<Planned>,
        head_only: bool,
    ) -> Answer {
        let bodiless = head_only || matches!(head.status.as_u16(), 204 | 304);
        let mut body = body.boxed();
        if self.entry.needs_memory && !bodiless {
            body = self
                .ctx
                .memory
                .listen(self.ctx.memory_key, head.status.as_u16(), &head.headers, body);
        }
        match behind::execute(self.ctx, after, later, (head, body), bodiless).await {
            Ok((response, Cause::Upstream)) => {
                let stream = is_stream(response.headers());
                self.record
                    .head(response.status().as_u16(), Cause::Upstream, stream);
                Ok(self.hand_on(response))
            }
            Ok((response, _)) => Ok(self.injected(response)),
            Err(broken) => {
                self.record.close(End::Broken((&broken).into()));
                Err(broken)
            }
        }
    }

    /// An answer that a fault gave.
    fn injected(mut self, mut response: Response<ProxyBody>) -> Response<ProxyBody> {
        self.arrival.conn.not_upgraded();
        self.record.received(self.counter.read());
        self.record.head(response.status().as_u16(), Cause::Murphy, false);
        say_close(&self.arrival.conn, response.headers_mut());
        self.hand_on(response)
    }

    fn hand_on(self, mut response: Response<ProxyBody>) -> Response<ProxyBody> {
        mark_if_asked(self.snapshot, self.ctx, &mut response);
        let (parts, body) = response.into_parts();
        let deadline = deadline(&self.entry.route, self.arrival.start);
        let body = body
            .until(deadline)
            .recorded(self.record, &parts.headers, &self.arrival.conn);
        Response::from_parts(parts, body)
    }

    /// Sends copies of the request whose answers nobody waits for.
    fn send_again(&self, parts: &request::Parts, bodies: Vec<bytes::Bytes>) {
        for body in bodies {
            let mut request = Request::new(http_body_util::Full::new(body));
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = parts.uri.clone();
            *request.headers_mut() = parts.headers.clone();
            let (worker, route, start) = (
                self.worker.clone(),
                Arc::clone(&self.entry.route),
                self.arrival.start,
            );
            tokio::spawn(async move {
                if let Ok(sent) = send(&worker, &route, request, start).await {
                    let _broke = crate::body::discard(&mut sent.response.into_body(), 8 << 20).await;
                }
            });
        }
    }
}

/// Marks a response with the rules that touched it, unless marks are off.
fn mark_if_asked(snapshot: &Snapshot, ctx: &Ctx<'_>, response: &mut Response<ProxyBody>) {
    if snapshot.options.mark {
        mark(response.headers_mut(), ctx.trace);
    }
}
