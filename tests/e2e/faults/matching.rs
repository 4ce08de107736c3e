//! Each key of `when`, by calls that it takes and calls that it does not.

use super::harness::{Bench, CASE, Setup, http, marks, request, rule, sim};

/// A request: method, target below `/up`, headers, body.
type Call = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

const JSON: &str = r#"{"model":"m-1","user":{"plan":"free","tags":["x","y"]},"n":7,"none":null}"#;

const GET: Call = ("GET", "/echo", &[], "");
const POST: Call = ("POST", "/echo", &[], JSON);

/// What stands under `when`, a call that matches, and one that does not.
const CASES: &[(&str, Call, Call)] = &[
    ("method: post", POST, GET),
    ("method: [PUT, POST]", POST, GET),
    ("method: { not: GET }", POST, GET),
    ("path: /echo", GET, ("GET", "/echo/", &[], "")),
    (
        "path: /a/*/c",
        ("GET", "/a/b/c", &[], ""),
        ("GET", "/a/b/b/c", &[], ""),
    ),
    (
        "path: /a/**",
        ("GET", "/a/b/b/c", &[], ""),
        ("GET", "/b/a", &[], ""),
    ),
    ("path: '/^.e[ch]+o$/'", GET, ("GET", "/sink", &[], "")),
    ("path: { not: [/sink, /time] }", GET, ("GET", "/time", &[], "")),
    (
        "header: { x-team: blue }",
        ("GET", "/echo", &[("X-Team", "blue")], ""),
        ("GET", "/echo", &[("x-team", "red")], ""),
    ),
    (
        "header: { x-team: 'b*' }",
        ("GET", "/echo", &[("x-team", "red"), ("x-team", "blue")], ""),
        GET,
    ),
    (
        "header: { x-team: { not: '*' } }",
        GET,
        ("GET", "/echo", &[("x-team", "red")], ""),
    ),
    (
        "query: { q: 'a b' }",
        ("GET", "/echo?x=1&q=a%20b", &[], ""),
        ("GET", "/echo?q=ab", &[], ""),
    ),
    (
        "query: { q: '/^[0-9]+$/' }",
        ("GET", "/echo?q=x&q=12", &[], ""),
        ("GET", "/echo?q=x12", &[], ""),
    ),
    (
        "agent: ada",
        ("GET", "/echo", &[("x-murphy-agent", "ada")], ""),
        ("GET", "/echo", &[("x-murphy-agent", "bob")], ""),
    ),
    (
        "agent: 'peer-127.*'",
        GET,
        ("GET", "/echo", &[("authorization", "Bearer t")], ""),
    ),
    ("agent: 'key-*'", ("GET", "/echo", &[("x-api-key", "k")], ""), GET),
    (
        "stream: true",
        ("GET", "/echo", &[("Accept", "text/event-stream")], ""),
        GET,
    ),
    (
        "stream: false",
        GET,
        ("GET", "/echo", &[("Accept", "text/event-stream")], ""),
    ),
    (
        "body: { pointer: /user/plan, equals: free }",
        POST,
        ("POST", "/echo", &[], r#"{"user":{"plan":"paid"}}"#),
    ),
    (
        "body: { pointer: /n, equals: 7 }",
        POST,
        ("POST", "/echo", &[], r#"{"n":"7"}"#),
    ),
    (
        "body: { pointer: /none, equals: null }",
        POST,
        ("POST", "/echo", &[], "{}"),
    ),
    (
        "body: { pointer: /model, matches: 'm-*' }",
        POST,
        ("POST", "/echo", &[], r#"{"model":"n-1"}"#),
    ),
    (
        "body: { pointer: /user/tags/1, exists: true }",
        POST,
        ("POST", "/echo", &[], r#"{"user":{"tags":["x"]}}"#),
    ),
    (
        "body: { pointer: /user, exists: false }",
        ("POST", "/echo", &[], "{}"),
        POST,
    ),
    (
        "body: { matches: '/needle/' }",
        ("POST", "/echo", &[], "hay needle hay"),
        ("POST", "/echo", &[], "hay"),
    ),
    ("dialect: plain", GET, ("GET", "", &[], "")),
    ("route: up", GET, ("GET", "", &[], "")),
    (
        "method: POST, path: /echo, header: { x-team: blue }",
        ("POST", "/echo", &[("x-team", "blue")], ""),
        POST,
    ),
];

/// Whether the rule took the call. An empty target is the other route's.
async fn taken(bench: &Bench, (method, target, headers, body): Call) -> bool {
    let mut client = bench.client().await;
    let bytes = match target {
        "" => b"GET /other/echo HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        target => request(method, target, headers, body.as_bytes()),
    };
    client.send(bytes).await.unwrap();
    let response = client.response(method).await;
    assert_eq!(response.status() == 418, marks(&response) == ["case/r"]);
    response.status() == 418
}

#[tokio::test]
async fn each_key_takes_what_it_says_and_nothing_else() {
    for (when, yes, no) in CASES {
        let sim = sim();
        let scenario = rule(&format!("when: {{ {when} }}, fault: {{ status: 418 }}"));
        let bench = Setup::new(http(&sim))
            .on(CASE, &scenario)
            .route("other", http(&sim), "dialect = \"openai\"")
            .start()
            .await;
        assert!(taken(&bench, *yes).await, "{when} does not take {yes:?}");
        assert!(!taken(&bench, *no).await, "{when} takes {no:?}");
        assert_eq!(bench.exchanges(2).await[1].faults, [], "{when}");
    }
}

#[test]
fn the_table_has_a_row_for_every_key_that_plain_http_has() {
    let of_later_dialects = ["mcp_method"]; // a fact that no dialect knows yet
    let schema = schemars_of_when();
    for key in schema {
        let named = |when: &str| when.starts_with(&format!("{key}:"));
        let whens = CASES.iter().map(|(when, ..)| *when);
        let covered = whens.chain(LLM_CASES.iter().map(|(when, ..)| *when)).any(named);
        assert!(
            covered || key == "attempt" || of_later_dialects.contains(&key.as_str()), // attempt has a test of its own
            "no case for {key}"
        );
    }
}

const FEW: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
const MANY: &str = r#"{"model":"o3","max_tokens":64,"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}],
    "tools":[{"type":"function","function":{"name":"pay","parameters":{}}}]}"#;

/// What the body of an LLM API's request says: a `when`, and whether it takes [`FEW`] and [`MANY`].
const LLM_CASES: &[(&str, bool, bool)] = &[
    ("model: gpt-4o*", true, false),
    ("tool: pay", false, true),
    ("has_tools: true", false, true),
    ("has_tools: false", true, false),
    ("message_count: '<2'", true, false),
    ("max_tokens: 64", false, true),
    ("max_tokens: { not: 64 }", true, false),
];

#[tokio::test]
async fn what_a_request_to_an_llm_says_is_matched_by_name_and_by_auto() {
    for dialect in ["openai", "auto"] {
        for (when, few, many) in LLM_CASES {
            let sim = sim();
            let scenario = rule(&format!(
                "when: {{ route: llm, {when} }}, fault: {{ status: 418 }}"
            ));
            let bench = Setup::new(http(&sim))
                .on(CASE, &scenario)
                .route("llm", http(&sim), &format!("dialect = \"{dialect}\""))
                .start()
                .await;
            for (body, wanted) in [(FEW, few), (MANY, many)] {
                let mut client = bench.client().await;
                let text = format!(
                    "POST /llm/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                client.send(text).await.unwrap();
                let taken = client.response("POST").await.status() == 418;
                assert_eq!(taken, *wanted, "{dialect}: {when} and {body}");
            }
            let exchanges = bench.exchanges(2).await;
            assert!(
                exchanges
                    .iter()
                    .all(|exchange| *exchange.dialect == *"openai-compatible"
                        || *exchange.dialect == *"openai")
            );
        }
    }
}

/// The keys of `when`, from the schema that is published.
fn schemars_of_when() -> Vec<String> {
    let path = super::harness::repository().join("docs/schema/scenario.json");
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let keys = schema["$defs"]["When"]["properties"]
        .as_object()
        .unwrap_or_else(|| panic!("no When: {schema}"));
    keys.keys().cloned().collect()
}

#[tokio::test]
async fn the_attempt_is_that_of_the_same_thing_tried_again() {
    for (attempt, statuses) in [
        ("1", [418, 200, 418]), // the second try succeeds, so the third call is a first try again
        ("\"<=2\"", [418, 418, 200]),
        ("{ not: 2 }", [418, 200, 418]),
    ] {
        let sim = sim();
        let bench = Bench::with(
            &sim,
            &rule(&format!(
                "when: {{ attempt: {attempt} }}, fault: {{ status: 418 }}"
            )),
        )
        .await;
        for (n, status) in statuses.into_iter().enumerate() {
            assert_eq!(bench.get("/json").await.status(), status, "{attempt}, call {n}");
        }
    }
    // Two tries are left alone, then it fails: `>=3` needs an upstream that fails by itself.
    let sim = sim();
    let bench = Bench::with(&sim, &rule("when: { attempt: \">=3\" }, fault: { status: 418 }")).await;
    for status in [500, 500, 418] {
        assert_eq!(bench.get("/status/500").await.status(), status);
    }
    assert_eq!(bench.get("/status/200").await.status(), 200); // something else is a first try
}

#[tokio::test]
async fn a_body_that_is_too_large_to_be_read_matches_nothing_and_passes_whole() {
    let sim = sim();
    let bench = Setup::sim(
        &sim,
        &rule("when: { body: { matches: '/./' } }, fault: { status: 418 }"),
    )
    .proxy("max_body_inspect = \"1KiB\"")
    .start()
    .await;
    assert_eq!(
        bench
            .call("POST", "/sink", &[], &murphy_sim::pattern(0, 1_000))
            .await
            .status(),
        418
    );
    let response = bench
        .call("POST", "/sink", &[], &murphy_sim::pattern(0, 9_000))
        .await;
    assert_eq!(
        response.body.json(),
        serde_json::json!({ "bytes": 9_000, "pattern": true })
    );
}

#[tokio::test]
async fn no_rule_touches_a_protected_route() {
    let sim = sim();
    let bench = Setup::sim(&sim, &rule("fault: { status: 418 }"))
        .route("safe", http(&sim), "protected = true")
        .start()
        .await;
    assert_eq!(bench.client().await.get("/safe/json").await.status(), 200);
    assert_eq!(bench.get("/json").await.status(), 418);
}
