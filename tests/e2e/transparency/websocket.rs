//! `Upgrade`: a tunnel once the upstream has switched, and not before.

use futures_util::{SinkExt as _, StreamExt as _};
use murphy_testkit::Sim;
use murphy_testkit::daemon::Daemon;
use murphy_testkit::peer::{Peer, Script, Signal};
use murphy_testkit::raw::{End, RawClient};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::setup::{OK, client, proxy_to, within};

const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\nX-Extra: e\r\n\r\n";

fn ask(daemon: &Daemon) -> String {
    let host = daemon.proxy();
    format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: raw\r\nX-A: 1\r\n\r\n"
    )
}

async fn echo_of_everything(stream: impl AsyncRead + AsyncWrite + Unpin, url: &str) {
    let (mut socket, response) = client_async(url, stream).await.unwrap();
    assert_eq!(response.status(), 101);
    let big: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(big),
        Message::binary(vec![0, 255]),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    for n in 0..100 {
        socket.feed(Message::text(n.to_string())).await.unwrap();
    }
    socket.flush().await.unwrap();
    for n in 0..100 {
        assert_eq!(
            socket.next().await.unwrap().unwrap(),
            Message::text(n.to_string())
        );
    }
    socket.close(None).await.unwrap();
    assert!(
        matches!(socket.next().await, Some(Ok(Message::Close(_)))),
        "the close is answered"
    );
    assert!(matches!(
        socket.next().await,
        None | Some(Err(Error::ConnectionClosed))
    ));
}

#[tokio::test]
async fn web_sockets_pass_both_ways() {
    let sim = Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let daemon = proxy_to(&format!("http://{}", sim.addr())).await;
    for addr in [sim.addr(), daemon.proxy()] {
        let stream = TcpStream::connect(addr).await.unwrap();
        within(
            "the echoes",
            echo_of_everything(stream, &format!("ws://{addr}/ws")),
        )
        .await;
    }
}

#[tokio::test]
async fn the_switch_and_its_bytes_arrive_as_they_are() {
    let peer = Peer::in_order([Script::new()
        .read_head()
        .send(format!("{SWITCHED}first words\0\r\n"))
        .read_until_left()]);
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    client.send(ask(&daemon)).await.unwrap();
    let head = within("101", client.read_head()).await.unwrap();
    assert_eq!(
        (head.status(), head.header("upgrade"), head.header("x-extra")),
        (101, Some("raw"), Some("e"))
    );
    assert!(head.header("connection").unwrap().eq_ignore_ascii_case("upgrade"));
    assert_eq!(
        within("the server's first bytes", client.read_exact(14))
            .await
            .unwrap(),
        b"first words\0\r\n"
    );
    client
        .send(b"\x00\xffGET / HTTP/1.1\r\nno http at all\r\n\r\n")
        .await
        .unwrap();
    client.close().await;
    let seen = within("the end of the tunnel", peer.join()).await;
    let request = &seen[0].requests[0].head;
    assert_eq!(
        (request.header("upgrade"), request.header("x-a")),
        (Some("raw"), Some("1"))
    );
    assert!(
        request
            .header("connection")
            .unwrap()
            .eq_ignore_ascii_case("upgrade")
    );
    assert!(
        seen[0]
            .bytes
            .ends_with(b"\r\n\r\n\x00\xffGET / HTTP/1.1\r\nno http at all\r\n\r\n")
    );
}

#[tokio::test]
async fn each_direction_of_a_tunnel_ends_on_its_own() {
    let peer = Peer::in_order([Script::new()
        .read_head()
        .send(SWITCHED)
        .read_until_left()
        .send("late answer")]);
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    client.send(ask(&daemon)).await.unwrap();
    assert_eq!(within("101", client.read_head()).await.unwrap().status(), 101);
    client.send("question").await.unwrap();
    client.half_close().await.unwrap();
    let (bytes, end) = within("the late answer", client.read_to_end()).await;
    assert_eq!((bytes.as_slice(), end), (&b"late answer"[..], End::Fin));
    assert!(peer.join().await[0].bytes.ends_with(b"question"));
}

#[tokio::test]
async fn the_end_of_either_side_ends_the_tunnel() {
    let peer = Peer::in_order([Script::new().read_head().send(SWITCHED)]);
    let daemon = proxy_to(&peer.url()).await;
    let mut left = client(daemon.proxy()).await;
    left.send(ask(&daemon)).await.unwrap();
    assert_eq!(within("101", left.read_head()).await.unwrap().status(), 101);
    within("the end of the client's side", left.read_to_end()).await;

    let switched = Signal::new();
    let peer = Peer::in_order([Script::new()
        .read_head()
        .send(SWITCHED)
        .tell(&switched)
        .read_until_left()]);
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    client.send(ask(&daemon)).await.unwrap();
    assert_eq!(within("101", client.read_head()).await.unwrap().status(), 101);
    switched.wait().await;
    client.reset();
    within("the end of the upstream's side", peer.join()).await;
}

async fn next(client: &mut RawClient, method: &str) -> (u16, String) {
    let response = within("an answer", client.response(method)).await;
    (response.status(), response.body.text().to_owned())
}

/// What follows a refused switch is HTTP, and is read as strictly as ever (RUSTSEC-2026-0033 was a tunnel too early).
#[tokio::test]
async fn an_upstream_that_refuses_to_switch_leaves_the_client_with_http() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let go = Signal::new();
    let refusing = Peer::each(Script::new().read_request().wait(&go).send(refusal).again());
    let daemon = proxy_to(&refusing.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    let second = format!("GET /second HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let smuggled = format!("GET /third HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n");
    client.send(ask(&daemon) + &second + &smuggled).await.unwrap();
    super::setup::until("the first request", || !refusing.requests().is_empty()).await;
    assert_eq!(
        refusing.requests().len(),
        1,
        "what comes next is not known before the answer"
    );
    go.fire();
    assert_eq!(next(&mut client, "GET").await, (403, "no".to_owned()));
    assert_eq!(next(&mut client, "GET").await, (403, "no".to_owned()));
    assert_eq!(next(&mut client, "GET").await.0, 400);
    let targets: Vec<String> = refusing
        .requests()
        .iter()
        .map(|one| one.head.target().to_owned())
        .collect();
    assert_eq!(targets, ["/ws", "/second"]);
}

#[tokio::test]
async fn an_upstream_that_ignores_the_switch_answers_as_usual() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    for _ in 0..3 {
        client.send(ask(&daemon)).await.unwrap();
        assert_eq!(next(&mut client, "GET").await, (200, "ok".to_owned()));
    }
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_the_upstreams_failure() {
    let peer = Peer::each(Script::new().read_request().send(SWITCHED).read_until_left());
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    client
        .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
        .await
        .unwrap();
    let response = within("the answer", client.read_response("GET")).await.unwrap();
    super::upstream_failures::assert_problem(&response, 502);
}
