//! The control API by its documented shape: what it shows, what it switches, what it refuses while the switch says so.

use http::{Method, StatusCode};
use murphy_control::openapi;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use serde_json::{Value, json};

use super::control_answers::refused;
use super::support::{Metrics, NEVER, OUTAGE, activate, call, client, daemon, eventually, switch};

const SLOW: &str = "description: Half a minute more\nrules:\n  - name: wait\n    fault: { delay: 30s }\n";

pub(crate) async fn started() -> Daemon {
    daemon(NEVER)
        .scenario("outage", OUTAGE)
        .scenario("slow", SLOW)
        .start()
        .await
}

pub(crate) async fn get(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = daemon.control_get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body:#}");
    body
}

#[tokio::test]
async fn the_status_tells_how_things_are() {
    let daemon = started().await;
    let status = get(&daemon, "/api/v1/status").await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["listeners"]["proxy"], daemon.proxy_url(""));
    assert_eq!(status["listeners"]["control"], daemon.control_url(""));
    assert!(status["config_file"].as_str().unwrap().ends_with("murphy.toml"));
    assert_eq!(
        (&status["routes"], &status["scenarios"], &status["draining"]),
        (&json!(1), &json!(2), &json!(false))
    );
    assert_eq!(
        (&status["active"], &status["kill_switch"]["state"]),
        (&json!([]), &json!("armed"))
    );
    assert_eq!(status["reload"]["ok"], true);
    let generation = status["generation"].as_u64().unwrap();

    let activated = activate(&daemon, "slow").await;
    assert_eq!(
        (&activated["scenario"], &activated["generation"]),
        (&json!("slow"), &json!(generation + 1))
    );
    let status = get(&daemon, "/api/v1/status").await;
    assert_eq!(status["active"][0]["seed"], activated["seed"]);
    assert_eq!(status["generation"], generation + 1);
    let until = status["active"][0]["until"].as_str().expect("max_active ends it");
    assert!(until > status["active"][0]["since"].as_str().unwrap());
}

#[tokio::test]
async fn routes_are_listed_with_the_rules_that_may_touch_them() {
    let daemon = DaemonBuilder::new().scenario("outage", OUTAGE).start().await;
    let routes = get(&daemon, "/api/v1/routes").await;
    let mut names: Vec<&str> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["anthropic", "gemini", "openai", "sim"]);
    activate(&daemon, "outage").await;
    let routes = get(&daemon, "/api/v1/routes").await;
    for route in routes.as_array().unwrap() {
        assert_eq!(
            (&route["rules"], &route["protected"]),
            (&json!(1), &json!(false)),
            "{route:#}"
        );
    }
}

