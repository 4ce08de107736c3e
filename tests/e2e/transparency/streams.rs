//! Streams: each event is there when it was sent, in both directions, and silence ends nothing.

use std::time::Duration;

use murphy_testkit::peer::{Peer, Script, Signal};
use murphy_testkit::raw::{Framing, RawClient};

use super::setup::{OK, client, configured, proxy_to, within};
use super::upstreams::mirror;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(content: &str) -> String {
    format!("{:x}\r\n{content}\r\n", content.len())
}

fn event(n: usize) -> String {
    format!("data: {{\"n\":{n}}}\n\n")
}

/// Reads until `content` has arrived, chunk framing aside.
async fn read_event(client: &mut RawClient, content: &str) {
    let wanted = chunk(content);
    let bytes = within(content, client.read_exact(wanted.len())).await.unwrap();
    // The digits of a chunk's size may be of either case.
    assert_eq!(String::from_utf8(bytes).unwrap().to_lowercase(), wanted);
}

async fn ask_for_events(client: &mut RawClient, host: std::net::SocketAddr) {
    let request = format!("GET /e HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n");
    client.send(request).await.unwrap();
}

/// The upstream sends an event only when the one before has reached the client: who holds one back stops the stream.
#[tokio::test]
async fn events_arrive_when_they_are_sent() {
    let arrived: Vec<Signal> = (0..30).map(|_| Signal::new()).collect();
    let mut script = Script::new().read_request().send(HEAD);
    for (n, signal) in arrived.iter().enumerate() {
        script = script.wait(signal).send(chunk(&event(n)));
    }
    let peer = Peer::in_order([script.send("0\r\n\r\n")]);
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    ask_for_events(&mut client, daemon.proxy()).await;
    let head = within("the head, before any event", client.read_head())
        .await
        .unwrap();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    for (n, signal) in arrived.iter().enumerate() {
        signal.fire();
        read_event(&mut client, &event(n)).await;
    }
    assert_eq!(
        within("the end", client.read_exact(5)).await.unwrap(),
        b"0\r\n\r\n"
    );
    peer.join().await;
}

#[tokio::test]
async fn bytes_of_a_sized_body_arrive_when_they_are_sent() {
    let arrived: Vec<Signal> = (0..20).map(|_| Signal::new()).collect();
    let mut script = Script::new()
        .read_request()
        .send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    for signal in &arrived {
        script = script.wait(signal).send("x");
    }
    let peer = Peer::in_order([script]);
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    ask_for_events(&mut client, daemon.proxy()).await;
    let head = within("the head", client.read_head()).await.unwrap();
    assert_eq!(head.response_framing("GET"), Framing::Sized(20));
    for signal in &arrived {
        signal.fire();
        assert_eq!(within("a byte", client.read_exact(1)).await.unwrap(), b"x");
    }
    peer.join().await;
}

/// The upstream sends each part of the upload back when it has it, and the client sends the next when it has that.
#[tokio::test]
async fn both_directions_flow_at_once() {
    let mirror = mirror(HEAD).await;
    let daemon = proxy_to(&mirror.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    client
        .send(format!(
            "POST /both HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
        .await
        .unwrap();
    within("the answer's head, before any of the upload", client.read_head())
        .await
        .unwrap();
    for n in 0..10 {
        let part = format!("part {n}");
        client.send(chunk(&part)).await.unwrap();
        read_event(&mut client, &part).await;
    }
    client.send("0\r\n\r\n").await.unwrap();
    assert_eq!(
        within("the end", client.read_exact(5)).await.unwrap(),
        b"0\r\n\r\n"
    );
}

/// Neither the idle timeout nor any other of Murphy's ends a stream that is silent (field case: gateways that do).
#[tokio::test]
async fn a_silent_stream_stays_open() {
    let script = Script::new()
        .read_request()
        .send(HEAD)
        .send(chunk(&event(0)))
        .sleep(Duration::from_secs(5))
        .send(chunk(&event(1)))
        .send("0\r\n\r\n");
    let peer = Peer::in_order([script]);
    let short = "[proxy]\nidle_timeout = \"1s\"\nheader_timeout = \"1s\"\nhandshake_timeout = \"1s\"";
    let daemon = configured(short, &peer.url(), "timeouts = { first_byte = \"1s\" }").await;
    let mut client = client(daemon.proxy()).await;
    ask_for_events(&mut client, daemon.proxy()).await;
    let response = within("the stream", client.response("GET")).await;
    assert_eq!(response.body.text(), event(0) + &event(1));
    assert!(response.body.is_complete());
}

/// A slow answer without a limit of the route's is waited for.
#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let peer = Peer::in_order([Script::new()
        .read_request()
        .sleep(Duration::from_secs(4))
        .send(OK)]);
    let short = "[proxy]\nidle_timeout = \"1s\"\nheader_timeout = \"1s\"\nhandshake_timeout = \"1s\"";
    let daemon = configured(short, &peer.url(), "").await;
    let mut client = client(daemon.proxy()).await;
    ask_for_events(&mut client, daemon.proxy()).await;
    assert_eq!(within("the answer", client.response("GET")).await.status(), 200);
}

/// The route's `total` cuts a stream, visibly.
#[tokio::test]
async fn the_total_timeout_of_a_route_breaks_the_stream_off() {
    let peer = Peer::in_order([Script::new()
        .read_request()
        .send(HEAD)
        .send(chunk(&event(0)))
        .read_until_left()]);
    let daemon = configured("", &peer.url(), "timeouts = { total = \"1s\" }").await;
    let mut client = client(daemon.proxy()).await;
    ask_for_events(&mut client, daemon.proxy()).await;
    let response = within("the end", client.response("GET")).await;
    assert_eq!(
        (response.status(), response.body.text()),
        (200, event(0).as_str())
    );
    assert!(!response.body.is_complete(), "a cut must not look like an end");
    within("the upstream is let go", peer.join()).await;
}
