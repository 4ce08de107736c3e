//! Kinds that break or hold the connection, and the one that calls the upstream twice.

use std::time::Duration;

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::End;
use murphy_testkit::recorder::{Recorder, text};
use tokio::time::Instant;

use crate::faults::harness::{Bench, CASE, Setup, Told, fault, marks, request, sim, tells};

fn dropped(fault: &'static str, effect: &'static str) -> Told<'static> {
    Told {
        fault,
        outcome: Outcome::Dropped,
        cause: Cause::Murphy,
        status: None,
        effect,
    }
}

pub(super) async fn abort() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("abort: rst")).await;
    let mut client = bench.client().await;
    client.send(request("GET", "/json", &[], b"")).await.unwrap();
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Rst));
    tells(&bench.only().await, &dropped("abort", "rst"));
    assert_eq!(sim.calls("/json"), 0);
}

pub(super) async fn hang() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("hang: { max: 120ms }")).await;
    let mut client = bench.client().await;
    let start = Instant::now();
    client.send(request("GET", "/json", &[], b"")).await.unwrap();
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
    assert!(start.elapsed() >= Duration::from_millis(120));
    let exchange = bench.only().await;
    tells(&exchange, &dropped("hang", "then gave up"));
    assert!(exchange.injected_ms >= 120.0, "{exchange:#?}");
    assert_eq!(sim.calls("/json"), 0);
}

pub(super) async fn duplicate() {
    let upstream = Recorder::start(|_| text(201, "made"));
    let bench = Setup::new(upstream.url())
        .on(CASE, &fault("duplicate: { sends: 3 }"))
        .start()
        .await;
    let headers = [("Idempotency-Key", "k-1"), ("Content-Type", "text/plain")];
    let response = bench.call("POST", "/orders?n=1", &headers, b"one order").await;
    assert_eq!((response.status(), response.body.text()), (201, "made"));
    assert_eq!(marks(&response), ["case/r"]);
    let sent = upstream.wait_for(3).await;
    assert_eq!(sent.len(), 3);
    for request in &sent {
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/orders?n=1")
        );
        assert_eq!(&*request.body, b"one order");
        assert_eq!(request.pairs(), sent[0].pairs());
    }
    let told = Told {
        fault: "duplicate",
        outcome: Outcome::Ok,
        cause: Cause::Upstream,
        status: Some(201),
        effect: "sent 3 times",
    };
    tells(&bench.only().await, &told);
}
