//! `after_upstream`: the upstream did the work, and the client is told otherwise.

use std::time::Duration;

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::End;
use murphy_testkit::recorder::{Recorder, text};
use tokio::time::Instant;

use super::harness::{Bench, CASE, Setup, Told, fault, marks, request, sim, tells};

#[tokio::test]
async fn the_work_is_done_once_and_another_answer_comes() {
    let cases = [
        (
            "status: { code: 504, text: late, after_upstream: true }",
            "status",
            504,
        ),
        ("error: { kind: bad_gateway, after_upstream: true }", "error", 502),
        (
            "html_instead: { status: 503, after_upstream: true }",
            "html_instead",
            503,
        ),
    ];
    for (yaml, kind, status) in cases {
        let upstream = Recorder::start(|_| text(201, "done"));
        let bench = Setup::new(upstream.url()).on(CASE, &fault(yaml)).start().await;
        let response = bench.call("POST", "/orders", &[], b"one order").await;
        assert_eq!(response.status(), status, "{kind}");
        assert!(
            !String::from_utf8_lossy(&response.body.content).contains("done"),
            "{kind}"
        );
        assert_eq!(marks(&response), ["case/r"], "{kind}");
        assert_eq!(&*upstream.only().body, b"one order", "{kind}");
        let told = Told {
            fault: kind,
            outcome: Outcome::ServerError,
            cause: Cause::Murphy,
            status: Some(status),
            effect: "after the upstream's own answer",
        };
        let exchange = bench.only().await;
        tells(&exchange, &told);
        assert!(exchange.upstream_ms.is_some(), "{exchange:#?}");
    }
}

#[tokio::test]
async fn a_failure_of_the_upstream_is_never_dressed_up_as_injected() {
    let nobody = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let scenario = fault("status: { code: 503, after_upstream: true }");
    let bench = Setup::new(format!("http://{nobody}"))
        .on(CASE, &scenario)
        .start()
        .await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 502);
    assert_eq!(marks(&response), [""; 0]);
    let exchange = bench.only().await;
    assert_eq!(
        (exchange.outcome, exchange.cause),
        (Outcome::ServerError, Cause::Upstream)
    );
    assert_eq!(exchange.faults, []);
    assert_eq!(bench.injected(&["rule=\"r\""]).await, 0.0);
}

#[tokio::test]
async fn a_hang_after_the_upstream_keeps_its_answer_back() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("hang: { max: 100ms, after_upstream: true }")).await;
    let mut client = bench.client().await;
    let start = Instant::now();
    client.send(request("POST", "/echo", &[], b"x")).await.unwrap();
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(sim.calls("/echo"), 1);
    let told = Told {
        fault: "hang",
        outcome: Outcome::Dropped,
        cause: Cause::Murphy,
        status: None,
        effect: "then gave up",
    };
    tells(&bench.only().await, &told);
}
