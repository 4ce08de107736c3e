//! Calls to upstreams: forms, pools, failures, cancellation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::rt::TokioIo;
use murphy_core::outcome::Cause;
use murphy_core::route::Protocol;
use murphy_proxy::upstream::{BoxError, Roots, UpstreamErrorKind, UpstreamOptions, Upstreams};
use murphy_testkit::peer::{Peer, Script, Signal};
use murphy_testkit::raw::End;
use murphy_testkit::recorder::{Recorder, text as answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::support::{request, route, route_to, text, upstreams};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_was_read() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    for n in 0..5 {
        let sent = upstreams.send(&route, request("GET", "/", "")).await.unwrap();
        assert_eq!((sent.facts.reused, sent.facts.peer), (n > 0, peer.addr()));
        assert_eq!(text(sent.response.into_body()).await, "ok");
    }
    assert_eq!(peer.seen().len(), 1);
    let counts = upstreams.stats();
    assert_eq!((counts.opened, counts.reused), (1, 4));
}

#[tokio::test]
async fn calls_at_the_same_time_have_connections_of_their_own_within_the_bound() {
    let go_on = Signal::new();
    let peer = Peer::each(Script::new().read_request().wait(&go_on).send(OK).again());
    let mut options = UpstreamOptions::new(Roots::bundled());
    options.idle_connections_max = 3;
    let (upstreams, route) = (Arc::new(Upstreams::new(options)), Arc::new(route(peer.addr())));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (upstreams, route) = (Arc::clone(&upstreams), Arc::clone(&route));
            tokio::spawn(async move {
                let sent = upstreams.send(&route, request("GET", "/", "")).await.unwrap();
                text(sent.response.into_body()).await
            })
        })
        .collect();
    while peer.requests().len() < 5 {
        tokio::task::yield_now().await;
    }
    go_on.fire();
    for call in calls {
        assert_eq!(call.await.unwrap(), "ok");
    }
    assert_eq!(peer.seen().len(), 5);
    while upstreams.held(&route.upstream) != (3, 0) {
        tokio::task::yield_now().await;
    }
    while peer
        .seen()
        .iter()
        .filter(|seen| seen.end == Some(End::Fin))
        .count()
        < 2
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_before_the_upstream_would() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let sent = upstreams.send(&route, request("GET", "/", "")).await.unwrap();
    text(sent.response.into_body()).await;
    let begun = Instant::now();
    while peer.seen()[0].end.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(peer.seen()[0].end, Some(End::Fin));
    let waited = begun.elapsed();
    assert!((2_990..3_050).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(upstreams.held(&route.upstream), (0, 0));
}

#[tokio::test]
async fn path_and_query_go_as_they_are_and_the_host_is_the_upstreams() {
    let recorder = Recorder::start(|_| answer(200, ""));
    let (upstreams, route) = (upstreams(), route(recorder.addr()));
    let send = async |request| upstreams.send(&route, request).await.unwrap();
    send(request("GET", "http://ignored.example/a%2Fb/%zz?x=%20&y", "")).await;
    let mut preserved = request("POST", "/", "body");
    preserved
        .headers_mut()
        .insert("host", "agent.example".parse().unwrap());
    send(preserved).await;
    let requests = recorder.wait_for(2).await;
    assert_eq!(requests[0].target, "/a%2Fb/%zz?x=%20&y");
    assert_eq!(requests[0].all("host"), [recorder.addr().to_string()]);
    assert_eq!(requests[1].all("host"), ["agent.example"]);
    assert_eq!(requests[1].body, "body");
}

#[tokio::test]
async fn header_names_keep_their_case() {
    let peer = Peer::each(Script::answering(
        "HTTP/1.1 200 OK\r\nX-CamelCase: 1\r\nContent-Length: 0\r\n\r\n",
    ));
    let served = crate::support::serve(murphy_proxy::listen::ListenOptions::default(), {
        let (upstreams, route) = (Arc::new(upstreams()), Arc::new(route(peer.addr())));
        move |request: Request<hyper::body::Incoming>, _conn| {
            let (upstreams, route) = (Arc::clone(&upstreams), Arc::clone(&route));
            async move { upstreams.send(&route, request).await.map(|sent| sent.response) }
        }
    });
    let mut client = murphy_testkit::raw::RawClient::connect(served.addr)
        .await
        .unwrap();
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nX-ODD-case: 2\r\n\r\n")
        .await
        .unwrap();
    let head = client.response("GET").await.head;
    assert_eq!(head.headers[0].0, "X-CamelCase");
    let names: Vec<_> = peer.requests()[0]
        .head
        .headers
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(names, ["Host", "X-ODD-case"]);
}

