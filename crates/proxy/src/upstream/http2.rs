//! HTTP/2 connections to upstreams: shared by all requests of a worker to the same upstream.

use std::error::Error as _;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep};

use super::UpstreamOptions;
use super::connect::{Connected, Transport};
use super::http1::Failed;
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::stale_retry::Evidence;

/// A connection without streams is given up after this.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// A connection with streams is asked for a sign of life this often,
const PING_EVERY: Duration = Duration::from_secs(20);
/// and must give it within this.
const PING_WAIT: Duration = Duration::from_secs(10);
/// Bytes that the upstream may send on one stream, and on a connection, before we have taken them.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes of one stream that wait for the upstream to take them.
const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// A connection.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Outgoing>,
    pub(super) load: Arc<Load>,
}

/// How much a connection carries.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) peer: SocketAddr,
    streams: AtomicUsize,
    streams_max: AtomicUsize,
    used: Mutex<Instant>,
}

/// A place on a shared connection. Keep it until the response's body has ended: the pool counts them to know
/// when a connection is full.
#[derive(Debug, Default)]
pub struct Lease {
    load: Option<Arc<Load>>,
}

impl Lease {
    /// The lease of a connection that is not shared.
    pub(super) fn none() -> Self {
        Self::default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(load) = &self.load {
            load.touch();
            load.streams.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Load {
    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Acquire)
    }
}

/// Starts HTTP/2 on a connection.
pub(super) async fn open(
    connected: Connected,
    options: &UpstreamOptions,
    pool: Weak<Pool>,
) -> hyper::Result<Http2> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(u32::try_from(options.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT);
    let peer = connected.peer;
    let (sender, connection) = builder.handshake(TokioIo::new(connected.transport)).await?;
    let load = Arc::new(Load {
        peer,
        streams: AtomicUsize::new(0),
        streams_max: AtomicUsize::new(connection.current_max_send_streams()),
        used: Mutex::new(Instant::now()),
    });
    tokio::spawn(drive(connection, Arc::clone(&load), pool));
    Ok(Http2 { sender, load })
}

/// Polls a connection until it ends. When it was idle for too long it is taken out of the pool; it ends by
/// itself once nobody holds a sender.
async fn drive(
    connection: Connection<TokioIo<Transport>, Outgoing, TokioExecutor>,
    load: Arc<Load>,
    pool: Weak<Pool>,
) {
    {
        let mut connection = pin!(connection);
        let mut nap = pin!(sleep(IDLE_MAX));
        poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, peer = %load.peer, "an upstream connection failed");
                }
                return Poll::Ready(());
            }
            // The task is woken by requests, so a limit that the upstream sets is known from the next one on;
            // until then h2 holds back what is too much.
            load.streams_max
                .store(connection.current_max_send_streams(), Ordering::Release);
            while nap.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                let idle_until = load.used() + IDLE_MAX;
                if load.streams() == 0
                    && idle_until <= now
                    && let Some(pool) = pool.upgrade()
                {
                    pool.retire(&load);
                }
                nap.as_mut().reset(idle_until.max(now + IDLE_MAX / 4));
            }
            Poll::Pending
        })
        .await;
    }
    if let Some(pool) = pool.upgrade() {
        pool.sweep();
    }
}

impl Http2 {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the upstream permits one more stream.
    pub(super) fn has_room(&self) -> bool {
        self.load.streams() < self.load.streams_max.load(Ordering::Acquire)
    }

    /// Takes a place.
    pub(super) fn lease(&self) -> Lease {
        self.load.streams.fetch_add(1, Ordering::AcqRel);
        self.load.touch();
        Lease {
            load: Some(Arc::clone(&self.load)),
        }
    }

    /// Sends a request. Dropping the future, or the response's body, resets the stream (`CANCEL`).
    pub(super) async fn send(
        mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Box<Failed>> {
        self.sender.try_send_request(request).await.map_err(|mut failed| {
            let request = failed.take_message();
            let error = failed.into_error();
            let evidence = if request.is_some() || was_not_processed(&error) {
                Evidence::Unsent
            } else {
                Evidence::Silent
            };
            Box::new(Failed {
                request,
                evidence,
                error,
            })
        })
    }
}

/// Whether the upstream says that it did nothing (RFC 9113 §8.7): `REFUSED_STREAM`, or a `GOAWAY` whose last
/// stream is lower than ours.
fn was_not_processed(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<h2::Error>() {
            return error.is_remote()
                && (error.reason() == Some(h2::Reason::REFUSED_STREAM)
                    || (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)));
        }
        source = inner.source();
    }
    false
}
