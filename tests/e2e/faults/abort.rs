//! Every place and manner of `abort`, in the clear and over TLS.

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::Sim;
use murphy_testkit::message::Body;
use murphy_testkit::raw::{BodyEnd, End, RawClient};
use murphy_testkit::tls::TestCa;

use super::harness::{Bench, Setup, Told, fault, marks, request, sim, tells};

/// A daemon in the clear or over TLS, and how to connect to it.
struct Front {
    bench: Bench,
    ca: Option<TestCa>,
}

impl Front {
    async fn new(sim: &Sim, tls: bool, scenario: &str) -> Self {
        let setup = Setup::sim(sim, scenario);
        if !tls {
            return Self {
                bench: setup.start().await,
                ca: None,
            };
        }
        let ca = TestCa::new();
        Self {
            bench: setup.tls(&ca).start().await,
            ca: Some(ca),
        }
    }

    async fn client(&self) -> RawClient {
        let addr = self.bench.daemon.proxy();
        match &self.ca {
            None => RawClient::connect(addr).await.unwrap(),
            Some(ca) => {
                let config = ca.client(&["http/1.1"]);
                RawClient::connect_tls(addr, config, "localhost").await.unwrap()
            }
        }
    }
}

/// Under TLS a FIN of TCP comes without `close_notify`, as when a peer dies: that is what is injected.
fn under(tls: bool, end: End) -> End {
    if tls && end == End::Fin {
        End::NoCloseNotify
    } else {
        end
    }
}

fn dropped(status: Option<u16>, effect: &str) -> Told<'_> {
    Told {
        fault: "abort",
        outcome: Outcome::Dropped,
        cause: Cause::Murphy,
        status,
        effect,
    }
}

#[tokio::test]
async fn before_the_response_and_after_the_upstream_nothing_comes() {
    for tls in [false, true] {
        for (at, calls) in [("before_response", 0), ("after_upstream", 1)] {
            for (how, end) in [
                ("fin", End::Fin),
                ("rst", End::Rst),
                ("{ h2_reset: CANCEL }", End::Rst),
            ] {
                let sim = sim();
                let scenario = fault(&format!("abort: {{ at: {at}, how: {how} }}"));
                let front = Front::new(&sim, tls, &scenario).await;
                let mut client = front.client().await;
                client
                    .send(request("POST", "/echo", &[], b"an order"))
                    .await
                    .unwrap();
                let case = format!("{at} {how}, TLS {tls}");
                assert_eq!(
                    client.read_to_end().await,
                    (Vec::new(), under(tls, end)),
                    "{case}"
                );
                let exchange = front.bench.only().await;
                tells(&exchange, &dropped(None, "aborted ("));
                assert_eq!(sim.calls("/echo"), calls, "{case}");
                assert_eq!(exchange.upstream_ms.is_some(), calls == 1, "{case}");
            }
        }
    }
}

/// Calls `path` under `scenario`: the body as it broke.
async fn broken_body(tls: bool, scenario: &str, path: &str, effect: &str) -> Body {
    let sim = sim();
    let front = Front::new(&sim, tls, scenario).await;
    let mut client = front.client().await;
    let response = client.get(&format!("/up{path}")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(marks(&response), ["case/r"]);
    let exchange = front.bench.only().await;
    tells(&exchange, &dropped(Some(200), effect));
    assert_eq!(exchange.bytes_out, response.body.content.len() as u64);
    response.body
}

#[tokio::test]
async fn inside_the_body_exactly_so_many_bytes_come() {
    for tls in [false, true] {
        for (how, end) in [("fin", End::Fin), ("rst", End::Rst)] {
            for (after, bytes, of) in [("300", 300, 1_000), ("25%", 250, 1_000), ("0", 0, 1_000)] {
                let scenario = fault(&format!("abort: {{ at: mid_body, after: {after}, how: {how} }}"));
                let effect = format!("cut after {bytes} of {of} bytes ({how})");
                for path in ["/bytes/1000", "/bytes/1000?chunked=1"] {
                    // Without a declared length a number of bytes is not "of" anything.
                    let known = !path.contains("chunked") || after.ends_with('%');
                    let effect = if known { effect.as_str() } else { "cut after " };
                    let body = broken_body(tls, &scenario, path, effect).await;
                    let case = format!("{path} {after} {how}, TLS {tls}");
                    assert_eq!(body.content, murphy_sim::pattern(0, bytes), "{case}");
                    assert_eq!(body.end, BodyEnd::Cut(under(tls, end)), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_place_behind_the_end_is_never_reached() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("abort: { at: mid_body, after: 2KiB, how: rst }")).await;
    let response = bench.get("/bytes/1000").await;
    assert!(response.body.is_complete());
    assert_eq!(response.body.content, murphy_sim::pattern(0, 1_000));
    let exchange = bench.only().await;
    assert_eq!((exchange.outcome, exchange.cause), (Outcome::Ok, Cause::Upstream));
    assert_eq!(exchange.faults[0].effects, [""; 0]);
    assert_eq!(exchange.faults[0].skipped.as_deref(), Some("does_not_apply"));
    assert_eq!(bench.skipped("does_not_apply").await, 1.0);
    assert_eq!(bench.injected(&["rule=\"r\""]).await, 0.0);
}

/// How a connection ends on which nothing is sent: what ends it is that it was accepted.
async fn end_at_accept(bench: &Bench) -> End {
    match RawClient::connect(bench.daemon.proxy()).await {
        Ok(mut client) => {
            let (bytes, end) = client.read_to_end().await;
            assert!(bytes.is_empty());
            end
        }
        // The reset may be there before the connection is looked at for the first time.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => End::Rst,
        Err(error) => panic!("no listener: {error}"),
    }
}

#[tokio::test]
async fn at_accept_no_byte_is_read_and_no_handshake_is_made() {
    for (how, end) in [("fin", End::Fin), ("rst", End::Rst)] {
        let sim = sim();
        let scenario = format!(
            "rules:\n  - {{ name: r, often: {{ first: 2 }}, fault: {{ abort: {{ at: accept, how: {how} }} }} }}\n"
        );
        let bench = Bench::with(&sim, &scenario).await;
        for _ in 0..2 {
            assert_eq!(end_at_accept(&bench).await, end, "{how}");
        }
        assert_eq!(bench.get("/json").await.status(), 200); // the third one is served
        let exchanges = bench.exchanges(3).await;
        for exchange in &exchanges[..2] {
            assert_eq!(
                (exchange.outcome, exchange.cause),
                (Outcome::Dropped, Cause::Murphy)
            );
            assert_eq!(exchange.faults[0].fault, "abort");
            assert_eq!(&*exchange.route, "-");
        }
        assert_eq!(bench.injected(&["fault=\"abort\""]).await, 2.0);
    }
    let sim = sim();
    let ca = TestCa::new();
    let scenario = fault("abort: { at: accept, how: rst }");
    let bench = Setup::sim(&sim, &scenario).tls(&ca).start().await;
    let failed = RawClient::connect_tls(bench.daemon.proxy(), ca.client(&[]), "localhost").await;
    assert_eq!(failed.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}
