//! The kill switch under load (B14, B15): nothing is injected after it, and what is under way goes on as normal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use murphy_testkit::daemon::Daemon;
use murphy_testkit::raw::RawClient;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::{
    Metrics, NEVER, OUTAGE, activate, client, daemon, eventually, exchanges, full, raw_get, send_get, switch,
};

const CLIENTS: usize = 32;
const SIM_IN_FLIGHT: &str = "murphy_in_flight_requests{route=\"sim\"}";

/// One answer as a client saw it.
struct Answer {
    asked: Instant,
    came: Instant,
    injected: bool,
    status: u16,
}

/// Calls on one keep-alive connection until it is told to stop.
async fn hammer(daemon: Arc<Daemon>, stop: Arc<AtomicBool>) -> Vec<Answer> {
    let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let response = raw_get(&mut raw, &daemon, "/sim/bytes/64", "").await;
        let injected = response.head.header("x-murphy-fault").is_some();
        seen.push(Answer {
            asked,
            came: Instant::now(),
            injected,
            status: response.status(),
        });
    }
    seen
}

async fn trip(daemon: &Daemon) -> (Instant, Instant) {
    let before = Instant::now();
    let (status, answer) = daemon
        .control_post("/api/v1/kill-switch/trip", json!({ "reason": "enough" }))
        .await;
    assert_eq!(
        (status, &answer["state"]),
        (StatusCode::OK, &json!("tripped")),
        "{answer:#}"
    );
    (before, Instant::now())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_trip_under_load_nothing_is_injected() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    activate(&daemon, "outage").await;
    let daemon = Arc::new(daemon);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(hammer(Arc::clone(&daemon), Arc::clone(&stop)));
    }
    let injected =
        "murphy_faults_injected_total{route=\"sim\",scenario=\"outage\",rule=\"down\",fault=\"status\"}";
    eventually("the load is on", async || {
        (Metrics::of(&daemon).await.get(injected) > 500.0).then_some(())
    })
    .await;
    let (_, answered) = trip(&daemon).await;
    // Calls that were decided before may still be on their way; what is asked from here on may not be touched.
    let finished = "murphy_requests_total";
    let then = Metrics::of(&daemon).await;
    let (hits, calls) = (then.get(injected), then.sum(finished));
    eventually("a thousand calls more", async || {
        (Metrics::of(&daemon).await.sum(finished) > calls + 1_000.0).then_some(())
    })
    .await;
    assert_eq!(daemon.control_get("/readyz").await.0, StatusCode::OK);
    stop.store(true, Ordering::Relaxed);
    let mut answers = Vec::new();
    while let Some(seen) = clients.join_next().await {
        answers.extend(seen.expect("no client failed"));
    }
    let (before, after): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.asked < answered);
    assert!(before.iter().filter(|answer| answer.injected).count() > 500);
    let touched = after
        .iter()
        .filter(|answer| answer.injected || answer.status != 200)
        .count();
    assert_eq!(
        touched,
        0,
        "of {} calls that were asked after the trip was answered",
        after.len()
    );
    assert!(after.len() > 900, "{}", after.len());
    let late = answers
        .iter()
        .filter(|answer| answer.injected)
        .map(|answer| answer.came)
        .max()
        .unwrap();
    println!(
        "B14: from the API's answer to the last injected answer at any of {CLIENTS} clients: {:?}; \
         {} calls after it, 0 touched",
        late.saturating_duration_since(answered),
        after.len()
    );
    let now = Metrics::of(&daemon).await;
    assert!(
        now.get(injected) - hits <= CLIENTS as f64,
        "at most what was under way: {} and {hits}",
        now.get(injected)
    );
    check_exchanges(&daemon, now.get(injected), &answers).await;
}

/// The last exchanges have no faults, and all three ways of counting agree.
async fn check_exchanges(daemon: &Daemon, metric: f64, answers: &[Answer]) {
    let marked = answers.iter().filter(|answer| answer.injected).count();
    assert_eq!(marked as f64, metric, "the mark and the metric");
    let all = exchanges(daemon).await;
    let at = switch(daemon).await["trip"]["at"].clone();
    let after = all.iter().filter(|one| one["at"].as_str() > at.as_str());
    let faulted: Vec<&Value> = after.filter(|one| one["faults"] != json!([])).collect();
    assert!(faulted.is_empty(), "the trip was at {at}: {faulted:#?}");
}

/// B14, idle: single trips, from the API's answer to an answer without a fault.
#[tokio::test(flavor = "multi_thread")]
async fn the_reaction_of_an_idle_daemon_is_measured() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
    let (mut answer_times, mut after) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        activate(&daemon, "outage").await;
        assert_eq!(raw_get(&mut raw, &daemon, "/sim/echo", "").await.status(), 503);
        let (before, answered) = trip(&daemon).await;
        assert_eq!(
            raw_get(&mut raw, &daemon, "/sim/echo", "").await.status(),
            200,
            "the very next call"
        );
        answer_times.push(answered - before);
        after.push(answered.elapsed());
        daemon.control_post("/api/v1/kill-switch/rearm", json!({})).await;
    }
    answer_times.sort();
    after.sort();
    println!(
        "B14 idle, 20 trips: the API answers within {:?} (median), {:?} (max)",
        answer_times[10], answer_times[19]
    );
    println!(
        "B14 idle, 20 trips: 0 injected after the answer; the next call is normal within {:?} (max)",
        after[19]
    );
}

