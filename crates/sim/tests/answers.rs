//! What the simulator answers, by a real client library over HTTP/1.1 and HTTP/2.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)] // helpers of tests fail loudly

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use murphy_sim::{DOCUMENT, Echo, EchoBody, Sim, pattern};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

fn sim() -> Sim {
    Sim::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

async fn get(sim: &Sim, target: &str) -> Response {
    reqwest::get(url(sim, target)).await.unwrap()
}

fn url(sim: &Sim, target: &str) -> String {
    format!("http://{}{target}", sim.addr())
}

async fn chat(sim: &Sim, target: &str, body: Value) -> Response {
    let request = Client::new().post(url(sim, target)).json(&body);
    request.send().await.unwrap()
}

#[tokio::test]
async fn echo_shows_what_arrived_over_both_versions() {
    let sim = sim();
    for (client, version) in [
        (Client::new(), "HTTP/1.1"),
        (
            Client::builder().http2_prior_knowledge().build().unwrap(),
            "HTTP/2.0",
        ),
    ] {
        let request = client
            .patch(url(&sim, "/echo?a=%2F&b"))
            .header("x-twice", "one")
            .header("x-other", "-")
            .header("x-twice", "two")
            .body(vec![0xff, 0x00]);
        let echo: Echo = request.send().await.unwrap().json().await.unwrap();
        assert_eq!((echo.method.as_str(), echo.version.as_str()), ("PATCH", version));
        assert_eq!(
            (echo.path.as_str(), echo.query.as_deref()),
            ("/echo", Some("a=%2F&b"))
        );
        assert_eq!(echo.header("x-twice"), ["one", "two"]);
        assert_eq!(
            (echo.body, echo.body_bytes),
            (EchoBody::Base64("/wA=".to_owned()), 2)
        );
    }
    assert_eq!((sim.calls("/echo"), sim.connections()), (2, 2));
}

#[tokio::test]
async fn echo_takes_bodies_up_to_its_bound() {
    let sim = sim();
    let send = async |length: usize| {
        let request = Client::new().post(url(&sim, "/echo")).body(vec![b'a'; length]);
        request.send().await.unwrap().status()
    };
    assert_eq!(send(16 << 20).await, 200);
    assert_eq!(send((16 << 20) + 1).await, 413);
}

#[tokio::test]
async fn a_chat_completion_repeats_the_last_user_message() {
    let sim = sim();
    let request = json!({ "model": "gpt-x", "messages": [
        { "role": "user", "content": "no" },
        { "role": "user", "content": [{ "type": "text", "text": "hello there" }] },
        { "role": "assistant", "content": null },
    ]});
    let response = chat(&sim, "/v1/chat/completions", request.clone()).await;
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-request-id"].clone();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "gpt-x");
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: hello there"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["total_tokens"], 7);

    let again = chat(&sim, "/v1/chat/completions", request).await;
    assert_eq!(again.headers()["x-request-id"], id);
    assert_eq!(again.json::<Value>().await.unwrap(), answer);
}

#[tokio::test]
async fn a_streamed_completion_is_the_same_text_in_chunks() {
    let sim = sim();
    let request = json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "one  two" }],
    });
    let response = chat(&sim, "/v1/chat/completions", request).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let body = response.text().await.unwrap();
    let mut events: Vec<&str> = body
        .split_terminator("\n\n")
        .map(|event| &event["data: ".len()..])
        .collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!(
        (&usage["choices"], &usage["usage"]["completion_tokens"]),
        (&json!([]), &json!(4))
    );
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "You said: one  two");
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["usage"].is_null())
    );
}

#[tokio::test]
async fn a_bad_completion_request_is_refused_in_the_shape_of_the_api() {
    let sim = sim();
    for body in [json!({}), json!({ "model": "m", "messages": [] }), json!([])] {
        let response = chat(&sim, "/v1/chat/completions", body).await;
        assert_eq!(response.status(), 400);
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["error"]["type"], "invalid_request_error");
    }
    let models: Value = get(&sim, "/v1/models").await.json().await.unwrap();
    assert_eq!(
        (&models["object"], &models["data"][0]["id"]),
        (&json!("list"), &json!("sim-large"))
    );
}

#[tokio::test]
async fn statuses_are_as_asked_and_only_final_ones() {
    let sim = sim();
    for code in [200, 204, 304, 404, 429, 503, 599] {
        assert_eq!(get(&sim, &format!("/status/{code}")).await.status(), code);
    }
    for code in ["100", "199", "600", "70000", "x"] {
        assert_eq!(
            get(&sim, &format!("/status/{code}")).await.status(),
            400,
            "{code}"
        );
    }
}

#[tokio::test]
async fn parameters_over_their_bound_are_refused() {
    let sim = sim();
    for target in [
        "/bytes/1099511627777",
        "/sse?events=1000001",
        "/sse?interval_ms=3600001",
        "/drip?bytes=1048577",
        "/slow?ms=3600001",
        "/drop?after=1048577",
        "/redirect?status=200",
        "/sse?event=1",
        "/json?encoding=rot13",
    ] {
        assert_eq!(
            get(&sim, target).await.status(),
            StatusCode::BAD_REQUEST,
            "{target}"
        );
    }
}

