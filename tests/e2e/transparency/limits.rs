//! Requests that a strict reader of RFC 9112 refuses, and the bounds of a head: answered, and passed to nobody.

use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;

use super::setup::{OK, client, configured, proxy_to, within};

/// Head lines behind the method and before the end; `@` stands for the host.
const REFUSED: [(&str, &str, u16); 40] = [
    ("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: @\r\nHost: @\r\n\r\n", 400),
    (
        "two different Hosts",
        "GET / HTTP/1.1\r\nHost: @\r\nhost: evil\r\n\r\n",
        400,
    ),
    ("two hosts in one", "GET / HTTP/1.1\r\nHost: @, evil\r\n\r\n", 400),
    ("a Host with a path", "GET / HTTP/1.1\r\nHost: @/x\r\n\r\n", 400),
    ("a Host with a user", "GET / HTTP/1.1\r\nHost: u@@\r\n\r\n", 400),
    (
        "CL and TE",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE and CL",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "two CLs",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        400,
    ),
    (
        "two equal CLs",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        400,
    ),
    (
        "a list as CL",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 1, 1\r\n\r\nx",
        400,
    ),
    (
        "a sign in CL",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: +1\r\n\r\nx",
        400,
    ),
    (
        "a negative CL",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: -1\r\n\r\nx",
        400,
    ),
    (
        "hexadecimal CL",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 0x1\r\n\r\nx",
        400,
    ),
    (
        "an empty CL",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length:\r\n\r\n",
        400,
    ),
    (
        "a CL beyond 64 bits",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 99999999999999999999\r\n\r\n",
        400,
    ),
    (
        "TE: identity",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: identity\r\n\r\n",
        400,
    ),
    (
        "TE: xchunked",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "chunked not last",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "gzip and chunked",
        "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "TE in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("bare LF", "GET / HTTP/1.1\nHost: @\n\n", 400),
    (
        "bare LF at one line",
        "GET / HTTP/1.1\r\nHost: @\nX-A: 1\r\n\r\n",
        400,
    ),
    (
        "bare CR in a value",
        "GET / HTTP/1.1\r\nHost: @\r\nX-A: 1\rX-B: 2\r\n\r\n",
        400,
    ),
    (
        "obs-fold",
        "GET / HTTP/1.1\r\nHost: @\r\nX-A: 1\r\n 2\r\n\r\n",
        400,
    ),
    ("a folded first line", "GET / HTTP/1.1\r\n Host: @\r\n\r\n", 400),
    (
        "space before the colon",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length : 5\r\n\r\nhello",
        400,
    ),
    (
        "NUL in a value",
        "GET / HTTP/1.1\r\nHost: @\r\nX-A: 1\0\r\n\r\n",
        400,
    ),
    ("an empty name", "GET / HTTP/1.1\r\nHost: @\r\n: 1\r\n\r\n", 400),
    ("no colon", "GET / HTTP/1.1\r\nHost: @\r\nX-A\r\n\r\n", 400),
    (
        "a name with brackets",
        "GET / HTTP/1.1\r\nHost: @\r\nX(A): 1\r\n\r\n",
        400,
    ),
    ("a method with a slash", "GE/T / HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    (
        "a space in the target",
        "GET /a b HTTP/1.1\r\nHost: @\r\n\r\n",
        400,
    ),
    ("no target", "GET HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("HTTP/0.9", "GET /\r\n\r\n", 400),
    ("HTTP/2.1", "GET / HTTP/2.1\r\nHost: @\r\n\r\n", 505),
    (
        "a version in lower case",
        "GET / http/1.1\r\nHost: @\r\n\r\n",
        400,
    ),
    ("TLS where there is none", "\u{16}\u{3}\u{1}\0\u{1}", 400),
];

/// Chunked bodies that are broken: the head may have been passed on, a complete message never.
const BROKEN_BODIES: [(&str, &str); 11] = [
    ("no size", "\r\nabc\r\n0\r\n\r\n"),
    ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
    ("hexadecimal with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("a space in front", " 3\r\nabc\r\n0\r\n\r\n"),
    ("a size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("bare LF behind the size", "3\nabc\r\n0\r\n\r\n"),
    ("longer than it says", "3\r\nabcd\r\n0\r\n\r\n"),
    ("shorter than it says", "4\r\nabc\r\n0\r\n\r\n"),
    ("an endless extension", "3;@\r\nabc\r\n0\r\n\r\n"),
    (
        "framing in a trailer",
        "3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
    ),
    ("a bare LF in the trailers", "3\r\nabc\r\n0\r\nX-A: 1\n\r\n"),
];

async fn refusal(client: &mut RawClient, name: &str, status: u16) {
    let response = match within(name, client.read_response("GET")).await {
        Ok(response) => response,
        Err((end, bytes)) => panic!("{name}: {end:?} after {:?}", String::from_utf8_lossy(&bytes)),
    };
    assert_eq!(response.status(), status, "{name}: {}", response.body.text());
    assert_eq!(
        response.head.header("content-type"),
        Some("application/problem+json"),
        "{name}"
    );
    assert!(response.body.is_complete(), "{name}");
    let (more, _) = within(&format!("{name}: the close"), client.read_to_end()).await;
    assert!(
        more.is_empty(),
        "{name}: nothing may follow, {:?} did",
        String::from_utf8_lossy(&more)
    );
}

/// Each alone, and behind a request that is fine: that one is answered first, what follows is never read.
#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let host = daemon.proxy().to_string();
    let fine = format!("GET /fine HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for (name, request, status) in REFUSED {
        let request = request.replace('@', &host);
        let mut alone = client(daemon.proxy()).await;
        alone.send(&request).await.unwrap();
        refusal(&mut alone, name, status).await;

        let mut behind = client(daemon.proxy()).await;
        behind
            .send([fine.as_str(), &request, &fine].concat())
            .await
            .unwrap();
        assert_eq!(within(name, behind.response("GET")).await.status(), 200, "{name}");
        refusal(&mut behind, name, status).await;
    }
    let arrived = peer.requests();
    assert_eq!(arrived.len(), REFUSED.len(), "only those that are fine arrived");
    assert!(arrived.iter().all(|one| one.head.target() == "/fine"));
}

#[tokio::test]
async fn broken_chunks_make_no_complete_request() {
    for (name, body) in BROKEN_BODIES {
        let peer = Peer::each(Script::new().read_until_left());
        let daemon = proxy_to(&peer.url()).await;
        let mut client = client(daemon.proxy()).await;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            daemon.proxy()
        );
        client
            .send(head + &body.replace('@', &"e".repeat(100_000)))
            .await
            .ok();
        match within(name, client.read_response("POST")).await {
            Ok(response) => assert!(
                (400..500).contains(&response.status()),
                "{name}: {}",
                response.head.line
            ),
            Err(_closed) => {}
        }
        within(&format!("{name}: the close"), client.read_to_end()).await;
        for seen in within(&format!("{name}: the upstream is let go"), peer.join()).await {
            assert!(
                !seen.bytes.ends_with(b"0\r\n\r\n"),
                "{name}: the upstream got a complete request"
            );
        }
    }
}

const LIMITS: &str = "[proxy]\nmax_header_bytes = \"8KiB\"\nmax_headers = 50\n";

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_fields() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = configured(LIMITS, &peer.url(), "").await;
    let host = daemon.proxy();
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    for (name, target, more, status) in [
        ("as many fields as may be", "/".to_owned(), fields(49), 200),
        ("one field too many", "/".to_owned(), fields(50), 431),
        (
            "as long as may be",
            "/".to_owned(),
            format!("X-Long: {}\r\n", "v".repeat(8_000)),
            200,
        ),
        (
            "a value that is too long",
            "/".to_owned(),
            format!("X-Long: {}\r\n", "v".repeat(9_000)),
            431,
        ),
        (
            "a name that is too long",
            "/".to_owned(),
            format!("{}: 1\r\n", "n".repeat(9_000)),
            431,
        ),
        (
            "many short fields",
            "/".to_owned(),
            format!("X: {}\r\n", "v".repeat(400)).repeat(30),
            431,
        ),
        (
            "a target as long as may be",
            format!("/{}", "t".repeat(8_000)),
            String::new(),
            200,
        ),
        (
            "a target that is too long",
            format!("/{}", "t".repeat(9_000)),
            String::new(),
            414,
        ),
    ] {
        let mut client = client(host).await;
        client
            .send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"))
            .await
            .unwrap();
        if status == 200 {
            assert_eq!(within(name, client.response("GET")).await.status(), 200, "{name}");
        } else {
            refusal(&mut client, name, status).await;
        }
    }
    assert_eq!(peer.requests().len(), 3);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_come_back() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = configured("[proxy]\nmax_connections = 5\n", &peer.url(), "").await;
    let host = daemon.proxy();
    let get = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut client = client(host).await;
        client.send(&get).await.unwrap();
        assert_eq!(within("an answer", client.response("GET")).await.status(), 200);
        held.push(client);
    }
    let mut over = client(host).await;
    over.send(&get).await.ok();
    let (bytes, _) = within("the close", over.read_to_end()).await;
    assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
    held.pop().unwrap().close().await;
    within("a place again", async {
        loop {
            let mut again = client(host).await;
            again.send(&get).await.ok();
            if again
                .read_response("GET")
                .await
                .is_ok_and(|response| response.status() == 200)
            {
                return;
            }
        }
    })
    .await;
}
