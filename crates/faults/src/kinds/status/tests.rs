//! Chosen answers: what compiles, and what is told about mistakes.

use super::*;
use murphy_core::effect::UpstreamUse;

use crate::testing::{effect, problems, refusal};

fn reply(yaml: &str) -> (Respond, Reply) {
    match effect(yaml) {
        Effect::Respond(respond) => match &respond.reply {
            ReplySource::Fixed(reply) => (respond.clone(), Reply::clone(reply)),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn headers(reply: &Reply) -> Vec<(&str, &str)> {
    reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect()
}

#[test]
fn the_short_form_is_the_status_alone() {
    let (respond, reply) = reply("status: 503");
    assert_eq!(respond.upstream, UpstreamUse::Skip);
    assert_eq!(
        reply,
        Reply {
            status: 503,
            ..Reply::default()
        }
    );
    assert_eq!(
        self::reply("status: { code: 503, after_upstream: true }")
            .0
            .upstream,
        UpstreamUse::Call
    );
}

#[test]
fn a_body_brings_its_type_unless_the_headers_say_another() {
    let (_, text) = reply("status: { code: 200, text: hello }");
    assert_eq!(headers(&text), [("content-type", "text/plain; charset=utf-8")]);
    let (_, json) = reply("status: { code: 200, json: { b: 1, a: [null] } }");
    assert_eq!(
        (&*json.body, headers(&json)),
        (
            &br#"{"b":1,"a":[null]}"#[..],
            vec![("content-type", "application/json")]
        )
    );
    assert_eq!(&*reply("status: { code: 200, json: null }").1.body, b"null");
    let (_, file) = reply("status: { code: 200, file: page.html, headers: { Content-Type: text/x } }");
    assert_eq!(
        (&*file.body, headers(&file)),
        (&b"<h1>oops</h1>"[..], vec![("content-type", "text/x")])
    );
}

#[test]
fn headers_keep_their_order_and_may_repeat() {
    let (_, reply) =
        reply("status: { code: 200, headers: { set-cookie: [a=1, b=2], retry-after: 5, x-on: true } }");
    assert_eq!(
        headers(&reply),
        [
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("retry-after", "5"),
            ("x-on", "true")
        ]
    );
}

#[test]
fn nothing_that_could_break_a_message_is_taken() {
    let wanted_value = "wanted a header value: visible ASCII, spaces and tabs, at most 8 KiB";
    assert_eq!(
        problems("status: { code: 100, headers: { x: \"a\\r\\nb: c\", y: [ok, \"\\0\"] } }"),
        [
            "status.code: found 100, wanted 200 to 999".to_owned(),
            format!(r#"status.headers.x: found "a\r\nb: c", {wanted_value}"#),
            format!(r#"status.headers.y[1]: found "\0", {wanted_value}"#),
        ]
    );
    for name in [
        "content-length",
        "Transfer-Encoding",
        "connection",
        "upgrade",
        "TE",
    ] {
        let found = problems(&format!("status: {{ code: 200, headers: {{ {name}: 1 }} }}"));
        assert!(
            found[0].contains("not part of the message's framing"),
            "{found:?}"
        );
    }
    let found = problems("status: { code: 200, headers: { \"a b\": 1, x: 1, X: 2 } }");
    assert!(
        found[0].contains("wanted a header name") && found[1].contains("X twice"),
        "{found:?}"
    );
}

#[test]
fn bodies_are_one_small_and_at_home() {
    assert_eq!(
        problems("status: { code: 204, text: hello, json: 1 }"),
        [
            "status.code: found 204, wanted a status that has a body, or no body",
            "status: found several bodies, wanted one of text, json and file",
        ]
    );
    for file in ["../secret", "/etc/passwd", "a/../../b", "C:x", ""] {
        let found = problems(&format!("status: {{ code: 200, file: {file:?} }}"));
        assert!(
            found[0].contains("below the scenario's folder"),
            "{file}: {found:?}"
        );
    }
    assert_eq!(
        problems("status: { code: 200, file: gone.txt }"),
        [r#"status.file: found "gone.txt", wanted a file that can be read (no such file)"#]
    );
    assert_eq!(
        problems("status: { code: 200, file: large.bin }"),
        ["status.file: found 8388609 bytes, wanted at most 8MiB"]
    );
}

#[test]
fn what_is_no_status_is_refused() {
    assert!(refusal("status: -3").contains("found -3, wanted a status such as 503"));
    assert!(
        refusal("status: { code: 70000 }").contains("found 70000, wanted a whole number from 0 to 65535")
    );
    assert!(
        refusal("status: { code: 200, headers: { x: 1.0 } }").contains("put numbers with a point in quotes")
    );
    assert!(refusal("status: {}").contains("missing field `code`"));
}
