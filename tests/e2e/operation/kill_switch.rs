//! The kill switch by error rate: exactly half does not trip and more does, injected and organic are told apart,
//! and each basis, unit and further trigger by what it counts.

use http::StatusCode;
use murphy_testkit::daemon::Daemon;
use serde_json::{Value, json};

use super::support::{Metrics, OUTAGE, activate, call, client, daemon, exchanges, judged, switch, tripped};

/// One call in two fails.
const HALF: &str = "
description: One call in two fails
rules:
  - name: second
    often: { every: 2 }
    fault: { status: 503 }
";

async fn calls(daemon: &Daemon, path: &str, count: usize) {
    let client = client();
    for _ in 0..count {
        call(&client, daemon, path).await;
    }
}

async fn state(daemon: &Daemon) -> Value {
    switch(daemon).await["state"].clone()
}

#[tokio::test]
async fn exactly_half_does_not_trip_and_one_more_does() {
    let daemon = daemon("").scenario("half", HALF).start().await;
    activate(&daemon, "half").await;
    for made in (10..=60).step_by(10) {
        calls(&daemon, "/sim/echo", 10).await;
        judged(&daemon, made).await;
        assert_eq!(state(&daemon).await, "armed", "{} of {made} failed", made / 2);
    }
    let metrics = Metrics::of(&daemon).await;
    assert_eq!(metrics.get("murphy_observed_error_ratio"), 0.5);
    assert_eq!(metrics.get("murphy_observed_samples"), 60.0);
    // The next call is the first of a pair, so the rule lets it pass: the upstream's own failure is the one more.
    calls(&daemon, "/sim/status/500", 1).await;
    let switch = tripped(&daemon).await;
    let trip = &switch["trip"];
    assert_eq!(
        (&trip["trigger"], &trip["who"], &trip["halted"]),
        (&json!("error_rate"), &json!("director"), &json!(["half"]))
    );
    let measured = &trip["measured"];
    assert_eq!(
        (
            &measured["samples"],
            &measured["injected_errors"],
            &measured["organic_errors"]
        ),
        (&json!(61), &json!(30), &json!(1))
    );
    assert!(
        (measured["ratio"].as_f64().unwrap() - 31.0 / 61.0).abs() < 1e-9,
        "{measured:#}"
    );
    assert_eq!(
        (&measured["top_routes"], &measured["top_rules"]),
        (&json!([["sim", 31]]), &json!([["half/second", 30]]))
    );
    let reason = trip["reason"].as_str().unwrap();
    assert!(reason.contains("30") && reason.contains("injected"), "{reason}");

    let metrics = Metrics::of(&daemon).await;
    assert_eq!(metrics.get("murphy_kill_switch_tripped"), 1.0);
    assert_eq!(
        metrics.get("murphy_kill_switch_trips_total{trigger=\"error_rate\"}"),
        1.0
    );
    assert_eq!(metrics.get("murphy_scenario_active{scenario=\"half\"}"), 0.0);
    let log = daemon.stderr();
    let event = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let trips: Vec<Value> = event.filter(|event| event["trigger"] == "error_rate").collect();
    assert_eq!((trips.len(), &trips[0]["level"]), (1, &json!("ERROR")), "{log}");
    for _ in 0..4 {
        assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 200);
    }
}

#[tokio::test]
async fn too_few_calls_give_no_verdict() {
    let daemon = daemon("").scenario("outage", OUTAGE).start().await;
    activate(&daemon, "outage").await;
    calls(&daemon, "/sim/echo", 9).await;
    judged(&daemon, 9).await;
    assert_eq!(state(&daemon).await, "armed", "nine of nine failed");
    calls(&daemon, "/sim/echo", 1).await;
    assert_eq!(tripped(&daemon).await["trip"]["measured"]["samples"], 10);
}

#[tokio::test]
async fn client_errors_are_no_errors_and_rate_limits_are() {
    let daemon = daemon("").start().await;
    calls(&daemon, "/sim/status/404", 30).await;
    judged(&daemon, 30).await;
    assert_eq!(state(&daemon).await, "armed");
    calls(&daemon, "/sim/status/429", 31).await;
    let trip = tripped(&daemon).await["trip"].clone();
    assert_eq!(
        (
            &trip["measured"]["organic_errors"],
            &trip["measured"]["injected_errors"]
        ),
        (&json!(31), &json!(0))
    );
}