#[tokio::test]
async fn an_activation_switches_itself_off() {
    let daemon = started().await;
    let path = "/api/v1/scenarios/outage/activate";
    let (status, activated) = daemon
        .control_post(path, json!({ "for": "700ms", "seed": 7 }))
        .await;
    assert_eq!(
        (status, &activated["seed"]),
        (StatusCode::OK, &json!(7)),
        "{activated:#}"
    );
    assert!(activated["until"].is_string());
    let client = client();
    assert_eq!(call(&client, &daemon, "/sim/echo").await.status, 503);
    assert_eq!(
        Metrics::of(&daemon)
            .await
            .get("murphy_scenario_active{scenario=\"outage\"}"),
        1.0
    );
    eventually("its time is over", async || {
        (call(&client, &daemon, "/sim/echo").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(get(&daemon, "/api/v1/status").await["active"], json!([]));
    assert_eq!(
        Metrics::of(&daemon)
            .await
            .get("murphy_scenario_active{scenario=\"outage\"}"),
        0.0
    );

    let (_, forever) = daemon.control_post(path, json!({ "for": "forever" })).await;
    assert_eq!(forever["until"], Value::Null, "{forever:#}");
    let (status, off) = daemon
        .control_post("/api/v1/scenarios/outage/deactivate", json!({}))
        .await;
    assert_eq!((status, &off["scenarios"]), (StatusCode::OK, &json!(["outage"])));
    assert_eq!(
        call(&client, &daemon, "/sim/echo").await.status,
        200,
        "off when it is answered"
    );
    activate(&daemon, "outage").await;
    activate(&daemon, "slow").await;
    let (_, off) = daemon
        .control_post("/api/v1/scenarios/deactivate-all", json!({}))
        .await;
    assert_eq!(off["scenarios"], json!(["outage", "slow"]));
}

#[tokio::test]
async fn an_activation_that_is_bound_to_trip_the_switch_says_so() {
    let daemon = daemon("")
        .scenario("outage", OUTAGE)
        .scenario("slow", SLOW)
        .start()
        .await;
    let warnings = activate(&daemon, "outage").await["warnings"].clone();
    let warning = warnings[0].as_str().expect("a warning");
    assert!(
        warning.contains("kill switch") && warning.contains("100 %"),
        "{warning}"
    );
    assert_eq!(activate(&daemon, "slow").await["warnings"], json!([]));
}

#[tokio::test]
async fn nothing_can_be_activated_while_the_switch_is_tripped_or_locked() {
    let daemon = started().await;
    let path = "/api/v1/scenarios/outage/activate";
    let (status, tripped) = daemon
        .control_post("/api/v1/kill-switch/trip", json!({ "reason": "checkout fails" }))
        .await;
    assert_eq!(
        (status, &tripped["state"]),
        (StatusCode::OK, &json!("tripped")),
        "{tripped:#}"
    );
    assert_eq!(
        (&tripped["trip"]["trigger"], &tripped["trip"]["reason"]),
        (&json!("manual"), &json!("checkout fails"))
    );
    let problem = refused(
        &daemon,
        Method::POST,
        path,
        Some(json!({})),
        409,
        "kill-switch-tripped",
    )
    .await;
    assert!(problem["detail"].as_str().unwrap().contains("checkout fails"));
    let (_, rearmed) = daemon
        .control_post("/api/v1/kill-switch/rearm", json!({ "reason": "fixed" }))
        .await;
    assert_eq!(
        (&rearmed["state"], &rearmed["trip"]),
        (&json!("armed"), &Value::Null)
    );

    let (_, locked) = daemon
        .control_post("/api/v1/kill-switch/lock", json!({ "reason": "a release" }))
        .await;
    assert_eq!(
        (&locked["state"], &locked["lock"]["reason"]),
        (&json!("locked"), &json!("a release"))
    );
    refused(
        &daemon,
        Method::POST,
        path,
        Some(json!({})),
        409,
        "kill-switch-locked",
    )
    .await;
    let (_, rearmed) = daemon.control_post("/api/v1/kill-switch/rearm", json!({})).await;
    assert_eq!(rearmed["state"], "locked", "re-arming does not unlock");
    let (_, unlocked) = daemon.control_post("/api/v1/kill-switch/unlock", json!({})).await;
    assert_eq!(unlocked["state"], "armed");
    activate(&daemon, "outage").await;

    let history = switch(&daemon).await["history"].clone();
    let changes: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["change"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["unlocked", "locked", "rearmed", "tripped"]);
    for change in history.as_array().unwrap() {
        let who = change["who"].as_str().unwrap();
        assert!(
            who.contains("127.0.0.1") && change["at"].as_str().unwrap().ends_with('Z'),
            "{change:#}"
        );
    }
}

#[tokio::test]
async fn probes_answer_and_a_tripped_switch_is_ready() {
    let daemon = started().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(daemon.control_get(path).await.0, StatusCode::OK, "{path}");
    }
    daemon.control_post("/api/v1/kill-switch/trip", json!({})).await;
    let (status, text) = daemon.control_get("/readyz?verbose").await;
    assert_eq!(status, StatusCode::OK, "a tripped daemon forwards: {text}");
    assert!(text.as_str().unwrap().contains("[+]"), "{text}");
    let (status, page) = daemon.control_get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.as_str().unwrap().contains("<html"));
    assert_eq!(
        get(&daemon, "/openapi.json").await,
        openapi::document(),
        "what is served is what `docs/openapi.json` is made from"
    );
}
