//! Clients that are slow on purpose are let go by the configured deadlines, and the others notice nothing (B23).

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use murphy_testkit::daemon::Daemon;
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::recorder::{Recorder, text};
use murphy_testkit::tls::TestCa;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::setup::{OK, client, configured, scaled, within};
use super::tls::tls_daemon;

const DEADLINES: &str =
    "[proxy]\nheader_timeout = \"1s\"\nidle_timeout = \"2s\"\nhandshake_timeout = \"1s\"\n";
const HEADER: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);
/// What the bar allows beyond a deadline.
const GRACE: Duration = Duration::from_secs(1);
/// A healthy request takes less than this, whatever the slow ones do: on a busy machine, in a debug build.
const HEALTHY_MAX: Duration = Duration::from_secs(1);

/// How many slow clients there are of each kind.
fn slow_ones() -> usize {
    scaled("MURPHY_SLOW_CLIENTS", 100)
}

/// Sends this and waits for the end; tells how long that took.
async fn ended_after(addr: SocketAddr, bytes: Vec<u8>) -> Duration {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let begun = Instant::now();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer).await;
    drop(end); // an end or a reset: both let the client go
    begun.elapsed()
}

/// Dribbles a head, a byte at a time, and never ends it.
async fn dribbled_for(addr: SocketAddr) -> Duration {
    let (mut reading, mut writing) = TcpStream::connect(addr).await.unwrap().into_split();
    let begun = Instant::now();
    let head = format!("GET / HTTP/1.1\r\nHost: {addr}\r\nX-Slow: {}", "x".repeat(1_000));
    let dribble = tokio::spawn(async move {
        for byte in head.bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await; // this is what the client does
        }
    });
    let end = reading.read_to_end(&mut Vec::new()).await;
    drop(end);
    dribble.abort();
    begun.elapsed()
}

/// Healthy requests, one after the other, for as long as `slow` takes: the slowest of them, and how many.
async fn beside<T>(addr: SocketAddr, slow: impl Future<Output = T>) -> (T, Duration, usize) {
    let seen = Cell::new((Duration::ZERO, 0));
    let healthy = async {
        loop {
            let begun = Instant::now();
            let mut client = client(addr).await;
            client
                .send(format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n"))
                .await
                .unwrap();
            assert_eq!(
                within("a healthy answer", client.response("GET")).await.status(),
                200
            );
            let (slowest, served) = seen.get();
            seen.set((slowest.max(begun.elapsed()), served + 1));
            tokio::time::sleep(Duration::from_millis(20)).await; // a steady load
        }
    };
    let done = tokio::select! {
        done = slow => done,
        () = healthy => unreachable!("it has no end"),
    };
    let (slowest, served) = seen.get();
    (done, slowest, served)
}

async fn check(daemon: &Daemon, what: &str, deadline: Duration, bytes: impl Into<Vec<u8>>) {
    let (addr, bytes) = (daemon.proxy(), bytes.into());
    let slow = join_all((0..slow_ones()).map(|_| ended_after(addr, bytes.clone())));
    let (ends, slowest, served) = beside(addr, within(what, slow)).await;
    report(what, deadline, &ends, slowest, served);
}

fn report(what: &str, deadline: Duration, ends: &[Duration], slowest: Duration, served: usize) {
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    println!(
        "{what}: {} ended after {first:?} to {last:?}; {served} healthy, the slowest took {slowest:?}",
        ends.len()
    );
    assert!(*last <= deadline + GRACE, "{what}: an end after {last:?}");
    assert!(
        slowest < HEALTHY_MAX,
        "{what}: a healthy request took {slowest:?}"
    );
}

#[tokio::test]
async fn in_the_clear() {
    let recorder = Recorder::start(|_| text(200, "ok"));
    let daemon = configured(DEADLINES, &recorder.url(), "").await;
    let host = daemon.proxy();
    let whole = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    check(&daemon, "no byte", HEADER, "").await;
    check(&daemon, "PRI only", HEADER, "PRI").await;
    check(&daemon, "half a preface", HEADER, "PRI * HTTP/2.0\r\n\r\nSM").await;
    check(&daemon, "a method only", HEADER, "GET").await;
    check(&daemon, "an empty line only", HEADER, "\r\n").await;
    check(
        &daemon,
        "half a head",
        HEADER,
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-A: "),
    )
    .await;
    check(
        &daemon,
        "a second head that stays half",
        IDLE,
        whole.clone() + "GET / HT",
    )
    .await;
    check(&daemon, "idle after a request", IDLE, whole).await;
    check(
        &daemon,
        "half a body",
        IDLE,
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\nhalf"),
    )
    .await;
    let chunked = format!("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    check(&daemon, "half a chunk", IDLE, chunked).await;
    check(
        &daemon,
        "HTTP/2 without a stream",
        IDLE,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
    )
    .await;
    let whole = recorder.requests().into_iter().filter(|one| one.broken.is_none());
    assert!(
        whole.into_iter().all(|one| one.method == "GET"),
        "half a body made a whole request"
    );
}

#[tokio::test]
async fn heads_that_are_dribbled() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = configured(DEADLINES, &peer.url(), "").await;
    let slow = join_all((0..slow_ones()).map(|_| dribbled_for(daemon.proxy())));
    let (ends, slowest, served) = beside(daemon.proxy(), within("dribbled heads", slow)).await;
    report("dribbled heads", HEADER, &ends, slowest, served);
}

#[tokio::test]
async fn half_handshakes() {
    let ca = TestCa::new();
    let peer = Peer::each(Script::answering(OK));
    let daemon = tls_daemon(&ca, DEADLINES.trim_end(), &peer.url()).await;
    for (what, bytes) in [
        ("no byte of a handshake", vec![]),
        ("one byte of a handshake", vec![0x16]),
        (
            "half a ClientHello",
            vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3],
        ),
    ] {
        let slow = join_all((0..slow_ones()).map(|_| ended_after(daemon.proxy(), bytes.clone())));
        let ends = within(what, slow).await;
        let last = ends.iter().max().unwrap();
        println!("{what}: {} ended, the last after {last:?}", ends.len());
        assert!(*last <= HEADER + GRACE, "{what}: an end after {last:?}");
    }
    // A handshake that is done, and then nothing: the head's deadline.
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let silent = join_all((0..10).map(|_| async {
        let tcp = TcpStream::connect(daemon.proxy()).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(ca.client(&["h2", "http/1.1"]));
        let mut tls = connector.connect(name.clone(), tcp).await.unwrap();
        let begun = Instant::now();
        let end = tls.read_to_end(&mut Vec::new()).await;
        drop(end);
        begun.elapsed()
    }));
    let last = within("silence after a handshake", silent)
        .await
        .into_iter()
        .max()
        .unwrap();
    assert!(last <= HEADER + GRACE, "silence after a handshake: {last:?}");
}
