//! The body that goes to the agent, and the few bodies that it is made of.
//!
//! [`ProxyBody`] counts what passes and always closes the exchange: when the body ends, when it breaks, or when
//! it is dropped because the agent left.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::error::{BoxError, Break};
use crate::listen::Conn;
use crate::record::{End, Record};
use crate::upstream::Lease;

/// A body behind a pointer: what faults make of a body.
pub type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Break> + Send>>;

/// The body of a response to the agent.
pub struct ProxyBody {
    source: Source,
    record: Option<Box<Record>>,
    /// `content-length`, if the response declares one: hyper stops asking once it is reached.
    declared: Option<u64>,
    /// The body is empty although a length is declared, as in a 304 over HTTP/1.1: hyper would take the field
    /// out if it knew.
    open_ended: bool,
    /// The agent's connection: what was passed on is on its way before a break is.
    conn: Option<Arc<Conn>>,
    /// How often that connection had been flushed when the head, or the latest frame, was handed on.
    flushes: u64,
    breaking: Option<Break>,
    deadline: Option<Pin<Box<Sleep>>>,
}

enum Source {
    Full(Bytes),
    /// The lease keeps the upstream's connection accounted for until the body ends.
    Upstream(Incoming, Lease),
    Faulted(BoxBody),
}

impl ProxyBody {
    /// The upstream's own body, untouched.
    #[must_use]
    pub fn upstream(body: Incoming, lease: Lease) -> Self {
        Self::of(Source::Upstream(body, lease))
    }

    /// A body of known bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self::of(Source::Full(bytes))
    }

    /// A body that faults changed.
    #[must_use]
    pub fn faulted(body: BoxBody) -> Self {
        Self::of(Source::Faulted(body))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            record: None,
            declared: None,
            open_ended: false,
            conn: None,
            flushes: 0,
            breaking: None,
            deadline: None,
        }
    }

    /// As a body behind a pointer, so that a fault can wrap it.
    #[must_use]
    pub fn boxed(mut self) -> BoxBody {
        match std::mem::replace(&mut self.source, Source::Full(Bytes::new())) {
            Source::Faulted(body) => body,
            Source::Upstream(body, lease) => Box::pin(body.map_err(move |error| {
                let _kept = &lease;
                Break::Upstream(error.into())
            })),
            Source::Full(bytes) => Box::pin(Parts::whole(bytes, None)),
        }
    }

    /// Closes `record` when this body ends. `head` tells the declared length, `conn` is the agent's connection.
    #[must_use]
    pub fn recorded(mut self, record: Box<Record>, head: &HeaderMap, conn: &Arc<Conn>) -> Self {
        self.conn = Some(Arc::clone(conn));
        self.flushes = conn.flushes();
        self.declared = content_length(head);
        self.open_ended =
            !conn.is_http2() && self.declared.is_some_and(|declared| declared > 0) && self.source_ended();
        self.record = Some(record);
        self
    }

    /// Breaks off when `deadline` ends.
    #[must_use]
    pub fn until(mut self, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        self.deadline = deadline;
        self
    }

    /// hyper throws away what it has not written when a body breaks, so the break waits until that is on its way.
    fn poll_break(
        &mut self,
        context: &mut Context<'_>,
        broken: Break,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let flushed = self
            .conn
            .as_ref()
            .map_or(Poll::Ready(()), |conn| conn.poll_flushed(context, self.flushes));
        match flushed {
            Poll::Ready(()) => Poll::Ready(Some(Err(broken))),
            Poll::Pending => {
                self.breaking = Some(broken);
                Poll::Pending
            }
        }
    }

    fn source_ended(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Upstream(body, _) => body.is_end_stream(),
            Source::Faulted(body) => body.is_end_stream(),
        }
    }

    fn close(&mut self, end: End) {
        if let Some(record) = self.record.take() {
            record.close(end);
        }
    }

    fn all_declared_was_sent(&self) -> bool {
        match (&self.record, self.declared) {
            (Some(record), Some(declared)) => record.bytes_out() >= declared,
            _ => false,
        }
    }

    fn poll_source(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        match &mut self.source {
            Source::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Upstream(body, _) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(|error| Break::Upstream(error.into()))))
            }
            Source::Faulted(body) => body.as_mut().poll_frame(context),
        }
    }
}

