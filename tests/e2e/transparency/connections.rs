//! Connections: HTTP/1.0, keep-alive, pipelining, interim answers, the forms of a target.

use murphy_testkit::peer::{Peer, Script, Signal};
use murphy_testkit::raw::{End, Framing, RawClient, RawResponse};

use super::setup::{OK, client, proxy_to, within};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

async fn exchange(client: &mut RawClient, request: &str, method: &str) -> RawResponse {
    client.send(request).await.unwrap();
    within(request, client.response(method)).await
}

#[tokio::test]
async fn http_1_0_ends_with_its_answer() {
    for answer in [OK, CHUNKED] {
        let peer = Peer::each(Script::answering(answer));
        let daemon = proxy_to(&peer.url()).await;
        for request in [
            format!("GET /old HTTP/1.0\r\nHost: {}\r\n\r\n", daemon.proxy()),
            "GET /old HTTP/1.0\r\n\r\n".to_owned(),
        ] {
            let mut client = client(daemon.proxy()).await;
            let response = exchange(&mut client, &request, "GET").await;
            assert_eq!(response.head.line, "HTTP/1.0 200 OK", "{request}");
            assert_eq!(response.body.text(), "ok");
            assert_ne!(
                response.body.framing,
                Framing::Chunked,
                "HTTP/1.0 knows no chunks"
            );
            assert_eq!(
                within("the close", client.read_to_end()).await,
                (Vec::new(), End::Fin)
            );
        }
        let arrived = peer.requests();
        assert_eq!(arrived.len(), 2);
        for request in arrived {
            assert_eq!(request.head.line, "GET /old HTTP/1.1");
            assert_eq!(request.head.all("host"), [peer.addr().to_string()]);
        }
    }
}

#[tokio::test]
async fn http_1_0_with_keep_alive_goes_on() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    let request = format!(
        "GET / HTTP/1.0\r\nHost: {}\r\nConnection: keep-alive\r\n\r\n",
        daemon.proxy()
    );
    for _ in 0..3 {
        let response = exchange(&mut client, &request, "GET").await;
        assert_eq!(
            (response.head.line.as_str(), response.body.text()),
            ("HTTP/1.0 200 OK", "ok")
        );
        let connection = response
            .head
            .header("connection")
            .expect("HTTP/1.0 goes on only if the answer says so");
        assert!(connection.eq_ignore_ascii_case("keep-alive"));
    }
}

#[tokio::test]
async fn connections_on_both_sides_are_used_again() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    for _ in 0..20 {
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
        assert_eq!(exchange(&mut client, &get, "GET").await.status(), 200);
    }
    let get = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        daemon.proxy()
    );
    assert_eq!(exchange(&mut client, &get, "GET").await.status(), 200);
    assert_eq!(
        within("the close", client.read_to_end()).await,
        (Vec::new(), End::Fin)
    );
    let seen = peer.seen();
    assert_eq!(seen.iter().map(|seen| seen.requests.len()).sum::<usize>(), 21);
    assert_eq!(
        seen.len(),
        1,
        "one connection to the upstream is enough for one client"
    );
}