#[tokio::test]
async fn bytes_are_the_pattern_and_the_sink_knows_it() {
    let sim = sim();
    let (n, client) = (1_000_003_usize, Client::new());
    for target in [format!("/bytes/{n}"), format!("/bytes/{n}?chunked=1")] {
        let response = get(&sim, &target).await;
        let announced = (!target.contains("chunked")).then_some(n as u64);
        assert_eq!(response.content_length(), announced);
        let body = response.bytes().await.unwrap();
        assert_eq!(body.len(), n);
        assert_eq!(body[123_456..], *pattern_of(123_456, n - 123_456));
        let sunk = client.post(url(&sim, "/sink")).body(body).send().await.unwrap();
        assert_eq!(
            sunk.json::<Value>().await.unwrap(),
            json!({ "bytes": n, "pattern": true })
        );
    }
    let other = client
        .post(url(&sim, "/sink"))
        .body("other")
        .send()
        .await
        .unwrap();
    assert_eq!(
        other.json::<Value>().await.unwrap(),
        json!({ "bytes": 5, "pattern": false })
    );
}

fn pattern_of(offset: usize, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        all.extend_from_slice(&pattern((offset + all.len()) as u64, (length - all.len()) as u64));
    }
    all
}

#[tokio::test]
async fn an_endless_body_goes_on() {
    let sim = sim();
    let mut response = get(&sim, "/endless").await;
    let mut read = 0;
    while read < 10_000_000 {
        let chunk = response.chunk().await.unwrap().unwrap();
        assert_eq!(chunk, pattern_of(read, chunk.len()));
        read += chunk.len();
    }
}

#[tokio::test]
async fn events_and_drops_keep_their_distance() {
    let sim = sim();
    let clock = tokio::time::Instant::now();
    let body = get(&sim, "/sse?events=3&interval_ms=40")
        .await
        .text()
        .await
        .unwrap();
    assert!(clock.elapsed() >= Duration::from_millis(80));
    assert_eq!(body.matches("event: tick\n").count(), 3);
    assert!(body.ends_with("id: 2\nevent: tick\ndata: {\"n\":2}\n\n"));

    let clock = tokio::time::Instant::now();
    let drip = get(&sim, "/drip?bytes=4&interval_ms=20").await;
    assert_eq!(drip.content_length(), Some(4));
    assert_eq!(drip.bytes().await.unwrap(), pattern(0, 4));
    assert!(clock.elapsed() >= Duration::from_millis(60));

    let clock = tokio::time::Instant::now();
    assert_eq!(get(&sim, "/slow?ms=50").await.status(), 200);
    assert!(clock.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_document_is_compressed_as_asked() {
    let sim = sim();
    assert_eq!(get(&sim, "/json").await.text().await.unwrap(), DOCUMENT);
    serde_json::from_str::<Value>(DOCUMENT).unwrap();
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let response = get(&sim, &format!("/json?encoding={coding}")).await;
        assert_eq!(response.headers()["content-encoding"], coding);
        let body = response.bytes().await.unwrap();
        assert!(body.len() < DOCUMENT.len());
        assert_eq!(decoded(coding, &body), DOCUMENT);
    }
}

fn decoded(coding: &str, body: &[u8]) -> String {
    match coding {
        "gzip" => std::io::read_to_string(flate2::read::GzDecoder::new(body)),
        "deflate" => std::io::read_to_string(flate2::read::ZlibDecoder::new(body)),
        "br" => std::io::read_to_string(brotli::Decompressor::new(body, 4_096)),
        _ => std::io::read_to_string(zstd::Decoder::new(body).unwrap()),
    }
    .unwrap()
}

#[tokio::test]
async fn time_never_answers_the_same_twice() {
    let sim = sim();
    let one: Value = get(&sim, "/time").await.json().await.unwrap();
    let two: Value = get(&sim, "/time").await.json().await.unwrap();
    assert_eq!((&one["count"], &two["count"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn redirects_and_cookies() {
    let sim = sim();
    let echo: Echo = get(&sim, "/redirect?status=307").await.json().await.unwrap();
    assert_eq!(echo.path, "/echo");
    let cookies = get(&sim, "/cookies").await;
    assert_eq!(cookies.headers().get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn a_web_socket_sends_back_what_it_gets() {
    let sim = sim();
    let url = format!("ws://{}/ws", sim.addr());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![1, 2, 3])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    drop(sim);
    assert!(!matches!(
        socket.next().await,
        Some(Ok(Message::Text(_) | Message::Binary(_)))
    ));
}

#[tokio::test]
async fn calls_are_counted_by_path() {
    let sim = sim();
    for target in ["/json", "/json?encoding=br", "/nowhere"] {
        get(&sim, target).await;
    }
    let calls: Value = get(&sim, "/calls").await.json().await.unwrap();
    assert_eq!(
        calls,
        json!({ "total": 3, "paths": { "/json": 2, "/nowhere": 1 } })
    );
}

#[tokio::test]
async fn the_end_of_the_simulator_ends_its_connections() {
    let sim = sim();
    let addr = sim.addr();
    let mut response = get(&sim, "/endless").await;
    drop(sim);
    let ended = async { while let Ok(Some(_)) = response.chunk().await {} };
    ended.await;
    assert!(reqwest::get(format!("http://{addr}/json")).await.is_err());
}
