//! The end (B25): not ready at once, injected waits released first, calls in flight served, and an exit in time
//! whatever is still open.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, Signal};
use murphy_testkit::raw::RawClient;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::{Metrics, NEVER, activate, daemon, eventually, raw_get, send_get, within};

const HANG: &str = "
rules:
  - name: hang
    when: { path: /echo, query: { held: '1' } }
    fault: { hang: {} }
";
const IN_FLIGHT: usize = 100;
const STREAMS: usize = 100;
const IDLE: usize = 50;
const HUNG: usize = 50;

fn settings(proxy: &str) -> String {
    format!("[proxy]\n{proxy}\n{NEVER}")
}

async fn wait_in_flight(daemon: &Daemon, count: usize) {
    eventually("all are in flight", async || {
        let now = Metrics::of(daemon)
            .await
            .get("murphy_in_flight_requests{route=\"sim\"}");
        (now >= count as f64).then_some(())
    })
    .await;
}

/// Sends calls of this path, each on its connection; what comes of each: its path, status, whether it is whole, when.
async fn start_calls(
    calls: &mut JoinSet<(&'static str, u16, bool, Instant)>,
    daemon: &Daemon,
    path: &'static str,
    count: usize,
) {
    for _ in 0..count {
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        send_get(&mut raw, daemon, path, "").await;
        calls.spawn(async move {
            let response = raw.response("GET").await;
            (
                path,
                response.status(),
                response.body.is_complete(),
                Instant::now(),
            )
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_served_and_the_exit_is_in_time() {
    let grace = Duration::from_secs(20);
    let daemon = daemon(&settings("drain_delay = \"300ms\"\ndrain_timeout = \"20s\""))
        .scenario("hang", HANG)
        .start()
        .await;
    activate(&daemon, "hang").await;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        assert_eq!(
            raw_get(&mut raw, &daemon, "/sim/bytes/10", "").await.status(),
            200
        );
        idle.push(raw);
        idle.push(RawClient::connect(daemon.proxy()).await.unwrap());
    }
    let mut calls = JoinSet::new();
    start_calls(&mut calls, &daemon, "/sim/slow?ms=3000", IN_FLIGHT).await;
    start_calls(&mut calls, &daemon, "/sim/sse?events=60&interval_ms=50", STREAMS).await;
    start_calls(&mut calls, &daemon, "/sim/echo?held=1", HUNG).await;
    wait_in_flight(&daemon, IN_FLIGHT + STREAMS + HUNG).await;

    let told = Instant::now();
    daemon.signal(Signal::TERM);
    within(Duration::from_secs(2), "it is not ready", async || {
        (daemon.control_get("/readyz").await.0 == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let (_, status) = daemon.control_get("/api/v1/status").await;
    assert_eq!(
        (&status["draining"], &status["active"]),
        (&json!(true), &json!([])),
        "nothing is injected any more"
    );
    let ended = tokio::spawn(daemon.finished());
    let (mut first_held, mut first_slow, mut counts) = (None, None, (0, 0, 0));
    while let Some(done) = calls.join_next().await {
        let (path, status, complete, at) = done.expect("no call failed");
        assert_eq!((status, complete), (200, true), "{path}");
        if path.contains("held") {
            first_held.get_or_insert(at);
            counts.0 += 1;
        } else if path.contains("slow") {
            first_slow.get_or_insert(at);
            counts.1 += 1;
        } else {
            counts.2 += 1;
        }
    }
    assert_eq!(counts, (HUNG, IN_FLIGHT, STREAMS));
    assert!(first_held < first_slow, "injected waits are released first");
    let (finished, _folder) = tokio::time::timeout(grace + Duration::from_secs(3), ended)
        .await
        .expect("in time")
        .unwrap();
    let took = told.elapsed();
    assert_eq!(finished.code(), Some(0), "{finished:#?}");
    assert!(
        took < grace + Duration::from_secs(1),
        "idle connections hold it up: {took:?}"
    );
    for mut raw in idle {
        let (rest, _) = raw.read_to_end().await;
        assert!(rest.is_empty(), "an idle connection is closed without an answer");
    }
    println!(
        "B25: {IN_FLIGHT} calls, {STREAMS} streams and {HUNG} hangs served, exit 0 {took:?} after SIGTERM"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_cut_at_the_limit() {
    let daemon = daemon(&settings("drain_timeout = \"1s\"")).start().await;
    let mut streams = Vec::new();
    for path in [
        "/sim/sse?events=100000&interval_ms=50",
        "/sim/slow?ms=600000",
        "/sim/drip?bytes=1000000&interval_ms=100",
    ] {
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        send_get(&mut raw, &daemon, path, "").await;
        streams.push(raw);
    }
    wait_in_flight(&daemon, 3).await;
    let told = Instant::now();
    daemon.signal(Signal::TERM);
    let (finished, _folder) = tokio::time::timeout(Duration::from_secs(10), daemon.finished())
        .await
        .expect("an end");
    let took = told.elapsed();
    assert_eq!(finished.code(), Some(0), "{finished:#?}");
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(3)).contains(&took),
        "grace is one second: {took:?}"
    );
    assert!(
        finished.stderr.contains("the drain deadline passed"),
        "{}",
        finished.stderr
    );
    let mut sse = streams.swap_remove(0);
    let response = sse.response("GET").await;
    assert!(!response.body.is_complete(), "a cut stream must not look whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_now() {
    for second in [Signal::TERM, Signal::INT] {
        let daemon = daemon(&settings("drain_timeout = \"10m\"")).start().await;
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        send_get(&mut raw, &daemon, "/sim/slow?ms=600000", "").await;
        wait_in_flight(&daemon, 1).await;
        daemon.signal(Signal::TERM);
        daemon.wait_for_stderr("draining; a second signal").await;
        let told = Instant::now();
        daemon.signal(second);
        let ended = tokio::time::timeout(Duration::from_secs(10), daemon.finished())
            .await
            .expect("an end");
        assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
        assert!(ended.0.stderr.contains("a second signal"), "{}", ended.0.stderr);
        let (rest, _) = raw.read_to_end().await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

/// New connections are still taken while load balancers notice, and nothing is lost on kept connections.
#[tokio::test(flavor = "multi_thread")]
async fn until_the_delay_is_over_new_calls_are_served() {
    let daemon = Arc::new(
        daemon(&settings("drain_delay = \"1500ms\"\ndrain_timeout = \"5s\""))
            .start()
            .await,
    );
    let mut kept = RawClient::connect(daemon.proxy()).await.unwrap();
    assert_eq!(
        raw_get(&mut kept, &daemon, "/sim/bytes/10", "").await.status(),
        200
    );
    daemon.signal(Signal::TERM);
    eventually("it is not ready", async || {
        (daemon.control_get("/readyz").await.0 == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let mut new = RawClient::connect(daemon.proxy()).await.unwrap();
    assert_eq!(
        raw_get(&mut new, &daemon, "/sim/bytes/10", "").await.status(),
        200,
        "a new connection"
    );
    assert_eq!(
        raw_get(&mut kept, &daemon, "/sim/bytes/10", "").await.status(),
        200,
        "a kept connection"
    );
    let daemon = Arc::into_inner(daemon).unwrap();
    let (finished, _folder) = tokio::time::timeout(Duration::from_secs(10), daemon.finished())
        .await
        .expect("an end");
    assert_eq!(finished.code(), Some(0), "{finished:#?}");
}