#[tokio::test]
async fn the_organic_basis_leaves_injected_failures_out() {
    let routes = "
[[routes]]
name = \"real\"
path = \"/real\"
upstream = \"sim\"
protected = true
[kill_switch]
basis = \"organic\"
";
    let daemon = daemon(routes).scenario("outage", OUTAGE).start().await;
    let answer = activate(&daemon, "outage").await;
    assert_eq!(answer["warnings"], json!([]), "it is not bound to trip");
    // The window reaches back to the oldest call that counts: what was injected since then is told.
    calls(&daemon, "/real/status/200", 5).await;
    calls(&daemon, "/sim/echo", 40).await;
    judged(&daemon, 45).await;
    assert_eq!(state(&daemon).await, "armed", "forty injected failures");
    calls(&daemon, "/real/status/500", 5).await;
    judged(&daemon, 50).await;
    assert_eq!(state(&daemon).await, "armed", "five of ten real calls");
    calls(&daemon, "/real/status/500", 1).await;
    let trip = tripped(&daemon).await["trip"].clone();
    let measured = &trip["measured"];
    assert_eq!(
        (&measured["samples"], &measured["organic_errors"]),
        (&json!(11), &json!(6)),
        "{trip:#}"
    );
    assert_eq!(measured["injected_errors"], 40, "injected ones are told apart");
    assert_eq!(measured["top_routes"], json!([["real", 6]]));
}

#[tokio::test]
async fn by_operation_a_retry_that_succeeds_makes_it_good() {
    let first_try = "rules:\n  - name: first-try\n    when: { attempt: 1 }\n    fault: { status: 503 }\n";
    let daemon = daemon("[kill_switch]\nunit = \"operation\"\n")
        .scenario("flaky", first_try)
        .start()
        .await;
    activate(&daemon, "flaky").await;
    let client = client();
    for n in 0..30 {
        let path = format!("/sim/echo?operation={n}");
        assert_eq!(call(&client, &daemon, &path).await.status, 503);
        assert_eq!(call(&client, &daemon, &path).await.status, 200, "the retry");
    }
    judged(&daemon, 60).await;
    assert_eq!(
        state(&daemon).await,
        "armed",
        "each operation was good in the end"
    );
    let all = exchanges(&daemon).await;
    let tries: Vec<(&Value, &Value)> = all
        .iter()
        .take(4)
        .map(|one| (&one["operation"], &one["attempt"]))
        .collect();
    assert_eq!(
        (tries[0].0, tries[2].0),
        (tries[1].0, tries[3].0),
        "a retry belongs to its operation"
    );
    assert_ne!(tries[0].0, tries[2].0);
    assert_eq!((tries[0].1, tries[1].1), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn errors_in_a_row_and_slow_calls_trip_where_that_is_set() {
    let row = daemon("[kill_switch]\nerror_rate = 1.0\nconsecutive_errors = 5\n")
        .start()
        .await;
    calls(&row, "/sim/status/500", 4).await;
    calls(&row, "/sim/echo", 1).await;
    calls(&row, "/sim/status/500", 4).await;
    judged(&row, 9).await;
    assert_eq!(state(&row).await, "armed", "four in a row, twice");
    calls(&row, "/sim/status/500", 1).await;
    assert_eq!(tripped(&row).await["trip"]["trigger"], "consecutive_errors");

    let slow =
        daemon("[kill_switch]\nerror_rate = 1.0\nslow_call = \"100ms\"\nslow_rate = 0.5\nmin_samples = 4\n")
            .start()
            .await;
    calls(&slow, "/sim/echo", 3).await;
    calls(&slow, "/sim/slow?ms=150", 3).await;
    judged(&slow, 6).await;
    assert_eq!(state(&slow).await, "armed", "exactly half is slow");
    calls(&slow, "/sim/slow?ms=150", 1).await;
    assert_eq!(tripped(&slow).await["trip"]["trigger"], "slow_rate");
}

#[tokio::test]
async fn re_arming_forgets_what_tripped_it_and_switches_nothing_on() {
    let daemon = daemon("").scenario("outage", OUTAGE).start().await;
    activate(&daemon, "outage").await;
    calls(&daemon, "/sim/echo", 10).await;
    tripped(&daemon).await;
    let (status, switch) = daemon
        .control_post("/api/v1/kill-switch/rearm", json!({ "reason": "fixed" }))
        .await;
    assert_eq!((status, &switch["state"]), (StatusCode::OK, &json!("armed")));
    calls(&daemon, "/sim/echo", 1).await;
    judged(&daemon, 11).await;
    assert_eq!(state(&daemon).await, "armed", "old errors do not trip it again");
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        200,
        "what was halted stays off"
    );
    activate(&daemon, "outage").await;
    calls(&daemon, "/sim/echo", 30).await;
    tripped(&daemon).await;
    let metrics = Metrics::of(&daemon).await;
    assert_eq!(
        metrics.get("murphy_kill_switch_trips_total{trigger=\"error_rate\"}"),
        2.0
    );
}

#[tokio::test]
async fn it_re_arms_by_itself_only_where_that_is_set() {
    let daemon = daemon("[kill_switch]\nrearm_after = \"1s\"\n").start().await;
    let (_, tripped) = daemon.control_post("/api/v1/kill-switch/trip", json!({})).await;
    assert!(tripped["rearms_at"].is_string(), "{tripped:#}");
    super::support::eventually("it re-arms", async || {
        (state(&daemon).await == "armed").then_some(())
    })
    .await;
    assert_eq!(switch(&daemon).await["history"][0]["who"], "director");
}
