//! Things that grow without an end are refused, or passed on, soon and in flat memory (B28).

use std::time::Duration;

use murphy_testkit::daemon::Daemon;
use murphy_testkit::peer::{Peer, Script};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http2_frames::{DATA, END_HEADERS, HEADERS, PREFACE, RST_STREAM, SETTINGS, block, frame, request};
use super::process::{MIB, peak_memory};
use super::setup::{OK, client, configured, proxy_to, within, within_time};
use super::upstream_failures::assert_problem;
use super::upstreams::{pieces, sender};

const GROWTH_MAX: u64 = 64 * MIB;
/// The bar says one second; the rest is for a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(5);

fn assert_flat(daemon: &Daemon, before: u64, what: &str) {
    let grown = peak_memory(daemon.pid()).saturating_sub(before);
    println!("{what}: memory grew by {} KiB", grown / 1024);
    assert!(grown < GROWTH_MAX, "{what}: memory grew by {} MiB", grown / MIB);
}

async fn assert_healthy(daemon: &Daemon) {
    let mut client = client(daemon.proxy()).await;
    client
        .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
        .await
        .unwrap();
    assert_eq!(
        within("a healthy answer", client.response("GET")).await.status(),
        200
    );
}

/// The head of a request that an agent goes on and on with.
#[tokio::test]
async fn heads_of_agents() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let begin = format!("GET / HTTP/1.1\r\nHost: {}\r\n", daemon.proxy());
    let many = |line: &str| line.repeat((64 << 20) / line.len());
    for (what, head, status) in [
        (
            "64 MiB in one field",
            format!("{begin}X-A: {}", "a".repeat(64 << 20)),
            "431",
        ),
        ("64 MiB of fields", begin.clone() + &many("X-A: 1\r\n"), "431"),
        (
            "10,000 fields",
            format!("{begin}{}\r\n", "X: 1\r\n".repeat(10_000)),
            "431",
        ),
        (
            "64 MiB of target",
            format!("GET /{}", "a".repeat(64 << 20)),
            "414",
        ),
        ("64 MiB of method", "A".repeat(64 << 20), "4"),
        ("64 MiB of empty lines", many("\r\n"), "400"),
    ] {
        let before = peak_memory(daemon.pid());
        let stream = TcpStream::connect(daemon.proxy()).await.unwrap();
        let (mut read_half, mut write_half) = stream.into_split();
        let sending = tokio::spawn(async move {
            let sent = write_half.write_all(head.as_bytes()).await;
            drop(sent); // the answer may come, and the connection end, before all was sent
            write_half
        });
        let mut answer = Vec::new();
        let read = within_time(SOON, what, read_half.read_to_end(&mut answer)).await;
        drop(read); // who goes on writing may be reset
        assert!(
            answer.starts_with(format!("HTTP/1.1 {status}").as_bytes()),
            "{what}: {:?}",
            String::from_utf8_lossy(&answer)
        );
        sending.abort();
        assert_flat(&daemon, before, what);
    }
    assert!(peer.seen().is_empty());
    assert_healthy(&daemon).await;
}

/// The head of an answer that an upstream goes on and on with.
#[tokio::test]
async fn heads_of_upstreams() {
    for (what, head) in [
        ("64 MiB in one field", "HTTP/1.1 200 OK\r\nX-A: ".to_owned()),
        ("64 MiB of status line", "HTTP/1.1 200 ".to_owned()),
        (
            "10,000 fields",
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(10_000)),
        ),
    ] {
        let (server, _) = sender(&head, 64 * MIB).await;
        let daemon = proxy_to(&server.url()).await;
        let before = peak_memory(daemon.pid());
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
            .await
            .unwrap();
        let response = within_time(SOON, what, client.response("GET")).await;
        assert_problem(&response, 502);
        assert_flat(&daemon, before, what);
    }
}

/// Interim answers without an end do not count as an answer.
#[tokio::test]
async fn interim_answers_without_end() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(100_000);
    let peer = Peer::each(Script::new().read_request().send(hints).read_until_left());
    let daemon = configured("", &peer.url(), "timeouts = { first_byte = \"2s\" }").await;
    let before = peak_memory(daemon.pid());
    let mut client = client(daemon.proxy()).await;
    client
        .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
        .await
        .unwrap();
    let response = within("the end of patience", client.response("GET")).await;
    assert!([502, 504].contains(&response.status()), "{}", response.head.line);
    assert_flat(&daemon, before, "interim answers");
}

#[tokio::test]
async fn an_event_of_100_mib_in_one_line() {
    let total = 100 * MIB;
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 104857606\r\n\r\ndata: ";
    let (server, _) = sender(head, total).await;
    let daemon = proxy_to(&server.url()).await;
    let before = peak_memory(daemon.pid());
    let mut client = client(daemon.proxy()).await;
    client
        .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
        .await
        .unwrap();
    let response = within_time(Duration::from_secs(60), "the event", client.response("GET")).await;
    assert!(response.body.is_complete());
    let (name, line) = response.body.content.split_at(6);
    assert_eq!(name, b"data: ");
    assert!(line == pieces(total).collect::<Vec<_>>().concat(), "other bytes");
    assert_flat(&daemon, before, "an event of 100 MiB");
}

/// HTTP/2 frames that cost the sender little (CVE-2023-44487, CVE-2024-27316, RUSTSEC-2026-0258).
#[tokio::test]
async fn floods_of_frames() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let addr = daemon.proxy().to_string();
    let open = |stream, flags| frame(HEADERS, flags, stream, &block(&request(&addr, &[])));
    let resets: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| {
            [
                open(2 * n + 1, END_HEADERS | 1),
                frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes()),
            ]
            .concat()
        })
        .collect();
    let field = super::http2_frames::literal(b"x-a", &[b'a'; 120]);
    let floods = [
        ("resets", resets),
        (
            "continuations",
            [open(1, 0), frame(9, 0, 1, &field.repeat(100)).repeat(3_000)].concat(),
        ),
        (
            "empty continuations",
            [open(1, 0), frame(9, 0, 1, &[]).repeat(1_000_000)].concat(),
        ),
        (
            "empty data",
            [open(1, END_HEADERS), frame(DATA, 0, 1, &[]).repeat(1_000_000)].concat(),
        ),
        ("pings", frame(6, 0, 0, &[0; 8]).repeat(500_000)),
        (
            "settings",
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(500_000),
        ),
    ];
    for (what, flood) in floods {
        let before = peak_memory(daemon.pid());
        let mut stream = TcpStream::connect(daemon.proxy()).await.unwrap();
        let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &flood].concat();
        // Whoever floods does not read either. The server may end it, or stop reading, or read it all.
        let sent = tokio::time::timeout(Duration::from_secs(3), stream.write_all(&bytes)).await;
        println!("{what}: {sent:?}");
        assert_healthy(&daemon).await;
        assert_flat(&daemon, before, what);
    }
}