#[tokio::test]
async fn an_upstream_that_closes_after_each_answer_leaves_the_client_connected() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let peer = Peer::each(Script::new().read_request().send(answer));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    for _ in 0..10 {
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
        let response = exchange(&mut client, &get, "GET").await;
        assert_eq!((response.status(), response.body.text()), (200, "ok"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let first = Signal::new();
    let slow = Script::new().read_request().wait(&first).send(CHUNKED).again();
    let (slow, fast) = (
        Peer::each(slow),
        Peer::each(Script::answering(
            "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        )),
    );
    let routes = [
        super::setup::route("slow", "/slow", &slow.url(), ""),
        super::setup::route("fast", "/fast", &fast.url(), ""),
    ];
    let daemon =
        super::setup::start(murphy_testkit::daemon::DaemonBuilder::new().config(&routes.concat())).await;
    let host = daemon.proxy();
    let requests = format!(
        "GET /slow HTTP/1.1\r\nHost: {host}\r\n\r\n\
         POST /fast HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc\
         POST /fast HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         HEAD /fast HTTP/1.1\r\nHost: {host}\r\n\r\n\
         GET /nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n\
         GET /slow HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let mut client = client(host).await;
    client.send(&requests).await.unwrap();
    within("the first request", async {
        while slow.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    first.fire();
    for (method, status) in [
        ("GET", 200),
        ("POST", 201),
        ("POST", 201),
        ("HEAD", 201),
        ("GET", 404),
        ("GET", 200),
    ] {
        let response = within("an answer in its turn", client.response(method)).await;
        assert_eq!(response.status(), status);
        assert!(response.body.is_complete());
    }
    let bodies: Vec<Vec<u8>> = fast
        .requests()
        .into_iter()
        .map(|one| one.body.unwrap().content)
        .collect();
    assert_eq!(bodies, [b"abc".to_vec(), b"abc".to_vec(), Vec::new()]);
}

#[tokio::test]
async fn expect_100_continue_is_answered_and_the_body_follows() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    let head =
        format!("PUT /e HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    client.send(head).await.unwrap();
    let interim = within("100 Continue", client.read_head()).await.unwrap();
    assert_eq!(interim.status(), 100);
    client.send("body").await.unwrap();
    assert_eq!(within("the answer", client.response("PUT")).await.status(), 200);
    let arrived = peer.requests();
    assert_eq!(arrived[0].head.header("expect"), Some("100-continue"));
    assert_eq!(arrived[0].body.as_ref().unwrap().text(), "body");
}

#[tokio::test]
async fn an_upstream_that_sends_100_itself_is_understood() {
    let answers = Script::new()
        .read_request()
        .send(format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"))
        .again();
    let peer = Peer::each(answers);
    let daemon = proxy_to(&peer.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    let request = format!("PUT / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nbody");
    let response = exchange(&mut client, &request, "PUT").await;
    assert_eq!((response.status(), response.body.text()), (200, "ok"));
}

#[tokio::test]
async fn an_upstream_that_refuses_before_the_body_is_heard() {
    let refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let peer = Peer::each(Script::new().read_head().send(refusal).read_until_left());
    let daemon = proxy_to(&peer.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    let head =
        format!("PUT /e HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    client.send(head).await.unwrap();
    // hyper answers 100 itself as soon as somebody waits for the body: what counts is the final answer.
    let response = within("the refusal, although no body was sent", client.response("PUT")).await;
    assert_eq!(response.status(), 417);
}

#[tokio::test]
async fn an_answer_before_the_whole_body_was_sent_reaches_the_client() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
    let peer = Peer::each(Script::new().read_head().send(refusal).read_until_left());
    let daemon = proxy_to(&peer.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    client
        .send(format!(
            "PUT /e HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\nstart"
        ))
        .await
        .unwrap();
    let response = within("the refusal", client.response("PUT")).await;
    assert_eq!((response.status(), response.body.text()), (413, "big"));
}

/// hyper's server cannot send interim answers: they are taken and not passed on (documented).
#[tokio::test]
async fn early_hints_are_left_out_and_the_answer_is_whole() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
    let peer = Peer::each(Script::answering([hints, CHUNKED].concat()));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    for _ in 0..2 {
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
        let response = exchange(&mut client, &get, "GET").await;
        assert!(response.informational.is_empty());
        assert_eq!((response.status(), response.body.text()), (200, "ok"));
        assert_eq!(response.head.all("link"), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn targets_in_absolute_form() {
    for (line, host_field, arrives) in [
        (
            "GET http://@/a%20b//c?q= HTTP/1.1",
            "@",
            "GET /a%20b//c?q= HTTP/1.1",
        ),
        ("GET http://@ HTTP/1.1", "@", "GET / HTTP/1.1"),
        ("GET http://@?q HTTP/1.1", "@", "GET /?q HTTP/1.1"),
        // RFC 9112 §3.2.2: the target's authority counts, not the field.
        ("GET http://@/a HTTP/1.1", "ignored.example", "GET /a HTTP/1.1"),
    ] {
        let peer = Peer::each(Script::answering(OK));
        let daemon = proxy_to(&peer.url()).await;
        let host = daemon.proxy();
        let request = format!("{line}\r\nHost: {host_field}\r\n\r\n").replace('@', &host.to_string());
        let mut client = client(host).await;
        let response = exchange(&mut client, &request, "GET").await;
        assert_eq!(response.status(), 200, "{line}");
        let arrived = peer.requests();
        assert_eq!(arrived.len(), 1, "{line}");
        assert_eq!(arrived[0].head.line, arrives, "{line}");
        assert_eq!(arrived[0].head.all("host"), [peer.addr().to_string()], "{line}");
    }
}

/// `OPTIONS *` asks the server itself (RFC 9110 §9.3.7), which no route with a path is.
#[tokio::test]
async fn a_request_for_the_whole_server_is_for_no_upstream() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    let request = format!("OPTIONS * HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
    let response = exchange(&mut client, &request, "OPTIONS").await;
    assert_eq!(response.status(), 404);
    let content_type = response.head.header("content-type");
    assert_eq!(content_type, Some("application/problem+json"));
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn connect_is_refused_and_reaches_nobody() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    for target in [
        peer.addr().to_string(),
        daemon.control().to_string(),
        daemon.proxy().to_string(),
    ] {
        let mut client = client(daemon.proxy()).await;
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        let response = exchange(&mut client, &request, "CONNECT").await;
        assert!(
            (400..500).contains(&response.status()),
            "{target}: {}",
            response.head.line
        );
    }
    assert!(peer.seen().is_empty(), "nothing may be tunnelled");
}
