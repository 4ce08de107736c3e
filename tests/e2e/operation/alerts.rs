//! Alerts out: who is told of a trip and of its end, in whose words, again if it is not taken, and never at the
//! data path's cost.

use std::sync::atomic::{AtomicU32, Ordering};

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::recorder::{Recorded, Recorder, text};
use serde_json::{Value, json};

use super::support::{NEVER, OUTAGE, activate, call, client, daemon, eventually};

fn settings(alerts: &[(&str, &str)]) -> String {
    let alerts: Vec<String> = alerts
        .iter()
        .map(|(kind, url)| format!("{{ kind = \"{kind}\", url = \"{url}\" }}"))
        .collect();
    format!("{NEVER}\nalerts = [{}]\n", alerts.join(", "))
}

fn to<'a>(requests: &'a [Recorded], target: &str) -> Vec<&'a Recorded> {
    requests
        .iter()
        .filter(|request| request.target == target)
        .collect()
}

fn body(request: &Recorded) -> Value {
    assert_eq!(
        (request.method.as_str(), request.all("content-type")),
        ("POST", vec!["application/json"])
    );
    serde_json::from_slice(&request.body).unwrap()
}

async fn post(daemon: &Daemon, path: &str, reason: &str) -> Value {
    let (status, answer) = daemon.control_post(path, json!({ "reason": reason })).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    answer
}

#[tokio::test]
async fn a_trip_and_its_end_are_told_in_each_receivers_words() {
    let receiver = Recorder::start(|_| text(200, "ok"));
    let url = receiver.url();
    let (hook, slack) = (format!("{url}/hook?token=t0p"), format!("{url}/slack"));
    let daemon = daemon(&settings(&[
        ("webhook", &hook),
        ("slack", &slack),
        ("alertmanager", &url),
    ]))
    .scenario("outage", OUTAGE)
    .start()
    .await;
    activate(&daemon, "outage").await;
    let tripped = post(&daemon, "/api/v1/kill-switch/trip", "errors & <more>").await;
    let requests = receiver.wait_for(3).await;

    let generic = body(to(&requests, "/hook?token=t0p")[0]);
    assert_eq!(
        (&generic["event"], &generic["trip"]),
        (&json!("kill_switch_tripped"), &tripped["trip"])
    );
    let message = body(to(&requests, "/slack")[0]);
    let words = message["text"].as_str().unwrap();
    assert!(
        words.contains("errors &amp; &lt;more&gt;") && words.contains("outage") && words.contains("manual"),
        "{words}"
    );
    let alert = body(to(&requests, "/api/v2/alerts")[0])[0].clone();
    assert_eq!(
        alert["labels"]["alertname"], "MurphyKillSwitchTripped",
        "{alert:#}"
    );
    assert_eq!(alert["startsAt"], tripped["trip"]["at"]);
    assert_eq!(alert["endsAt"], Value::Null);

    post(&daemon, "/api/v1/kill-switch/rearm", "fixed").await;
    let requests = receiver.wait_for(6).await;
    let generic = body(to(&requests, "/hook?token=t0p")[1]);
    assert_eq!(
        (&generic["event"], &generic["change"]["reason"]),
        (&json!("kill_switch_rearmed"), &json!("fixed"))
    );
    assert!(
        body(to(&requests, "/slack")[1])["text"]
            .as_str()
            .unwrap()
            .contains("re-armed")
    );
    let ended = body(to(&requests, "/api/v2/alerts")[1])[0].clone();
    assert_eq!(
        ended["labels"], alert["labels"],
        "the labels are the alert's identity"
    );
    assert!(
        ended["endsAt"].as_str().unwrap() >= tripped["trip"]["at"].as_str().unwrap(),
        "{ended:#}"
    );
    assert!(
        !daemon.stderr().contains("t0p"),
        "the secret of a webhook's URL: {}",
        daemon.stderr()
    );
}

#[tokio::test]
async fn who_must_be_reminded_is_told_again_after_a_restart_and_of_the_end() {
    let receiver = Recorder::start(|_| text(200, "ok"));
    let url = receiver.url();
    let hook = format!("{url}/hook");
    let daemon = daemon(&settings(&[("webhook", &hook), ("alertmanager", &url)]))
        .start()
        .await;
    let tripped = post(&daemon, "/api/v1/kill-switch/trip", "enough").await;
    receiver.wait_for(2).await;
    let (_, folder) = daemon.kill().await;
    let daemon = DaemonBuilder::in_folder(folder).start().await;
    let requests = receiver.wait_for(3).await;
    let alerts = to(&requests, "/api/v2/alerts");
    let (first, again) = (body(alerts[0])[0].clone(), body(alerts[1])[0].clone());
    assert_eq!(
        (&again["labels"], &again["startsAt"]),
        (&first["labels"], &tripped["trip"]["at"]),
        "the same alert"
    );
    post(&daemon, "/api/v1/kill-switch/rearm", "fixed").await;
    let requests = receiver.wait_for(5).await;
    assert!(body(to(&requests, "/api/v2/alerts")[2])[0]["endsAt"].is_string());
    let hooks: Vec<Value> = to(&requests, "/hook")
        .into_iter()
        .map(|request| body(request)["event"].clone())
        .collect();
    assert_eq!(
        hooks,
        ["kill_switch_tripped", "kill_switch_rearmed"],
        "people are not told twice"
    );
}

#[tokio::test]
async fn an_alert_that_is_not_taken_is_sent_again() {
    let asked = AtomicU32::new(0);
    let receiver = Recorder::start(move |_| {
        text(
            if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                500
            } else {
                200
            },
            "",
        )
    });
    let url = format!("{}/hook", receiver.url());
    let daemon = daemon(&settings(&[("webhook", &url)])).start().await;
    post(&daemon, "/api/v1/kill-switch/trip", "enough").await;
    let requests = receiver.wait_for(2).await;
    assert_eq!(body(&requests[0]), body(&requests[1]));
    daemon.wait_for_stderr("an alert was not taken").await;
}

/// One receiver refuses, one never answers, one sends elsewhere.
#[tokio::test]
async fn dead_receivers_hold_nothing_up() {
    let silent = Peer::each(Script::new().read_request().hold());
    let elsewhere = Recorder::start(|_| text(200, ""));
    let target = elsewhere.url();
    let redirecting = Recorder::start(move |_| {
        let mut response = text(307, "");
        response.headers_mut().insert("location", target.parse().unwrap());
        response
    });
    let good = Recorder::start(|_| text(200, ""));
    let (silent_url, redirect_url, good_url) = (silent.url(), redirecting.url(), good.url());
    let daemon = daemon(&settings(&[
        ("webhook", "http://127.0.0.1:1/dead"),
        ("slack", &silent_url),
        ("webhook", &redirect_url),
        ("webhook", &good_url),
    ]))
    .scenario("outage", OUTAGE)
    .start()
    .await;
    activate(&daemon, "outage").await;
    post(&daemon, "/api/v1/kill-switch/trip", "enough").await;
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        200,
        "it does not wait for receivers"
    );
    good.wait_for(1).await;
    redirecting.wait_for(1).await;
    eventually("the silent one is asked", async || {
        (!silent.requests().is_empty()).then_some(())
    })
    .await;
    post(&daemon, "/api/v1/kill-switch/rearm", "fixed").await;
    good.wait_for(2).await;
    assert!(elsewhere.requests().is_empty(), "a redirect is not followed");
    silent.stop().await;
}
