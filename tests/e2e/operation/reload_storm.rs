//! B9 and B10: a thousand reloads, half of them of bad files, while clients that check every byte call without a
//! pause; and streams that live across reloads.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use murphy_testkit::daemon::Daemon;
use murphy_testkit::raw::{RawClient, RawResponse};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::{Metrics, NEVER, activate, daemon, full, raw_get, send_get};

const RELOADS: u32 = 1_000;
const KEEP_ALIVE_CLIENTS: u32 = 8;
const CLOSING_CLIENTS: u32 = 4;
/// Of one stream; they take five seconds.
const EVENTS: u64 = 100;

/// Two rules that put the same number into the request and into the response: a call that sees two generations
/// shows two numbers.
fn numbered(number: u32) -> String {
    let set =
        |side: &str| format!("{{ headers: {{ side: {side}, set: {{ x-generation: \"{number}\" }} }} }}");
    format!(
        "rules:\n  - name: request\n    fault: {}\n  - name: response\n    fault: {}\n",
        set("request"),
        set("response")
    )
}

fn bad(number: u32) -> &'static str {
    match number % 4 {
        0 => "rules:\n  - name: request\n    fault: { dealy: 2s }\n",
        1 => "rules: [",
        2 => "rules:\n  - name: request\n    when: { route: nowhere }\n    fault: { status: 503 }\n",
        _ => "rules:\n  - name: request\n    often: { probability: 2 }\n    fault: { status: 503 }\n",
    }
}

/// Checks an answer of `/echo` against its request; the number that it carries.
fn check(response: &RawResponse, token: &str) -> u32 {
    assert_eq!(response.status(), 200, "{:?}", response.head.line);
    assert!(response.body.is_complete());
    let echo = response.body.json();
    assert_eq!(echo["query"], token, "an answer to another request");
    let number = response
        .head
        .header("x-generation")
        .expect("the rule of the response");
    let headers = echo["headers"].as_array().unwrap();
    let sent = headers
        .iter()
        .find(|pair| pair[0] == "x-generation")
        .expect("the rule of the request");
    assert_eq!(sent[1], number, "one call saw two generations");
    number.parse().unwrap()
}

/// Calls until it is told to stop; how many calls it made and the last number that it saw.
async fn call_without_pause(daemon: Arc<Daemon>, id: u32, keep: bool, stop: Arc<AtomicBool>) -> (u64, u32) {
    let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
    let (mut calls, mut last) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let token = format!("c={id}-{calls}");
        let headers = if keep { "" } else { "Connection: close\r\n" };
        let response = raw_get(&mut raw, &daemon, &format!("/sim/echo?{token}"), headers).await;
        let number = check(&response, &token);
        assert!(
            number >= last,
            "a client went back from generation {last} to {number}"
        );
        last = number;
        calls += 1;
        if !keep {
            let (rest, end) = raw.read_to_end().await;
            assert!(rest.is_empty(), "more than an answer, then {end:?}");
            raw = RawClient::connect(daemon.proxy()).await.unwrap();
        }
    }
    (calls, last)
}

/// Reloads `RELOADS` times, every second time with a bad file; the refused ones.
async fn storm(daemon: &Daemon) -> u32 {
    let file = daemon.folder().join("scenarios/numbered.yaml");
    let mut refused = 0;
    for number in 1..=RELOADS {
        let good = number % 2 == 0;
        let text = if good {
            numbered(number)
        } else {
            bad(number / 2).to_owned()
        };
        // As an editor does it, so that nobody reads half a file.
        let temporary = daemon.folder().join("scenarios/.numbered.tmp");
        fs::write(&temporary, text).unwrap();
        fs::rename(&temporary, &file).unwrap();
        let (status, answer) = daemon.control_post("/api/v1/reload", json!({})).await;
        let wanted = if good {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        assert_eq!(status, wanted, "reload {number}: {answer:#}");
        if !good {
            assert_ne!(
                answer["problems"],
                json!([]),
                "reload {number} says what is wrong"
            );
            refused += 1;
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reloads_under_load_fail_no_call() {
    let daemon = daemon(&format!("{NEVER}\n[log]\nlevel = \"warn\"\n"))
        .scenario("numbered", &numbered(0))
        .start()
        .await;
    activate(&daemon, "numbered").await;
    let daemon = Arc::new(daemon);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for id in 0..KEEP_ALIVE_CLIENTS + CLOSING_CLIENTS {
        let keep = id < KEEP_ALIVE_CLIENTS;
        clients.spawn(call_without_pause(
            Arc::clone(&daemon),
            id,
            keep,
            Arc::clone(&stop),
        ));
    }
    let began = Instant::now();
    let refused = storm(&daemon).await;
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    while let Some(done) = clients.join_next().await {
        let (made, last) = done.expect("no client failed");
        assert!(
            made > 0 && last > 0,
            "a client was held up: {made} calls, generation {last}"
        );
        calls += made;
    }
    let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
    let response = raw_get(&mut raw, &daemon, "/sim/echo?c=end", "").await;
    assert_eq!(check(&response, "c=end"), RELOADS);
    assert_eq!(refused, RELOADS / 2);
    let metrics = Metrics::of(&daemon).await;
    assert!(metrics.get("murphy_config_reloads_total{result=\"failure\"}") >= f64::from(refused));
    assert_eq!(metrics.get("murphy_config_last_reload_successful"), 1.0);
    println!("B9: {RELOADS} reloads ({refused} refused) in {took:?} under {calls} calls: 0 failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_live_across_reloads_and_keep_their_generation() {
    let streams = if full() { 500 } else { 200 };
    let daemon = daemon(NEVER).scenario("numbered", &numbered(0)).start().await;
    activate(&daemon, "numbered").await;
    let daemon = Arc::new(daemon);
    let mut readers = JoinSet::new();
    for _ in 0..streams {
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        send_get(
            &mut raw,
            &daemon,
            &format!("/sim/sse?events={EVENTS}&interval_ms=50"),
            "",
        )
        .await;
        // The head is there before the first reload.
        let head = raw.read_head().await.unwrap();
        assert_eq!(head.header("x-generation"), Some("0"));
        readers.spawn(async move { raw.read_body(&head, "GET").await });
    }
    let in_flight = "murphy_in_flight_requests{route=\"sim\"}";
    assert_eq!(Metrics::of(&daemon).await.get(in_flight), f64::from(streams));
    let file = daemon.folder().join("scenarios/numbered.yaml");
    for number in 1..=20 {
        fs::write(
            &file,
            if number % 2 == 0 {
                numbered(number)
            } else {
                bad(number).to_owned()
            },
        )
        .unwrap();
        daemon.control_post("/api/v1/reload", json!({})).await;
    }
    assert_eq!(
        Metrics::of(&daemon).await.get(in_flight),
        f64::from(streams),
        "they outlive the reloads"
    );
    let mut complete = 0;
    while let Some(body) = readers.join_next().await {
        let body = body.unwrap();
        assert!(body.is_complete(), "{:?}", body.end);
        let numbers = body.text().lines().filter_map(|line| line.strip_prefix("data: "));
        let numbers: Vec<u64> = numbers
            .map(|data| {
                serde_json::from_str::<Value>(data).unwrap()["n"]
                    .as_u64()
                    .unwrap()
            })
            .collect();
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<u64>>());
        complete += 1;
    }
    assert_eq!(complete, streams);
    println!("B10: {complete}/{streams} streams complete across 20 reloads");
}
