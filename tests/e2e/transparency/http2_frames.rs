//! HTTP/2 frame by frame: what RFC 9113 calls malformed reaches nobody.

use std::net::SocketAddr;

use murphy_testkit::daemon::Daemon;
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;
use murphy_testkit::recorder::{Recorder, text};

use super::setup::{OK, client, proxy_to, within};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A field's name and value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// A field as an HPACK literal without indexing and without Huffman coding (RFC 7541 §6.2.2).
pub(super) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| {
        u8::try_from(text.len())
            .ok()
            .filter(|length| *length < 127)
            .expect("a short text")
    };
    [&[0, length(name)], name, &[length(value)], value].concat()
}

pub(super) fn block(fields: &[Field<'_>]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name, value))
        .collect()
}

/// What the server did about stream 1: the kind of the frame, and its payload.
async fn verdict(client: &mut RawClient) -> Option<(u8, Vec<u8>)> {
    loop {
        let head = client.read_exact(9).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = client.read_exact(length).await.ok()?;
        match head[3] {
            HEADERS if head[8] == 1 => return Some((HEADERS, payload)),
            RST_STREAM if head[8] == 1 => return Some((RST_STREAM, payload)),
            GOAWAY => return Some((GOAWAY, payload)),
            _ => {}
        }
    }
}

/// Sends frames behind the preface and returns the verdict.
async fn judge(daemon: &Daemon, name: &str, frames: &[Vec<u8>]) -> Option<u8> {
    let mut client = client(daemon.proxy()).await;
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat();
    client.send(bytes).await.unwrap();
    within(name, verdict(&mut client)).await.map(|(kind, _)| kind)
}

pub(super) fn request<'a>(authority: &'a str, more: &[Field<'a>]) -> Vec<Field<'a>> {
    let mut fields: Vec<Field<'_>> = vec![
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/x"),
        (b":authority", authority.as_bytes()),
    ];
    fields.extend_from_slice(more);
    fields
}

async fn upstream() -> (Peer, Daemon, SocketAddr) {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let addr = daemon.proxy();
    (peer, daemon, addr)
}

fn whole(fields: &[Field<'_>]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields))
}

#[tokio::test]
async fn a_request_by_hand_is_answered() {
    let (peer, daemon, addr) = upstream().await;
    let addr = addr.to_string();
    let fine = request(&addr, &[(b"x-a", b"1"), (b"te", b"trailers")]);
    assert_eq!(
        judge(&daemon, "a fine request", &[whole(&fine)]).await,
        Some(HEADERS)
    );
    assert_eq!(peer.requests()[0].head.line, "GET /x HTTP/1.1");
}

#[tokio::test]
async fn fields_of_a_connection_are_refused() {
    let (peer, daemon, addr) = upstream().await;
    let addr = addr.to_string();
    let malformed: [(&[u8], &[u8]); 15] = [
        (b"connection", b"close"),
        (b"connection", b"x-a"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
        (b"X-Upper", b"1"),
        (b"x a", b"1"),
        (b"x:a", b"1"),
        (b"x-a", b"1\r\nx-b: 2"),
        (b"x-a", b"1\n2"),
        (b"x-a", b"1\0"),
        (b":unknown", b"1"),
        (b":path", b"/again"),
    ];
    for field in malformed {
        let name = format!(
            "{}: {:?}",
            String::from_utf8_lossy(field.0),
            String::from_utf8_lossy(field.1)
        );
        let verdict = judge(&daemon, &name, &[whole(&request(&addr, &[field]))]).await;
        assert!(
            verdict != Some(HEADERS) || peer.requests().is_empty(),
            "{name} was passed on"
        );
        assert!(verdict.is_none() || verdict != Some(DATA), "{name}");
        assert!(peer.requests().is_empty(), "{name} reached the upstream");
    }
}

#[tokio::test]
async fn pseudo_fields_that_make_no_request_are_refused() {
    let (peer, daemon, addr) = upstream().await;
    let addr = addr.to_string();
    let authority: Field<'_> = (b":authority", addr.as_bytes());
    let method: Field<'_> = (b":method", b"GET");
    let scheme: Field<'_> = (b":scheme", b"http");
    let path: Field<'_> = (b":path", b"/x");
    let cases: [(&str, Vec<Field<'_>>); 9] = [
        ("no path", vec![method, scheme, authority]),
        ("no method", vec![scheme, path, authority]),
        ("no scheme", vec![method, path, authority]),
        ("an empty path", vec![method, scheme, (b":path", b""), authority]),
        (
            "a path with a space",
            vec![method, scheme, (b":path", b"/a b"), authority],
        ),
        (
            "a path with a line feed",
            vec![method, scheme, (b":path", b"/a\r\nHost: x"), authority],
        ),
        (
            "a method with a space",
            vec![(b":method", b"GET /evil HTTP/1.1\r\nX:"), scheme, path, authority],
        ),
        (
            "an authority with a user",
            vec![method, scheme, path, (b":authority", b"u@127.0.0.1:1")],
        ),
        (
            "a pseudo-field behind a field",
            vec![method, scheme, path, (b"x-a", b"1"), authority],
        ),
    ];
    for (name, fields) in cases {
        judge(&daemon, name, &[whole(&fields)]).await;
        assert!(
            peer.requests().is_empty(),
            "{name} reached the upstream: {:?}",
            peer.requests()[0].head.line
        );
    }
}

/// RFC 9113 §8.3.1: `:authority` counts. Whoever is misled by another `host`, it must not be the upstream.
#[tokio::test]
async fn another_host_than_the_authority_goes_nowhere() {
    let (peer, daemon, addr) = upstream().await;
    let addr = addr.to_string();
    judge(
        &daemon,
        "two hosts",
        &[whole(&request(&addr, &[(b"host", b"evil.example")]))],
    )
    .await;
    let swapped = whole(&request("evil.example", &[(b"host", addr.as_bytes())]));
    judge(&daemon, "a foreign authority", &[swapped]).await;
    for request in peer.requests() {
        assert_eq!(request.head.all("host"), [peer.addr().to_string()]);
    }
    assert!(peer.requests().len() <= 1, "the foreign authority was passed on");
}

#[tokio::test]
async fn a_body_of_another_length_than_declared_is_not_taken_for_a_request() {
    let recorder = Recorder::start(|_| text(200, "ok"));
    let daemon = proxy_to(&recorder.url()).await;
    let addr = daemon.proxy().to_string();
    for content in [&b"longer than five"[..], b"5"] {
        let fields = request(&addr, &[(b"content-length", b"5")]);
        let frames = [
            frame(HEADERS, END_HEADERS, 1, &block(&fields)),
            frame(DATA, END_STREAM, 1, content),
        ];
        let verdict = judge(&daemon, "a wrong length", &frames).await;
        assert_ne!(
            verdict,
            Some(HEADERS),
            "PROTOCOL_ERROR is wanted (RFC 9113 §8.1.1)"
        );
        let whole = recorder
            .requests()
            .iter()
            .filter(|one| one.broken.is_none())
            .count();
        assert_eq!(whole, 0, "the upstream got a complete request");
    }
}
