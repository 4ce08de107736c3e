//! The record of one call: opened when its request is routed, closed exactly once, however the call ends.

use std::sync::Arc;
use std::time::SystemTime;

use murphy_core::call::Facts;
use murphy_core::clock::Offset;
use murphy_core::exchange::{Exchange, HeldRule};
use murphy_core::outcome::{Cause, Outcome};
use murphy_core::plan::{Permit, Skip, Why};
use murphy_observe::{Finished, Observer, Ticket};
use tokio::time::Instant;

use crate::effects::trace::{Trace, Traced};
use crate::error::Break;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The whole answer was handed to the agent's connection.
    Complete,
    /// The answer broke off.
    Broken(Broken),
    /// The agent hung up first.
    AgentLeft,
}

/// Who broke an answer off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A fault.
    Murphy,
    /// The upstream.
    Upstream,
    /// The route's total deadline.
    Deadline,
    /// The agent.
    Agent,
}

impl From<&Break> for Broken {
    fn from(broken: &Break) -> Self {
        match broken {
            Break::Injected(_) => Self::Murphy,
            Break::Upstream(_) => Self::Upstream,
            Break::Deadline => Self::Deadline,
            Break::AgentLeft => Self::Agent,
        }
    }
}

/// What a record is opened with.
pub struct Opening {
    /// Who observes.
    pub observer: Arc<Observer>,
    /// When the request arrived, for people.
    pub arrived: SystemTime,
    /// When it arrived, for measuring.
    pub start: Instant,
    /// The same moment since the process started.
    pub offset: Offset,
    /// What is known of the exchange at the start; the rest is filled in.
    pub exchange: Exchange,
}

/// The record of one call.
pub struct Record {
    opening: Opening,
    /// Given to the observer when the record closes.
    ticket: Option<Ticket>,
    trace: Option<Arc<Trace>>,
    answered_by: Cause,
    failure: Option<Outcome>,
    upstream_since: Option<Instant>,
    upstream: Option<std::time::Duration>,
    ttfb: Option<std::time::Duration>,
    permits: Vec<Permit>,
    until_head: bool,
}

impl Record {
    /// Opens a record with the observer's ticket.
    #[must_use]
    pub fn open(opening: Opening, ticket: Ticket) -> Box<Self> {
        Box::new(Self {
            opening,
            ticket: Some(ticket),
            trace: None,
            answered_by: Cause::Upstream,
            failure: None,
            upstream_since: None,
            upstream: None,
            ttfb: None,
            permits: Vec::new(),
            until_head: false,
        })
    }

    /// Adds what the dialect read.
    pub fn facts(&mut self, facts: &Facts) {
        let exchange = &mut self.opening.exchange;
        exchange.model.clone_from(&facts.model);
        exchange.tool.clone_from(&facts.tool);
        exchange.mcp_method.clone_from(&facts.mcp_method);
        exchange.stream = facts.stream;
    }