/// The declared length of a message's body.
#[must_use]
pub fn content_length(head: &HeaderMap) -> Option<u64> {
    head.get(http::header::CONTENT_LENGTH)
        .and_then(|value: &HeaderValue| value.to_str().ok()?.parse().ok())
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let this = &mut *self;
        if let Some(broken) = this.breaking.take() {
            return this.poll_break(context, broken);
        }
        let frame = match this.poll_source(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(deadline) = &mut this.deadline else {
                    return Poll::Pending;
                };
                ready!(deadline.as_mut().poll(context));
                Some(Err(Break::Deadline))
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(record)) = (frame.data_ref(), &mut this.record) {
                    record.sent(data.len());
                }
                this.flushes = this.conn.as_ref().map_or(0, |conn| conn.flushes());
                // Closed before the last bytes can reach the agent: its next try must find this one ended.
                if this.source_ended() || this.all_declared_was_sent() {
                    this.close(End::Complete);
                }
            }
            Some(Err(broken)) => {
                if let (Some(record), Break::Upstream(_) | Break::Deadline) = (&mut this.record, broken) {
                    record.note(broken.to_string());
                }
                this.close(End::Broken(broken.into()));
            }
            None => this.close(End::Complete),
        }
        match frame {
            Some(Err(broken @ (Break::Upstream(_) | Break::Deadline))) => this.poll_break(context, broken),
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source_ended() && !self.open_ended
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            _ if self.open_ended => SizeHint::default(),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(body, _) => body.size_hint(),
            Source::Faulted(body) => body.size_hint(),
        }
    }
}

impl Drop for ProxyBody {
    fn drop(&mut self) {
        if self.record.is_some() {
            let complete = self.source_ended() || self.all_declared_was_sent();
            self.close(if complete { End::Complete } else { End::AgentLeft });
        }
    }
}

/// Known pieces, then perhaps the rest of another body, then perhaps trailers or a break.
pub struct Parts {
    pieces: VecDeque<Bytes>,
    rest: Option<BoxBody>,
    trailers: Option<HeaderMap>,
    broken: Option<Break>,
}

impl Parts {
    /// These bytes and trailers, complete.
    #[must_use]
    pub fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        let pieces = if bytes.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([bytes])
        };
        Self {
            pieces,
            rest: None,
            trailers,
            broken: None,
        }
    }

    /// These bytes, then the rest of a body.
    #[must_use]
    pub fn then(bytes: Bytes, rest: BoxBody) -> Self {
        Self {
            rest: Some(rest),
            ..Self::whole(bytes, None)
        }
    }

    /// These bytes, then a break.
    #[must_use]
    pub fn broken(bytes: Bytes, broken: Break) -> Self {
        Self {
            broken: Some(broken),
            ..Self::whole(bytes, None)
        }
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(rest) = &mut self.rest {
            return rest.as_mut().poll_frame(context);
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(self.broken.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
            && self.trailers.is_none()
            && self.broken.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        // A body that is to end by a break, or by trailers, must not be framed by its length.
        if self.broken.is_some() || self.trailers.is_some() {
            return SizeHint::default();
        }
        let known = self.pieces.iter().map(Bytes::len).sum::<usize>() as u64;
        let rest = self
            .rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(known.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(known.saturating_add(upper));
        }
        hint
    }
}

/// What collecting a body came to.
pub enum Collected {
    /// All of it, and its trailers.
    Whole(Bytes, Option<HeaderMap>),
    /// More than the cap: what was read, and a body that gives all of it.
    TooLarge(BoxBody),
    /// It broke off: a body that gives what came, then breaks.
    Broken(BoxBody),
}

/// Collects a body of at most `cap` bytes.
pub async fn collect_capped(mut body: BoxBody, cap: u64) -> Collected {
    let mut read = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.as_mut().frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                read.extend_from_slice(&data);
                if read.len() as u64 > cap {
                    return Collected::TooLarge(Box::pin(Parts::then(read.freeze(), body)));
                }
            }
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(broken) => return Collected::Broken(Box::pin(Parts::broken(read.freeze(), broken))),
        }
    }
    Collected::Whole(read.freeze(), trailers)
}

/// Reads a body away, up to `cap` bytes: so that closing the connection does not become a reset, and so that an
/// upstream finishes its work.
///
/// # Errors
/// If the body breaks off.
pub async fn discard(
    body: &mut (impl Body<Data = Bytes, Error: Into<BoxError>> + Unpin),
    cap: u64,
) -> Result<(), BoxError> {
    let mut read = 0_u64;
    while let Some(frame) = body.frame().await {
        read = read.saturating_add(
            frame
                .map_err(Into::into)?
                .data_ref()
                .map_or(0, |data| data.len() as u64),
        );
        if read > cap {
            break;
        }
    }
    Ok(())
}
