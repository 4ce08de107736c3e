//! Waits end when their fault is switched off: the call goes on as if nothing had been.

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::RawClient;

use super::harness::{Bench, CASE, DOCUMENT, fault, request, sim};

/// A call that is held by a fault.
async fn held(bench: &Bench, path: &str) -> RawClient {
    let mut client = bench.client().await;
    client.send(request("GET", path, &[], b"")).await.unwrap();
    bench.in_flight(1.0).await;
    client
}

#[tokio::test]
async fn what_is_held_before_its_answer_is_answered_by_the_upstream_then() {
    for (yaml, calls_before) in [
        ("hang: {}", 0),
        ("hang: { max: 10m, after_upstream: true }", 1),
        ("delay: 10m", 0),
        ("delay: { fixed: 10m, at: headers }", 1),
        ("delay: { fixed: 10m, at: body }", 1),
    ] {
        let sim = sim();
        let bench = Bench::with(&sim, &fault(yaml)).await;
        let mut client = held(&bench, "/json").await;
        while sim.calls("/json") < calls_before {
            tokio::task::yield_now().await;
        }
        bench.deactivate(CASE).await;
        let response = client.response("GET").await;
        assert_eq!(
            (response.status(), &response.body.content[..]),
            (200, DOCUMENT),
            "{yaml}"
        );
        assert!(response.body.is_complete(), "{yaml}");
        assert_eq!(sim.calls("/json"), 1, "{yaml}");
        let exchange = bench.only().await;
        assert_eq!(
            (exchange.outcome, exchange.cause),
            (Outcome::Ok, Cause::Upstream),
            "{yaml}"
        );
        let fault = &exchange.faults[0];
        let released = fault
            .effects
            .iter()
            .any(|effect| effect.contains("released") || effect.contains("before the body"));
        // It may have been switched off in the moment before it began.
        assert!(
            released || fault.skipped.as_deref() == Some("halted"),
            "{yaml}: {exchange:#?}"
        );
        assert_eq!(client.get("/up/json").await.body.content, DOCUMENT); // nothing is left of it
    }
}

#[tokio::test]
async fn a_body_that_is_held_flows_on() {
    for yaml in [
        "stall: { after: 100, for: forever }",
        "throttle: { rate: 1 }",
        "slow_drip: { every: 10m }",
    ] {
        let sim = sim();
        let bench = Bench::with(&sim, &fault(yaml)).await;
        let mut client = held(&bench, "/json").await;
        let head = client.read_head().await.unwrap();
        bench.deactivate(CASE).await;
        let body = client.read_body(&head, "GET").await;
        assert_eq!(body.content, DOCUMENT, "{yaml}");
        assert!(body.is_complete(), "{yaml}");
        let exchange = bench.only().await;
        assert_eq!(
            (exchange.outcome, exchange.cause),
            (Outcome::Ok, Cause::Upstream),
            "{yaml}"
        );
    }
}

#[tokio::test]
async fn a_request_body_that_is_held_flows_on() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("stall: { after: 2, for: forever, side: request }")).await;
    let mut client = bench.client().await;
    client
        .send(request("POST", "/sink", &[], &murphy_sim::pattern(0, 5_000)))
        .await
        .unwrap();
    while sim.calls("/sink") == 0 {
        tokio::task::yield_now().await; // the head is there, the body is not
    }
    bench.deactivate(CASE).await;
    let response = client.response("POST").await;
    assert_eq!(
        response.body.json(),
        serde_json::json!({ "bytes": 5_000, "pattern": true })
    );
}

#[tokio::test]
async fn an_agent_that_leaves_a_wait_was_timed_out_by_it() {
    for yaml in ["hang: {}", "delay: 10m", "stall: { after: 100, for: forever }"] {
        let sim = sim();
        let bench = Bench::with(&sim, &fault(yaml)).await;
        let mut client = held(&bench, "/json").await;
        if yaml.contains("stall") {
            client.read_head().await.unwrap();
            client.read_exact(100).await.unwrap();
        }
        client.reset();
        let exchange = bench.only().await;
        assert_eq!(
            (exchange.outcome, exchange.cause),
            (Outcome::Timeout, Cause::Murphy),
            "{yaml}"
        );
        let fault = &exchange.faults[0];
        assert!(!fault.effects.is_empty(), "{exchange:#?}");
        assert_eq!(bench.injected(&["rule=\"r\""]).await, 1.0, "{yaml}");
        while bench.metric("murphy_in_flight_requests", &["route=\"up\""]).await > 0.0 {
            tokio::task::yield_now().await;
        }
    }
}
