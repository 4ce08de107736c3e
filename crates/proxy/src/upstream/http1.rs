//! HTTP/1.1 connections to upstreams: one task each, which puts its connection back into the pool as soon as the
//! response was read, and ends it when it was idle for too long.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep};

use super::UpstreamOptions;
use super::connect::Connected;
use super::evidence::{Watched, Witness};
use super::outgoing::Outgoing;
use super::pool::Pool;
use super::stale_retry::Evidence;

/// hyper keeps the fields of a head on the stack up to this many, and on the heap beyond.
const FIELDS_ON_STACK: usize = 100;

/// A connection that is at hand: fresh, or taken from the pool.
pub(super) struct Http1 {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) line: Arc<Line>,
}

/// What the task of a connection shares with those who send on it.
pub(super) struct Line {
    pub(super) peer: SocketAddr,
    witness: Arc<Witness>,
    /// Where the connection goes when its request is done; none if it serves a single one.
    pool: Option<Weak<Pool>>,
    seat: Mutex<Seat>,
}

#[derive(Default)]
struct Seat {
    /// The sender while a request is under way.
    busy: Option<SendRequest<Outgoing>>,
    /// The head of its answer came. Only from then on does the sender's readiness mean that the request is done:
    /// before, it can be left over from the moment at which the request was handed over.
    answered: bool,
    /// Since when the connection is in the pool.
    idle_since: Option<Instant>,
}

/// A request that got no response.
pub(super) struct Failed {
    /// The request, if it never left.
    pub(super) request: Option<Request<Outgoing>>,
    pub(super) evidence: Evidence,
    pub(super) error: hyper::Error,
}

/// Starts HTTP/1.1 on a connection. With a pool its task returns it there; without one it serves a single
/// request, which may upgrade it.
pub(super) async fn open(
    connected: Connected,
    options: &UpstreamOptions,
    pool: Option<Weak<Pool>>,
) -> hyper::Result<Http1> {
    let mut builder = Builder::new();
    builder
        .preserve_header_case(true)
        .title_case_headers(false)
        .max_buf_size(options.buffer_bytes_max)
        .max_header_size(options.head_bytes_max);
    if options.fields_max > FIELDS_ON_STACK {
        builder.max_headers(options.fields_max);
    }
    let witness = Arc::new(Witness::default());
    let watched = Watched::new(connected.transport, Arc::clone(&witness));
    let (sender, connection) = builder.handshake(TokioIo::new(watched)).await?;
    let pooled = pool.is_some();
    let line = Arc::new(Line {
        peer: connected.peer,
        witness,
        pool,
        seat: Mutex::default(),
    });
    if pooled {
        tokio::spawn(drive(connection, Arc::clone(&line), options.idle_timeout));
    } else {
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upstream connection for an upgrade ended");
            }
        });
    }
    Ok(Http1 { sender, line })
}

/// Polls a connection until it ends or was idle for `idle_timeout`.
async fn drive(connection: Connection<TokioIo<Watched>, Outgoing>, line: Arc<Line>, idle_timeout: Duration) {
    {
        let mut connection = pin!(connection);
        let mut nap = pin!(sleep(idle_timeout));
        poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, peer = %line.peer, "an upstream connection failed");
                }
                return Poll::Ready(());
            }
            line.park();
            while nap.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                let idle_since = line.seat().idle_since;
                if idle_since.is_some_and(|since| now.duration_since(since) >= idle_timeout) {
                    return Poll::Ready(());
                }
                nap.as_mut().reset(idle_since.unwrap_or(now) + idle_timeout);
            }
            Poll::Pending
        })
        .await;
    }
    // A request that was handed over while the connection ended may still lie in the channel: it fails, and can
    // be sent elsewhere, when the last handle of the channel goes.
    drop(line.seat().busy.take());
    // Only now is the sender that may lie in the pool closed.
    if let Some(pool) = line.pool() {
        pool.sweep();
    }
}

impl Line {
    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.as_ref().and_then(Weak::upgrade)
    }

    /// Returns the connection to the pool if its request is done. Whoever comes last does it: its task when the
    /// answer was read, or the sender of the request when it hears of the answer.
    fn park(self: &Arc<Self>) {
        let mut seat = self.seat();
        if !seat.answered || !seat.busy.as_ref().is_some_and(SendRequest::is_ready) {
            return;
        }
        let Some(sender) = seat.busy.take() else { return };
        seat.idle_since = Some(Instant::now());
        drop(seat);
        if let Some(pool) = self.pool() {
            pool.park(Http1 {
                sender,
                line: Arc::clone(self),
            });
        }
    }

    /// Since when the connection is idle.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.seat().idle_since
    }
}

impl Http1 {
    /// Sends a request. `look`: look whether the upstream has closed before writing; `wait`: if the upstream
    /// closes without an answer, wait for the proof that it had closed before the request arrived. Dropping the
    /// future before the response, or the response's body before its end, closes the connection.
    pub(super) async fn send(
        self,
        mut request: Request<Outgoing>,
        look: bool,
        wait: bool,
    ) -> Result<Response<Incoming>, Box<Failed>> {
        let Self { sender, line } = self;
        frame_unusual_body(&mut request);
        line.witness.begin(look, wait, *request.method() == Method::HEAD);
        let response = {
            // The lock is held while the request is handed over, so that the connection's task, once it is done
            // with it, finds the sender here.
            let mut seat = line.seat();
            seat.idle_since = None;
            seat.answered = false;
            seat.busy.insert(sender).try_send_request(request)
        };
        let answer = response.await;
        if answer.is_ok() {
            line.seat().answered = true;
            line.park();
        }
        answer.map_err(|mut failed| {
            let request = failed.take_message();
            let evidence = if request.is_some() {
                Evidence::Unsent
            } else {
                line.witness.evidence()
            };
            Box::new(Failed {
                request,
                evidence,
                error: failed.into_error(),
            })
        })
    }
}

/// hyper takes it that GET, HEAD and CONNECT have no body unless the head says so; this says so when there is one
/// whose length is not known.
fn frame_unusual_body(request: &mut Request<Outgoing>) {
    let unusual = matches!(*request.method(), Method::GET | Method::HEAD | Method::CONNECT);
    let body = request.body();
    let unknown = !body.is_end_stream() && body.size_hint().exact().is_none();
    if unusual && unknown && !request.headers().contains_key(CONTENT_LENGTH) {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(TRANSFER_ENCODING, chunked);
    }
}
