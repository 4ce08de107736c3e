//! The pipeline as the service of a listener: what is decided before a request is read, and what holds when
//! Murphy's own machinery fails.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use murphy_core::effect::{Abort, AbortHow, Effect};
use murphy_core::plan::Plan;
use murphy_rules::explain::held_rules;
use murphy_rules::snapshot::Snapshot;

use crate::body::ProxyBody;
use crate::effects::trace::Trace;
use crate::error::Break;
use crate::listen::{Conn, Service};
use crate::pipeline::{Arrival, Worker};
use crate::record::{Broken, End};
use crate::rescue::{self, Problem};

impl Service for Worker {
    type Body = ProxyBody;
    type Error = Break;

    fn accepted(&self, conn: &Arc<Conn>) -> Option<AbortHow> {
        let snapshot = self.proxy.gate.live.load();
        if snapshot.accept.is_empty() {
            return None;
        }
        let arrival = self.unread(conn);
        let plan = snapshot.plan_accept(&arrival.agent, arrival.offset);
        self.broken_at_accept(&snapshot, &arrival, plan)
    }

    async fn call(&self, request: Request<Incoming>, conn: Arc<Conn>) -> Result<Response<ProxyBody>, Break> {
        let handled = AssertUnwindSafe(self.handle(Arc::clone(&conn), request))
            .catch_unwind()
            .await;
        if conn.is_http2() && conn.is_reset() && matches!(handled, Ok(Err(_))) {
            // The whole connection ends, and this future with it: an error would first reset the stream alone.
            return std::future::pending().await;
        }
        handled.unwrap_or_else(|_| {
            (self.proxy.alarm)("a call panicked");
            let detail = "Murphy failed; the kill switch was tripped, and calls pass unfaulted";
            let problem = Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Murphy failed",
                detail,
            );
            let response = rescue::respond(&problem.into_reply(), self.proxy.clock.now());
            Ok(response.map(ProxyBody::full))
        })
    }
}

impl Worker {
    fn broken_at_accept(&self, snapshot: &Snapshot, arrival: &Arrival, plan: Plan) -> Option<AbortHow> {
        if plan.considered.is_empty() {
            return None;
        }
        let aborts = plan.effects.iter().find_map(|planned| match &*planned.effect {
            Effect::Abort(Abort { how, .. }) => Some((Arc::clone(&planned.rule), *how)),
            _ => None,
        });
        let (rule, how) = aborts?;
        let trace = Trace::new(&plan, Arc::clone(&self.proxy.observer));
        trace.applied(
            &rule,
            format!("aborted at accept ({})", format!("{how:?}").to_lowercase()),
        );
        let mut record = self.open(snapshot, None, arrival, arrival.agent.identity, ("-".into(), "-"));
        record.decided(Some(trace), held_rules(&plan));
        record.close(End::Broken(Broken::Murphy));
        Some(how)
    }

    /// A connection of which nothing but the address is known.
    fn unread(&self, conn: &Arc<Conn>) -> Arrival {
        self.arrived(Arc::clone(conn), conn.peer_agent().clone(), None)
    }
}
