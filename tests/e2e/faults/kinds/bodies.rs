//! Kinds that change the upstream's answer.

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::{BodyEnd, End, Framing};

use crate::faults::harness::{Bench, DOCUMENT, Told, fault, marks, sim, tells};

fn told(fault: &'static str, outcome: Outcome, cause: Cause, effect: &'static str) -> Told<'static> {
    Told {
        fault,
        outcome,
        cause,
        status: Some(200),
        effect,
    }
}

fn malformed(fault: &'static str, effect: &'static str) -> Told<'static> {
    told(fault, Outcome::Malformed, Cause::Murphy, effect)
}

pub(super) async fn truncate() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("truncate: { after: 100, framing: clean }")).await;
    let mut client = bench.client().await;
    let response = client.get("/up/json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body.framing, Framing::Sized(100));
    assert_eq!(response.body.content, DOCUMENT[..100]);
    assert!(response.body.is_complete());
    assert_eq!(marks(&response), ["case/r"]);
    assert_eq!(client.get("/up/json").await.body.content, DOCUMENT[..100]); // the framing is right
    let exchange = bench.only().await;
    tells(&exchange, &malformed("truncate", "cut after 100 of 701 bytes"));
    assert_eq!(exchange.bytes_out, 100);
    assert_eq!(sim.calls("/json"), 2);
}

pub(super) async fn corrupt() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("corrupt: { flip_bytes: 3 }")).await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body.framing, Framing::Sized(DOCUMENT.len()));
    let flipped = response
        .body
        .content
        .iter()
        .zip(DOCUMENT)
        .filter(|(got, sent)| got != sent);
    assert_eq!(flipped.count(), 3);
    assert_eq!(marks(&response), ["case/r"]);
    tells(&bench.only().await, &malformed("corrupt", "at byte "));
    assert_eq!(sim.calls("/json"), 1);
}

pub(super) async fn headers() {
    let sim = sim();
    let scenario = fault(
        "headers: { set: { content-type: application/problem+json }, add: { set-cookie: [a=1, b=2] }, remove: [x-none] }",
    );
    let bench = Bench::with(&sim, &scenario).await;
    let response = bench.get("/cookies").await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.head.header("content-type"),
        Some("application/problem+json")
    );
    let cookies = [
        "flavour=oat; Path=/",
        "shape=round; Path=/; HttpOnly",
        "a=1",
        "b=2",
    ];
    assert_eq!(response.head.all("set-cookie"), cookies);
    assert_eq!(response.body.content, br#"{"cookies":2}"#);
    assert_eq!(marks(&response), ["case/r"]);
    let effect = "headers: remove x-none; set content-type; add set-cookie";
    tells(
        &bench.only().await,
        &told("headers", Outcome::Ok, Cause::Upstream, effect),
    );
    assert_eq!(sim.calls("/cookies"), 1);
}

pub(super) async fn body() {
    let sim = sim();
    let scenario = fault("body: { patch: [{ op: replace, path: /items/2/quantity, value: -1 }] }");
    let bench = Bench::with(&sim, &scenario).await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body.framing, Framing::Sized(response.body.content.len()));
    let mut expected: serde_json::Value = serde_json::from_slice(DOCUMENT).unwrap();
    expected["items"][2]["quantity"] = (-1).into();
    assert_eq!(response.body.json(), expected);
    assert_eq!(marks(&response), ["case/r"]);
    tells(
        &bench.only().await,
        &told("body", Outcome::Ok, Cause::Upstream, "JSON patch applied"),
    );
    assert_eq!(sim.calls("/json"), 1);
}

pub(super) async fn wrong_content_type() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("wrong_content_type: { to: text/html }")).await;
    let response = bench.get("/json").await;
    assert_eq!(response.head.header("content-type"), Some("text/html"));
    assert_eq!(response.body.content, DOCUMENT);
    assert_eq!(marks(&response), ["case/r"]);
    tells(
        &bench.only().await,
        &malformed("wrong_content_type", "set content-type"),
    );
    assert_eq!(sim.calls("/json"), 1);
}

pub(super) async fn wrong_length() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("wrong_length: { by: 10 }")).await;
    let response = bench.get("/json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body.framing, Framing::Sized(DOCUMENT.len() + 10));
    assert_eq!(response.body.content, DOCUMENT);
    assert_eq!(response.body.end, BodyEnd::Cut(End::Fin));
    assert_eq!(marks(&response), ["case/r"]);
    let told = told(
        "wrong_length",
        Outcome::Dropped,
        Cause::Murphy,
        "content-length off by 10",
    );
    tells(&bench.only().await, &told);
    assert_eq!(sim.calls("/json"), 1);
    let bench = Bench::with(&sim, &fault("wrong_length: { by: -10 }")).await;
    let mut client = bench.client().await;
    let response = client.get("/up/json").await;
    let short = DOCUMENT.len() - 10;
    assert_eq!(response.body.framing, Framing::Sized(short));
    assert_eq!(response.body.content, DOCUMENT[..short]);
    assert_eq!(client.get("/up/json").await.status(), 200); // nothing is left over on the connection
    tells(
        &bench.only().await,
        &malformed("wrong_length", "content-length off by -10"),
    );
}
