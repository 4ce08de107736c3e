//! `headers` and `body` on requests and on responses, in every coding; redirects that a client follows.

use http::Response;
use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::recorder::{Recorded, Recorder, text};
use serde_json::{Value, json};

use super::harness::{Bench, CASE, DOCUMENT, Setup, fault, marks, sim};
use super::truncate::{CODINGS, decoded};

/// What the upstream got of a `POST /orders` with a JSON body under this fault.
async fn upstream_got(yaml: &str) -> Recorded {
    let upstream = Recorder::start(|_| text(200, "ok"));
    let bench = Setup::new(upstream.url())
        .on(CASE, &fault(yaml))
        .file("scenarios/page.txt", "from a file")
        .start()
        .await;
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Drop", "1"),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
    ];
    let response = bench
        .call("POST", "/orders", &headers, br#"{"z":1,"items":[1,2],"a":null}"#)
        .await;
    assert_eq!((response.status(), response.body.text()), (200, "ok"), "{yaml}");
    assert_eq!(marks(&response), ["case/r"], "{yaml}");
    let exchange = bench.only().await;
    assert_eq!(
        (exchange.outcome, exchange.cause),
        (Outcome::Ok, Cause::Upstream),
        "{yaml}"
    );
    assert_eq!(exchange.faults[0].effects.len(), 1, "{exchange:#?}");
    upstream.only()
}

#[tokio::test]
async fn fields_of_the_request_are_removed_set_and_added() {
    let yaml = "headers: { side: request, remove: [x-drop], set: { x-twice: c, x-new: [d, e] }, add: { x-twice: f } }";
    let got = upstream_got(yaml).await;
    assert_eq!(got.all("x-drop"), [""; 0]);
    assert_eq!(got.all("x-twice"), ["c", "f"]);
    assert_eq!(got.all("x-new"), ["d", "e"]);
    assert_eq!(&*got.body, br#"{"z":1,"items":[1,2],"a":null}"#);
}

#[tokio::test]
async fn the_body_of_the_request_is_replaced_or_edited_and_framed_anew() {
    let cases = [
        (
            "replace: { text: hello, content_type: text/plain }",
            "hello",
            "text/plain",
        ),
        (
            "replace: { json: { b: 1, a: [true] } }",
            r#"{"b":1,"a":[true]}"#,
            "application/json",
        ),
        ("replace: { file: page.txt }", "from a file", "application/json"),
        (
            "patch: [{ op: add, path: /items/-, value: 3 }, { op: remove, path: /z }]",
            r#"{"items":[1,2,3],"a":null}"#,
            "application/json",
        ),
        (
            "merge: { items: null, a: { b: 2 } }",
            r#"{"z":1,"a":{"b":2}}"#,
            "application/json",
        ),
    ];
    for (edit, body, content_type) in cases {
        let got = upstream_got(&format!("body: {{ side: request, {edit} }}")).await;
        assert_eq!(std::str::from_utf8(&got.body).unwrap(), body, "{edit}");
        assert_eq!(got.all("content-type"), [content_type], "{edit}");
        assert_eq!(got.all("content-length"), [body.len().to_string()], "{edit}");
    }
}

#[tokio::test]
async fn the_body_of_the_response_is_edited_in_every_coding_and_keeps_its_order() {
    let sim = sim();
    let yaml =
        "body: { patch: [{ op: replace, path: /count, value: 4 }, { op: test, path: /open, value: true }] }";
    let bench = Bench::with(&sim, &fault(yaml)).await;
    let before: Value = serde_json::from_slice(DOCUMENT).unwrap();
    let mut expected = before;
    expected["count"] = json!(4);
    for path in CODINGS {
        let response = bench.get(path).await;
        let text = String::from_utf8(decoded(&response)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected, "{path}");
        let place = |key: &str| text.find(&format!("\"{key}\"")).unwrap();
        assert!(
            place("id") < place("title") && place("price") < place("author"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_replaced_response_loses_its_coding_and_its_digests() {
    let upstream = Recorder::start(|_| {
        let head = Response::builder()
            .header("content-encoding", "gzip")
            .header("etag", "\"v1\"");
        let head = head
            .header("content-type", "application/json")
            .header("x-kept", "yes");
        head.body("not really gzip".into()).unwrap()
    });
    let bench = Setup::new(upstream.url())
        .on(
            CASE,
            &fault("body: { replace: { text: plain, content_type: text/plain } }"),
        )
        .start()
        .await;
    let response = bench.get("/").await;
    assert_eq!(response.body.text(), "plain");
    assert_eq!(response.head.header("content-type"), Some("text/plain"));
    assert_eq!(response.head.header("content-encoding"), None);
    assert_eq!(response.head.header("etag"), None);
    assert_eq!(response.head.header("x-kept"), Some("yes"));
}

#[tokio::test]
async fn edits_of_several_rules_add_up_in_their_order() {
    let sim = sim();
    let rules = "rules:\n  - { name: one, fault: { body: { merge: { count: 10 } } } }\n  - { name: two, fault: { body: { patch: [{ op: test, path: /count, value: 10 }, { op: add, path: /more, value: 1 }] } } }\n  - { name: three, fault: { headers: { set: { x-last: \"1\" } } } }\n";
    let bench = Bench::with(&sim, rules).await;
    let response = bench.get("/json?encoding=br").await;
    let document: Value = serde_json::from_slice(&decoded(&response)).unwrap();
    assert_eq!((&document["count"], &document["more"]), (&json!(10), &json!(1)));
    assert_eq!(response.head.header("x-last"), Some("1"));
    assert_eq!(marks(&response), ["case/one", "case/two", "case/three"]);
    let exchange = bench.only().await;
    let rules: Vec<&str> = exchange.faults.iter().map(|fault| fault.rule.as_str()).collect();
    assert_eq!(rules, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_client_that_follows_redirects_never_comes_to_an_end() {
    for (status, method) in [(302, "GET"), (307, "POST")] {
        let sim = sim();
        let bench = Bench::with(&sim, &fault(&format!("redirect_loop: {{ status: {status} }}"))).await;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::limited(7))
            .build()
            .unwrap();
        let url = bench.daemon.proxy_url("/up/echo?x=1");
        let request = client.request(method.parse().unwrap(), url).body("again");
        let error = request.send().await.unwrap_err();
        assert!(error.is_redirect(), "{error:?}");
        let exchanges = bench.exchanges(8).await;
        for exchange in exchanges {
            assert_eq!((&*exchange.method, exchange.path.as_str()), (method, "/echo"));
            assert_eq!(exchange.status, Some(status));
        }
        assert_eq!(sim.calls("/echo"), 0);
    }
}
