//! Accepting connections for the control API, each bounded in time and number.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower_service::Service;

use crate::{ControlState, routes};

/// Connections at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 256;
/// How long a request's head may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of a request.
const HEADERS_MAX: usize = 100;
/// How long answers under way may take once the server is told to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when no file descriptor was left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a handler may know of its connection; an extension of each request.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The client's address.
    pub peer: SocketAddr,
    /// Turns true when the server ends.
    pub closing: watch::Receiver<bool>,
}

/// Returns when the server ends.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    closing.wait_for(|closing| *closing).await.ok();
}

/// Serves the control API over HTTP/1.1 until `shutdown` completes; then streams end at once, other answers
/// get five seconds.
///
/// # Errors
/// If the listener is unusable, or others than this machine can reach it and there is no token.
pub async fn serve(
    listener: TcpListener,
    state: ControlState,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    state
        .guard
        .check_exposure(listener.local_addr()?)
        .map_err(io::Error::other)?;
    let router = routes::router(state);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            // Ended connections are taken out of the set, or it would grow for ever.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        let connection = Connection {
            local,
            peer,
            closing: closing.clone(),
        };
        let router = router.clone();
        connections.spawn(async move {
            run(stream, router, connection).await;
            drop(place);
        });
    }
    drop(listener);
    close.send_replace(true);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_done).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection and its place; `None` if accepting failed (no descriptor left, or the peer is gone).
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "the control API could not accept a connection");
            None
        }
    }
}

async fn run(stream: TcpStream, router: Router, connection: Connection) {
    let mut closing = connection.closing.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection.clone());
        // A router is always ready, so that it may be called without asking.
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = closed(&mut closing) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control API ended early");
    }
}
