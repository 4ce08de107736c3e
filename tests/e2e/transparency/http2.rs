//! HTTP/2 on either side, or both.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use murphy_testkit::Sim;
use murphy_testkit::peer::{Peer, Script, Signal};
use murphy_testkit::recorder::{Recorded, Recorder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::setup::{OK, client, configured, proxy_to, until, within};

pub(super) type Http2 = SendRequest<BoxBody<Bytes, Infallible>>;

/// HTTP/2 with prior knowledge.
pub(super) async fn connect(addr: SocketAddr) -> Http2 {
    over(TcpStream::connect(addr).await.unwrap()).await
}

/// HTTP/2 over a connection that is there.
pub(super) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Http2 {
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) fn full(content: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    Full::new(content.into()).boxed()
}

/// The answer with all of its body, and the trailers.
pub(super) async fn send(
    http2: &Http2,
    request: Request<BoxBody<Bytes, Infallible>>,
) -> (Response<Bytes>, Option<HeaderMap>) {
    let what = format!("{} {}", request.method(), request.uri());
    let mut http2 = http2.clone();
    let exchange = async {
        http2.ready().await.unwrap();
        let (head, body) = http2.send_request(request).await.unwrap().into_parts();
        let (body, trailers) = whole(body).await;
        (Response::from_parts(head, body), trailers)
    };
    within(&what, exchange).await
}

async fn whole(body: Incoming) -> (Bytes, Option<HeaderMap>) {
    #[allow(clippy::disallowed_methods)] // it is capped
    let body = Limited::new(body, 64 << 20)
        .collect()
        .await
        .expect("a complete body");
    let trailers = body.trailers().cloned();
    (body.to_bytes(), trailers)
}

fn get(addr: SocketAddr, path: &str) -> Request<BoxBody<Bytes, Infallible>> {
    Request::get(format!("http://{addr}{path}"))
        .body(full(""))
        .unwrap()
}

fn with_trailers(content: &'static str) -> BoxBody<Bytes, Infallible> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let frames = [
        Frame::data(Bytes::from_static(content.as_bytes())),
        Frame::trailers(trailers),
    ];
    http_body_util::BodyExt::boxed(StreamBody::new(futures_util::stream::iter(
        frames.map(Ok::<_, Infallible>),
    )))
}

fn echo(request: &Recorded) -> Response<Full<Bytes>> {
    Response::builder()
        .status(201)
        .header("set-cookie", "a=1")
        .header("x-between", "b")
        .header("set-cookie", "c=2")
        .body(Full::new(request.body.clone()))
        .unwrap()
}

fn request_to(addr: SocketAddr) -> Request<BoxBody<Bytes, Infallible>> {
    Request::post(format!("http://{addr}/a%2Fb//c?x=1&&y"))
        .header("zed", "1")
        .header("x-two", "a")
        .header("alpha", "2")
        .header("x-two", "b")
        .header("te", "trailers")
        .header("trailer", "x-sum")
        .body(with_trailers("content"))
        .unwrap()
}

/// What arrived, without what differs between versions.
fn arrived(recorded: Recorded) -> impl PartialEq + std::fmt::Debug {
    assert_eq!(recorded.all("te"), ["trailers"], "it is kept, wherever it stands");
    let between = |name: &str| !["host", "transfer-encoding", "te"].contains(&name);
    let fields: Vec<_> = recorded
        .pairs()
        .into_iter()
        .filter(|(name, _)| between(name))
        .collect();
    (
        recorded.method,
        recorded.target,
        fields,
        recorded.body,
        recorded.trailers,
    )
}

