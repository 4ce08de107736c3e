//! Accepts connections and serves them until it is dropped.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tower_service::Service as _;

use crate::calls::Calls;
use crate::line::{Cut, Line};
use crate::plain::NoAnswer;
use crate::routes;

/// Connections that are served at once; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 10_000;

/// Header fields of one request.
const FIELDS_MAX: usize = 512;

/// How long accepting rests after an error that is not about one connection (no file descriptor left).
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A simulated upstream that runs on the runtime on which it was started, and ends when it is dropped.
#[derive(Debug)]
pub struct Sim {
    addr: SocketAddr,
    state: State,
    accepting: AbortHandle,
}

/// What the handlers and the [`Sim`] share.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) calls: Arc<Calls>,
    pub(crate) clock_reads: Arc<AtomicU64>,
    pub(crate) ended: watch::Receiver<()>,
    connections: Arc<AtomicU64>,
}

impl State {
    /// A new state, and the sender whose drop ends what outlives its connection (WebSockets).
    fn new() -> (Self, watch::Sender<()>) {
        let (end, ended) = watch::channel(());
        let state = Self {
            calls: Arc::default(),
            clock_reads: Arc::default(),
            ended,
            connections: Arc::default(),
        };
        (state, end)
    }
}

impl Sim {
    /// Listens on `addr` (port 0 for a free one) and serves on the current tokio runtime.
    ///
    /// # Errors
    /// If it cannot listen there.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(addr: SocketAddr) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let addr = listener.local_addr()?;
        let (state, end) = State::new();
        let accepting = tokio::spawn(accept(listener, state.clone(), end)).abort_handle();
        Ok(Self {
            addr,
            state,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many calls with this path have arrived.
    #[must_use]
    pub fn calls(&self, path: &str) -> u64 {
        self.state.calls.of(path)
    }

    /// How many connections have been accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.accepting.abort(); // the connections are the accepting task's, and end with it
    }
}

/// Serves the connections of `listener` until the future is dropped, and all of them with it.
pub async fn serve(listener: TcpListener) {
    let (state, end) = State::new();
    accept(listener, state, end).await;
}

async fn accept(listener: TcpListener, state: State, end: watch::Sender<()>) {
    let _end = end;
    let router = routes::router(state.clone());
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                state.connections.fetch_add(1, Ordering::Relaxed);
                let router = router.clone();
                connections.spawn(async move {
                    connection(stream, router).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_REST).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router) {
    if stream.set_nodelay(true).is_err() {
        return; // the client is gone already
    }
    let cut = Arc::new(Cut::default());
    let line = TokioIo::new(Line::new(stream, Arc::clone(&cut)));
    let service = service_fn(move |request| respond(router.clone(), Arc::clone(&cut), request));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(true)
        .auto_date_header(false)
        .max_headers(FIELDS_MAX);
    server.http2().timer(TokioTimer::new()).auto_date_header(false);
    if server
        .serve_connection_with_upgrades(line, service)
        .await
        .is_err()
    {
        // The client broke off, or asked for a drop: either way the connection is over.
    }
}

/// Answers one request; an error closes the connection (HTTP/2: the stream) without a head.
async fn respond(
    mut router: Router,
    cut: Arc<Cut>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    request.extensions_mut().insert(cut);
    let response: Result<Response<Body>, Infallible> = router.call(request).await;
    match response {
        Ok(response) if response.extensions().get::<NoAnswer>().is_some() => Err(Dropped),
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// The connection was dropped because the call asked for that.
#[derive(Debug)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped as asked")
    }
}

impl Error for Dropped {}
