//! A body that ends before its end: cleanly, or by breaking the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use murphy_core::effect::AbortHow;
use murphy_core::plan::{RuleRef, Skip};

use super::trace::Trace;
use super::wait::Gate;
use crate::body::BoxBody;
use crate::error::Break;
use crate::listen::Conn;

/// How a cut body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As if it were complete: only a parser notices.
    Clean,
    /// The connection or stream breaks.
    Break(AbortHow),
}

/// A body that ends after `at` bytes.
pub struct Cut {
    body: BoxBody,
    at: u64,
    passed: u64,
    of: Option<u64>,
    /// What was cut from the last chunk: it still passes if the activation ends before the cut.
    tail: Bytes,
    ending: Ending,
    state: State,
    gate: Gate,
    rule: Arc<RuleRef>,
    trace: Arc<Trace>,
    conn: Arc<Conn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    /// All that may pass was handed on; the break waits until it is on its way, so that it arrives.
    Flushing(u64),
    Done,
    /// The activation ended first: the body passes whole.
    Released,
}

impl Cut {
    /// Cuts `body` after `at` of `of` bytes.
    #[must_use]
    pub fn new(
        body: BoxBody,
        at: u64,
        of: Option<u64>,
        ending: Ending,
        rule: &Arc<RuleRef>,
        ctx: &super::Ctx<'_>,
    ) -> Self {
        Self {
            body,
            at,
            passed: 0,
            of,
            tail: Bytes::new(),
            ending,
            state: State::Passing,
            gate: ctx.gate.clone(),
            rule: Arc::clone(rule),
            trace: Arc::clone(ctx.trace),
            conn: Arc::clone(ctx.conn),
        }
    }

    fn cut(&mut self) -> State {
        let of = self.of.map(|of| format!(" of {of}")).unwrap_or_default();
        let how = match self.ending {
            Ending::Clean => "clean end".to_owned(),
            Ending::Break(how) => format!("{how:?}").to_lowercase(),
        };
        self.trace
            .applied(&self.rule, format!("cut after {}{of} bytes ({how})", self.passed));
        match self.ending {
            Ending::Clean => {
                self.trace.damaged();
                State::Done
            }
            Ending::Break(_) => State::Flushing(self.conn.flushes()),
        }
    }

    fn poll_break(&mut self, context: &mut Context<'_>, since: u64, how: AbortHow) -> Poll<Break> {
        ready!(self.conn.poll_flushed(context, since));
        self.state = State::Done;
        if how == AbortHow::Rst {
            self.conn.reset();
        }
        Poll::Ready(Break::injected(how))
    }
}

impl Body for Cut {
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let this = &mut *self;
        loop {
            match this.state {
                State::Released if !this.tail.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.tail)))));
                }
                State::Released => return this.body.as_mut().poll_frame(context),
                State::Done => return Poll::Ready(None),
                State::Flushing(since) => {
                    let Ending::Break(how) = this.ending else {
                        return Poll::Ready(None);
                    };
                    let broken = ready!(this.poll_break(context, since, how));
                    return Poll::Ready(Some(Err(broken)));
                }
                State::Passing if this.passed >= this.at => {
                    this.state = if this.gate.is_open(this.rule.activation) {
                        this.cut()
                    } else {
                        this.trace.skipped(&this.rule, Skip::Halted);
                        State::Released
                    };
                }
                State::Passing => {
                    let Some(frame) = ready!(this.body.as_mut().poll_frame(context)).transpose()? else {
                        this.trace.skipped(&this.rule, Skip::DoesNotApply); // it was shorter than the cut
                        this.state = State::Done;
                        return Poll::Ready(None);
                    };
                    let mut data = match frame.into_data() {
                        Ok(data) => data,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    };
                    let room = usize::try_from(this.at - this.passed).unwrap_or(usize::MAX);
                    if data.len() > room {
                        this.tail = data.split_off(room);
                    }
                    this.passed += data.len() as u64;
                    let more = !this.tail.is_empty() || this.of.is_some_and(|of| of > this.at);
                    if this.passed >= this.at && more && this.gate.is_open(this.rule.activation) {
                        // Now, not at the next poll: with its length declared a body is not asked again.
                        this.state = this.cut();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // A break still has to happen when all bytes have passed.
        matches!((self.state, self.ending), (State::Done, Ending::Clean))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
