//! A body that is slowed down: a delay before its first byte, a rate, a pause, a drip.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use murphy_core::effect::Pace;
use murphy_core::plan::RuleRef;
use murphy_core::span::print_duration;
use murphy_wire::pace::{Pacer, Wait};
use tokio::time::Instant;

use super::trace::Trace;
use super::wait::{Gate, Held};
use super::{Ctx, shown};
use crate::body::BoxBody;
use crate::error::Break;

/// A wait in progress, with what it needs.
type Holding = Pin<Box<dyn Future<Output = Held> + Send>>;

/// A body whose bytes pass when a [`Pacer`] allows them.
pub struct Paced {
    body: BoxBody,
    pacer: Option<Pacer>,
    since: Option<Instant>,
    /// Bytes that the pacer has not let pass yet.
    waiting: Bytes,
    holding: Option<Holding>,
    gate: Gate,
    rule: Arc<RuleRef>,
    trace: Arc<Trace>,
}

impl Paced {
    /// Paces `body`, of which `total` bytes are expected.
    #[must_use]
    pub fn new(body: BoxBody, pace: Pace, total: Option<u64>, rule: &Arc<RuleRef>, ctx: &Ctx<'_>) -> Self {
        ctx.trace.applied(rule, describe(pace));
        Self {
            pacer: Some(Pacer::new(pace, total)),
            ..Self::unpaced(body, rule, ctx)
        }
    }

    /// Waits before the first byte of `body`.
    #[must_use]
    pub fn delayed(body: BoxBody, wait: Duration, rule: &Arc<RuleRef>, ctx: &Ctx<'_>) -> Self {
        ctx.trace
            .applied(rule, format!("delay {} before the body", shown(wait)));
        let mut paced = Self::unpaced(body, rule, ctx);
        paced.hold(Instant::now().checked_add(wait));
        paced
    }

    fn unpaced(body: BoxBody, rule: &Arc<RuleRef>, ctx: &Ctx<'_>) -> Self {
        Self {
            body,
            pacer: None,
            since: None,
            waiting: Bytes::new(),
            holding: None,
            gate: ctx.gate.clone(),
            rule: Arc::clone(rule),
            trace: Arc::clone(ctx.trace),
        }
    }

    fn hold(&mut self, deadline: Option<Instant>) {
        let (gate, rule, trace) = (self.gate.clone(), Arc::clone(&self.rule), Arc::clone(&self.trace));
        self.holding = Some(Box::pin(async move { gate.hold(&rule, deadline, &trace).await }));
    }

    /// What of the waiting bytes may pass now; sets a hold where the pacer asks for one.
    fn release(&mut self) -> Bytes {
        let Some(pacer) = &mut self.pacer else {
            return std::mem::take(&mut self.waiting);
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        let allowance = pacer.allow(since.elapsed(), self.waiting.len());
        let passing = self.waiting.split_to(allowance.bytes.min(self.waiting.len()));
        match allowance.wait {
            Some(Wait::Until(offset)) => self.hold(since.checked_add(offset)),
            Some(Wait::Forever) => self.hold(None),
            None => {}
        }
        passing
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let this = &mut *self;
        loop {
            if let Some(holding) = &mut this.holding {
                let held = ready!(holding.as_mut().poll(context));
                this.holding = None;
                if held == Held::Released {
                    this.pacer = None;
                }
            }
            if this.waiting.is_empty() {
                match ready!(this.body.as_mut().poll_frame(context))
                    .transpose()?
                    .map(Frame::into_data)
                {
                    Some(Ok(data)) => this.waiting = data,
                    Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                    None => return Poll::Ready(None),
                }
            }
            let passing = this.release();
            if !passing.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passing))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && self.holding.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.waiting.len() as u64;
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(waiting));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(waiting));
        }
        hint
    }
}

fn describe(pace: Pace) -> String {
    match pace {
        Pace::Throttle { bytes_per_second } => format!("throttle to {bytes_per_second} bytes per second"),
        Pace::Stall { wait: Some(wait), .. } => format!("stall for {}", print_duration(wait)),
        Pace::Stall { wait: None, .. } => "stall until the agent leaves".to_owned(),
        Pace::Drip { bytes, every } => format!("drip {bytes} bytes every {}", print_duration(every)),
    }
}
