//! An upstream that dies in the middle of an answer: the agent sees an incomplete message, never a clean end (B21).

use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::BodyEnd;

use super::http2::{connect, full};
use super::setup::{OK, client, configured, proxy_to, within};

const ANSWERS: [(&str, &str, &str); 6] = [
    (
        "sized",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "half",
    ),
    (
        "sized, nothing yet",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "",
    ),
    (
        "chunked, between chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "half",
    ),
    (
        "chunked, in a chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        "half",
    ),
    (
        "chunked, in the last chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "half",
    ),
    (
        "events",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
        "data: 1\n\n",
    ),
];

fn scripts(answer: &str) -> [(&'static str, Script); 2] {
    let begun = Script::new().read_request().send(answer);
    [
        ("FIN", begun.clone()),
        ("RST", begun.sleep(std::time::Duration::from_millis(20)).reset()),
    ]
}

#[tokio::test]
async fn the_agent_sees_that_the_end_is_missing() {
    for (name, answer, content) in ANSWERS {
        for (how, script) in scripts(answer) {
            // The second connection shows that the first request after the death is served.
            let peer = Peer::in_order([script, Script::answering(OK)]);
            let daemon = proxy_to(&peer.url()).await;
            let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
            let mut cut = client(daemon.proxy()).await;
            cut.send(&get).await.unwrap();
            let response = within(name, cut.response("GET")).await;
            assert_eq!(response.status(), 200, "{name}, {how}");
            assert!(
                matches!(response.body.end, BodyEnd::Cut(_)),
                "{name}, {how}: a clean end"
            );
            assert_eq!(
                response.body.text(),
                content,
                "{name}, {how}: what came is passed on"
            );

            let mut next = client(daemon.proxy()).await;
            next.send(&get).await.unwrap();
            assert_eq!(
                within("the next answer", next.response("GET")).await.status(),
                200,
                "{name}, {how}"
            );
            drop(next);
            let (_, exchanges) = daemon.control_get("/api/v1/exchanges").await;
            let died = exchanges
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["outcome"] != "ok");
            let died = died.unwrap_or_else(|| panic!("{name}, {how}: nothing is noted: {exchanges}"));
            assert_eq!(
                (&died["outcome"], &died["cause"]),
                (&"dropped".into(), &"upstream".into()),
                "{died}"
            );
            assert!(died["error"].is_string(), "{died} does not say what went wrong");
            drop(daemon);
            peer.stop().await;
        }
    }
}

#[tokio::test]
async fn streams_of_http_2_end_with_an_error() {
    for (name, answer, _) in ANSWERS {
        for (how, script) in scripts(answer) {
            let peer = Peer::in_order([script]);
            let daemon = proxy_to(&peer.url()).await;
            let mut http2 = connect(daemon.proxy()).await;
            let request = http::Request::get(format!("http://{}/", daemon.proxy()))
                .body(full(""))
                .unwrap();
            let response = within(name, http2.send_request(request)).await;
            let mut body = match response {
                Ok(response) => response.into_body(),
                Err(_) => continue, // the head was not sent before the stream broke: no clean end either
            };
            let end = within(name, async {
                loop {
                    match http_body_util::BodyExt::frame(&mut body).await {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => break Some(error),
                        None => break None,
                    }
                }
            });
            assert!(end.await.is_some(), "{name}, {how}: a clean end");
        }
    }
}

#[tokio::test]
async fn http_1_0_clients_see_a_cut_where_they_can() {
    let sized = ANSWERS[0].1;
    let peer = Peer::each(Script::new().read_request().send(sized));
    let daemon = proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let response = within("the answer", client.response("GET")).await;
    assert!(!response.body.is_complete());
}

/// A dead upstream in front of which HTTP/2 is spoken: reset streams are seen as such.
#[tokio::test]
async fn streams_that_an_http_2_upstream_resets() {
    let sim = murphy_testkit::Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let daemon = configured("", &format!("http://{}", sim.addr()), "protocol = \"http2\"").await;
    let mut client = client(daemon.proxy()).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
    client.send(get("/drop?after=1000&chunked=1")).await.unwrap();
    let response = within("the answer", client.response("GET")).await;
    assert_eq!((response.status(), response.body.content.len()), (200, 1_000));
    assert!(!response.body.is_complete());
    let mut client = super::setup::client(daemon.proxy()).await;
    client.send(get("/drop")).await.unwrap();
    let response = within("a problem", client.response("GET")).await;
    super::upstream_failures::assert_problem(&response, 502);
    client.send(get("/bytes/3")).await.unwrap();
    assert_eq!(
        within("an answer", client.response("GET")).await.status(),
        200,
        "the connection goes on"
    );
}
