//! What went wrong in other tools (see the names of the tests), shown not to go wrong here.

use std::error::Error as _;
use std::io;

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::{End, RawClient};

use super::harness::{Bench, CASE, DOCUMENT, fault, marks, request, rule, sim};

/// toxiproxy#465: after a reset rule had ended, new connections still failed.
#[tokio::test]
async fn the_very_next_connection_is_clean_once_a_reset_rule_ends() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("abort: rst")).await;
    for round in 0..5 {
        for _ in 0..10 {
            let mut client = bench.client().await;
            client.send(request("GET", "/json", &[], b"")).await.unwrap();
            assert_eq!(client.read_to_end().await, (Vec::new(), End::Rst));
        }
        bench.deactivate(CASE).await;
        let mut client = bench.client().await;
        for _ in 0..5 {
            let response = client.get("/up/json").await;
            assert_eq!(
                (response.status(), &response.body.content[..]),
                (200, DOCUMENT),
                "round {round}"
            );
        }
        // An old connection is under the new rules with its next request.
        bench.activate(CASE).await;
        client.send(request("GET", "/json", &[], b"")).await.unwrap();
        assert_eq!(client.read_to_end().await, (Vec::new(), End::Rst));
    }
}

/// envoy#13069: a delayed call counted as an active fault as long as its stream went on.
#[tokio::test]
async fn a_place_under_a_limit_is_free_when_the_fault_ends_and_not_when_the_stream_does() {
    for at in ["request", "headers"] {
        let sim = sim();
        let yaml = format!(
            "limits: {{ concurrent: 1 }}\nrules:\n  - {{ name: r, fault: {{ delay: {{ fixed: 20ms, at: {at} }} }} }}\n"
        );
        let bench = Bench::with(&sim, &yaml).await;
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut client = bench.client().await;
            client
                .send(request(
                    "GET",
                    "/sse?events=1000000&interval_ms=3600000",
                    &[],
                    b"",
                ))
                .await
                .unwrap();
            let head = client.read_head().await.unwrap();
            assert_eq!(head.all(super::harness::MARK), ["case/r"], "{at}");
            streams.push(client); // it goes on for hours
        }
        bench.in_flight(4.0).await;
        assert_eq!(bench.skipped("limit").await, 0.0);
    }
}

/// dev-proxy#241: who waits out a `retry-after` always passed next, so the rate was not the one configured.
#[tokio::test]
async fn the_call_after_a_refused_one_is_drawn_like_any_other() {
    const CALLS: usize = 600;
    let sim = sim();
    let yaml = "often: { probability: 50% }, fault: { error: { kind: rate_limited, retry_after: 1s } }";
    let bench = Bench::with(&sim, &rule(yaml)).await;
    let mut client = bench.client().await;
    let mut refused = Vec::new();
    for _ in 0..CALLS {
        refused.push(client.get("/up/json").await.status() == 429);
    }
    let after: Vec<bool> = refused
        .windows(2)
        .filter(|pair| pair[0])
        .map(|pair| pair[1])
        .collect();
    let again = after.iter().filter(|refused| **refused).count();
    let deviation = (after.len() as f64 * 0.25).sqrt();
    assert!(
        (again as f64 - after.len() as f64 / 2.0).abs() <= 3.0 * deviation,
        "{again} of {}",
        after.len()
    );
    let all = refused.iter().filter(|refused| **refused).count();
    assert!(
        (all as f64 - CALLS as f64 / 2.0).abs() <= 3.0 * (CALLS as f64 * 0.25).sqrt(),
        "{all} of {CALLS}"
    );
}

/// WireMock#812, #2033, #970: a "connection reset" that sent no RST. See also [`super::abort`] for TLS and
/// [`super::h2`] for HTTP/2.
#[tokio::test]
async fn a_reset_is_econnreset_to_a_client_library() {
    let sim = sim();
    for at in ["before_response", "after_upstream"] {
        let bench = Bench::with(&sim, &fault(&format!("abort: {{ at: {at}, how: rst }}"))).await;
        let failed = reqwest::get(bench.daemon.proxy_url("/up/json"))
            .await
            .unwrap_err();
        let mut source = failed.source();
        let mut kind = None;
        while let Some(error) = source {
            kind = kind.or_else(|| error.downcast_ref::<io::Error>().map(io::Error::kind));
            source = error.source();
        }
        assert_eq!(kind, Some(io::ErrorKind::ConnectionReset), "{at}: {failed:?}");
    }
}

/// istio#13705, #25160: retries between injector and caller hid the rate that was set. The exchanges tell both:
/// the rate of calls, and that of operations.
#[tokio::test]
async fn a_retrying_hop_hides_neither_the_rate_of_calls_nor_that_of_operations() {
    const OPERATIONS: usize = 120;
    let sim = sim();
    let bench = Bench::with(&sim, &rule("often: { probability: 50% }, fault: { status: 503 }")).await;
    let mut client = bench.client().await;
    let (mut calls, mut failed_calls, mut failed_operations) = (0, 0, 0);
    for n in 0..OPERATIONS {
        let path = format!("/up/status/200?n={n}");
        let mut ok = false;
        for _ in 0..3 {
            calls += 1;
            ok = client.get(&path).await.status() == 200;
            failed_calls += usize::from(!ok);
            if ok {
                break;
            }
        }
        failed_operations += usize::from(!ok);
    }
    let exchanges = bench.exchanges(calls).await;
    let failed = exchanges
        .iter()
        .filter(|exchange| exchange.outcome == Outcome::ServerError);
    assert_eq!(failed.clone().count(), failed_calls);
    assert!(failed.clone().all(|exchange| exchange.cause == Cause::Murphy));
    let operations: std::collections::BTreeSet<_> =
        exchanges.iter().map(|exchange| exchange.operation).collect();
    assert_eq!(operations.len(), OPERATIONS);
    // Who failed at the third attempt failed for good.
    assert_eq!(
        failed.filter(|exchange| exchange.attempt == 3).count(),
        failed_operations
    );
    assert!(
        (0.4..0.6).contains(&(failed_calls as f64 / calls as f64)),
        "{failed_calls} of {calls}"
    );
    assert!(
        failed_operations * 4 < OPERATIONS,
        "{failed_operations} of {OPERATIONS}"
    );
}

/// toxiproxy's and others' connections that outlive a change: a change of rules governs the next request on each.
#[tokio::test]
async fn a_connection_that_was_there_before_is_under_the_rules_of_now() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("status: 503")).await;
    let mut client: RawClient = bench.client().await;
    for _ in 0..10 {
        assert_eq!(marks(&client.get("/up/json").await), ["case/r"]);
        bench.deactivate(CASE).await;
        assert_eq!(client.get("/up/json").await.status(), 200);
        bench.activate(CASE).await;
    }
}
