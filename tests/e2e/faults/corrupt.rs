//! Each kind of `corrupt` in each coding: what a client decodes is damaged just so.

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::Framing;
use serde_json::Value;

use super::harness::{Bench, DOCUMENT, Told, fault, marks, sim, tells};
use super::truncate::{CODINGS, decoded};

/// How a damage shows in the decoded text.
fn damaged(how: &str, text: &[u8]) -> bool {
    let has = |part: &str| String::from_utf8_lossy(text).contains(part);
    let grown = text.len() as i64 - DOCUMENT.len() as i64;
    match how {
        "{ flip_bytes: 4 }" => grown == 0 && text.iter().zip(DOCUMENT).filter(|(a, b)| a != b).count() == 4,
        "invalid_utf8" => std::str::from_utf8(text).is_err(),
        "unclosed_string" => grown == -1,
        "trailing_comma" => grown == 1,
        "wrong_quote" => grown == 0 && has("'"),
        "nan" => has("NaN"),
        other => panic!("unknown: {other}"),
    }
}

#[tokio::test]
async fn each_damage_is_what_it_is_called_in_every_coding() {
    let sim = sim();
    for how in [
        "{ flip_bytes: 4 }",
        "invalid_utf8",
        "unclosed_string",
        "trailing_comma",
        "wrong_quote",
        "nan",
    ] {
        let bench = Bench::with(&sim, &fault(&format!("corrupt: {how}"))).await;
        let mut client = bench.client().await;
        for path in CODINGS {
            let response = client.get(&format!("/up{path}")).await;
            let case = format!("{path} {how}");
            assert_eq!(response.status(), 200);
            assert_eq!(
                response.body.framing,
                Framing::Sized(response.body.content.len()),
                "{case}"
            );
            let text = decoded(&response);
            assert!(damaged(how, &text), "{case}: {}", String::from_utf8_lossy(&text));
            if !how.contains("flip") {
                assert!(serde_json::from_slice::<Value>(&text).is_err(), "{case}");
            }
            assert_eq!(marks(&response), ["case/r"], "{case}");
        }
        let told = Told {
            fault: "corrupt",
            outcome: Outcome::Malformed,
            cause: Cause::Murphy,
            status: Some(200),
            effect: " of 701",
        };
        for exchange in bench.exchanges(CODINGS.len()).await {
            tells(&exchange, &told);
        }
    }
}

#[tokio::test]
async fn bytes_are_flipped_in_what_is_no_json() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("corrupt: { flip_bytes: 7 }")).await;
    for path in ["/bytes/2000", "/bytes/2000?chunked=1"] {
        let body = bench.get(path).await.body;
        assert!(body.is_complete());
        let sent = murphy_sim::pattern(0, 2_000);
        assert_eq!(body.content.len(), sent.len());
        assert_eq!(
            body.content.iter().zip(&sent[..]).filter(|(a, b)| a != b).count(),
            7,
            "{path}"
        );
    }
}
