//! The accept loop: it survives everything that accepting can fail with.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::conn::Conn;
use super::drain::Stage;
use super::{Listening, Service, count, serve};

/// The wait after accepting failed: without file descriptors it would fail again at once.
const BACK_OFF: Duration = Duration::from_millis(50);

static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// Accepts connections and serves them, each in a task of the current runtime, until the drain begins. Call it
/// on each worker with a `try_clone` of the listener.
///
/// # Errors
/// If the listener cannot be used with this runtime. Nothing that happens later is an error.
pub async fn accept<S: Service>(
    listener: std::net::TcpListener,
    listening: Arc<Listening>,
    service: S,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let local = listener.local_addr()?;
    let ending = listening.drain.reached(Stage::Draining);
    tokio::pin!(ending);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut ending => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, local, &listening, &service),
            Err(error) => {
                count(&listening.counters.accept_errors);
                tracing::warn!(%error, %local, "a connection could not be accepted");
                tokio::select! {
                    () = &mut ending => return Ok(()),
                    () = sleep(BACK_OFF) => {}
                }
            }
        }
    }
}

fn admit<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    listener: SocketAddr,
    listening: &Arc<Listening>,
    service: &S,
) {
    let place = match listening.places.take(peer.ip()) {
        Ok(place) => place,
        Err(full) => {
            count(&listening.counters.over_limit);
            tracing::debug!(%peer, ?full, "a connection over the limit was closed");
            return;
        }
    };
    count(&listening.counters.accepted);
    // Answers are small and written whole: nothing is gained by waiting for more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the client had gone");
        return;
    }
    // On a wildcard listener this is more than the listener's own address.
    let local = stream.local_addr().unwrap_or(listener);
    let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
    let conn = Arc::new(Conn::new(id, (peer, local), Arc::clone(listening), place));
    let service = service.clone();
    tokio::spawn(serve::connection(stream, conn, Arc::clone(listening), service));
}
