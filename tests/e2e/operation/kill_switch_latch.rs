//! The latch (B16): a trip and a lock survive `kill -9` and a restart, and a state that cannot be kept or read is
//! never taken for an armed one.

use std::fs;

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use serde_json::{Value, json};

use super::support::{Metrics, NEVER, OUTAGE, activate, call, client, daemon, switch};

async fn restarted(daemon: Daemon) -> Daemon {
    let (ended, folder) = daemon.kill().await;
    assert_eq!(ended.code(), None, "SIGKILL leaves no exit code");
    DaemonBuilder::in_folder(folder).start().await
}

async fn post(daemon: &Daemon, path: &str, body: Value) -> Value {
    let (status, answer) = daemon.control_post(path, body).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    answer
}

async fn refused(daemon: &Daemon) -> Value {
    let (status, problem) = daemon
        .control_post("/api/v1/scenarios/outage/activate", json!({}))
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem:#}");
    problem
}

#[tokio::test]
async fn a_trip_survives_a_kill_and_a_person_re_arms_it() {
    // Also what the settings switch on stays off.
    let settings = format!("[scenarios]\nactive = [\"outage\"]\n{NEVER}");
    let daemon = daemon(&settings).scenario("outage", OUTAGE).start().await;
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 503);
    let before = post(&daemon, "/api/v1/kill-switch/trip", json!({ "reason": "enough" })).await;
    let daemon = restarted(daemon).await;
    let after = switch(&daemon).await;
    assert_eq!(
        (&after["state"], &after["trip"], &after["history"]),
        (&json!("tripped"), &before["trip"], &before["history"])
    );
    assert_eq!(Metrics::of(&daemon).await.get("murphy_kill_switch_tripped"), 1.0);
    assert_eq!(daemon.control_get("/readyz").await.0, StatusCode::OK);
    assert!(
        daemon.stderr().contains("tripped since before the start"),
        "{}",
        daemon.stderr()
    );
    for _ in 0..20 {
        let seen = call(&client(), &daemon, "/sim/echo").await;
        assert_eq!((seen.status, seen.mark), (StatusCode::OK, None));
    }
    refused(&daemon).await;
    assert_eq!(
        post(&daemon, "/api/v1/kill-switch/rearm", json!({})).await["state"],
        "armed"
    );
    let daemon = restarted(daemon).await;
    assert_eq!(
        switch(&daemon).await["state"],
        "armed",
        "a re-arm survives as well"
    );
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        503,
        "and the settings are followed again"
    );
}

#[tokio::test]
async fn a_lock_survives_a_kill_and_a_trip_below_it_stays() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    activate(&daemon, "outage").await;
    let locked = post(
        &daemon,
        "/api/v1/kill-switch/lock",
        json!({ "reason": "a release" }),
    )
    .await;
    assert_eq!(
        (&locked["state"], &locked["trip"]),
        (&json!("locked"), &Value::Null)
    );
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        200,
        "a lock switches everything off"
    );
    post(
        &daemon,
        "/api/v1/kill-switch/trip",
        json!({ "reason": "besides" }),
    )
    .await;
    let daemon = restarted(daemon).await;
    let state = switch(&daemon).await;
    assert_eq!(
        (&state["state"], &state["lock"]["reason"]),
        (&json!("locked"), &json!("a release"))
    );
    let unlocked = post(&daemon, "/api/v1/kill-switch/unlock", json!({})).await;
    assert_eq!(
        (&unlocked["state"], &unlocked["trip"]["reason"]),
        (&json!("tripped"), &json!("besides"))
    );
    refused(&daemon).await;
    post(&daemon, "/api/v1/kill-switch/rearm", json!({})).await;
    activate(&daemon, "outage").await;
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_a_trip() {
    for text in ["", "{", "{\"trip\":", "not json", "{\"unknown\":1}"] {
        let daemon = daemon(NEVER)
            .scenario("outage", OUTAGE)
            .file("state.json", text)
            .start()
            .await;
        let state = switch(&daemon).await;
        assert_eq!(
            (&state["state"], &state["trip"]["trigger"]),
            (&json!("tripped"), &json!("internal")),
            "{text:?}"
        );
        assert!(
            state["trip"]["reason"].as_str().unwrap().contains("state.json"),
            "{state:#}"
        );
        refused(&daemon).await;
        assert_eq!(
            call(&client(), &daemon, "/sim/echo").await.status,
            200,
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_kept_trips_all_the_same_and_says_so() {
    let builder = daemon(NEVER).scenario("outage", OUTAGE);
    let file = builder.folder().join("gone/state.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let daemon = builder
        .env("MURPHY__KILL_SWITCH__STATE_FILE", file.to_str().unwrap())
        .start()
        .await;
    activate(&daemon, "outage").await;
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    let tripped = post(&daemon, "/api/v1/kill-switch/trip", json!({})).await;
    assert_eq!(tripped["state"], "tripped");
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 200);
    daemon
        .wait_for_stderr("cannot be written, so a restart would forget this")
        .await;
    let (_, status) = daemon.control_get("/api/v1/status").await;
    assert!(
        status["warnings"].to_string().contains("cannot be written"),
        "{status:#}"
    );
}
