//! A pooled connection that turns out to be dead: who is sent again, who is not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use murphy_core::route::Route;
use murphy_proxy::upstream::{BoxError, UpstreamErrorKind, Upstreams};
use murphy_testkit::peer::{Peer, Script, Scripts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

use crate::support::{request, route, text, upstreams};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers one request, reads a second one and then does `then`; further connections answer.
fn dying(then: impl FnOnce(Script) -> Script) -> Scripts {
    let first = then(Script::new().read_request().send(OK).read_request());
    Scripts::InOrder(vec![first, Script::answering(OK)])
}

fn peer(scripts: Scripts) -> Peer {
    match scripts {
        Scripts::InOrder(scripts) => Peer::in_order(scripts),
        Scripts::Each(script) => Peer::each(script),
    }
}

async fn warm(upstreams: &Upstreams, route: &Route) {
    let sent = upstreams.send(route, request("GET", "/warm", "")).await.unwrap();
    text(sent.response.into_body()).await;
    while upstreams.held(&route.upstream).0 == 0 {
        tokio::task::yield_now().await;
    }
}

/// The second request of a method on a connection that dies in this way.
async fn second(
    method: &str,
    unsafe_too: bool,
    then: impl FnOnce(Script) -> Script,
) -> Result<bool, UpstreamErrorKind> {
    let peer = peer(dying(then));
    let (upstreams, mut route) = (upstreams(), route(peer.addr()));
    route.retry_unsafe = unsafe_too;
    warm(&upstreams, &route).await;
    let result = upstreams.send(&route, request(method, "/", "body")).await;
    let requests = peer.requests();
    peer.stop().await;
    match result {
        Ok(sent) => {
            assert_eq!(text(sent.response.into_body()).await, "ok");
            assert_eq!(
                requests.last().unwrap().body.as_ref().unwrap().text(),
                "body",
                "sent again whole"
            );
            Ok(sent.facts.retried)
        }
        Err(error) => {
            assert_eq!(requests.len(), 2, "not sent again");
            Err(error.kind())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_repeated_for_idempotent_methods_and_by_permission_only() {
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(second(method, false, |script| script).await, Ok(true), "{method}");
        assert_eq!(second(method, false, Script::reset).await, Ok(true), "{method}");
    }
    for method in ["POST", "PATCH"] {
        assert_eq!(
            second(method, false, |script| script).await,
            Err(UpstreamErrorKind::Closed)
        );
        assert_eq!(
            second(method, false, Script::reset).await,
            Err(UpstreamErrorKind::Reset)
        );
        assert_eq!(second(method, true, |script| script).await, Ok(true), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_beginning_of_an_answer_forbids_to_repeat() {
    let begins = |script: Script| script.send("HTTP/1.1 2");
    assert_eq!(second("GET", true, begins).await, Err(UpstreamErrorKind::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_dies_is_never_repeated() {
    let peer = Peer::in_order([Script::new().read_request()]);
    let error = upstreams()
        .send(&route(peer.addr()), request("GET", "/", ""))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), UpstreamErrorKind::Closed);
    assert_eq!(peer.join().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_second_try_is_the_last() {
    let dies = Script::new().read_request();
    let peer = Peer::in_order([Script::new().read_request().send(OK).read_request(), dies]);
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    warm(&upstreams, &route).await;
    let error = upstreams.send(&route, request("GET", "/", "")).await.unwrap_err();
    assert_eq!(error.kind(), UpstreamErrorKind::Closed);
    assert_eq!(upstreams.stats().again_silent, 1);
    assert_eq!(peer.join().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_to_keep_is_not_repeated() {
    let peer = peer(dying(|script| script));
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    warm(&upstreams, &route).await;
    let frames = (0..100).map(|_| Ok::<_, BoxError>(Frame::data(Bytes::from(vec![b'x'; 1024]))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let error = upstreams
        .send(&route, Request::put("/").body(body).unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), UpstreamErrorKind::Closed);
    peer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_post_does_not_gamble_on_an_old_connection() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    for (idle, method, reused) in [
        (10, "POST", true),
        (30, "POST", false),
        (30, "GET", true),
        (30, "POST", false),
    ] {
        warm(&upstreams, &route).await;
        tokio::time::sleep(Duration::from_millis(idle)).await;
        let sent = upstreams.send(&route, request(method, "/", "x")).await.unwrap();
        assert_eq!(sent.facts.reused, reused, "{method} after {idle} ms");
        text(sent.response.into_body()).await;
    }
}

/// Answers each request and closes a connection that was idle for `idle`.
async fn closes_when_idle(listener: TcpListener, idle: Duration) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(answer_until_idle(stream, idle));
    }
}

async fn answer_until_idle(mut stream: TcpStream, idle: Duration) {
    let mut bytes = vec![0; 4096];
    // As servers do, it has more patience with a first request.
    let mut patience = Duration::from_secs(60);
    loop {
        let mut seen = 0;
        loop {
            let read = timeout(patience, stream.read(&mut bytes[seen..])).await;
            let Ok(Ok(count @ 1..)) = read else { return };
            seen += count;
            // GET has no body, and POST has one byte.
            let end = if bytes.starts_with(b"GET") {
                &b"\r\n\r\n"[..]
            } else {
                b"\r\n\r\nx"
            };
            if bytes[..seen].ends_with(end) {
                break;
            }
        }
        if stream.write_all(OK.as_bytes()).await.is_err() {
            return;
        }
        patience = idle;
    }
}

/// Sends `count` requests over pools of their own, each as the upstream is about to close.
async fn race(addr: SocketAddr, method: &'static str, count: usize, idle: Duration) -> Vec<String> {
    const LANES: usize = 60;
    let lanes = (0..LANES).map(|lane| {
        tokio::spawn(async move {
            let (upstreams, route) = (upstreams(), route(addr));
            let mut errors = Vec::new();
            for n in 0..count / LANES {
                match upstreams
                    .send(
                        &route,
                        request(method, "/", if method == "POST" { "x" } else { "" }),
                    )
                    .await
                {
                    Ok(sent) => assert_eq!(text(sent.response.into_body()).await, "ok"),
                    Err(error) => errors.push(error.to_string()),
                }
                // 1.5 ms before to 1.5 ms after, in steps of 50 µs.
                let jitter = Duration::from_micros(((lane * 7 + n * 13) % 61) as u64 * 50);
                sleep_until(Instant::now() + idle + jitter - Duration::from_micros(1500)).await;
            }
            (errors, upstreams.stats())
        })
    });
    let (mut errors, mut again) = (Vec::new(), (0, 0, 0));
    for lane in lanes.collect::<Vec<_>>() {
        let (failed, counts) = lane.await.unwrap();
        errors.extend(failed);
        again.0 += counts.again_unsent;
        again.1 += counts.again_closed_before;
        again.2 += counts.again_silent;
    }
    println!(
        "B13 {method}: {count} requests, {} errors, sent again (unsent, closed before, silent): {again:?}",
        errors.len()
    );
    errors
}

/// B13 of the bar: no error of our own making although the upstream closes at the moment of reuse. Set
/// `MURPHY_B13` to the number of requests of each method (6000 is the bar).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_close_race() {
    let count = std::env::var("MURPHY_B13").map_or(600, |count| count.parse().unwrap());
    let idle = Duration::from_millis(100);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let upstream = tokio::spawn(closes_when_idle(listener, idle));
    for method in ["GET", "POST"] {
        assert_eq!(
            race(addr, method, count, idle).await,
            Vec::<String>::new(),
            "{method}"
        );
    }
    upstream.abort();
}

#[tokio::test]
async fn one_upstream_is_shared_by_many_callers() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, route) = (Arc::new(upstreams()), Arc::new(route(peer.addr())));
    let callers = (0..8).map(|_| {
        let (upstreams, route) = (Arc::clone(&upstreams), Arc::clone(&route));
        tokio::spawn(async move {
            for _ in 0..50 {
                let sent = upstreams.send(&route, request("POST", "/", "x")).await.unwrap();
                assert_eq!(text(sent.response.into_body()).await, "ok");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(peer.requests().len(), 400);
}