#[tokio::test]
async fn the_same_arrives_whatever_is_spoken_on_the_two_sides() {
    for (in_route, version) in [("", Version::HTTP_11), ("protocol = \"http2\"", Version::HTTP_2)] {
        let recorder = Recorder::start(echo);
        let daemon = configured("", &recorder.url(), in_route).await;
        let (direct, _) = send(&connect(recorder.addr()).await, request_to(recorder.addr())).await;
        let (proxied, _) = send(&connect(daemon.proxy()).await, request_to(daemon.proxy())).await;
        assert_eq!(direct.status(), proxied.status());
        assert_eq!(direct.headers(), proxied.headers(), "{in_route}");
        assert_eq!(direct.body(), proxied.body());

        let [at_once, through] = <[Recorded; 2]>::try_from(recorder.requests()).unwrap();
        assert_eq!(through.version, version);
        let host = through
            .headers
            .get("host")
            .map(|host| host.to_str().unwrap().to_owned());
        assert_eq!(
            host.or(through.authority.clone()),
            Some(recorder.addr().to_string())
        );
        assert_eq!(arrived(at_once), arrived(through), "{in_route}");
    }
}

#[tokio::test]
async fn http_1_1_to_http_2_and_back() {
    let recorder = Recorder::start(echo);
    let daemon = configured("", &recorder.url(), "protocol = \"http2\"").await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    for body in [
        "Content-Length: 4\r\n\r\nbody",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let head =
            format!("PUT /p?q HTTP/1.1\r\nHost: {host}\r\nConnection: x-gone\r\nX-Gone: 1\r\nX-MiXeD: m\r\n");
        client.send(head + body).await.unwrap();
        let response = within("the answer", client.response("PUT")).await;
        assert_eq!(response.head.line, "HTTP/1.1 201 Created");
        assert_eq!(response.head.all("set-cookie"), ["a=1", "c=2"]);
        assert_eq!(response.body.text(), "body");
    }
    for request in recorder.requests() {
        assert_eq!(
            (request.version, request.target.as_str()),
            (Version::HTTP_2, "/p?q")
        );
        assert_eq!(
            (
                request.body.as_ref(),
                request.all("x-mixed"),
                request.all("x-gone")
            ),
            (&b"body"[..], vec!["m"], vec![])
        );
    }
}

#[tokio::test]
async fn answers_of_every_kind_over_http_2() {
    let sim = Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let paths = [
        "/bytes/0",
        "/bytes/1",
        "/bytes/3000000",
        "/bytes/200000?chunked=1",
        "/cookies",
        "/status/204",
        "/status/404",
        "/status/529",
        "/json?encoding=gzip",
        "/sse?events=5&interval_ms=0",
        "/redirect",
    ];
    for in_route in ["", "protocol = \"http2\""] {
        let daemon = configured("", &format!("http://{}", sim.addr()), in_route).await;
        let (direct, proxied) = (connect(sim.addr()).await, connect(daemon.proxy()).await);
        for path in paths {
            for method in ["GET", "HEAD"] {
                let request = |addr| {
                    let request = Request::builder().method(method).header("te", "trailers");
                    request
                        .uri(format!("http://{addr}{path}"))
                        .body(full(""))
                        .unwrap()
                };
                let (one, trailers) = send(&direct, request(sim.addr())).await;
                let (two, through) = send(&proxied, request(daemon.proxy())).await;
                assert_eq!(one.status(), two.status(), "{method} {path} {in_route}");
                assert_eq!(fields(&one), fields(&two), "{method} {path} {in_route}");
                assert!(
                    one.body() == two.body(),
                    "{method} {path} {in_route}: another body"
                );
                assert_eq!(trailers, through, "{method} {path} {in_route}");
            }
        }
    }
}

#[tokio::test]
async fn trailers_of_answers_pass() {
    let sim = Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    for in_route in ["", "protocol = \"http2\""] {
        let daemon = configured("", &format!("http://{}", sim.addr()), in_route).await;
        for addr in [sim.addr(), daemon.proxy()] {
            let mut request = get(addr, "/trailers");
            request.headers_mut().insert("te", "trailers".parse().unwrap());
            let (response, trailers) = send(&connect(addr).await, request).await;
            assert_eq!(response.body().as_ref(), b"a body with trailers\n", "{in_route}");
            let trailers = trailers.unwrap_or_else(|| panic!("no trailers from {addr}, {in_route}"));
            assert_eq!(trailers["x-checksum"], "d3adb33f");
            assert_eq!(trailers.get_all("x-part").iter().count(), 2);
        }
    }
}