const HELD: &str = "
rules:
  - name: sleep
    when: { path: /echo, query: { how: delay } }
    fault: { delay: 5m }
  - name: hang
    when: { path: /echo, query: { how: hang } }
    fault: { hang: {} }
  - name: throttle
    when: { path: /bytes/* }
    fault: { throttle: { rate: 1KiB } }
  - name: stall
    when: { path: /sse }
    fault: { stall: { after: 100, for: forever } }
";

/// A call that will be held; the bytes that it must bring in the end.
fn held(nth: usize) -> (&'static str, usize) {
    match nth % 3 {
        0 => ("/sim/echo?how=delay", 0),
        1 => ("/sim/echo?how=hang", 0),
        _ => ("/sim/sse?events=20&interval_ms=1", 0),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_releases_all_that_is_held_and_serves_it_normally() {
    let (sleeping, throttled) = if full() { (2_000, 500) } else { (500, 100) };
    let settings = format!("[proxy]\nmax_active_faults = 10_000\n{NEVER}");
    let daemon = Arc::new(daemon(&settings).scenario("held", HELD).start().await);
    activate(&daemon, "held").await;
    let mut calls = JoinSet::new();
    for nth in 0..sleeping + throttled {
        let (path, wanted) = if nth < sleeping {
            held(nth)
        } else {
            ("/sim/bytes/1000000", 1_000_000)
        };
        let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
        send_get(&mut raw, &daemon, path, "").await;
        // A body that is held has its head before.
        let head = if path.contains("echo") {
            None
        } else {
            Some(raw.read_head().await.unwrap())
        };
        calls.spawn(async move {
            let head = match head {
                Some(head) => head,
                None => raw.read_head().await.unwrap(),
            };
            let body = raw.read_body(&head, "GET").await;
            let complete = body.is_complete() && body.content.len() >= wanted;
            (path, head.status(), complete, Instant::now())
        });
    }
    let all = f64::from(u32::try_from(sleeping + throttled).unwrap());
    eventually("all are in flight", async || {
        (Metrics::of(&daemon).await.get(SIM_IN_FLIGHT) >= all).then_some(())
    })
    .await;
    // A call on one more connection goes all the way to the upstream and back; those that are held stay.
    assert_eq!(
        raw_get(
            &mut RawClient::connect(daemon.proxy()).await.unwrap(),
            &daemon,
            "/sim/json",
            ""
        )
        .await
        .status(),
        200
    );
    assert!(calls.try_join_next().is_none(), "none is through before the trip");

    let (_, answered) = trip(&daemon).await;
    let (mut last_sleeper, mut last) = (answered, answered);
    while let Some(done) = tokio::time::timeout(Duration::from_secs(60), calls.join_next())
        .await
        .expect("released")
    {
        let (path, status, complete, at) = done.expect("no call failed");
        assert_eq!((status, complete), (200, true), "{path}");
        last = last.max(at);
        if path.contains("echo") {
            last_sleeper = last_sleeper.max(at);
        }
    }
    println!(
        "B15: {sleeping} held and {throttled} throttled (1 MB each): the last sleeper was served {:?} after \
         the trip's answer, the last of all {:?} after it",
        last_sleeper.saturating_duration_since(answered),
        last.saturating_duration_since(answered)
    );
    assert!(
        last_sleeper - answered < Duration::from_secs(20),
        "sleepers are released at once"
    );
    eventually("none is in flight", async || {
        (Metrics::of(&daemon).await.get(SIM_IN_FLIGHT) == 0.0).then_some(())
    })
    .await;
    let metrics = Metrics::of(&daemon).await;
    let injected = metrics.sum("murphy_faults_injected_total");
    assert!(
        (all * 0.7..=all).contains(&injected),
        "each at most once, and none after the trip: {injected} of {all}"
    );
    let outcomes = metrics.get("murphy_requests_total{route=\"sim\",outcome=\"ok\",cause=\"upstream\"}");
    assert_eq!(
        outcomes,
        all + 1.0,
        "they count as what they became: {:#?}",
        metrics
            .0
            .iter()
            .filter(|(name, value)| name.contains("requests_total") && **value > 0.0)
            .collect::<Vec<_>>()
    );
}

/// The data path is as busy as it can be, the control API must not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_answered_while_all_cores_are_busy() {
    let daemon = Arc::new(daemon(NEVER).scenario("outage", OUTAGE).start().await);
    activate(&daemon, "outage").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(hammer(Arc::clone(&daemon), Arc::clone(&stop)));
    }
    let big = client();
    for _ in 0..4 {
        let (client, url, stop) = (big.clone(), daemon.proxy_url("/sim/endless"), Arc::clone(&stop));
        clients.spawn(async move {
            if let Ok(mut response) = client.get(url).send().await {
                while !stop.load(Ordering::Relaxed) && matches!(response.chunk().await, Ok(Some(_))) {}
            }
            Vec::new()
        });
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        let (before, answered) = trip(&daemon).await;
        times.push(answered - before);
        daemon.control_post("/api/v1/kill-switch/rearm", json!({})).await;
        activate(&daemon, "outage").await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = clients.join_next().await {
        done.expect("no client failed");
    }
    times.sort();
    println!(
        "B14 loaded, 20 trips: the API answers within {:?} (median), {:?} (max)",
        times[10], times[19]
    );
    assert!(times[19] < Duration::from_secs(5), "{times:?}");
}
