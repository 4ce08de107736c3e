//! How plain HTTP reads requests and shows failures.

use std::time::{Duration, SystemTime};

use murphy_core::effect::{Limit, Per};
use murphy_core::failure::RetryAfterForm;
use murphy_core::plan::LimitReading;

use super::*;

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        retry_after: None,
        form: RetryAfterForm::Seconds,
        message: None,
    }
}

fn limited(exhausted: bool) -> Rendering<'static> {
    let limit = Limit {
        limit: 10,
        window: Duration::from_secs(60),
        per: Per::Call,
        form: RetryAfterForm::Seconds,
    };
    let reading = LimitReading {
        exhausted,
        remaining: if exhausted { 0 } else { 3 },
        resets_in: Duration::from_millis(12_300),
    };
    Rendering {
        limit: Some((limit, reading)),
        ..freely()
    }
}

fn freely() -> Rendering<'static> {
    Rendering {
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        limit: None,
        bits: 0,
        path: "/",
        model: None,
    }
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    let (_, value) = reply.headers.iter().find(|(found, _)| found == name)?;
    value.to_str().ok()
}

#[test]
fn every_failure_is_a_problem_whose_status_is_that_of_the_answer() {
    for kind in FailureKind::ALL {
        let reply = Plain.render(&failure(kind), &freely());
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            header(&reply, "content-type"),
            Some("application/problem+json"),
            "{kind}"
        );
        assert_eq!(body["status"], reply.status, "{kind}");
        assert_eq!(body["code"], kind.name());
        assert!(body["title"].is_string() && body["detail"].is_string(), "{kind}");
        assert!((400..600).contains(&reply.status), "{kind}: {}", reply.status);
        assert_eq!(
            reply.status == 401,
            header(&reply, "www-authenticate").is_some(),
            "{kind}"
        );
    }
}

#[test]
fn a_message_replaces_the_detail_whatever_it_contains() {
    let text = "line\r\nx-injected: 1\u{2028}\0\"";
    let reply = Plain.render(
        &Failure {
            message: Some(text.to_owned()),
            ..failure(FailureKind::Internal)
        },
        &freely(),
    );
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["detail"], text);
}

#[test]
fn the_wait_is_told_in_the_form_that_was_asked_for() {
    let waits = |form| {
        let reply = Plain.render(
            &Failure {
                retry_after: Some(Duration::from_millis(1_500)),
                form,
                ..failure(FailureKind::RateLimited)
            },
            &freely(),
        );
        header(&reply, "retry-after").unwrap().to_owned()
    };
    assert_eq!(waits(RetryAfterForm::Seconds), "2");
    assert_eq!(waits(RetryAfterForm::Date), "Sun, 06 Nov 1994 08:49:39 GMT");
    let reply = Plain.render(&failure(FailureKind::RateLimited), &freely());
    assert_eq!(header(&reply, "retry-after"), None);
}

#[test]
fn a_limiter_tells_the_truth() {
    let reply = Plain.render(&failure(FailureKind::RateLimited), &limited(true));
    assert_eq!(header(&reply, "retry-after"), Some("13"));
    assert_eq!(header(&reply, "x-ratelimit-limit"), Some("10"));
    assert_eq!(header(&reply, "x-ratelimit-remaining"), Some("0"));
    assert_eq!(header(&reply, "x-ratelimit-reset"), Some("13"));

    let passed = Plain.limit_headers(&limited(false));
    assert!(passed.contains(&(
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderValue::from(3)
    )));
    assert!(Plain.limit_headers(&freely()).is_empty());
}

#[test]
fn a_stream_is_asked_for_by_accept_in_any_of_its_spellings() {
    let stream = |values: &[&'static str]| {
        let headers = values
            .iter()
            .map(|value| (ACCEPT, HeaderValue::from_static(value)))
            .collect();
        Plain.facts(&Method::GET, "/", &headers, None).stream
    };
    assert!(stream(&["text/event-stream"]));
    assert!(stream(&["application/json, Text/Event-Stream;q=0.9"]));
    assert!(stream(&["application/json", "text/event-stream"]));
    assert!(!stream(&["application/json"]) && !stream(&["text/event-streams"]) && !stream(&[]));
}
