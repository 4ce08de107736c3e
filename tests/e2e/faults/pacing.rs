//! Pace on both sides and by every law of delay: times from below, and nothing is lost.

use std::time::Duration;

use murphy_core::outcome::Outcome;
use tokio::time::Instant;

use super::harness::{Bench, fault, marks, request, sim};

#[tokio::test]
async fn the_request_is_slowed_down_on_its_way_up_and_arrives_whole() {
    for (yaml, least) in [
        ("throttle: { rate: 32KiB, side: request }", 400),
        ("stall: { after: 50%, for: 150ms, side: request }", 150),
        ("slow_drip: { bytes: 4KiB, every: 40ms, side: request }", 120),
    ] {
        let sim = sim();
        let bench = Bench::with(&sim, &fault(yaml)).await;
        let body = murphy_sim::pattern(0, 16 * 1_024);
        let start = Instant::now();
        let response = bench.call("POST", "/sink", &[], &body).await;
        assert!(
            start.elapsed() >= Duration::from_millis(least),
            "{yaml}: {:?}",
            start.elapsed()
        );
        assert_eq!(
            response.body.json(),
            serde_json::json!({ "bytes": body.len(), "pattern": true }),
            "{yaml}"
        );
        let exchange = bench.only().await;
        assert_eq!(
            (exchange.outcome, exchange.bytes_in),
            (Outcome::Ok, body.len() as u64),
            "{yaml}"
        );
        assert!(
            exchange.injected_ms >= least as f64 * 0.8,
            "{yaml}: {exchange:#?}"
        );
    }
}

#[tokio::test]
async fn both_sides_are_paced_each_by_itself() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("stall: { after: 1, for: 100ms, side: both }")).await;
    let start = Instant::now();
    let response = bench.call("POST", "/echo", &[], b"hello").await;
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(response.body.json()["body"]["text"], "hello");
    assert!(bench.only().await.injected_ms >= 200.0);
}

#[tokio::test]
async fn a_chunked_and_a_compressed_body_are_paced_too() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("stall: { after: 10, for: 80ms }")).await;
    for path in ["/bytes/500?chunked=1", "/json?encoding=gzip", "/trailers"] {
        let direct = murphy_testkit::raw::RawClient::connect(sim.addr())
            .await
            .unwrap()
            .get(path)
            .await;
        let start = Instant::now();
        let proxied = bench.get(path).await;
        assert!(start.elapsed() >= Duration::from_millis(80), "{path}");
        assert_eq!(proxied.body.content, direct.body.content, "{path}");
        assert_eq!(proxied.body.trailers, direct.body.trailers, "{path}");
        assert!(proxied.body.is_complete());
    }
}

#[tokio::test]
async fn each_law_of_delay_waits_as_long_as_it_tells() {
    for law in [
        "uniform: { min: 30ms, max: 60ms }",
        "normal: { mean: 40ms, deviation: 10ms }",
        "lognormal: { median: 30ms, sigma: 0.5 }",
        "pareto: { min: 20ms, shape: 3 }",
        "exponential: { mean: 30ms }",
    ] {
        for at in ["request", "headers", "body"] {
            let sim = sim();
            let yaml = format!("delay: {{ {law}, at: {at}, cap: 150ms }}");
            let bench = Bench::with(&sim, &fault(&yaml)).await;
            let start = Instant::now();
            let response = bench.get("/bytes/100").await;
            let took = start.elapsed();
            assert_eq!(response.body.content, murphy_sim::pattern(0, 100), "{yaml}");
            assert_eq!(marks(&response), ["case/r"], "{yaml}");
            let exchange = bench.only().await;
            let effect = &exchange.faults[0].effects[0];
            let told = effect.trim_start_matches("delay ").split(' ').next().unwrap();
            let told = murphy_core::span::parse_duration(told).unwrap_or_else(|_| panic!("{effect}"));
            assert!(told <= Duration::from_millis(150), "{effect}");
            let shown_up = Duration::from_millis(1); // it is shown to the millisecond
            assert!(took + shown_up >= told, "{yaml}: {took:?} but {effect}");
        }
    }
}

#[tokio::test]
async fn a_delay_at_the_body_lets_the_head_through() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("delay: { fixed: 10m, at: body }")).await;
    let mut client = bench.client().await;
    client.send(request("GET", "/json", &[], b"")).await.unwrap();
    let head = client.read_head().await.unwrap();
    assert_eq!(head.status(), 200);
    client.reset();
    assert_eq!(bench.only().await.outcome, Outcome::Timeout);
}
