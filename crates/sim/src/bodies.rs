//! Bodies that are made while they are sent: the pattern, timed pieces, a body that breaks.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use tokio::time::{Instant, sleep_until};

use crate::pattern::{PIECE_MAX, pattern};
use crate::server::Dropped;

/// Whether the length of a body is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By content-length.
    Sized,
    /// Not at all: chunked in HTTP/1.1, until the connection's end in HTTP/1.0.
    Chunked,
}

/// So many bytes of the pattern, in constant memory.
pub(crate) struct Pattern {
    offset: u64,
    end: u64,
    framing: Framing,
}

impl Pattern {
    pub(crate) fn new(len: u64, framing: Framing) -> Self {
        Self {
            offset: 0,
            end: len,
            framing,
        }
    }

    pub(crate) fn endless() -> Self {
        Self::new(u64::MAX, Framing::Chunked)
    }

    fn next(&mut self, len: u64) -> Option<Bytes> {
        let piece = pattern(self.offset, len.min(self.end - self.offset));
        self.offset += piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    }
}

impl http_body::Body for Pattern {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next(PIECE_MAX as u64).map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.offset == self.end
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Sized => SizeHint::with_exact(self.end - self.offset),
            Framing::Chunked => SizeHint::default(),
        }
    }
}

/// So many bytes of the pattern, then an error, which breaks the connection.
pub(crate) struct Broken {
    good: Pattern,
    state: BrokenState,
    missing: u64,
}

enum BrokenState {
    Sending,
    Flushing,
    Over,
}

impl Broken {
    /// Breaks after `good` bytes; a sized body is announced to be `missing` bytes longer.
    pub(crate) fn new(good: u64, missing: u64, framing: Framing) -> Self {
        Self {
            good: Pattern::new(good, framing),
            state: BrokenState::Sending,
            missing,
        }
    }
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        match self.state {
            BrokenState::Sending => match self.good.next(PIECE_MAX as u64) {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None => {
                    // hyper flushes what it has before it asks again; an error right now would swallow it.
                    self.state = BrokenState::Flushing;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            BrokenState::Flushing => {
                self.state = BrokenState::Over;
                Poll::Ready(Some(Err(Dropped)))
            }
            BrokenState::Over => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.good.framing {
            Framing::Sized => SizeHint::with_exact(self.good.end - self.good.offset + self.missing),
            Framing::Chunked => SizeHint::default(),
        }
    }
}

/// Pieces at even distances in time, the first at once. They are due from the start on, so that a slow reader
/// does not stretch the whole.
pub(crate) fn timed<F>(count: u64, interval: Duration, piece: F) -> Body
where
    F: Fn(u64) -> Bytes + Send + Sync + 'static,
{
    let start = Instant::now();
    let frames = stream::unfold((0_u64, start, piece), move |(n, due, piece)| async move {
        if n == count {
            return None;
        }
        if n > 0 && !interval.is_zero() {
            sleep_until(due).await;
        }
        let frame = Ok::<_, Infallible>(Frame::data(piece(n)));
        Some((frame, (n + 1, due + interval, piece)))
    });
    Body::new(StreamBody::new(frames))
}
