//! Matchers: each key alone, absence, negation, bodies.

use super::*;
use crate::testing::{Request, delaying};
use proptest::prelude::*;

/// Whether a rule with this `when` matches the request.
fn matches(when: &str, request: &Request) -> bool {
    let scenario = delaying(&format!("when: {{ {when} }}"));
    scenario.rules[0].matcher.matches(&request.call())
}

fn chat() -> Request {
    let mut request = Request::get("/v1/chat/completions")
        .query("model=a%20b&flag&n=1&n=2")
        .header("x-run", "7")
        .header("accept", "text/html")
        .header("accept", "text/event-stream")
        .agent("planner-1")
        .body(r#"{"model":"gpt-4o","n":1,"deep":{"list":[{"role":"user"}]},"none":null}"#);
    request.method = http::Method::POST;
    request.attempt = 2;
    request.facts.model = Some("gpt-4o".to_owned());
    request.facts.stream = true;
    request.facts.tools = vec!["search".to_owned(), "pay".to_owned()];
    request.facts.messages = Some(12);
    request.facts.max_tokens = Some(1_024);
    request
}

#[test]
fn each_key_matches_what_it_names() {
    for (when, wanted) in [
        ("", true),
        ("method: post", true),
        ("method: [get, put]", false),
        ("path: /v1/**", true),
        ("path: /v1/*", false),
        ("path: { not: /v1/models }", true),
        ("header: { X-Run: 7 }", true),
        ("header: { accept: text/event-stream }", true),
        ("header: { accept: text/plain }", false),
        ("header: { x-run: 7, accept: nope }", false),
        ("query: { model: 'a b' }", true),
        ("query: { flag: '' }", true),
        ("query: { n: 2 }", true),
        ("query: { n: 3 }", false),
        ("query: { m: '*' }", false),
        ("agent: planner-*", true),
        ("agent: { not: [planner-*, x] }", false),
        ("model: gpt-*", true),
        ("model: [o3, '/4o$/']", true),
        ("stream: true", true),
        ("stream: false", false),
        ("attempt: 2", true),
        ("attempt: '>=3'", false),
        ("attempt: ['1', '>1']", true),
        ("attempt: { not: 1 }", true),
        ("tool: pay", true),
        ("tool: { not: pay }", false),
        ("tool: delete_*", false),
        ("has_tools: true", true),
        ("has_tools: false", false),
        ("message_count: '>10'", true),
        ("message_count: [11, 13]", false),
        ("max_tokens: '<=1024'", true),
        ("max_tokens: 1023", false),
        ("method: post, path: /v1/**, model: gpt-*, attempt: 1", false),
    ] {
        assert_eq!(matches(when, &chat()), wanted, "{when}");
    }
}

#[test]
fn a_fact_that_is_missing_fits_only_a_negation() {
    let bare = Request::get("/");
    for (when, wanted) in [
        ("model: '*'", false),
        ("model: { not: gpt-4o }", true),
        ("tool: { not: '*' }", true),
        ("mcp_method: '*'", false),
        ("header: { x-run: '*' }", false),
        ("header: { x-run: { not: '*' } }", true),
        ("query: { n: { not: 1 } }", true),
        ("stream: false", true),
    ] {
        assert_eq!(matches(when, &bare), wanted, "{when}");
    }
}

#[test]
fn bodies_match_by_value_by_pattern_and_by_presence() {
    for (body, wanted) in [
        ("pointer: /model, equals: gpt-4o", true),
        ("pointer: /model, equals: gpt", false),
        ("pointer: /n, equals: 1.0", true),
        ("pointer: /n, equals: '1'", false),
        ("pointer: /none, equals: null", true),
        ("pointer: /missing, equals: null", false),
        ("pointer: /deep, equals: { list: [{ role: user }] }", true),
        ("pointer: /deep/list/0/role, matches: [system, us*]", true),
        ("pointer: /n, matches: 1", true),
        ("pointer: /deep, matches: '*'", false),
        ("pointer: /missing, matches: { not: x }", true),
        ("pointer: /missing, exists: false", true),
        ("pointer: /none, exists: true", true),
        ("exists: true", true),
        ("matches: '/\"role\":\"user\"/'", true),
    ] {
        assert_eq!(matches(&format!("body: {{ {body} }}"), &chat()), wanted, "{body}");
    }
}

#[test]
fn a_body_that_is_no_json_has_bytes_and_one_that_is_unknown_matches_nothing() {
    let text = Request::get("/").body("plain words");
    assert!(matches("body: { matches: '*words' }", &text));
    assert!(matches("body: { pointer: /a, exists: false }", &text));
    assert!(!matches("body: { pointer: /a, matches: '*' }", &text));
    assert!(matches("body: { exists: false }", &Request::get("/").body("")));

    let scenario = delaying("when: { body: { pointer: /a, exists: false } }");
    let request = Request::get("/");
    for body in [Body::Unread, Body::TooLarge] {
        let call = Call {
            body,
            ..request.call()
        };
        assert!(!scenario.rules[0].matcher.matches(&call));
    }
}

#[test]
fn what_is_not_known_fits_only_a_negation() {
    let plain = Request::get("/");
    for (when, wanted) in [
        ("message_count: '>=0'", false),
        ("message_count: { not: 3 }", true),
        ("max_tokens: '<9'", false),
        ("has_tools: false", true),
        ("has_tools: true", false),
        ("tool: '*'", false),
        ("tool: { not: pay }", true),
    ] {
        assert_eq!(matches(when, &plain), wanted, "{when}");
    }
}

#[test]
fn a_pattern_looks_at_no_more_of_a_body_than_it_may() {
    let at = |place: usize| Request::get("/").body("x".repeat(place) + "needle");
    assert!(matches(
        "body: { matches: /needle/ }",
        &at(BODY_MATCH_BYTES_MAX - 6)
    ));
    assert!(!matches("body: { matches: /needle/ }", &at(BODY_MATCH_BYTES_MAX)));
}

#[test]
fn what_cannot_be_a_comparison_is_refused() {
    for text in ["", ">", "=>2", ">=-1", "two", "+2", "99999999999999999999", ">>2"] {
        assert_eq!(Number::parse(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn comparisons_compare(number in 0_u64..10, attempt in 0_u64..10, space in " {0,2}") {
        for (sign, wanted) in [
            ("", attempt == number), ("=", attempt == number), ("<", attempt < number),
            ("<=", attempt <= number), (">", attempt > number), (">=", attempt >= number),
        ] {
            let text = format!("{space}{sign}{space}{number}");
            prop_assert_eq!(Number::parse(&text).unwrap().holds(attempt), wanted, "{}", text);
        }
    }

    #[test]
    fn an_encoded_query_is_decoded(value in prop::collection::vec(any::<u8>(), 0..20)) {
        let encoded: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
        let decoded = decoded(&encoded);
        prop_assert_eq!(&*decoded, value.as_slice());
    }

    #[test]
    fn no_query_makes_the_decoder_panic(text in "[%+a-f0-9é]{0,20}") {
        prop_assert!(decoded(&text).len() <= text.len());
    }
}
