//! Neither side holds a segment back until the other has acknowledged the one before (Nagle's algorithm; with
//! delayed acknowledgements that takes 40 ms at a time). Steps are counted and compared with what the same exchanges
//! show without Murphy, so that a busy machine is charged to both.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::setup::{proxy_to, within};
use super::upstreams::{Server, read_head};

/// Exchanges, and events in all.
const COUNT: usize = 200;
/// Events of one stream. Only a receiver that was just asked something delays its acknowledgements, so there are
/// many short streams on the connection and not a long one.
const EVENTS: usize = 5;
/// More steps than without Murphy that are put down to chance: a side with Nagle's algorithm has one in most
/// exchanges.
const CHANCE: usize = COUNT / 10;
/// A delayed acknowledgement comes after 40 ms, so a whole exchange takes that much longer.
const STEP_OF_EXCHANGE: Duration = Duration::from_millis(35);
/// All events of a stream that are sent within the 40 ms wait for the same acknowledgement.
const STEP_OF_EVENT: Duration = Duration::from_millis(30);
const PACE: Duration = Duration::from_millis(1);
const BODY: [u8; 8 << 10] = [b'x'; 8 << 10];

/// What a peer of flesh and blood leaves between two writes, so that they are not read as one.
async fn pause() {
    sleep(PACE).await;
}

/// Takes bodies of 8 KiB and answers with such; head and body are written apart.
async fn bodies(mut stream: TcpStream) {
    while let Some((_, begun)) = read_head(&mut stream).await {
        let mut rest = vec![0; BODY.len() - begun.len()];
        stream.read_exact(&mut rest).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n")
            .await
            .unwrap();
        pause().await;
        stream.write_all(&BODY).await.unwrap();
    }
}

/// The times of all events are counted from here.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Answers each request with events at a pace, each with the time when it was sent.
async fn events(mut stream: TcpStream) {
    while read_head(&mut stream).await.is_some() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..EVENTS {
            ticks.tick().await;
            let event = format!("data: {:012}\n\n", BEGIN.elapsed().as_micros());
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            stream.write_all(chunk.as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
}

async fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// How many of the exchanges of 8 KiB each way, on one connection, have a step.
async fn steps_of_bodies(addr: SocketAddr) -> usize {
    let mut stream = connect(addr).await;
    let head = format!("POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 8192\r\n\r\n");
    let mut steps = 0;
    for _ in 0..COUNT {
        let begun = Instant::now();
        stream.write_all(head.as_bytes()).await.unwrap();
        pause().await;
        stream.write_all(&BODY).await.unwrap();
        let (answer, begin) = read_head(&mut stream).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut rest = vec![0; BODY.len() - begin.len()];
        stream.read_exact(&mut rest).await.unwrap();
        steps += usize::from(begun.elapsed() >= STEP_OF_EXCHANGE);
    }
    steps
}

/// How many events of streams on one connection are late by a step.
async fn steps_of_events(addr: SocketAddr) -> usize {
    let mut stream = connect(addr).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    let mut steps = 0;
    for _ in 0..COUNT / EVENTS {
        stream.write_all(request.as_bytes()).await.unwrap();
        let (_, text) = read_head(&mut stream).await.unwrap();
        steps += steps_of_stream(&mut stream, text).await;
    }
    steps
}

/// Reads a stream to its end, of which `text` has come.
async fn steps_of_stream(stream: &mut TcpStream, mut text: Vec<u8>) -> usize {
    let (mut steps, mut seen) = (0, 0);
    loop {
        let now = BEGIN.elapsed();
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            let event = String::from_utf8(event).unwrap();
            let (_, sent) = event.trim_end().rsplit_once("data: ").unwrap();
            let sent = Duration::from_micros(sent.parse().unwrap());
            steps += usize::from(now.saturating_sub(sent) >= STEP_OF_EVENT);
            seen += 1;
        }
        if text.ends_with(b"0\r\n\r\n") {
            assert_eq!(seen, EVENTS);
            return steps;
        }
        assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
    }
}

fn judge(what: &str, direct: usize, passed: usize) {
    println!("{what}: {direct} of {COUNT} with a step directly, {passed} through murphy");
    assert!(
        passed <= direct + CHANCE,
        "{what}: {direct} directly, {passed} through murphy"
    );
}

#[tokio::test]
async fn bodies_of_8_kib_show_no_step() {
    let upstream = Server::start(bodies).await;
    let daemon = proxy_to(&upstream.url()).await;
    let direct = within("the exchanges", steps_of_bodies(upstream.addr)).await;
    let passed = within("the exchanges", steps_of_bodies(daemon.proxy())).await;
    judge("8 KiB each way", direct, passed);
}

#[tokio::test]
async fn paced_events_show_no_step() {
    let upstream = Server::start(events).await;
    let daemon = proxy_to(&upstream.url()).await;
    let direct = within("the events", steps_of_events(upstream.addr)).await;
    let passed = within("the events", steps_of_events(daemon.proxy())).await;
    judge("events at 1 ms", direct, passed);
}
