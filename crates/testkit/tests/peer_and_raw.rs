//! The scripted peer and the raw client, against each other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)] // helpers of tests fail loudly

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use murphy_testkit::peer::{Peer, Script, Scripts, Signal};
use murphy_testkit::raw::{BodyEnd, End, Framing, RawClient};
use murphy_testkit::tls::TestCa;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn both_keep_every_byte() {
    let peer = Peer::each(Script::answering(
        "HTTP/1.1 200 Fine\r\nX-A: 1\r\nx-a:  2 \r\nTransfer-Encoding: chunked\r\n\r\n\
         3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-End: z\r\n\r\n",
    ));
    let mut client = RawClient::connect(peer.addr()).await.unwrap();
    let request = "POST /p?q HTTP/1.1\r\nHOST: h\r\nContent-Length: 4\r\n\r\nbody";
    for _ in 0..2 {
        client.send(request).await.unwrap();
        let response = client.response("POST").await;
        assert_eq!(response.head.line, "HTTP/1.1 200 Fine");
        assert_eq!(response.head.all("x-A"), ["1", "2"]);
        assert_eq!(response.body.content, b"abcde");
        assert_eq!(response.body.chunks, [3, 2]);
        assert_eq!(response.body.trailers, [("X-End".to_owned(), "z".to_owned())]);
        assert!(response.body.is_complete());
    }
    client.close().await;
    let seen = peer.join().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].bytes, [request, request].concat().as_bytes());
    assert_eq!(seen[0].end, Some(End::Fin));
    let head = &seen[0].requests[1].head;
    assert_eq!((head.method(), head.target()), ("POST", "/p?q"));
    assert_eq!(head.headers[0], ("HOST".to_owned(), "h".to_owned()));
    assert_eq!(seen[0].requests[1].body.as_ref().unwrap().content, b"body");
}

#[tokio::test]
async fn each_framing_is_read_to_its_end() {
    for (method, response, framing, content) in [
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Framing::Sized(2),
            "ok",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            Framing::UntilClose,
            "until the end",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            Framing::None,
            "",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", Framing::None, ""),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            Framing::None,
            "",
        ),
    ] {
        let peer = Peer::in_order([Script::new().read_request().send(response)]);
        let mut client = RawClient::connect(peer.addr()).await.unwrap();
        client.send(format!("{method} / HTTP/1.1\r\n\r\n")).await.unwrap();
        let response = client.response(method).await;
        assert_eq!((response.body.framing, response.body.text()), (framing, content));
        assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
        peer.join().await;
    }
}

#[tokio::test]
async fn informational_responses_come_before_the_final_one() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let peer = Peer::each(Script::answering([early, OK].concat()));
    let mut client = RawClient::connect(peer.addr()).await.unwrap();
    let response = client.get("/").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.informational[0].header("link"), Some("</a>"));
}

#[tokio::test]
async fn a_cut_and_how_it_was_made_is_seen_by_the_client() {
    let start = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    for (script, end) in [
        (Script::new().read_request().send(start), End::Fin),
        (Script::new().read_request().send(start).reset(), End::Rst),
    ] {
        let peer = Peer::in_order([script]);
        let mut client = RawClient::connect(peer.addr()).await.unwrap();
        let response = client.get("/").await;
        assert_eq!(
            (response.body.text(), response.body.end),
            ("half", BodyEnd::Cut(end))
        );
        peer.join().await;
    }
}

#[tokio::test]
async fn how_the_client_left_is_seen_by_the_peer() {
    for end in [End::Fin, End::Rst] {
        let ready = Signal::new();
        let peer = Peer::in_order([Script::new().read_head().tell(&ready).read_until_left()]);
        let mut client = RawClient::connect(peer.addr()).await.unwrap();
        client.send("GET / HTTP/1.1\r\n\r\n").await.unwrap();
        ready.wait().await;
        match end {
            End::Rst => client.reset(),
            _ => client.close().await,
        }
        assert_eq!(peer.join().await[0].end, Some(end));
    }
}

#[tokio::test(start_paused = true)]
async fn scripts_wait_for_signals_and_in_paused_time() {
    let go = Signal::new();
    let script = Script::new()
        .read_request()
        .wait(&go)
        .sleep(Duration::from_secs(3_600))
        .send(OK);
    let peer = Peer::in_order([script]);
    let mut client = RawClient::connect(peer.addr()).await.unwrap();
    client.send("GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let clock = tokio::time::Instant::now();
    go.fire();
    assert_eq!(client.response("GET").await.body.text(), "ok");
    assert_eq!(clock.elapsed().as_secs(), 3_600);
    peer.join().await;
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_still_reads() {
    let peer = Peer::in_order([Script::new().read_until_left().send("late")]);
    let mut client = RawClient::connect(peer.addr()).await.unwrap();
    client.send("x").await.unwrap();
    client.half_close().await.unwrap();
    assert_eq!(client.read_to_end().await, (b"late".to_vec(), End::Fin));
    assert_eq!(peer.join().await[0].bytes, b"x");
}

async fn panic_of(work: impl Future<Output = ()>) -> String {
    let panic = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
    let text = panic.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}

#[tokio::test]
async fn a_failed_script_fails_the_test_on_join_and_on_drop() {
    let start = async || {
        let peer = Peer::in_order([Script::new().read_request().send(OK)]);
        let mut client = RawClient::connect(peer.addr()).await.unwrap();
        client.send("GET / HT").await.unwrap();
        client.close().await;
        peer
    };
    let wanted = "a request was expected, the client left (Fin) after \"GET / HT\"";
    let panic = panic_of(async {
        drop(start().await.join().await);
    });
    assert_eq!(panic.await, wanted);
    let panic = panic_of(async {
        let peer = start().await;
        while !peer.has_failed() {
            tokio::task::yield_now().await;
        }
        drop(peer);
    });
    assert_eq!(panic.await, wanted);
}

#[tokio::test]
async fn too_many_and_too_few_connections_fail() {
    let panic = panic_of(async {
        let peer = Peer::in_order([Script::new()]);
        for _ in 0..2 {
            RawClient::connect(peer.addr()).await.unwrap();
        }
        drop(peer.join().await);
    });
    assert_eq!(panic.await, "no more connections than scripts");
    let panic = panic_of(async {
        drop(Peer::in_order([Script::new()]).join().await);
    });
    assert_eq!(panic.await, "1 connections expected, 0 came");
}

#[tokio::test]
async fn tls_shows_ends_and_failures() {
    let ca = TestCa::new();
    let script = Script::new().read_request().send(OK);
    let scripts = Scripts::InOrder(vec![script.clone(), script.reset(), Script::new()]);
    let peer = Peer::tls(ca.server(&["http/1.1"]), scripts);
    for end in [End::Fin, End::Rst] {
        let config = ca.client(&["http/1.1"]);
        let mut client = RawClient::connect_tls(peer.addr(), config, "localhost")
            .await
            .unwrap();
        assert_eq!(client.alpn().as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!(client.get("/").await.body.text(), "ok");
        assert_eq!(client.read_to_end().await, (Vec::new(), end));
    }
    let stranger = TestCa::new().client(&[]);
    assert!(
        RawClient::connect_tls(peer.addr(), stranger, "localhost")
            .await
            .is_err()
    );
    let seen = peer.join().await;
    assert_eq!(seen[0].requests.len(), 1);
    assert!(seen[2].tls_error.is_some());
}
