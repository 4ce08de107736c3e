//! The bytes of a pooled HTTP/1.1 connection, watched: what became of a request that failed. On the way in, the
//! chunks of a body that lie ready are made one (see [`ChunkMerger`]).

use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use murphy_wire::http1::ChunkMerger;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::connect::{Transport, socket};
use super::stale_retry::Evidence;

/// How long the reset that proves [`Evidence::ClosedBefore`] is waited for after the end of the upstream's
/// bytes: a round trip. On the loopback it is there at once.
const PROOF_WAIT_MAX: Duration = Duration::from_millis(50);

/// Bytes of a chunked body that are read at once.
const MERGED_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Where chunked bodies are read to; what comes of them goes on from here at once.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; MERGED_BYTES_MAX]);
}

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
    /// A response is expected whose head was not looked at yet: to HEAD, or to another method.
    expects: AtomicU8,
}

/// No new response is expected.
const NOTHING: u8 = 0;
const ANSWER: u8 = 1;
const ANSWER_TO_HEAD: u8 = 2;

impl Witness {
    /// A new request begins. `look`: look for the upstream's end before writing; `wait`: wait for the proof
    /// that the upstream had closed before; `to_head`: it is a HEAD.
    pub(super) fn begin(&self, look: bool, wait: bool, to_head: bool) {
        let expects = if to_head { ANSWER_TO_HEAD } else { ANSWER };
        self.expects.store(expects, Ordering::Release);
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
    merger: ChunkMerger,
    /// What was merged and not handed on.
    merged: BytesMut,
}

impl Watched {
    pub(super) fn new(transport: Transport, witness: Arc<Witness>) -> Self {
        Self {
            transport,
            witness,
            proof: None,
            merger: ChunkMerger::default(),
            merged: BytesMut::new(),
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

impl Watched {
    /// Reads once, as it comes. Returns how many bytes were read.
    fn poll_transport(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        let polled = ready!(Pin::new(&mut self.transport).poll_read(cx, buf));
        let count = buf.filled().len() - before;
        let torn = matches!(&polled, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof);
        if count > 0 {
            self.witness.answered.store(true, Ordering::Release);
        } else if (polled.is_ok() || torn) && self.witness.evidence() == Evidence::Silent {
            ready!(self.poll_proof(cx));
        }
        Poll::Ready(polled.map(|()| count))
    }

    /// Reads a part of a chunked body into `merged`. Ready with `false` at the end.
    fn poll_merged(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            if ready!(self.poll_transport(cx, &mut read))? == 0 {
                self.merged.extend_from_slice(&self.merger.end());
                return Poll::Ready(Ok(!self.merged.is_empty()));
            }
            let merged = &mut self.merged;
            self.merger
                .merge(read.filled(), |part| merged.extend_from_slice(part));
            Poll::Ready(Ok(true))
        })
    }

    /// Looks at bytes that were just read into `buf` from `from` on: of a chunked body only the head may stay.
    fn merge_behind_head(&mut self, buf: &mut ReadBuf<'_>, from: usize) {
        let came = buf.filled().get(from..).unwrap_or_default();
        let stays = self.merger.look(came);
        if self.merger.is_merging() {
            let merged = &mut self.merged;
            let behind = came.get(stays..).unwrap_or_default();
            self.merger.merge(behind, |part| merged.extend_from_slice(part));
            buf.set_filled(from + stays);
            self.hand_on(buf);
        }
    }

    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.merged.len().min(buf.remaining());
        buf.put_slice(self.merged.get(..count).unwrap_or_default());
        self.merged.advance(count);
        if self.merged.is_empty() {
            self.merged = BytesMut::new(); // an idle connection holds no buffer
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.witness.expects.load(Ordering::Acquire) != NOTHING {
            let expects = this.witness.expects.swap(NOTHING, Ordering::AcqRel);
            this.merger.begin(expects == ANSWER_TO_HEAD);
        }
        let from = buf.filled().len();
        loop {
            if !this.merged.is_empty() {
                this.hand_on(buf);
            }
            if buf.filled().len() > from || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.merger.is_merging() {
                ready!(this.poll_transport(cx, buf))?;
                this.merge_behind_head(buf, from);
                return Poll::Ready(Ok(()));
            }
            if !ready!(this.poll_merged(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\n\r\n";

    async fn pair() -> (Watched, Arc<Witness>, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (upstream, _) = listener.accept().await.unwrap();
        let witness = Arc::new(Witness::default());
        let watched = Watched::new(Transport::Clear(client), Arc::clone(&witness));
        (watched, witness, upstream)
    }

    async fn read(watched: &mut Watched) -> io::Result<usize> {
        watched.read(&mut [0; 64]).await
    }

    #[tokio::test]
    async fn a_look_before_the_first_write_keeps_the_request_back() {
        let (mut watched, witness, upstream) = pair().await;
        drop(upstream);
        witness.begin(true, true, false);
        assert!(watched.write_all(REQUEST).await.is_err());
        assert_eq!(witness.evidence(), Evidence::Unsent);
    }

    #[tokio::test]
    async fn a_reset_after_the_end_proves_that_the_upstream_had_closed_before() {
        let (mut watched, witness, upstream) = pair().await;
        drop(upstream); // its end arrives between the look and the write
        witness.begin(false, true, false);
        watched.write_all(REQUEST).await.unwrap();
        assert_eq!(read(&mut watched).await.unwrap(), 0);
        assert_eq!(witness.evidence(), Evidence::ClosedBefore);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_after_the_request_was_read_proves_nothing() {
        let (mut watched, witness, mut upstream) = pair().await;
        witness.begin(true, true, false);
        watched.write_all(REQUEST).await.unwrap();
        upstream.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
        drop(upstream);
        let begun = Instant::now();
        assert_eq!(read(&mut watched).await.unwrap(), 0);
        assert_eq!(witness.evidence(), Evidence::Silent);
        assert!(begun.elapsed() >= PROOF_WAIT_MAX, "it waits for a round trip");
    }

    #[tokio::test]
    async fn a_close_with_the_request_unread_proves_nothing_either() {
        let (mut watched, witness, upstream) = pair().await;
        witness.begin(true, true, false);
        watched.write_all(REQUEST).await.unwrap();
        upstream.readable().await.unwrap();
        drop(upstream); // a reset without an end: the kernel does not tell how much was read
        assert!(read(&mut watched).await.is_err());
        assert_eq!(witness.evidence(), Evidence::Silent);
    }

    #[tokio::test]
    async fn a_byte_of_an_answer_is_an_answer() {
        let (mut watched, witness, mut upstream) = pair().await;
        witness.begin(true, true, false);
        watched.write_all(REQUEST).await.unwrap();
        upstream.write_all(b"H").await.unwrap();
        assert_eq!(read(&mut watched).await.unwrap(), 1);
        drop(upstream);
        let _ended = read(&mut watched).await;
        assert_eq!(witness.evidence(), Evidence::Answered);
    }
}
