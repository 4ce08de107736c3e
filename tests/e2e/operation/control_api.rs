//! The control API by its documented shape: what it shows, what it changes, what it refuses.

use std::time::Duration;

use http::{Method, StatusCode};
use murphy_control::openapi;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use serde_json::{Value, json};

use super::support::{
    NEVER, OUTAGE, Metrics, activate, call, client, daemon, eventually, recorded, switch,
};

const SLOW: &str = "description: A second more\nrules:\n  - name: wait\n    fault: { delay: 30s }\n";

async fn started() -> Daemon {
    daemon(NEVER).scenario("outage", OUTAGE).scenario("slow", SLOW).start().await
}

async fn get(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = daemon.control_get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body:#}");
    body
}

async fn refused(daemon: &Daemon, method: Method, path: &str, body: Option<Value>, status: u16, kind: &str) -> Value {
    let (found, problem) = daemon.control_call(method.clone(), path, body).await;
    assert_eq!(found.as_u16(), status, "{method} {path}: {problem:#}");
    assert_eq!(problem["type"], format!("urn:murphy:problem:{kind}"), "{problem:#}");
    assert_eq!(problem["status"], status, "{problem:#}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem:#}");
    problem
}

#[tokio::test]
async fn the_status_tells_how_things_are() {
    let daemon = started().await;
    let status = get(&daemon, "/api/v1/status").await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["listeners"]["proxy"], daemon.proxy_url(""));
    assert_eq!(status["listeners"]["control"], daemon.control_url(""));
    assert!(status["config_file"].as_str().unwrap().ends_with("murphy.toml"));
    assert_eq!((&status["routes"], &status["scenarios"], &status["draining"]), (&json!(1), &json!(2), &json!(false)));
    assert_eq!((&status["active"], &status["kill_switch"]["state"]), (&json!([]), &json!("armed")));
    assert_eq!(status["reload"]["ok"], true);
    let generation = status["generation"].as_u64().unwrap();

    let activated = activate(&daemon, "slow").await;
    assert_eq!((&activated["scenario"], &activated["generation"]), (&json!("slow"), &json!(generation + 1)));
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
    let mut names: Vec<&str> = routes.as_array().unwrap().iter().map(|route| route["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["anthropic", "gemini", "openai", "sim"]);
    activate(&daemon, "outage").await;
    let routes = get(&daemon, "/api/v1/routes").await;
    for route in routes.as_array().unwrap() {
        assert_eq!((&route["rules"], &route["protected"]), (&json!(1), &json!(false)), "{route:#}");
    }
}

#[tokio::test]
async fn an_activation_switches_itself_off() {
    let daemon = started().await;
    let path = "/api/v1/scenarios/outage/activate";
    let (status, activated) = daemon.control_post(path, json!({ "for": "700ms", "seed": 7 })).await;
    assert_eq!((status, &activated["seed"]), (StatusCode::OK, &json!(7)), "{activated:#}");
    assert!(activated["until"].is_string());
    let client = client();
    assert_eq!(call(&client, &daemon, "/sim/echo").await.status, 503);
    assert_eq!(Metrics::of(&daemon).await.get("murphy_scenario_active{scenario=\"outage\"}"), 1.0);
    eventually("its time is over", async || (call(&client, &daemon, "/sim/echo").await.status == 200).then_some(())).await;
    assert_eq!(get(&daemon, "/api/v1/status").await["active"], json!([]));
    assert_eq!(Metrics::of(&daemon).await.get("murphy_scenario_active{scenario=\"outage\"}"), 0.0);

    let (_, forever) = daemon.control_post(path, json!({ "for": "forever" })).await;
    assert_eq!(forever["until"], Value::Null, "{forever:#}");
    let (status, off) = daemon.control_post("/api/v1/scenarios/outage/deactivate", json!({})).await;
    assert_eq!((status, &off["scenarios"]), (StatusCode::OK, &json!(["outage"])));
    assert_eq!(call(&client, &daemon, "/sim/echo").await.status, 200, "off when it is answered");
    activate(&daemon, "outage").await;
    activate(&daemon, "slow").await;
    let (_, off) = daemon.control_post("/api/v1/scenarios/deactivate-all", json!({})).await;
    assert_eq!(off["scenarios"], json!(["outage", "slow"]));
}

#[tokio::test]
async fn an_activation_that_is_bound_to_trip_the_switch_says_so() {
    let daemon = daemon("").scenario("outage", OUTAGE).scenario("slow", SLOW).start().await;
    let warnings = activate(&daemon, "outage").await["warnings"].clone();
    let warning = warnings[0].as_str().expect("a warning");
    assert!(warning.contains("kill switch") && warning.contains("100 %"), "{warning}");
    assert_eq!(activate(&daemon, "slow").await["warnings"], json!([]));
}

#[tokio::test]
async fn nothing_can_be_activated_while_the_switch_is_tripped_or_locked() {
    let daemon = started().await;
    let path = "/api/v1/scenarios/outage/activate";
    let (status, tripped) =
        daemon.control_post("/api/v1/kill-switch/trip", json!({ "reason": "checkout fails" })).await;
    assert_eq!((status, &tripped["state"]), (StatusCode::OK, &json!("tripped")), "{tripped:#}");
    assert_eq!((&tripped["trip"]["trigger"], &tripped["trip"]["reason"]), (&json!("manual"), &json!("checkout fails")));
    let problem = refused(&daemon, Method::POST, path, Some(json!({})), 409, "kill-switch-tripped").await;
    assert!(problem["detail"].as_str().unwrap().contains("checkout fails"));
    let (_, rearmed) = daemon.control_post("/api/v1/kill-switch/rearm", json!({ "reason": "fixed" })).await;
    assert_eq!((&rearmed["state"], &rearmed["trip"]), (&json!("armed"), &Value::Null));

    let (_, locked) = daemon.control_post("/api/v1/kill-switch/lock", json!({ "reason": "a release" })).await;
    assert_eq!((&locked["state"], &locked["lock"]["reason"]), (&json!("locked"), &json!("a release")));
    refused(&daemon, Method::POST, path, Some(json!({})), 409, "kill-switch-locked").await;
    let (_, rearmed) = daemon.control_post("/api/v1/kill-switch/rearm", json!({})).await;
    assert_eq!(rearmed["state"], "locked", "re-arming does not unlock");
    let (_, unlocked) = daemon.control_post("/api/v1/kill-switch/unlock", json!({})).await;
    assert_eq!(unlocked["state"], "armed");
    activate(&daemon, "outage").await;

    let history = switch(&daemon).await["history"].clone();
    let changes: Vec<&str> = history.as_array().unwrap().iter().map(|one| one["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["unlocked", "locked", "rearmed", "tripped"]);
    for change in history.as_array().unwrap() {
        let who = change["who"].as_str().unwrap();
        assert!(who.contains("127.0.0.1") && change["at"].as_str().unwrap().ends_with('Z'), "{change:#}");
    }
}

#[tokio::test]
async fn exchanges_are_listed_by_filter_and_followed_live() {
    let daemon = started().await;
    let client = client();
    for n in 0..6 {
        call(&client, &daemon, &format!("/sim/echo?n={n}")).await;
    }
    let (status, _) = daemon.control_post("/api/v1/scenarios/outage/activate", json!({ "seed": 1 })).await;
    assert_eq!(status, StatusCode::OK);
    call(&client, &daemon, "/sim/echo?n=6").await;
    let all = recorded(&daemon, 7).await;
    let ids: Vec<u64> = all.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
    let list = async |query: &str| -> Vec<u64> {
        let list = get(&daemon, &format!("/api/v1/exchanges?{query}")).await;
        list.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(list("after=3&limit=2").await, [4, 5]);
    assert_eq!(list("limit=2").await, [6, 7]);
    assert_eq!(list("injected=true").await, [7]);
    assert_eq!(list("injected=false&after=4").await, [5, 6]);
    assert_eq!(list("route=sim").await.len(), 7);
    assert_eq!(list("route=other").await, [0; 0]);

    let fault = &all[6]["faults"][0];
    assert_eq!((&fault["scenario"], &fault["rule"], &fault["fault"]), (&json!("outage"), &json!("down"), &json!("status")));
    let (seven, first) = (&all[6], &all[0]);
    assert_eq!((&seven["outcome"], &seven["cause"], &seven["status"]), (&json!("server_error"), &json!("murphy"), &json!(503)));
    assert_eq!((&first["outcome"], &first["cause"], &first["status"]), (&json!("ok"), &json!("upstream"), &json!(200)));
    assert_eq!((&first["method"], &first["path"], &first["route"]), (&json!("GET"), &json!("/echo"), &json!("sim")));
    assert!(!first.to_string().contains("n=0"), "the query is left out: {first:#}");

    let url = daemon.control_url("/api/v1/exchanges/stream?after=5&limit=3");
    let mut stream = client.get(url).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("id: 7") {
        text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().expect("two from the past")).unwrap());
    }
    call(&client, &daemon, "/sim/echo?n=7").await;
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let data: Vec<Value> =
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| serde_json::from_str(data).unwrap()).collect();
    let ids: Vec<u64> = data.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [6, 7, 8], "{text}");
    assert_eq!(text.matches("event: exchange").count(), 3, "{text}");
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
    assert_eq!(get(&daemon, "/openapi.json").await, openapi::document(), "what is served is what is committed");
}

