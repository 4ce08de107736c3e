//! The rate is what it says, and all accounts of it agree to the last call.

use std::sync::Arc;

use murphy_core::exchange::Exchange;
use murphy_testkit::daemon::Signal;
use murphy_testkit::raw::RawResponse;

use super::harness::{Bench, Setup, http, marks, request, rule, sim};

const CONNECTIONS: usize = 8;

/// Makes `calls` calls over eight connections: how many were marked.
async fn marked(bench: &Arc<Bench>, calls: usize) -> usize {
    let mut tasks = Vec::new();
    for first in 0..CONNECTIONS {
        let bench = Arc::clone(bench);
        tasks.push(tokio::spawn(async move {
            let mut client = bench.client().await;
            let mut marked = 0;
            for n in (first..calls).step_by(CONNECTIONS) {
                let path = format!("/status/200?n={n}");
                client.send(request("GET", &path, &[], b"")).await.unwrap();
                let response = client.response("GET").await;
                assert_eq!(response.status() == 503, !marks(&response).is_empty());
                marked += usize::from(response.status() == 503);
            }
            marked
        }));
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    sum
}

#[tokio::test]
async fn one_per_cent_of_20_000_calls_and_header_metric_and_journal_agree_exactly() {
    const CALLS: usize = 20_000;
    let sim = sim();
    let setup = Setup::sim(&sim, &rule("often: { probability: 1% }, fault: { status: 503 }"))
        .section("[events]\nfile = \"events.jsonl\"\nmax_size = \"256MiB\"");
    let bench = Arc::new(setup.start().await);
    let headers = marked(&bench, CALLS).await;
    let deviation = (CALLS as f64 * 0.01 * 0.99).sqrt();
    assert!(
        (headers as f64 - CALLS as f64 * 0.01).abs() <= 3.0 * deviation,
        "{headers} of {CALLS}"
    );
    assert_eq!(
        bench.injected(&["rule=\"r\"", "route=\"up\""]).await,
        headers as f64
    );
    let errors = ["route=\"up\"", "outcome=\"server_error\"", "cause=\"murphy\""];
    assert_eq!(
        bench.metric("murphy_requests_total", &errors).await,
        headers as f64
    );
    assert_eq!(
        bench.metric("murphy_requests_total", &["route=\"up\""]).await,
        CALLS as f64
    );
    assert_eq!(sim.calls("/status/200"), (CALLS - headers) as u64);

    let bench = Arc::into_inner(bench).expect("the calls are over");
    bench.daemon.signal(Signal::TERM);
    let (finished, folder) = bench.daemon.finished().await;
    assert!(finished.status.success(), "{finished:#?}");
    let journal = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
    let exchanges: Vec<Exchange> = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(exchanges.len(), CALLS);
    assert_eq!(
        exchanges.iter().filter(|exchange| exchange.injected()).count(),
        headers
    );
    for exchange in &exchanges {
        let draw = exchange
            .faults
            .first()
            .map_or_else(|| exchange.held[0].draw, |fault| fault.draw);
        assert_eq!(draw.expect("it was drawn") < 0.01, exchange.injected());
    }
}

/// A response but for where its chunks begin, which is a matter of chance.
fn seen(mut response: RawResponse) -> RawResponse {
    response.body.chunks.clear();
    response
}

#[tokio::test]
async fn a_probability_of_zero_is_byte_for_byte_no_rule() {
    const PATHS: [&str; 5] = [
        "/json",
        "/json?encoding=br",
        "/bytes/3000?chunked=1",
        "/trailers",
        "/cookies",
    ];
    let sim = sim();
    let plain = Setup::new(http(&sim)).start().await;
    let scenario = super::harness::rules(&[
        "name: r, often: { probability: 0 }, fault: { abort: rst }",
        "name: s, often: { probability: 0 }, fault: { corrupt: nan }",
        "name: t, often: { probability: 0 }, fault: { delay: 5m }",
    ]);
    let ruled = Bench::with(&sim, &scenario).await;
    let (mut without, mut with) = (plain.client().await, ruled.client().await);
    for n in 0..2_000 {
        let target = format!("/up{}", PATHS[n % PATHS.len()]);
        assert_eq!(
            seen(with.get(&target).await),
            seen(without.get(&target).await),
            "call {n}"
        );
    }
    assert_eq!(ruled.injected(&[]).await, 0.0);
    assert_eq!(ruled.metric("murphy_faults_skipped_total", &[]).await, 0.0);
    assert_eq!(
        ruled
            .metric("murphy_requests_total", &["cause=\"upstream\"", "outcome=\"ok\""])
            .await,
        2_000.0
    );
}

#[tokio::test]
async fn a_probability_of_one_is_every_call() {
    let sim = sim();
    let bench = Arc::new(Bench::with(&sim, &rule("often: { probability: 1 }, fault: { status: 503 }")).await);
    assert_eq!(marked(&bench, 1_000).await, 1_000);
    assert_eq!(bench.injected(&["rule=\"r\""]).await, 1_000.0);
    assert_eq!(sim.calls("/status/200"), 0);
}
