//! The control API's answers: exchanges as a list and live, problems, and answers while the data path is busy.

use std::time::Duration;

use http::{Method, StatusCode};
use murphy_testkit::daemon::Daemon;
use serde_json::{Value, json};

use super::control_api::{get, started};
use super::support::{Metrics, activate, call, client, eventually, recorded, switch};

/// Makes a call that is refused; the problem that says so.
pub(crate) async fn refused(
    daemon: &Daemon,
    method: Method,
    path: &str,
    body: Option<Value>,
    status: u16,
    kind: &str,
) -> Value {
    let (found, problem) = daemon.control_call(method.clone(), path, body).await;
    assert_eq!(found.as_u16(), status, "{method} {path}: {problem:#}");
    assert_eq!(
        problem["type"],
        format!("urn:murphy:problem:{kind}"),
        "{problem:#}"
    );
    assert_eq!(problem["status"], status, "{problem:#}");
    assert!(
        problem["title"].is_string() && problem["detail"].is_string(),
        "{problem:#}"
    );
    problem
}

#[tokio::test]
async fn exchanges_are_listed_by_filter_and_followed_live() {
    let daemon = started().await;
    let client = client();
    for n in 0..6 {
        call(&client, &daemon, &format!("/sim/echo?n={n}")).await;
    }
    let (status, _) = daemon
        .control_post("/api/v1/scenarios/outage/activate", json!({ "seed": 1 }))
        .await;
    assert_eq!(status, StatusCode::OK);
    call(&client, &daemon, "/sim/echo?n=6").await;
    let all = recorded(&daemon, 7).await;
    let ids: Vec<u64> = all.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
    let list = async |query: &str| -> Vec<u64> {
        let list = get(&daemon, &format!("/api/v1/exchanges?{query}")).await;
        list.as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(list("after=3&limit=2").await, [4, 5]);
    assert_eq!(list("limit=2").await, [6, 7]);
    assert_eq!(list("injected=true").await, [7]);
    assert_eq!(list("injected=false&after=4").await, [5, 6]);
    assert_eq!(list("route=sim").await.len(), 7);
    assert_eq!(list("route=other").await, [0; 0]);

    let fault = &all[6]["faults"][0];
    assert_eq!(
        (&fault["scenario"], &fault["rule"], &fault["fault"]),
        (&json!("outage"), &json!("down"), &json!("status"))
    );
    let (seven, first) = (&all[6], &all[0]);
    assert_eq!(
        (&seven["outcome"], &seven["cause"], &seven["status"]),
        (&json!("server_error"), &json!("murphy"), &json!(503))
    );
    assert_eq!(
        (&first["outcome"], &first["cause"], &first["status"]),
        (&json!("ok"), &json!("upstream"), &json!(200))
    );
    assert_eq!(
        (&first["method"], &first["path"], &first["route"]),
        (&json!("GET"), &json!("/echo"), &json!("sim"))
    );
    assert!(
        !first.to_string().contains("n=0"),
        "the query is left out: {first:#}"
    );

    let url = daemon.control_url("/api/v1/exchanges/stream?after=5&limit=3");
    let mut stream = client.get(url).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("id: 7") {
        text.push_str(
            std::str::from_utf8(&stream.chunk().await.unwrap().expect("two from the past")).unwrap(),
        );
    }
    call(&client, &daemon, "/sim/echo?n=7").await;
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let data: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let ids: Vec<u64> = data.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [6, 7, 8], "{text}");
    assert_eq!(text.matches("event: exchange").count(), 3, "{text}");
}

#[tokio::test]
async fn mistakes_are_answered_by_problem_documents() {
    let daemon = started().await;
    let no = None;
    for (method, path, body, status, kind) in [
        (Method::GET, "/api/v1/nothing", no.clone(), 404, "not-found"),
        (
            Method::GET,
            "/api/v1/scenarios/slwo",
            no.clone(),
            404,
            "no-such-scenario",
        ),
        (
            Method::POST,
            "/api/v1/scenarios/slwo/activate",
            Some(json!({})),
            404,
            "no-such-scenario",
        ),
        (
            Method::POST,
            "/api/v1/status",
            Some(json!({})),
            405,
            "method-not-allowed",
        ),
        (
            Method::GET,
            "/api/v1/kill-switch/trip",
            no.clone(),
            405,
            "method-not-allowed",
        ),
        (
            Method::GET,
            "/api/v1/reload",
            no.clone(),
            405,
            "method-not-allowed",
        ),
        (
            Method::GET,
            "/api/v1/exchanges?limit=many",
            no.clone(),
            400,
            "bad-request",
        ),
        (
            Method::GET,
            "/api/v1/exchanges?colour=red",
            no.clone(),
            400,
            "bad-request",
        ),
        (
            Method::POST,
            "/api/v1/scenarios/slow/activate",
            Some(json!({ "for": "soon" })),
            400,
            "bad-request",
        ),
        (
            Method::POST,
            "/api/v1/scenarios/slow/activate",
            Some(json!({ "fro": "60s" })),
            400,
            "bad-request",
        ),
        (
            Method::POST,
            "/api/v1/kill-switch/trip",
            Some(json!([])),
            400,
            "bad-request",
        ),
    ] {
        refused(&daemon, method, path, body, status, kind).await;
    }
    let problem = refused(
        &daemon,
        Method::GET,
        "/api/v1/scenarios/slwo",
        None,
        404,
        "no-such-scenario",
    )
    .await;
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean \"slow\"?"),
        "{problem:#}"
    );
    let large = "x".repeat(1024 * 1024 + 1);
    refused(
        &daemon,
        Method::POST,
        "/api/v1/kill-switch/trip",
        Some(json!({ "reason": large })),
        413,
        "content-too-large",
    )
    .await;
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
        (Metrics::of(&daemon)
            .await
            .get("murphy_in_flight_requests{route=\"sim\"}")
            >= 200.0)
            .then_some(())
    })
    .await;
    let answered = tokio::time::timeout(Duration::from_secs(5), get(&daemon, "/api/v1/status")).await;
    assert_eq!(answered.expect("an answer")["active"][0]["scenario"], "slow");
    calls.abort_all();
}
