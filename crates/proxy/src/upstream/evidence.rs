//! The bytes of a pooled HTTP/1.1 connection, watched: what became of a request that failed.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::connect::{Transport, socket};
use super::stale_retry::Evidence;

/// How long the reset that proves [`Evidence::ClosedBefore`] is waited for after the end of the upstream's
/// bytes: a round trip. On the loopback it is there at once.
const PROOF_WAIT_MAX: Duration = Duration::from_millis(50);

/// What happened on one connection since its current request was handed to it.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// The socket must be looked at before the first write.
    look: AtomicBool,
    /// The end of the upstream's bytes is worth a wait for the proof.
    wait: AtomicBool,
    sent: AtomicBool,
    answered: AtomicBool,
    closed_before: AtomicBool,
}

impl Witness {
    /// A new request begins. `look`: look for the upstream's end before writing; `wait`: wait for the proof
    /// that the upstream had closed before.
    pub(super) fn begin(&self, look: bool, wait: bool) {
        self.look.store(look, Ordering::Release);
        self.wait.store(wait, Ordering::Release);
        self.sent.store(false, Ordering::Release);
        self.answered.store(false, Ordering::Release);
        self.closed_before.store(false, Ordering::Release);
    }

    /// What is known about the request that was begun last.
    pub(super) fn evidence(&self) -> Evidence {
        if self.answered.load(Ordering::Acquire) {
            Evidence::Answered
        } else if !self.sent.load(Ordering::Acquire) {
            Evidence::Unsent
        } else if self.closed_before.load(Ordering::Acquire) {
            Evidence::ClosedBefore
        } else {
            Evidence::Silent
        }
    }
}

/// A connection with its witness.
pub(super) struct Watched {
    transport: Transport,
    witness: Arc<Witness>,
    proof: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(transport: Transport, witness: Arc<Witness>) -> Self {
        Self {
            transport,
            witness,
            proof: None,
        }
    }

    /// Before the first write of a request: has the upstream's end arrived already?
    fn look(&self) -> io::Result<()> {
        if !self.witness.look.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let mut byte = [MaybeUninit::uninit()];
        match socket(&self.transport).peek(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // An end, a reset, or bytes that nobody asked for: this connection is not usable.
            Ok(_) | Err(_) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the idle connection had been closed",
            )),
        }
    }

    /// The upstream's bytes ended without an answer. Ready once it is known whether they ended before our
    /// request arrived.
    fn poll_proof(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset_followed = matches!(socket(&self.transport).take_error(), Ok(Some(_)));
        if reset_followed {
            self.witness.closed_before.store(true, Ordering::Release);
            return Poll::Ready(());
        }
        if !self.witness.wait.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let proof = self.proof.get_or_insert_with(|| Box::pin(sleep(PROOF_WAIT_MAX)));
        ready!(proof.as_mut().poll(cx));
        self.witness.wait.store(false, Ordering::Release);
        Poll::Ready(())
    }

    fn note_sent(&self, polled: &Poll<io::Result<usize>>) {
        let sent = match polled {
            Poll::Ready(Ok(count)) => *count > 0,
            // rustls may have written a part of a record before it failed.
            Poll::Ready(Err(_)) => matches!(self.transport, Transport::Tls(_)),
            Poll::Pending => false,
        };
        if sent {
            self.witness.sent.store(true, Ordering::Release);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = ready!(Pin::new(&mut this.transport).poll_read(cx, buf));
        let torn = matches!(&polled, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof);
        if buf.filled().len() > before {
            this.witness.answered.store(true, Ordering::Release);
        } else if (polled.is_ok() || torn) && this.witness.evidence() == Evidence::Silent {
            ready!(this.poll_proof(cx));
        }
        Poll::Ready(polled)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look()?;
        let polled = Pin::new(&mut this.transport).poll_write(cx, buf);
        this.note_sent(&polled);
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look()?;
        let polled = Pin::new(&mut this.transport).poll_write_vectored(cx, bufs);
        this.note_sent(&polled);
        polled
    }
}
