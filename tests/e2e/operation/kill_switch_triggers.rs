//! What trips the kill switch besides the error rate: a signal, an alarm, a health URL, calls that hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, Signal};
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::recorder::{Recorder, text};
use serde_json::{Value, json};

use super::support::{Metrics, NEVER, OUTAGE, activate, call, client, daemon, eventually, switch, tripped};

async fn trips(daemon: &Daemon, trigger: &str) -> f64 {
    Metrics::of(daemon).await.get(&format!(
        "murphy_kill_switch_trips_total{{trigger=\"{trigger}\"}}"
    ))
}

#[tokio::test]
async fn a_signal_trips_it() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    activate(&daemon, "outage").await;
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 503);
    daemon.signal(Signal::USR1);
    let trip = tripped(&daemon).await["trip"].clone();
    assert_eq!(
        (&trip["trigger"], &trip["halted"]),
        (&json!("signal"), &json!(["outage"]))
    );
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 200);
    assert_eq!(trips(&daemon, "signal").await, 1.0);
    assert_eq!(
        daemon.control_get("/readyz").await.0,
        StatusCode::OK,
        "it forwards, so it is ready"
    );
}

/// Alertmanager's webhook, version 4, as it is documented.
fn webhook(status: &str, action: Option<&str>) -> Value {
    let mut labels = json!({ "alertname": "CheckoutErrors", "severity": "page" });
    if let Some(action) = action {
        labels["murphy_action"] = json!(action);
    }
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"CheckoutErrors\"}", "truncatedAlerts": 0, "status": status,
        "receiver": "murphy", "groupLabels": { "alertname": "CheckoutErrors" }, "commonLabels": labels,
        "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        "alerts": [{
            "status": status, "labels": labels, "annotations": { "summary": "5 % of the checkouts fail" },
            "startsAt": "2030-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph", "fingerprint": "c0ffee",
        }],
    })
}

#[tokio::test]
async fn an_alarm_trips_it_and_its_end_never_re_arms_it() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let hook = async |body: Value| daemon.control_post("/api/v1/hooks/alertmanager", body).await;
    for (status, action) in [
        ("firing", None),
        ("firing", Some("warn")),
        ("firing", Some("rearm")),
        ("resolved", Some("trip")),
    ] {
        let (code, answer) = hook(webhook(status, action)).await;
        assert_eq!(
            (code, &answer["trip"]),
            (StatusCode::OK, &json!(false)),
            "{status} {action:?}"
        );
        assert_eq!(switch(&daemon).await["state"], "armed", "{status} {action:?}");
    }
    let mut other = webhook("firing", Some("trip"));
    other["version"] = json!("5");
    assert_eq!(hook(other).await.0, StatusCode::BAD_REQUEST);

    activate(&daemon, "outage").await;
    let (code, answer) = hook(webhook("firing", Some("trip"))).await;
    assert_eq!(
        (code, &answer["trip"], &answer["kill_switch"]["state"]),
        (StatusCode::OK, &json!(true), &json!("tripped"))
    );
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        200,
        "stopped when it is answered"
    );
    let trip = &answer["kill_switch"]["trip"];
    assert_eq!(
        (&trip["trigger"], &trip["halted"]),
        (&json!("alarm"), &json!(["outage"]))
    );
    let shown = trip.to_string();
    assert!(
        shown.contains("CheckoutErrors") && shown.contains("5 % of the checkouts fail"),
        "{trip:#}"
    );
    for action in [Some("trip"), Some("rearm"), None] {
        let (_, answer) = hook(webhook("resolved", action)).await;
        assert_eq!(answer["kill_switch"]["state"], "tripped", "resolved, {action:?}");
    }
    assert_eq!(trips(&daemon, "alarm").await, 1.0);
}

#[tokio::test]
async fn a_health_url_that_fails_in_a_row_trips_it() {
    let healthy = Arc::new(AtomicBool::new(true));
    let health = Recorder::start({
        let healthy = Arc::clone(&healthy);
        move |_| text(if healthy.load(Ordering::SeqCst) { 200 } else { 500 }, "")
    });
    let settings = format!(
        "[kill_switch]\nerror_rate = 1.0\nhealth = {{ url = \"{}/healthz\", every = \"50ms\", failures = 3 }}\n",
        health.url()
    );
    let daemon = daemon(&settings).start().await;
    health.wait_for(5).await;
    assert_eq!(switch(&daemon).await["state"], "armed");
    healthy.store(false, Ordering::SeqCst);
    let trip = tripped(&daemon).await["trip"].clone();
    assert_eq!(trip["trigger"], "health");
    assert!(
        trip["reason"].as_str().unwrap().contains("3 times in a row"),
        "{trip:#}"
    );
    let asked = health.requests();
    assert!(
        asked
            .iter()
            .all(|request| request.target == "/healthz" && request.method == "GET")
    );
}

#[tokio::test]
async fn calls_that_hang_without_an_injected_wait_trip_it() {
    let silent = Peer::each(Script::new().read_request().hold());
    let settings = format!(
        "[kill_switch]\nerror_rate = 1.0\nunresponsive_after = \"1s\"\n\
         [[routes]]\nname = \"silent\"\npath = \"/silent\"\nupstream = \"{}\"\n",
        silent.url()
    );
    let hang = "rules:\n  - name: hang\n    when: { route: sim }\n    fault: { hang: {} }\n";
    let daemon = daemon(&settings).scenario("hang", hang).start().await;
    activate(&daemon, "hang").await;
    let client = client();
    let injected = tokio::spawn({
        let (client, url) = (client.clone(), daemon.proxy_url("/sim/echo"));
        async move { client.get(url).send().await.unwrap().status() }
    });
    let in_flight = async |count: f64| {
        eventually("calls are in flight", async || {
            (Metrics::of(&daemon).await.sum("murphy_in_flight_requests") >= count).then_some(())
        })
        .await;
    };
    in_flight(1.0).await;
    // Two limits go by with nothing but an injected wait: that is no reason.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        switch(&daemon).await["state"],
        "armed",
        "an injected hang explains the silence"
    );

    let organic = tokio::spawn({
        let (client, url) = (client.clone(), daemon.proxy_url("/silent/x"));
        async move { client.get(url).send().await }
    });
    in_flight(2.0).await;
    let trip = tripped(&daemon).await["trip"].clone();
    assert_eq!(
        (&trip["trigger"], &trip["halted"]),
        (&json!("unresponsive"), &json!(["hang"])),
        "{trip:#}"
    );
    assert_eq!(
        injected.await.unwrap(),
        StatusCode::OK,
        "the hang is released and the call goes on"
    );
    organic.abort();
    drop(organic.await);
    silent.stop().await;
}
