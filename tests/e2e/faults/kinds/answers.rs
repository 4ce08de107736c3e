//! Kinds that answer in the upstream's place.

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::{Framing, RawResponse};
use serde_json::json;

use crate::faults::harness::{Bench, Setup, Told, fault, marks, sim, tells, untouched};

fn told(fault: &'static str, outcome: Outcome, status: u16, effect: &'static str) -> Told<'static> {
    Told {
        fault,
        outcome,
        cause: Cause::Murphy,
        status: Some(status),
        effect,
    }
}

fn is_marked(response: &RawResponse) {
    assert_eq!(marks(response), ["case/r"]);
}

pub(super) async fn status() {
    let sim = sim();
    let scenario = fault(
        "status: { code: 503, headers: { retry-after: 5, x-part: [a, b] }, json: { error: maintenance } }",
    );
    let bench = Bench::with(&sim, &scenario).await;
    let mut client = bench.client().await;
    let response = client.get("/up/json").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.body.content, br#"{"error":"maintenance"}"#);
    assert_eq!(response.body.framing, Framing::Sized(23));
    assert_eq!(response.head.header("content-type"), Some("application/json"));
    assert_eq!(response.head.header("retry-after"), Some("5"));
    assert_eq!(response.head.all("x-part"), ["a", "b"]);
    is_marked(&response);
    assert_eq!(client.get("/up/json").await.status(), 503); // the connection lives on
    let exchange = bench.only().await;
    tells(
        &exchange,
        &told("status", Outcome::ServerError, 503, "answered 503"),
    );
    assert_eq!(exchange.bytes_out, 23);
    assert_eq!(sim.calls("/json"), 0);
}

pub(super) async fn error() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("error: { kind: rate_limited, retry_after: 1500ms }")).await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.head.header("retry-after"), Some("2")); // rounded up
    assert_eq!(
        response.head.header("content-type"),
        Some("application/problem+json")
    );
    let problem = response.body.json();
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&json!(429), &json!("rate_limited"))
    );
    is_marked(&response);
    let exchange = bench.only().await;
    tells(
        &exchange,
        &told("error", Outcome::RateLimited, 429, "answered 429 (rate_limited)"),
    );
    assert_eq!(sim.calls("/json"), 0);
}

pub(super) async fn rate_limit() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("rate_limit: { limit: 2, window: 1m }")).await;
    for remaining in ["1", "0"] {
        let response = bench.get("/json").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body.content, murphy_sim::DOCUMENT.as_bytes());
        assert_eq!(response.head.header("x-ratelimit-limit"), Some("2"));
        assert_eq!(response.head.header("x-ratelimit-remaining"), Some(remaining));
        assert_eq!(marks(&response), [""; 0]);
    }
    let refused = bench.get("/json").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.head.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.head.header("x-ratelimit-remaining"), Some("0"));
    is_marked(&refused);
    let exchanges = bench.exchanges(3).await;
    untouched(&exchanges[0]);
    untouched(&exchanges[1]);
    tells(
        &exchanges[2],
        &told("rate_limit", Outcome::RateLimited, 429, "over the limit of 2"),
    );
    assert_eq!(sim.calls("/json"), 2);
}

pub(super) async fn html_instead() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("html_instead: { status: 502 }")).await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 502);
    assert!(
        response
            .head
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(response.head.header("server"), Some("nginx"));
    assert!(response.body.text().contains("<title>502 Bad Gateway</title>"));
    is_marked(&response);
    let exchange = bench.only().await;
    tells(
        &exchange,
        &told("html_instead", Outcome::ServerError, 502, "answered 502"),
    );
    assert_eq!(sim.calls("/json"), 0);
}

pub(super) async fn redirect_loop() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("redirect_loop: { status: 307 }")).await;
    let response = bench.get("/json?a=%20b").await;
    assert_eq!(response.status(), 307);
    assert_eq!(response.head.header("location"), Some("/up/json?a=%20b"));
    assert_eq!(response.body.content, b"");
    is_marked(&response);
    let exchange = bench.only().await;
    tells(
        &exchange,
        &told("redirect_loop", Outcome::Ok, 307, "redirected to itself (307)"),
    );
    assert_eq!(sim.calls("/json"), 0);
}

pub(super) async fn stale() {
    let sim = sim();
    let scenario = fault("stale: {}");
    let bench = Setup::sim(&sim, &scenario).start().await;
    let first = bench.get("/time").await;
    assert_eq!(first.body.json()["count"], 1);
    assert_eq!(marks(&first), [""; 0]);
    let again = bench.get("/time").await;
    assert_eq!(again.body.content, first.body.content);
    is_marked(&again);
    let exchanges = bench.exchanges(2).await;
    assert_eq!(exchanges[0].faults[0].skipped.as_deref(), Some("nothing_earlier"));
    assert_eq!(exchanges[0].cause, Cause::Upstream);
    tells(
        &exchanges[1],
        &told("stale", Outcome::Ok, 200, "answered as before"),
    );
    assert_eq!(sim.calls("/time"), 1);
    assert_eq!(bench.skipped("nothing_earlier").await, 1.0);
    // Another query is another request.
    assert_eq!(bench.get("/time?other=1").await.body.json()["count"], 2);
}
