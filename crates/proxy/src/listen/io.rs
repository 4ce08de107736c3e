//! The bytes between hyper and an HTTP/1.1 client.
//!
//! Everything that hyper is lenient or silent about is settled here, before hyper sees a byte:
//!
//! * Requests pass a strict reader first. In the place of one that it refuses hyper gets a harmless stand-in, so
//!   that the refusal is answered in its turn, after the requests before it. What is refused inside a body ends
//!   that body with an error.
//! * The end of the client's bytes means either that it has sent its last request and waits for the answer
//!   (half-close), or that it hung up; TCP does not tell which. A client that half-closes does so with its
//!   request, and one that hangs up does so later, so: an end that comes within [`HALF_CLOSE_WITHIN`] of the last
//!   byte, before any byte of an answer, is kept from hyper until the answer has been sent. Any other end is
//!   told at once, upon which hyper drops the service's future, and with it the call to the upstream.
//! * The deadlines for a head, for a body's next bytes and for an idle connection are kept here: heads reach
//!   hyper whole, so its own header timeout could not tell a slow head from an idle connection.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use murphy_wire::http1::{GuardLimits, RequestGuard, Scan, Violation};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::conn::{Conn, Switch, stand_in};
use super::stream::{MaybeTls, Socket};

/// An end of the client's bytes this soon after the last one means that it waits for the answer.
pub const HALF_CLOSE_WITHIN: Duration = Duration::from_millis(50);

/// Bytes that are read at once.
const READ_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Where bytes are read to; they go on from here at once, so that an idle connection holds no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

/// The client's side of a connection.
pub(super) type Transport = MaybeTls<Socket, TlsStream<Socket>>;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a request's head, from its first byte (of the first one, from the connection's start).
    pub(super) head: Duration,
    /// Between requests, and between the bytes of a body.
    pub(super) idle: Duration,
}

/// What hyper reads from and writes to.
pub(super) struct ClientIo {
    transport: Transport,
    conn: Arc<Conn>,
    guard: RequestGuard,
    /// Bytes that the guard let pass and hyper has not taken.
    ready: BytesMut,
    /// The beginning of something that is not complete: a head, a chunk's size line.
    held: Vec<u8>,
    ended: Option<Ended>,
    patience: Patience,
    nap: Option<Pin<Box<Sleep>>>,
    started: Instant,
    /// Since when `held` has bytes, and whether they belong to a body.
    held_since: Instant,
    held_in_body: bool,
    /// Since when nothing has come.
    waiting_since: Option<Instant>,
    wrote_since_read: bool,
}

/// Why no more bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The client has sent its last byte, and may wait for the answer.
    HalfClosed,
    /// The client hung up, or took too long between requests.
    Closed,
    /// A request was refused, and its stand-in passed on.
    Refused,
    /// A part of a body was refused.
    Broken(Violation),
    /// A body's next bytes took too long.
    Stalled,
}

impl ClientIo {
    /// `first` are bytes that were read already.
    pub(super) fn new(
        transport: Transport,
        conn: Arc<Conn>,
        first: &[u8],
        limits: GuardLimits,
        patience: Patience,
    ) -> Self {
        let now = Instant::now();
        let mut this = Self {
            transport,
            conn,
            guard: RequestGuard::new(limits),
            ready: BytesMut::new(),
            held: Vec::new(),
            ended: None,
            patience,
            nap: None,
            started: now,
            held_since: now,
            held_in_body: false,
            waiting_since: None,
            wrote_since_read: false,
        };
        this.take_into_ready(first);
        this
    }

    /// Takes bytes from the client: sorts them into those that may pass and those that have to wait. Returns how
    /// many at the beginning of `chunk` pass at once, before what is `ready`: in the usual case that is all of
    /// them, and they are not copied.
    fn take(&mut self, chunk: &[u8]) -> usize {
        let mut input = std::mem::take(&mut self.held);
        let was_empty = input.is_empty();
        let input: &[u8] = if was_empty {
            chunk
        } else {
            input.extend_from_slice(chunk);
            &input
        };
        let scan = self.guard.scan(input);
        let passed = match scan {
            Scan::Pass => input.len(),
            Scan::Hold { from } | Scan::Reject { from, .. } => from,
        };
        let (pass, rest) = input.split_at(passed.min(input.len()));
        self.conn.set_in_body(self.guard.is_in_body());
        let at_once = if was_empty && self.ready.is_empty() {
            pass.len()
        } else {
            self.ready.extend_from_slice(pass);
            0
        };
        if scan != Scan::Pass && (was_empty || passed > 0) {
            self.held_since = Instant::now();
            self.held_in_body = self.guard.is_in_body();
        }
        match scan {
            Scan::Pass => {}
            Scan::Hold { .. } => self.held = rest.to_vec(),
            Scan::Reject { violation, .. } if self.held_in_body => {
                self.ended = Some(Ended::Broken(violation));
            }
            Scan::Reject { violation, .. } => {
                self.conn.put_violation(violation);
                self.ready.extend_from_slice(stand_in().as_bytes());
                self.ended = Some(Ended::Refused);
            }
        }
        at_once
    }

