//! What the simulator's answers look like on the wire.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)] // helpers of tests fail loudly

use std::net::{Ipv4Addr, SocketAddr};

use murphy_sim::Sim;
use murphy_testkit::raw::{BodyEnd, End, Framing, RawClient};

fn sim() -> Sim {
    Sim::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

#[tokio::test]
async fn trailers_are_announced_and_sent() {
    let sim = sim();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    client
        .send("GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
        .await
        .unwrap();
    let response = client.response("GET").await;
    assert_eq!(response.head.header("trailer"), Some("x-checksum, x-part"));
    assert_eq!(response.body.text(), "a body with trailers\n");
    let trailers: Vec<(&str, &str)> = response
        .body
        .trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        trailers,
        [("x-checksum", "d3adb33f"), ("x-part", "one"), ("x-part", "two")]
    );
}

#[tokio::test]
async fn request_trailers_are_echoed() {
    let sim = sim();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n\
                   3\r\nabc\r\n0\r\nX-End: yes\r\n\r\n";
    client.send(request).await.unwrap();
    let echo = client.response("POST").await.body.json();
    assert_eq!(echo["body"]["text"], "abc");
    assert_eq!(echo["trailers"][0][1], "yes");
}

#[tokio::test]
async fn heads_without_bodies() {
    let sim = sim();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    let not_modified = client.get("/head-304").await;
    assert_eq!(not_modified.head.header("content-length"), Some("1234"));
    client
        .send("HEAD /bytes/77 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let head = client.response("HEAD").await;
    assert_eq!(head.head.header("content-length"), Some("77"));
    let empty = client.get("/status/204").await;
    assert_eq!((empty.status(), empty.head.header("date")), (204, None));
    assert_eq!(client.get("/bytes/1").await.body.content.len(), 1); // and the connection is still in step
}

#[tokio::test]
async fn a_drop_before_the_head_is_as_asked() {
    let sim = sim();
    for (how, end) in [("fin", End::Fin), ("rst", End::Rst)] {
        let mut client = RawClient::connect(sim.addr()).await.unwrap();
        let request = format!("GET /drop?how={how} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(request).await.unwrap();
        assert_eq!(client.read_response("GET").await.unwrap_err(), (end, Vec::new()));
    }
}

#[tokio::test]
async fn a_drop_within_the_body_comes_after_so_many_bytes() {
    let sim = sim();
    for (how, end) in [("fin", End::Fin), ("rst", End::Rst)] {
        for (query, framing) in [("", Framing::Sized(1_324)), ("&chunked=1", Framing::Chunked)] {
            let mut client = RawClient::connect(sim.addr()).await.unwrap();
            let response = client.get(&format!("/drop?how={how}&after=300{query}")).await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.body.framing, framing);
            assert_eq!(response.body.content.len(), 300);
            assert_eq!(response.body.end, BodyEnd::Cut(end));
        }
    }
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_is_still_answered() {
    let sim = sim();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    client
        .send("GET /slow?ms=30 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    client.half_close().await.unwrap();
    assert_eq!(client.response("GET").await.status(), 200);
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn http_1_0_is_answered_until_the_close() {
    let sim = sim();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    client
        .send("GET /bytes/9?chunked=1 HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let response = client.response("GET").await;
    assert_eq!(
        (response.body.framing, response.body.content.len()),
        (Framing::UntilClose, 9)
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let sim = sim();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    let requests: String = (1..=5)
        .map(|n| format!("GET /bytes/{n} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(requests).await.unwrap();
    for n in 1..=5 {
        assert_eq!(client.response("GET").await.body.content.len(), n);
    }
    assert_eq!(sim.connections(), 1);
}

#[tokio::test]
async fn serving_ends_when_its_future_is_dropped() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(murphy_sim::serve(listener));
    let mut client = RawClient::connect(addr).await.unwrap();
    assert_eq!(client.get("/json").await.status(), 200);
    serving.abort();
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
    assert!(RawClient::connect(addr).await.is_err());
}
