//! Kinds that only take time: what arrives is whole. Times are checked from below only.

use std::time::Duration;

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::Sim;
use murphy_testkit::raw::Framing;
use tokio::time::Instant;

use crate::faults::harness::{Bench, Told, fault, marks, request, sim, tells};

/// Calls `/bytes/{length}` under a fault: nothing is lost, it takes at least `least`, and that is told.
async fn slow(
    sim: &Sim,
    kind: &'static str,
    scenario: &str,
    length: usize,
    least: Duration,
    effect: &'static str,
) {
    let bench = Bench::with(sim, scenario).await;
    let mut client = bench.client().await;
    let start = Instant::now();
    let response = client.get(&format!("/up/bytes/{length}")).await;
    let took = start.elapsed();
    assert!(took >= least, "{took:?}");
    assert_eq!(response.status(), 200);
    assert_eq!(response.body.framing, Framing::Sized(length));
    assert_eq!(response.body.content, murphy_sim::pattern(0, length as u64));
    assert_eq!(marks(&response), ["case/r"]);
    client.get("/up/calls").await; // the connection lives on
    let exchange = bench.only().await;
    let told = Told {
        fault: kind,
        outcome: Outcome::Ok,
        cause: Cause::Upstream,
        status: Some(200),
        effect,
    };
    tells(&exchange, &told);
    let injected = Duration::from_secs_f64(exchange.injected_ms / 1e3);
    assert!(injected >= least.mul_f64(0.9), "{exchange:#?}");
    assert_eq!(sim.calls(&format!("/bytes/{length}")), 1);
}

pub(super) async fn delay() {
    let scenario = fault("delay: 120ms");
    slow(
        &sim(),
        "delay",
        &scenario,
        100,
        Duration::from_millis(120),
        "delay 120ms",
    )
    .await;
}

pub(super) async fn throttle() {
    let scenario = fault("throttle: { rate: 16KiB }");
    // A few bytes may pass at once; the rest takes its time.
    let least = Duration::from_millis(400);
    slow(
        &sim(),
        "throttle",
        &scenario,
        8_192,
        least,
        "throttle to 16384 bytes per second",
    )
    .await;
}

pub(super) async fn slow_drip() {
    let scenario = fault("slow_drip: { bytes: 10, every: 20ms }");
    slow(
        &sim(),
        "slow_drip",
        &scenario,
        55,
        Duration::from_millis(100),
        "drip 10 bytes every 20ms",
    )
    .await;
}

pub(super) async fn stall() {
    let sim = sim();
    let scenario = fault("stall: { after: 50%, for: 150ms }");
    slow(
        &sim,
        "stall",
        &scenario,
        1_000,
        Duration::from_millis(150),
        "stall for 150ms",
    )
    .await;
    let bench = Bench::with(&sim, &scenario).await;
    let mut client = bench.client().await;
    client.send(request("GET", "/bytes/64", &[], b"")).await.unwrap();
    client.read_head().await.unwrap();
    let first = client.read_some().await.unwrap();
    assert_eq!(first, murphy_sim::pattern(0, 32)); // the half comes, then nothing for a while
}
