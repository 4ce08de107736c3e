//! What the tests of this family share.

use std::time::{Duration, SystemTime};

use murphy_core::effect::{Limit, Per, Reply};
use murphy_core::failure::{Failure, FailureKind, RetryAfterForm};
use murphy_core::plan::LimitReading;
use serde_json::Value;

use crate::dialect::{Dialect, Rendering};

/// A failure of which the rule says no more than its kind.
pub(crate) fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        retry_after: None,
        form: RetryAfterForm::Seconds,
        message: None,
    }
}

/// One with a wait.
pub(crate) fn waiting(kind: FailureKind, millis: u64) -> Failure {
    Failure {
        retry_after: Some(Duration::from_millis(millis)),
        ..failure(kind)
    }
}

/// A call that no limiter counted.
pub(crate) fn at(path: &str) -> Rendering<'_> {
    Rendering {
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        limit: None,
        bits: 7,
        path,
        model: Some("gpt-test"),
    }
}

/// A call that a limiter of ten per minute counted: seven are used, or all.
pub(crate) fn limited(path: &str, exhausted: bool) -> Rendering<'_> {
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
        ..at(path)
    }
}

/// A header of an answer; names must not repeat.
pub(crate) fn header(reply: &Reply, name: &str) -> Option<String> {
    let mut found = reply.headers.iter().filter(|(found, _)| found == name);
    let value = found.next()?.1.to_str().unwrap().to_owned();
    assert!(found.next().is_none(), "{name} repeats");
    Some(value)
}

/// The body as JSON; `None` for a page.
pub(crate) fn body(reply: &Reply) -> Option<Value> {
    match header(reply, "content-type")?.as_str() {
        "application/json" => Some(serde_json::from_slice(&reply.body).unwrap()),
        "text/html" => {
            let page = std::str::from_utf8(&reply.body).unwrap();
            assert!(
                page.starts_with("<html>") && page.ends_with("</html>\r\n"),
                "{page}"
            );
            None
        }
        other => panic!("{other}"),
    }
}

/// The names of the headers, in order.
pub(crate) fn names(reply: &Reply) -> Vec<&str> {
    reply.headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// What holds of every dialect of the family, whatever the failure.
pub(crate) fn holds_of_every_failure(dialect: &dyn Dialect) {
    for kind in FailureKind::ALL {
        for rendering in [
            at("/v1/chat/completions"),
            limited("/v1/responses", true),
            limited("/", false),
        ] {
            let plainly = dialect.render(&failure(kind), &rendering);
            assert!((400..600).contains(&plainly.status), "{kind}");
            assert_eq!(
                plainly,
                dialect.render(&failure(kind), &rendering),
                "{kind}: not determined by the bits"
            );
            let limited_by_a_limiter = rendering.limit.is_some_and(|(_, reading)| reading.exhausted);
            let wait = header(&plainly, "retry-after");
            assert_eq!(wait.as_deref(), limited_by_a_limiter.then_some("13"), "{kind}");

            let told = dialect.render(&waiting(kind, 1_500), &rendering);
            assert_eq!(header(&told, "retry-after").as_deref(), Some("2"), "{kind}");

            let dated = Failure {
                form: RetryAfterForm::Date,
                ..waiting(kind, 1_500)
            };
            let dated = dialect.render(&dated, &rendering);
            assert_eq!(
                header(&dated, "retry-after").as_deref(),
                Some("Sun, 06 Nov 1994 08:49:39 GMT"),
                "{kind}"
            );
            assert_eq!(
                header(&dated, "retry-after-ms"),
                None,
                "{kind}: hides the date from clients"
            );

            message_replaces(dialect, kind, &rendering);
            different_bits_give_other_ids(dialect, kind, &rendering);
        }
    }
    assert!(dialect.limit_headers(&at("/")).is_empty());
}

fn message_replaces(dialect: &dyn Dialect, kind: FailureKind, rendering: &Rendering<'_>) {
    let text = "line\r\nx-injected: 1\u{2028}\0\"<b>&";
    let with_message = Failure {
        message: Some(text.to_owned()),
        ..failure(kind)
    };
    let reply = dialect.render(&with_message, rendering);
    let usual = dialect.render(&failure(kind), rendering);
    assert_eq!(
        (reply.status, names(&reply)),
        (usual.status, names(&usual)),
        "{kind}"
    );
    match body(&reply) {
        Some(body) => {
            let places = ["/error/message", "/message", "/detail"].map(|place| body.pointer(place));
            assert!(places.contains(&Some(&Value::from(text))), "{kind}: {body}");
        }
        None => {
            let page = String::from_utf8(reply.body.to_vec()).unwrap();
            assert!(page.contains("&quot;&lt;b&gt;&amp;</h1>"), "{kind}: {page}");
        }
    }
}

fn different_bits_give_other_ids(dialect: &dyn Dialect, kind: FailureKind, rendering: &Rendering<'_>) {
    let other = Rendering {
        bits: rendering.bits + 1,
        ..*rendering
    };
    let (one, two) = (
        dialect.render(&failure(kind), rendering),
        dialect.render(&failure(kind), &other),
    );
    for name in [
        "x-request-id",
        "apim-request-id",
        "mistral-correlation-id",
        "cf-ray",
    ] {
        let (one, two) = (header(&one, name), header(&two, name));
        assert!(one.is_none() || one != two, "{kind}: {name}");
    }
}