async fn fails(script: Script) -> (UpstreamErrorKind, StatusCode, Cause) {
    let peer = Peer::each(script);
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let error = upstreams.send(&route, request("GET", "/", "")).await.unwrap_err();
    (error.kind(), error.status(), error.cause())
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_kind() {
    use UpstreamErrorKind as Kind;
    let cases = [
        (
            Script::new().read_request().send("nonsense\r\n\r\n"),
            Kind::BadResponse,
        ),
        (Script::new().read_request().reset(), Kind::Reset),
        (Script::new().read_request(), Kind::Closed),
        (
            Script::new().read_request().send("HTTP/1.1 200 OK\r\nConte"),
            Kind::Closed,
        ),
    ];
    for (script, kind) in cases {
        assert_eq!(
            fails(script).await,
            (kind, StatusCode::BAD_GATEWAY, Cause::Upstream)
        );
    }
    let late = fails(Script::new().read_request().hold()).await;
    assert_eq!(
        late,
        (
            Kind::FirstByteTimeout,
            StatusCode::GATEWAY_TIMEOUT,
            Cause::Upstream
        )
    );
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_refused_or_unknown() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let upstreams = upstreams();
    let error = upstreams
        .send(&route(unused), request("GET", "/", ""))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), UpstreamErrorKind::Refused);
    assert!(error.to_string().contains(&format!("http://{unused}")), "{error}");
    let nowhere = route_to(Scheme::HTTP, "no-such-host.invalid:80", Protocol::Auto);
    let error = upstreams
        .send(&nowhere, request("GET", "/", ""))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), UpstreamErrorKind::Resolve);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_no_end() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        for reset in [false, true] {
            let go_on = Signal::new();
            let script = Script::new()
                .read_request()
                .send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello\r\n"))
                .wait(&go_on);
            let peer = Peer::each(if reset { script.reset() } else { script });
            let (upstreams, route) = (upstreams(), route(peer.addr()));
            let sent = upstreams.send(&route, request("GET", "/", "")).await.unwrap();
            let mut body = sent.response.into_body();
            assert!(body.frame().await.unwrap().is_ok());
            go_on.fire();
            let last = loop {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    end => break end,
                }
            };
            assert!(matches!(last, Some(Err(_))), "{head} {reset}");
        }
    }
}

#[tokio::test]
async fn who_gives_up_the_call_gives_up_the_connection() {
    let got = Signal::new();
    let peer = Peer::each(Script::new().read_request().tell(&got).read_until_left());
    let (upstreams, route) = (Arc::new(upstreams()), route(peer.addr()));
    let call = tokio::spawn({
        let upstreams = Arc::clone(&upstreams);
        async move { upstreams.send(&route, request("POST", "/", "x")).await.map(drop) }
    });
    got.wait().await;
    let left = Instant::now();
    call.abort();
    let seen = peer.join().await;
    assert!(
        left.elapsed() < Duration::from_millis(100),
        "{:?}",
        left.elapsed()
    );
    assert!(seen[0].end.is_some());
}

#[tokio::test]
async fn who_gives_up_the_body_gives_up_the_connection() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    let peer = Peer::each(Script::new().read_request().send(head).read_until_left());
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let sent = upstreams.send(&route, request("GET", "/", "")).await.unwrap();
    let mut body = sent.response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    let left = Instant::now();
    drop(body);
    let seen = peer.join().await;
    assert!(
        left.elapsed() < Duration::from_millis(100),
        "{:?}",
        left.elapsed()
    );
    assert!(seen[0].end.is_some());
    assert_eq!(upstreams.held(&route.upstream), (0, 0));
}