#[tokio::test]
async fn mistakes_are_answered_by_problem_documents() {
    let daemon = started().await;
    let no = None;
    for (method, path, body, status, kind) in [
        (Method::GET, "/api/v1/nothing", no.clone(), 404, "not-found"),
        (Method::GET, "/api/v1/scenarios/slwo", no.clone(), 404, "no-such-scenario"),
        (Method::POST, "/api/v1/scenarios/slwo/activate", Some(json!({})), 404, "no-such-scenario"),
        (Method::POST, "/api/v1/status", Some(json!({})), 405, "method-not-allowed"),
        (Method::GET, "/api/v1/kill-switch/trip", no.clone(), 405, "method-not-allowed"),
        (Method::GET, "/api/v1/reload", no.clone(), 405, "method-not-allowed"),
        (Method::GET, "/api/v1/exchanges?limit=many", no.clone(), 400, "bad-request"),
        (Method::GET, "/api/v1/exchanges?colour=red", no.clone(), 400, "bad-request"),
        (Method::POST, "/api/v1/scenarios/slow/activate", Some(json!({ "for": "soon" })), 400, "bad-request"),
        (Method::POST, "/api/v1/scenarios/slow/activate", Some(json!({ "fro": "60s" })), 400, "bad-request"),
        (Method::POST, "/api/v1/kill-switch/trip", Some(json!([])), 400, "bad-request"),
    ] {
        refused(&daemon, method, path, body, status, kind).await;
    }
    let problem = refused(&daemon, Method::GET, "/api/v1/scenarios/slwo", None, 404, "no-such-scenario").await;
    assert!(problem["detail"].as_str().unwrap().contains("did you mean \"slow\"?"), "{problem:#}");
    let large = "x".repeat(1024 * 1024 + 1);
    refused(&daemon, Method::POST, "/api/v1/kill-switch/trip", Some(json!({ "reason": large })), 413, "content-too-large").await;
    assert_eq!(switch(&daemon).await["state"], "armed");
}

/// The API answers in bounded time whatever the data path is doing.
#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_answers_while_the_data_path_is_full_of_waits() {
    let daemon = started().await;
    activate(&daemon, "slow").await;
    let client = client();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (client, url) = (client.clone(), daemon.proxy_url("/sim/echo"));
        calls.spawn(async move { client.get(url).send().await });
    }
    eventually("all wait", async || {
        (Metrics::of(&daemon).await.get("murphy_in_flight_requests{route=\"sim\"}") >= 200.0).then_some(())
    })
    .await;
    let answered = tokio::time::timeout(Duration::from_secs(5), get(&daemon, "/api/v1/status")).await;
    assert_eq!(answered.expect("an answer")["active"][0]["scenario"], "slow");
    calls.abort_all();
}
