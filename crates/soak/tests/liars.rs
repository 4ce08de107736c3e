//! The checker is worth what it catches: between clients and origin stands a relay that is honest, flips a byte, drops
//! a connection, or sends a request twice, and each is found out.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails loudly

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use murphy_soak::events::Log;
use murphy_soak::judge::{Evidence, Verdict, Worked, judge};
use murphy_soak::ledger::Seen;
use murphy_soak::ledger::id;
use murphy_soak::traffic::{Role, Shared, work};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const CALLS: u64 = 600;
/// Every so many pieces of an answer the relay lies.
const EVERY: u64 = 40;

#[derive(Clone, Copy, PartialEq)]
enum Relay {
    Honest,
    Flips,
    Drops,
    Repeats,
}

async fn start_origin(ledger: &Path) -> (Child, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_murphy-soak"));
    command.args(["origin", "127.0.0.1:0"]).arg(ledger);
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .next_line()
        .await;
    let line = line.unwrap().unwrap();
    let addr = line.strip_prefix("origin http://").unwrap().parse().unwrap();
    (child, addr)
}

async fn start_relay(relay: Relay, origin: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let pieces = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(origin).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(requests(
                relay,
                from_client,
                to_server,
                origin,
                Arc::clone(&pieces),
            ));
            tokio::spawn(answers(relay, from_server, to_client, Arc::clone(&pieces)));
        }
    });
    addr
}

async fn requests(
    relay: Relay,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    origin: SocketAddr,
    pieces: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..read).unwrap();
        let is_head = piece.starts_with(b"GET ") && piece.ends_with(b"\r\n\r\n");
        if relay == Relay::Repeats && is_head && pieces.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY)
        {
            let mut again = TcpStream::connect(origin).await.unwrap();
            again.write_all(piece).await.unwrap();
            again.read_u8().await.unwrap(); // it was taken
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

async fn answers(relay: Relay, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pieces: Arc<AtomicU64>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let lies = relay != Relay::Repeats && pieces.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY);
        let piece = buffer.get_mut(..read).unwrap();
        if lies && relay == Relay::Drops {
            return;
        }
        if lies && relay == Relay::Flips {
            *piece.last_mut().unwrap() ^= 1;
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

/// What the judge says of clients behind this relay; the event log is one that agrees with everything.
async fn verdict_on(relay: Relay) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let (_origin, addr) = start_origin(&ledger).await;
    let shared = Arc::new(Shared::of(start_relay(relay, addr).await, 5));
    let working = Arc::clone(&shared);
    let worker = tokio::spawn(async move { work(Role::Plain, 1, &working).await });
    while shared.done.load(Ordering::Relaxed) < CALLS {
        tokio::task::yield_now().await;
    }
    shared.stop.store(true, Ordering::Relaxed);
    let workers: [Worked; 1] = [worker.await.unwrap()];
    let mut log = Log::default();
    for sequence in 0..workers.iter().map(|worked| worked.used).sum() {
        log.exchanges.add(id(1, sequence));
    }
    judge(&Evidence {
        workers: &workers,
        arrived: &Seen::read(&ledger).unwrap(),
        log: &log,
        tripped: &[],
    })
}

#[tokio::test]
async fn an_honest_relay_is_believed() {
    let verdict = verdict_on(Relay::Honest).await;
    assert!(verdict.wrong.is_empty(), "{:?}", verdict.examples);
    assert!(verdict.calls >= CALLS && verdict.exact == verdict.calls);
}

#[tokio::test]
async fn a_flipped_byte_is_found() {
    let verdict = verdict_on(Relay::Flips).await;
    assert!(verdict.count(&["wrong"]) > 0, "{:?}", verdict.wrong);
}

#[tokio::test]
async fn a_dropped_connection_is_found() {
    let verdict = verdict_on(Relay::Drops).await;
    assert!(verdict.count(&["lost"]) > 0, "{:?}", verdict.wrong);
}

#[tokio::test]
async fn a_request_that_is_sent_twice_is_found() {
    let verdict = verdict_on(Relay::Repeats).await;
    assert!(verdict.count(&["duplicated"]) > 0, "{:?}", verdict.wrong);
}
