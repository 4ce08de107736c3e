//! Clients' connections: accepted within limits, identified within deadlines, read strictly, ended in order.
//!
//! hyper's own combination of HTTP/1.1 and HTTP/2 is not used: it waits without a bound for the bytes that tell
//! which of the two it is.

mod accept;
mod conn;
mod drain;
mod io;
mod limits;
mod serve;
mod sniff;
pub(crate) mod stream;
mod tls;
mod watched;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use murphy_core::effect::AbortHow;
use rustls::ServerConfig;

pub use accept::accept;
pub use conn::Conn;
pub use drain::Stage;
pub use io::HALF_CLOSE_WITHIN;
pub use tls::server_config;

use drain::Drain;
use limits::Places;

/// Any error, as services and bodies hand it over.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How clients' connections are held.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// The TLS handshake must be done within this.
    pub handshake_timeout: Duration,
    /// A request's head must be complete within this of its first byte, and the first one within this of the
    /// connection's start.
    pub header_timeout: Duration,
    /// A connection may be without a request, and a request's body without a byte, for this long.
    pub idle_timeout: Duration,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Fields of a request's head (HTTP/1.1).
    pub fields_max: usize,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_peer_max: Option<usize>,
    /// TLS, if there is a certificate.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            head_bytes_max: 64 * 1024,
            fields_max: 100,
            connections_max: 10_000,
            connections_per_peer_max: None,
            tls: None,
        }
    }
}

/// Who answers requests. Closures `Fn(Request<Incoming>, Arc<Conn>) -> impl Future<…>` are services, too.
pub trait Service: Clone + Send + Sync + 'static {
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
    /// What breaks the connection (on HTTP/2 the stream, with the code of an `h2::Error` among the sources).
    type Error: Into<BoxError>;

    /// Asked when a connection was accepted, before a byte is read: serve it, or end it like this.
    fn accepted(&self, conn: &Arc<Conn>) -> Option<AbortHow> {
        let _ = conn;
        None
    }

    /// Answers a request. Dropped when the client hangs up.
    fn call(
        &self,
        request: Request<Incoming>,
        conn: Arc<Conn>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Self::Error>> + Send;
}

impl<F, Fut, B, E> Service for F
where
    F: Fn(Request<Incoming>, Arc<Conn>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Body = B;
    type Error = E;

    fn call(
        &self,
        request: Request<Incoming>,
        conn: Arc<Conn>,
    ) -> impl Future<Output = Result<Response<B>, E>> + Send {
        self(request, conn)
    }
}

/// What the listeners of all workers share: limits, counters, and the way to the end.
#[derive(Debug)]
pub struct Listening {
    options: ListenOptions,
    places: Arc<Places>,
    drain: Drain,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    over_limit: AtomicU64,
    handshakes_failed: AtomicU64,
    silent: AtomicU64,
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenCounts {
    /// Connections that were accepted and given a place.
    pub accepted: u64,
    /// Accepting failed (no file descriptors left, say).
    pub accept_errors: u64,
    /// Connections that were closed at once because there was no place.
    pub over_limit: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Connections that ended, or were closed, before they said which version of HTTP they speak.
    pub silent: u64,
}

impl Listening {
    /// Nothing accepted yet.
    #[must_use]
    pub fn new(options: ListenOptions) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Places::new(
                options.connections_max,
                options.connections_per_peer_max,
            )),
            options,
            drain: Drain::new(),
            counters: Counters::default(),
        })
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> ListenCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ListenCounts {
            accepted: read(&self.counters.accepted),
            accept_errors: read(&self.counters.accept_errors),
            over_limit: read(&self.counters.over_limit),
            handshakes_failed: read(&self.counters.handshakes_failed),
            silent: read(&self.counters.silent),
        }
    }

    /// Connections that are open now, tunnels included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.places.taken()
    }

    /// How far the end has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.drain.stage()
    }

    /// Ends in order: listeners close, idle connections end, HTTP/1.1 answers say `connection: close`, HTTP/2
    /// connections get a `GOAWAY`. Returns when all connections have ended, at the latest a second after
    /// `deadline`, upon which what is left is cut. The answer is how many connections that were.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.drain.run(&self.places, deadline).await
    }

    /// Returns once the drain has begun and no connection is left, or what is left is cut.
    pub async fn ended(&self) {
        self.drain.reached(Stage::Draining).await;
        tokio::select! {
            () = self.places.empty() => {}
            () = self.drain.reached(Stage::Aborting) => {}
        }
    }

    /// Ends now: a drain that runs does not wait any longer.
    pub fn abort(&self) {
        self.drain.advance(Stage::Aborting);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