    /// The model that was asked, as far as it is known.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        self.opening.exchange.model.clone()
    }

    /// Adds what was decided.
    pub fn decided(&mut self, trace: Option<Arc<Trace>>, held: Vec<HeldRule>) {
        self.trace = trace;
        self.opening.exchange.held = held;
    }

    /// Keeps places under limits: until the call ends, or only until its head is passed on.
    pub fn hold(&mut self, permits: Vec<Permit>, until_head: bool) {
        self.permits = permits;
        self.until_head = until_head;
    }

    /// Which try of its operation the call is.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.ticket.as_ref().map_or(1, Ticket::attempt)
    }

    /// The operation that the call belongs to.
    #[must_use]
    pub fn operation(&self) -> u64 {
        self.ticket.as_ref().map_or(0, Ticket::operation)
    }

    /// When the request arrived.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.opening.start
    }

    /// The request was sent upstream.
    pub fn sent_upstream(&mut self) {
        self.upstream_since.get_or_insert_with(Instant::now);
    }

    /// The upstream is done with this call.
    pub fn upstream_done(&mut self) {
        if let Some(since) = self.upstream_since {
            self.upstream = Some(since.elapsed());
        }
    }

    /// Bytes of the request's body, as far as they were read.
    pub fn received(&mut self, bytes: u64) {
        self.opening.exchange.bytes_in = bytes;
    }

    /// The head of the answer is about to be passed on.
    pub fn head(&mut self, status: u16, by: Cause, stream: bool) {
        self.ttfb = Some(self.opening.start.elapsed());
        if self.until_head {
            self.permits.clear();
        }
        self.answered_by = by;
        self.opening.exchange.status = Some(status);
        self.opening.exchange.stream |= stream;
    }

    /// The call failed in a way that its status alone does not tell.
    pub fn failed(&mut self, outcome: Outcome, error: String) {
        self.failure = Some(outcome);
        self.opening.exchange.error = Some(error);
    }

    /// What went wrong, in words.
    pub fn note(&mut self, error: String) {
        self.opening.exchange.error = Some(error);
    }

    /// Bytes of the response's body that were handed on.
    pub fn sent(&mut self, bytes: usize) {
        self.opening.exchange.bytes_out += bytes as u64;
        self.opening.observer.progressed();
    }

    /// The same, in all.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.opening.exchange.bytes_out
    }

    /// Closes the record.
    pub fn close(mut self: Box<Self>, end: End) {
        self.finish(end);
    }

    fn finish(&mut self, end: End) {
        // Before the end is seen: who saw it may take the places at once.
        self.permits.clear();
        let Some(ticket) = self.ticket.take() else { return };
        let traced = self.trace.take().map(|trace| trace.take());
        let (outcome, cause) = self.judge(end, traced.as_ref());
        let now = Instant::now();
        if self.upstream.is_none() {
            self.upstream = self.upstream_since.map(|since| now.duration_since(since));
        }
        let duration = now.duration_since(self.opening.start);
        let injected = traced.as_ref().map(|traced| traced.injected).unwrap_or_default();
        let mut traced_faults = traced.unwrap_or_else(Traced::nothing);
        let held_back = self
            .opening
            .exchange
            .held
            .iter()
            .filter(|held| held.why == Why::Limit);
        traced_faults.skips.extend(held_back.map(|_| Skip::Limit));
        let mut exchange = std::mem::replace(&mut self.opening.exchange, Exchange::empty());
        exchange.outcome = outcome;
        exchange.cause = cause;
        exchange.faults = traced_faults.faults;
        self.opening.observer.finish(Finished {
            ticket,
            exchange,
            offset: self.opening.offset.plus(duration),
            arrived: self.opening.arrived,
            fired: traced_faults.fired,
            skipped: traced_faults.skips,
            ttfb: self.ttfb,
            duration,
            injected,
            upstream: self.upstream,
            overhead: duration
                .saturating_sub(injected)
                .saturating_sub(self.upstream.unwrap_or_default()),
        });
    }

    /// What the agent saw, and who caused it.
    fn judge(&self, end: End, traced: Option<&Traced>) -> (Outcome, Cause) {
        let status = self.opening.exchange.status;
        let of_status = status.map_or(Outcome::Dropped, Outcome::of_status);
        let waiting = traced.is_some_and(|traced| traced.waiting);
        match end {
            End::Broken(Broken::Murphy) => (Outcome::Dropped, Cause::Murphy),
            End::Broken(Broken::Upstream) => (Outcome::Dropped, Cause::Upstream),
            End::Broken(Broken::Deadline) => (Outcome::Timeout, Cause::Upstream),
            End::AgentLeft | End::Broken(Broken::Agent) => match (status, waiting) {
                (_, true) => (Outcome::Timeout, Cause::Murphy),
                (None, false) => (Outcome::Timeout, Cause::Agent),
                (Some(_), false) => (of_status, Cause::Agent),
            },
            End::Complete => match (self.failure, traced.is_some_and(|traced| traced.malformed)) {
                (Some(failure), _) => (failure, self.answered_by),
                (None, true) if of_status == Outcome::Ok => (Outcome::Malformed, Cause::Murphy),
                (None, true) => (of_status, Cause::Murphy),
                (None, false) => (of_status, self.answered_by),
            },
        }
    }
}

impl Drop for Record {
    /// A record that nobody closed: the service was dropped, so the agent left before it saw a head.
    fn drop(&mut self) {
        self.finish(End::AgentLeft);
    }
}