#[tokio::test]
async fn a_body_of_the_agents_that_fails_is_the_agents_fault() {
    let peer = Peer::each(Script::new().read_until_left());
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let frames: Vec<Result<Frame<Bytes>, BoxError>> =
        vec![Ok(Frame::data("some".into())), Err("the agent hung up".into())];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("/").body(body).unwrap();
    let error = upstreams.send(&route, request).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.cause()),
        (UpstreamErrorKind::RequestBody, Cause::Agent)
    );
    assert!(error.to_string().ends_with("the agent hung up"), "{error}");
}

#[tokio::test]
async fn an_upgrade_gets_a_connection_of_its_own() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly";
    let peer = Peer::each(
        Script::new()
            .read_head()
            .send(switched)
            .send("late")
            .read_until_left(),
    );
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let mut asking = request("GET", "/", "");
    asking
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    asking.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let sent = upstreams.send(&route, asking).await.unwrap();
    assert_eq!(sent.response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(sent.response).await.unwrap());
    let mut bytes = [0; 9];
    tunnel.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"earlylate");
    tunnel.write_all(b"\x00up").await.unwrap();
    tunnel.shutdown().await.unwrap();
    drop(tunnel);
    let seen = peer.join().await;
    assert!(seen[0].bytes.ends_with(b"\x00up"));
}

#[tokio::test]
async fn informational_responses_are_told() {
    let peer = Peer::each(
        Script::new()
            .read_request()
            .send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            .send(OK)
            .again(),
    );
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut request = request("GET", "/", "");
    let hears = Arc::clone(&told);
    hyper::ext::on_informational(&mut request, move |response| {
        hears.lock().unwrap().push(response.status().as_u16());
    });
    let sent = upstreams.send(&route, request).await.unwrap();
    assert_eq!(text(sent.response.into_body()).await, "ok");
    assert_eq!(*told.lock().unwrap(), [103]);
}

#[tokio::test]
async fn http2_with_prior_knowledge_shares_one_connection() {
    let recorder = Recorder::start(|request| answer(200, &format!("{:?}", request.version)));
    let mut route = route(recorder.addr());
    route.upstream.protocol = Protocol::Http2;
    let (upstreams, route) = (Arc::new(upstreams()), Arc::new(route));
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let (upstreams, route) = (Arc::clone(&upstreams), Arc::clone(&route));
            tokio::spawn(async move {
                let mut request = request("POST", &format!("/{n}?q"), "x");
                request
                    .headers_mut()
                    .insert("host", "agent.example".parse().unwrap());
                let sent = upstreams.send(&route, request).await.unwrap();
                assert!(sent.facts.http2);
                text(sent.response.into_body()).await
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "HTTP/2.0");
    }
    assert_eq!(upstreams.held(&route.upstream), (0, 1));
    assert_eq!(upstreams.stats().opened, 1);
    let requests = recorder.wait_for(100).await;
    let first = &requests[0];
    assert_eq!(
        first.all("host"),
        Vec::<&str>::new(),
        "`host` went as `:authority`"
    );
    assert_eq!(first.authority.as_deref(), Some("agent.example"));
}

#[tokio::test]
async fn an_expired_first_byte_does_not_count_the_agents_own_time() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, mut route) = (upstreams(), route(peer.addr()));
    route.timeouts.first_byte = Some(Duration::from_millis(60));
    let slow = futures_util::stream::unfold(0, |sent| async move {
        (sent < 4).then_some(())?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), sent + 1))
    });
    let request = Request::post("/").body(StreamBody::new(Box::pin(slow))).unwrap();
    let sent = upstreams.send(&route, request).await.unwrap();
    assert_eq!(text(sent.response.into_body()).await, "ok");
}

#[tokio::test]
async fn dropping_the_pools_closes_their_connections() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let sent = upstreams
        .send(&route, Request::new(Full::new(Bytes::new())))
        .await
        .unwrap();
    text(sent.response.into_body()).await;
    drop(upstreams);
    let seen = peer.join().await;
    assert_eq!(seen[0].end, Some(End::Fin));
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let peer = Peer::each(Script::answering(OK));
    let (upstreams, route) = (upstreams(), route(peer.addr()));
    let frames = ["one", "two"].map(|part| Ok::<_, BoxError>(Frame::data(part.into())));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let sent = upstreams
        .send(&route, Request::get("/").body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(text(sent.response.into_body()).await, "ok");
    assert_eq!(peer.requests()[0].body.as_ref().unwrap().text(), "onetwo");
}
