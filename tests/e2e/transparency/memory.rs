//! Bodies of any size pass with flat memory, and a slow end slows the other one down (B12, T10).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use murphy_testkit::Sim;
use murphy_testkit::daemon::Daemon;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::http2::{connect, full};
use super::process::{MIB, peak_memory};
use super::setup::{client, is_full, proxy_to, within, within_time};
use super::upstreams::{pieces, reader, sender};

/// What the memory of the daemon may grow by, whatever passes.
const GROWTH_MAX: u64 = 32 * MIB;
/// What kernel and daemon may hold between two ends of which one does not move.
const HELD_MAX: u64 = 64 * MIB;
const SLOWEST: Duration = Duration::from_secs(180);

fn body_bytes() -> u64 {
    if is_full() { 1024 * MIB } else { 256 * MIB }
}

/// Runs something and tells by how much the daemon's peak grew.
async fn growth(daemon: &Daemon, what: &str, work: impl Future<Output = ()>) {
    warm_up(daemon).await;
    let before = peak_memory(daemon.pid());
    let begun = Instant::now();
    within_time(SLOWEST, what, work).await;
    let grown = peak_memory(daemon.pid()).saturating_sub(before);
    println!(
        "{what}: {:.1} s, peak {} MiB, grown by {} KiB",
        begun.elapsed().as_secs_f64(),
        before / MIB,
        grown / 1024
    );
    assert!(grown < GROWTH_MAX, "{what}: memory grew by {} MiB", grown / MIB);
}

async fn warm_up(daemon: &Daemon) {
    for _ in 0..8 {
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!(
                "GET /nowhere HTTP/1.1\r\nHost: {}\r\nExpect: nothing\r\n\r\n",
                daemon.proxy()
            ))
            .await
            .unwrap();
        drop(client);
    }
}

/// Reads a head from a stream, byte by byte, so that nothing of the body is taken.
async fn skip_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_large_answer_passes_with_flat_memory() {
    let total = body_bytes();
    let sim = Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let daemon = proxy_to(&format!("http://{}", sim.addr())).await;
    growth(&daemon, "a large answer", async {
        let mut stream = TcpStream::connect(daemon.proxy()).await.unwrap();
        let get = format!("GET /bytes/{total} HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
        stream.write_all(get.as_bytes()).await.unwrap();
        let head = skip_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        let (mut offset, mut buffer) = (0, vec![0; 32 * 1024]);
        while offset < total {
            let n = stream.read(&mut buffer).await.unwrap();
            assert!(n > 0, "the end after {offset} bytes");
            assert!(
                murphy_sim::pattern(offset, n as u64) == buffer[..n],
                "other bytes after {offset}"
            );
            offset += n as u64;
        }
        assert_eq!(offset, total);
    })
    .await;
}

#[tokio::test]
async fn a_large_request_passes_with_flat_memory() {
    let total = body_bytes();
    let sim = Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let daemon = proxy_to(&format!("http://{}", sim.addr())).await;
    growth(&daemon, "a large request", async {
        let mut stream = TcpStream::connect(daemon.proxy()).await.unwrap();
        let head = format!(
            "POST /sink HTTP/1.1\r\nHost: {}\r\nContent-Length: {total}\r\n\r\n",
            daemon.proxy()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut offset = 0;
        while offset < total {
            let piece = murphy_sim::pattern(offset, total - offset);
            stream.write_all(&piece).await.unwrap();
            offset += piece.len() as u64;
        }
        skip_head(&mut stream).await;
        let mut answer = vec![0; format!("{{\"bytes\":{total},\"pattern\":true}}").len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(
            String::from_utf8(answer).unwrap(),
            format!("{{\"bytes\":{total},\"pattern\":true}}")
        );
    })
    .await;
}

/// Waits until a counter has stood still for a second.
async fn standstill(counter: &AtomicU64) -> u64 {
    let mut seen = counter.load(Ordering::Relaxed);
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = counter.load(Ordering::Relaxed);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    seen
}

#[tokio::test]
async fn an_agent_that_does_not_read_stops_the_upstream() {
    let total = 256 * MIB;
    let (server, taken) = sender(
        &format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n"),
        total,
    )
    .await;
    let daemon = proxy_to(&server.url()).await;
    growth(&daemon, "an agent that does not read", async {
        let mut stream = TcpStream::connect(daemon.proxy()).await.unwrap();
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()).as_bytes())
            .await
            .unwrap();
        skip_head(&mut stream).await;
        let held = standstill(&taken).await;
        println!("held between the ends: {} KiB", held / 1024);
        assert!(held < HELD_MAX, "{} MiB were taken from the upstream", held / MIB);
        for piece in pieces(total) {
            let mut read = vec![0; piece.len()];
            stream.read_exact(&mut read).await.unwrap();
            assert!(read == piece, "other bytes");
        }
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_does_not_read_stops_the_agent() {
    let total = 256 * MIB;
    let (server, reading) = reader(total).await;
    let daemon = proxy_to(&server.url()).await;
    growth(&daemon, "an upstream that does not read", async {
        let mut stream = TcpStream::connect(daemon.proxy()).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {total}\r\n\r\n",
            daemon.proxy()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut read_half, mut write_half) = stream.into_split();
        let written = std::sync::Arc::<AtomicU64>::default();
        let counter = std::sync::Arc::clone(&written);
        let upload = tokio::spawn(async move {
            for piece in pieces(total) {
                write_half.write_all(&piece).await.unwrap();
                counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            write_half
        });
        let held = standstill(&written).await;
        println!("held between the ends: {} KiB", held / 1024);
        assert!(held < HELD_MAX, "{} MiB were taken from the agent", held / MIB);
        reading.go.store(true, Ordering::Relaxed);
        let _open = upload.await.unwrap();
        let mut status = [0; 15];
        read_half.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200 OK");
        assert_eq!(reading.read.load(Ordering::Relaxed), total);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_streams_that_nobody_reads() {
    let total = 8 * MIB;
    let (server, taken) = sender(
        &format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n"),
        total,
    )
    .await;
    let daemon = proxy_to(&server.url()).await;
    let http2 = connect(daemon.proxy()).await;
    growth(&daemon, "a hundred streams that nobody reads", async {
        let mut open = Vec::new();
        for _ in 0..100 {
            let mut http2 = http2.clone();
            let request = http::Request::get(format!("http://{}/", daemon.proxy()))
                .body(full(""))
                .unwrap();
            open.push(within("a head", http2.send_request(request)).await.unwrap());
        }
        let held = standstill(&taken).await;
        println!("taken from the upstream: {} MiB", held / MIB);
        drop(open);
    })
    .await;
}
