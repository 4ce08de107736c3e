//! The example of each kind in the catalogue, run: what the documentation shows is what happens.

use http::Response;
use murphy_core::exchange::Exchange;
use murphy_faults::CATALOGUE;
use murphy_testkit::recorder::Recorder;

use crate::faults::harness::{Bench, Setup, request};

/// Kinds whose example holds the call for longer than a test wants to wait: the client leaves.
const LONG: &[&str] = &["hang", "stall", "throttle", "slow_drip"];

/// Kinds whose example fires at a later call than the first, and at which.
const LATER: &[(&str, usize)] = &[("rate_limit", 11), ("stale", 2)];

fn scenario(name: &str, example: &str) -> String {
    let indented: String = example.lines().map(|line| format!("      {line}\n")).collect();
    format!("rules:\n  - name: r\n    when: {{ header: {{ x-case: {name} }} }}\n    fault:\n{indented}")
}

#[tokio::test]
async fn every_example_of_the_catalogue_fires_and_is_told() {
    // The answer has what the examples edit.
    let answer = r#"{"total": 3, "name": "one"}"#;
    let upstream = Recorder::start(move |_| Response::new(answer.into()));
    let mut setup = Setup::new(upstream.url()).file("scenarios/page.html", "<p>down");
    for row in CATALOGUE {
        setup = setup.on(row.name, &scenario(row.name, row.example));
    }
    let bench = setup.start().await;
    let mut calls = 0;
    for row in CATALOGUE {
        let times = LATER
            .iter()
            .find(|(name, _)| *name == row.name)
            .map_or(1, |(_, nth)| *nth);
        for _ in 0..times {
            call(&bench, row.name).await;
        }
        calls += times;
        let exchanges = bench.exchanges(calls).await;
        fired(exchanges.last().expect("an exchange"), row.name);
    }
}

async fn call(bench: &Bench, kind: &str) {
    let mut client = bench.client().await;
    client
        .send(request("GET", "/", &[("x-case", kind)], b""))
        .await
        .unwrap();
    if !LONG.contains(&kind) {
        client.read_response("GET").await.ok(); // some break the connection
        return;
    }
    if kind == "hang" {
        bench.in_flight(1.0).await;
    } else {
        client.read_head().await.unwrap();
    }
    client.reset();
}

fn fired(exchange: &Exchange, kind: &str) {
    let [applied] = exchange.faults.as_slice() else {
        panic!("{kind}: {exchange:#?}")
    };
    assert_eq!((applied.scenario.as_str(), applied.fault.as_str()), (kind, kind));
    assert!(
        !applied.effects.is_empty() && applied.skipped.is_none(),
        "{exchange:#?}"
    );
}