/// A 304 may declare the length of what it does not have; the client must not wait for it (RFC 9113 §8.1.1).
#[tokio::test]
async fn a_304_with_a_length_is_complete() {
    let answer = "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 1234\r\n\r\n";
    let peer = Peer::each(Script::answering(answer));
    let daemon = proxy_to(&peer.url()).await;
    let (response, _) = send(&connect(daemon.proxy()).await, get(daemon.proxy(), "/")).await;
    assert_eq!((response.status().as_u16(), response.body().len()), (304, 0));
    assert_eq!(response.headers()["etag"], "\"e\"");
}

fn fields(response: &Response<Bytes>) -> Vec<(String, Vec<u8>)> {
    let fields = response.headers().iter();
    // The simulator declares a length of zero for a 204 on HTTP/2 only.
    let fields = fields.filter(|(name, _)| response.status() != 204 || *name != "content-length");
    fields
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

/// All hundred are with the upstream before the first is answered.
#[tokio::test]
async fn a_hundred_streams_at_once() {
    let go = Signal::new();
    let peer = Peer::each(Script::new().read_request().wait(&go).send(OK).again());
    let daemon = proxy_to(&peer.url()).await;
    let http2 = connect(daemon.proxy()).await;
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let (http2, request) = (http2.clone(), get(daemon.proxy(), &format!("/{n}")));
            tokio::spawn(async move { send(&http2, request).await })
        })
        .collect();
    until("a hundred requests upstream", || peer.requests().len() == 100).await;
    go.fire();
    for call in join_all(calls).await {
        let (response, _) = call.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (200, &b"ok"[..])
        );
    }
    let mut paths: Vec<String> = peer
        .requests()
        .iter()
        .map(|one| one.head.target().to_owned())
        .collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 100, "each arrived once");
}

#[tokio::test]
async fn a_hundred_streams_with_bodies_over_one_connection_on_each_side() {
    let recorder = Recorder::start(echo);
    let daemon = configured("", &recorder.url(), "protocol = \"http2\"").await;
    let http2 = connect(daemon.proxy()).await;
    let calls = (0..100_usize).map(|n| {
        let http2 = http2.clone();
        let content: Vec<u8> = (0..20_000 + n).map(|at| ((at * 31 + n) % 251) as u8).collect();
        let request = Request::post(format!("http://{}/{n}", daemon.proxy()))
            .body(full(content.clone()))
            .unwrap();
        async move { send(&http2, request).await.0.into_body() == content }
    });
    assert!(
        join_all(calls).await.into_iter().all(|same| same),
        "each stream gets its own bytes back"
    );
}

#[tokio::test]
async fn cookies_become_one_field_for_an_upstream_that_speaks_http_1_1() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let mut request = get(daemon.proxy(), "/");
    for cookie in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", cookie.parse().unwrap());
    }
    send(&connect(daemon.proxy()).await, request).await;
    // RFC 9113 §8.2.3: joined before they are passed into a context that is not HTTP/2.
    assert_eq!(peer.requests()[0].head.all("cookie"), ["a=1; b=2; c=3"]);
}

#[tokio::test]
async fn the_connection_is_kept_when_a_stream_is_refused_by_murphy() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let http2 = connect(daemon.proxy()).await;
    let (foreign, _) = send(&http2, get("127.0.0.1:1".parse().unwrap(), "/")).await;
    assert_eq!(foreign.status(), 403);
    let (own, _) = send(&http2, get(daemon.proxy(), "/")).await;
    assert_eq!(own.status(), 200);
}