    fn take_into_ready(&mut self, chunk: &[u8]) {
        let at_once = self.take(chunk);
        if at_once > 0 {
            // Nothing was ready, and what `take` added belongs behind.
            let behind = std::mem::take(&mut self.ready);
            self.ready
                .extend_from_slice(chunk.get(..at_once).unwrap_or_default());
            self.ready.extend_from_slice(&behind);
        }
    }

    /// Whether an answer decides about what follows, and there is something that waits for it.
    fn waits_for_switch(&mut self) -> bool {
        if !self.guard.is_undecided() {
            return false;
        }
        match self.conn.switch() {
            Switch::Yes => self.guard.upgraded(),
            Switch::No => self.guard.not_upgraded(),
            Switch::Undecided => return !self.held.is_empty(),
        }
        let held = std::mem::take(&mut self.held);
        self.take_into_ready(&held);
        false
    }

    /// Reads once from the client. What may pass at once is put into `out`.
    fn poll_client(&mut self, cx: &mut Context<'_>, out: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = out.remaining().clamp(1, READ_BYTES_MAX);
            let mut buf = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            match ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buf)) {
                Ok(()) => {}
                // TLS without `close_notify`: heads and chunks tell by themselves whether they are complete.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if buf.filled().is_empty() {
                self.ended = Some(self.how_ended());
            } else {
                let at_once = self.take(buf.filled());
                out.put_slice(buf.filled().get(..at_once).unwrap_or_default());
                self.waiting_since = None;
                self.wrote_since_read = false;
            }
            Poll::Ready(Ok(()))
        })
    }

    fn how_ended(&self) -> Ended {
        let soon = self.waiting_since.is_none_or(|since| {
            !self.wrote_since_read && Instant::now().duration_since(since) <= HALF_CLOSE_WITHIN
        });
        if soon && self.held.is_empty() && !self.is_in_body() {
            Ended::HalfClosed
        } else {
            Ended::Closed
        }
    }

    /// What hyper reads once there is nothing more.
    fn poll_end(&self, ended: Ended) -> Poll<io::Result<()>> {
        match ended {
            Ended::HalfClosed if self.conn.is_busy() => Poll::Pending,
            Ended::HalfClosed | Ended::Closed => Poll::Ready(Ok(())),
            // hyper closes when it has answered the stand-in.
            Ended::Refused => Poll::Pending,
            Ended::Broken(violation) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation)))
            }
            Ended::Stalled => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client stopped in the middle of a body",
            ))),
        }
    }

    /// Nothing has come: is that too long? Ready if it is.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        loop {
            if self.conn.switch() == Switch::Yes {
                return Poll::Pending;
            }
            let now = Instant::now();
            let (deadline, then) = if self.conn.is_busy() {
                if self.is_in_body() {
                    (since + self.patience.idle, Ended::Stalled)
                } else {
                    // hyper asks again when it is woken, which the end of the answer alone does not do: so look
                    // again no later than the first deadline that can follow it.
                    let next = if self.held.is_empty() {
                        self.patience.idle
                    } else {
                        self.patience.head
                    };
                    ready!(self.poll_nap(cx, now + next));
                    continue;
                }
            } else if !self.held.is_empty() {
                (self.held_since + self.patience.head, Ended::Closed)
            } else if let Some(quiet_since) = self.conn.quiet_since() {
                (quiet_since + self.patience.idle, Ended::Closed)
            } else {
                (self.started + self.patience.head, Ended::Closed)
            };
            if deadline <= now {
                return Poll::Ready(then);
            }
            ready!(self.poll_nap(cx, deadline));
        }
    }

    /// Sleeps until `deadline` or less: a sleep that ends earlier goes on, so that it is hardly ever set anew.
    fn poll_nap(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let nap = self.nap.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if nap.deadline() > deadline || nap.is_elapsed() {
            nap.as_mut().reset(deadline);
        }
        nap.as_mut().poll(cx)
    }

    /// Whether a body is under way.
    fn is_in_body(&self) -> bool {
        if self.held.is_empty() {
            self.guard.is_in_body()
        } else {
            self.held_in_body
        }
    }
}

impl Read for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = buf.remaining();
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let waits_for_switch = this.waits_for_switch();
            if buf.remaining() < room {
                return Poll::Ready(Ok(()));
            }
            if !this.ready.is_empty() {
                let count = this.ready.len().min(buf.remaining());
                buf.put_slice(this.ready.get(..count).unwrap_or_default());
                this.ready.advance(count);
                if this.ready.is_empty() {
                    this.ready = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(ended) = this.ended {
                return this.poll_end(ended);
            }
            if waits_for_switch {
                return Poll::Pending;
            }
            match this.poll_client(cx, &mut buf) {
                Poll::Ready(read) => read?,
                Poll::Pending => this.ended = Some(ready!(this.poll_patience(cx))),
            }
        }
    }
}

impl Write for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wrote_since_read = true;
        Pin::new(&mut this.transport).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.transport).poll_flush(cx))?;
        this.conn.flushed();
        // What had to wait for the answer can be read now, and hyper believes that nothing can.
        let waited = this.guard.is_undecided() || this.ended == Some(Ended::HalfClosed);
        if waited && !this.conn.is_busy() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.conn.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wrote_since_read = true;
        Pin::new(&mut this.transport).poll_write_vectored(cx, bufs)
    }
}
