//! How often a rule strikes, as a client counts it: every key of `often`, `stop`, and the order of rules.

use super::harness::{Bench, CASE, Setup, fault, http, marks, rule, sim};

/// Which of `calls` calls, from 1, are answered with 503 by the rule.
async fn hits(bench: &Bench, calls: u64, agent: Option<&str>) -> Vec<u64> {
    let mut hit = Vec::new();
    let mut client = bench.client().await;
    for n in 1..=calls {
        let headers: Vec<(&str, &str)> = agent.iter().map(|agent| ("x-murphy-agent", *agent)).collect();
        client
            .send(super::harness::request("GET", "/json", &headers, b""))
            .await
            .unwrap();
        let response = client.response("GET").await;
        assert_eq!(response.status() == 503, !marks(&response).is_empty());
        if response.status() == 503 {
            hit.push(n);
        }
    }
    hit
}

#[tokio::test]
async fn counted_cadences_strike_exactly_those_calls() {
    let cases: [(&str, &[u64]); 9] = [
        ("every: 3", &[3, 6, 9, 12]),
        ("first: 2", &[1, 2]),
        ("after: 9", &[10, 11, 12]),
        ("times: 2", &[1, 2]),
        ("every: 3, after: 2", &[5, 8, 11]),
        ("every: 2, times: 3", &[2, 4, 6]),
        ("first: 4, every: 2", &[2, 4]),
        ("after: 1, first: 3", &[2, 3, 4]),
        ("probability: 0", &[]),
    ];
    for (often, expected) in cases {
        let sim = sim();
        let bench = Bench::with(
            &sim,
            &rule(&format!("often: {{ {often} }}, fault: {{ status: 503 }}")),
        )
        .await;
        assert_eq!(hits(&bench, 12, None).await, expected, "{often}");
        let exchanges = bench.exchanges(12).await;
        let told: Vec<u64> = exchanges
            .iter()
            .filter(|exchange| exchange.injected())
            .map(|exchange| exchange.id)
            .collect();
        assert_eq!(told, expected, "{often}");
        for exchange in exchanges.iter().filter(|exchange| !exchange.injected()) {
            let held = exchange
                .held
                .first()
                .unwrap_or_else(|| panic!("{often}: no reason: {exchange:#?}"));
            assert_eq!((held.scenario.as_str(), held.rule.as_str()), (CASE, "r"));
            assert_ne!(held.why.name(), "fired");
        }
        assert_eq!(sim.calls("/json"), 12 - expected.len() as u64);
    }
}

#[tokio::test]
async fn each_agent_is_counted_by_itself() {
    let sim = sim();
    let bench = Bench::with(
        &sim,
        &rule("often: { every: 2, per: agent }, fault: { status: 503 }"),
    )
    .await;
    assert_eq!(hits(&bench, 3, Some("ada")).await, [2]);
    assert_eq!(hits(&bench, 3, Some("bob")).await, [2]);
    assert_eq!(hits(&bench, 3, Some("ada")).await, [1, 3]);
}

#[tokio::test]
async fn an_operation_is_counted_over_its_attempts() {
    let sim = sim();
    // The first try of each operation fails: a client that retries once always gets through.
    let bench = Bench::with(
        &sim,
        &rule("often: { first: 1, per: operation }, fault: { status: 503 }"),
    )
    .await;
    for _ in 0..3 {
        assert_eq!(bench.get("/json").await.status(), 503);
        assert_eq!(bench.get("/json").await.status(), 200);
    }
    let exchanges = bench.exchanges(6).await;
    let attempts: Vec<u32> = exchanges.iter().map(|exchange| exchange.attempt).collect();
    assert_eq!(attempts, [1, 2, 1, 2, 1, 2]);
    for pair in exchanges.chunks(2) {
        assert_eq!(pair[0].operation, pair[1].operation);
    }
    assert_ne!(exchanges[1].operation, exchanges[2].operation);
}

#[tokio::test]
async fn a_schedule_is_about_the_time_since_activation() {
    let sim = sim();
    let bench = Setup::new(http(&sim))
        .on(
            "early",
            &rule("often: { for: 1h }, fault: { headers: { set: { x-early: \"1\" } } }"),
        )
        .on("late", &rule("often: { from: 1h }, fault: { status: 503 }"))
        .on("ramping", &rule("often: { ramp: 1000h }, fault: { status: 503 }"))
        .start()
        .await;
    for _ in 0..20 {
        let response = bench.get("/json").await;
        assert_eq!(
            (response.status(), response.head.header("x-early")),
            (200, Some("1"))
        );
    }
    let held: Vec<&str> = bench
        .only()
        .await
        .held
        .iter()
        .map(|held| held.why.name())
        .collect();
    assert_eq!(held, ["schedule", "probability"]);
}

#[tokio::test]
async fn a_window_that_comes_again_and_ends() {
    let sim = sim();
    let bench = Bench::with(
        &sim,
        &rule("often: { for: 150ms, repeat_every: 300ms }, fault: { status: 503 }"),
    )
    .await;
    // Both come, however the calls fall: called until each was seen, and then once more.
    for expected in [503, 200, 503] {
        while bench.get("/json").await.status() != expected {}
    }
}

#[tokio::test]
async fn the_first_answer_ends_the_list_and_what_came_before_it_still_applies() {
    let sim = sim();
    let scenario = "rules:\n  - { name: wait, fault: { delay: 30ms } }\n  - { name: answer, fault: { status: 503 } }\n  - { name: other, fault: { status: 404 } }\n  - { name: hang, fault: { hang: {} } }\n";
    let bench = Bench::with(&sim, scenario).await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 503);
    assert_eq!(marks(&response), ["case/wait", "case/answer"]);
    let exchange = bench.only().await;
    assert!(exchange.injected_ms >= 30.0);
    let held: Vec<(&str, &str)> = exchange
        .held
        .iter()
        .map(|held| (held.rule.as_str(), held.why.name()))
        .collect();
    assert_eq!(held, [("other", "ended"), ("hang", "ended")]);
}

#[tokio::test]
async fn stop_ends_the_list_when_its_rule_fires_and_only_then() {
    let sim = sim();
    let scenario = "rules:\n  - { name: one, often: { every: 2 }, stop: true, fault: { headers: { set: { x-one: \"1\" } } } }\n  - { name: two, fault: { headers: { set: { x-two: \"2\" } } } }\n";
    let bench = Bench::with(&sim, scenario).await;
    for expected in [[None, Some("2")], [Some("1"), None], [None, Some("2")]] {
        let response = bench.get("/json").await;
        assert_eq!(
            [response.head.header("x-one"), response.head.header("x-two")],
            expected
        );
    }
}

#[tokio::test]
async fn scenarios_are_tried_in_the_order_of_their_activation() {
    let sim = sim();
    let bench = Setup::new(http(&sim))
        .off("a", &fault("status: 501"))
        .off("b", &fault("status: 502"))
        .start()
        .await;
    bench.activate("b").await;
    bench.activate("a").await;
    assert_eq!(bench.get("/json").await.status(), 502);
    bench.deactivate("b").await;
    assert_eq!(bench.get("/json").await.status(), 501);
    bench.activate("b").await;
    assert_eq!(bench.get("/json").await.status(), 501); // b is the later one now
    bench
        .post("scenarios/deactivate-all", serde_json::json!({}))
        .await;
    assert_eq!(bench.get("/json").await.status(), 200);
}
