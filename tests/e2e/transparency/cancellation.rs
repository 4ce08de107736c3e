//! An agent that hangs up cancels its upstream call; one that only has nothing more to say gets its answer.

use std::time::Duration;

use http::Request;
use murphy_testkit::peer::{Peer, Script, Signal};
use murphy_testkit::raw::{End, RawClient};

use super::http2::{connect, full};
use super::setup::{OK, client, proxy_to, within, within_time};

/// What the bar allows from the hang-up to the end of the upstream's connection.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

/// An end of the client's bytes this soon after its request is taken for a half-close (`listen/io.rs`), since TCP
/// shows no difference: an agent that gives up has waited for longer.
const AGENT_WAITS: Duration = Duration::from_millis(150);

const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Close,
    Reset,
}

async fn leave(client: RawClient, how: How) {
    match how {
        How::Close => client.close().await,
        How::Reset => client.reset(),
    }
}

async fn ended(peer: Peer, what: &str) {
    let seen = within_time(CANCELLED_WITHIN, what, peer.join()).await;
    assert!(
        seen[0].end.is_some(),
        "{what}: the upstream's connection did not end"
    );
}

#[tokio::test]
async fn before_the_head() {
    let bodies = [
        "GET / HTTP/1.1\r\nHost: @\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 4\r\n\r\nbody",
    ];
    for how in [How::Close, How::Reset] {
        for request in bodies {
            let arrived = Signal::new();
            let peer = Peer::in_order([Script::new().read_request().tell(&arrived).read_until_left()]);
            let daemon = proxy_to(&peer.url()).await;
            let mut client = client(daemon.proxy()).await;
            client
                .send(request.replace('@', &daemon.proxy().to_string()))
                .await
                .unwrap();
            within("the request", arrived.wait()).await;
            if how == How::Close {
                tokio::time::sleep(AGENT_WAITS).await; // the agent's patience
            }
            leave(client, how).await;
            ended(peer, &format!("{how:?} before the head, {request:?}")).await;
        }
    }
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    for how in [How::Close, How::Reset] {
        let peer = Peer::in_order([Script::new().read_request().send(STREAM).read_until_left()]);
        let daemon = proxy_to(&peer.url()).await;
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
            .await
            .unwrap();
        let head = within("the head", client.read_head()).await.unwrap();
        assert_eq!(head.status(), 200);
        within("the first event", client.read_exact(10)).await.unwrap();
        leave(client, how).await;
        ended(peer, &format!("{how:?} in a stream")).await;
    }
}

#[tokio::test]
async fn in_the_middle_of_an_upload() {
    for how in [How::Close, How::Reset] {
        let arrived = Signal::new();
        let peer = Peer::in_order([Script::new().read_head().tell(&arrived).read_until_left()]);
        let daemon = proxy_to(&peer.url()).await;
        let mut client = client(daemon.proxy()).await;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            daemon.proxy()
        );
        client.send(head + "5\r\nfirst\r\n").await.unwrap();
        within("the request", arrived.wait()).await;
        leave(client, how).await;
        let seen = within_time(CANCELLED_WITHIN, "the upload's end", peer.join()).await;
        let text = String::from_utf8_lossy(&seen[0].bytes).into_owned();
        assert!(
            !text.contains("\r\n0\r\n"),
            "{how:?}: a broken upload must not look complete: {text:?}"
        );
    }
}

#[tokio::test]
async fn streams_of_http_2_are_cancelled_one_by_one() {
    let (arrived, go) = (Signal::new(), Signal::new());
    let waiting = Script::new().read_request().tell(&arrived).read_until_left();
    let answering = Script::new().read_request().wait(&go).send(OK);
    let (left, stays) = (Peer::in_order([waiting]), Peer::in_order([answering]));
    let routes = [
        super::setup::route("left", "/left", &left.url(), ""),
        super::setup::route("stays", "/stays", &stays.url(), ""),
    ];
    let daemon =
        super::setup::start(murphy_testkit::daemon::DaemonBuilder::new().config(&routes.concat())).await;
    let http2 = connect(daemon.proxy()).await;
    let get = |path: &str| {
        Request::get(format!("http://{}{path}", daemon.proxy()))
            .body(full(""))
            .unwrap()
    };
    let call = tokio::spawn({
        let (mut http2, request) = (http2.clone(), get("/left"));
        async move { http2.send_request(request).await.map(drop) }
    });
    let other = tokio::spawn({
        let (http2, request) = (http2.clone(), get("/stays"));
        async move { super::http2::send(&http2, request).await.0.status() }
    });
    within("the request", arrived.wait()).await;
    call.abort(); // RST_STREAM with CANCEL
    ended(left, "RST_STREAM").await;
    go.fire();
    assert_eq!(other.await.unwrap(), 200, "the other stream goes on");
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let stream_end = "6\r\nsecond\r\n0\r\n\r\n";
    let answers = [
        (OK.to_owned(), String::new(), "ok"),
        (STREAM.to_owned(), stream_end.to_owned(), "firstsecond"),
    ];
    let requests = [
        "GET / HTTP/1.1\r\nHost: @\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 4\r\n\r\nbody",
    ];
    for (begin, rest, content) in answers {
        for request in requests {
            let (arrived, left) = (Signal::new(), Signal::new());
            let script = Script::new()
                .read_request()
                .tell(&arrived)
                .wait(&left)
                .send(&begin)
                .sleep(AGENT_WAITS)
                .send(&rest);
            let peer = Peer::in_order([script.again()]);
            let daemon = proxy_to(&peer.url()).await;
            let mut client = client(daemon.proxy()).await;
            client
                .send(request.replace('@', &daemon.proxy().to_string()))
                .await
                .unwrap();
            client.half_close().await.unwrap();
            within("the request", arrived.wait()).await;
            tokio::time::sleep(AGENT_WAITS).await; // the answer is slower than what tells a half-close
            left.fire();
            let response = within("the answer", client.response("GET")).await;
            assert_eq!(
                (response.status(), response.body.text()),
                (200, content),
                "{request:?}"
            );
            assert!(response.body.is_complete());
            assert_eq!(
                within("the close", client.read_to_end()).await,
                (Vec::new(), End::Fin)
            );
        }
    }
}
