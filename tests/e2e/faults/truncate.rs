//! `truncate`: clean and abrupt, by bytes, by share and inside the JSON, compressed and not.

use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::{BodyEnd, End, Framing, RawResponse};
use serde_json::Value;

use super::harness::{Bench, DOCUMENT, Told, fault, marks, sim, tells};

/// How the simulator and others encode, and how a client decodes: by other code than Murphy's.
pub(super) fn decode(coding: Option<&str>, body: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut plain = Vec::new();
    match coding {
        None => plain.extend_from_slice(body),
        Some("gzip") => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut plain)?),
        Some("deflate") => drop(flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain)?),
        Some("br") => drop(brotli::Decompressor::new(body, 4_096).read_to_end(&mut plain)?),
        Some("zstd") => plain = zstd::decode_all(body)?,
        Some(other) => panic!("unknown coding {other}"),
    }
    Ok(plain)
}

/// The paths by which the simulator gives its document: sized, and in each coding.
pub(super) const CODINGS: [&str; 5] = [
    "/json",
    "/json?encoding=gzip",
    "/json?encoding=deflate",
    "/json?encoding=br",
    "/json?encoding=zstd",
];

/// The document as a client gets it: decoded. It panics if the body does not decode whole.
pub(super) fn decoded(response: &RawResponse) -> Vec<u8> {
    decode(response.head.header("content-encoding"), &response.body.content).expect("it decodes")
}

fn cut<'a>(outcome: Outcome, effect: &'a str) -> Told<'a> {
    Told {
        fault: "truncate",
        outcome,
        cause: Cause::Murphy,
        status: Some(200),
        effect,
    }
}

#[tokio::test]
async fn a_clean_cut_looks_complete_in_every_coding_and_only_the_parser_notices() {
    let sim = sim();
    for (after, length) in [
        ("200", Some(200)),
        ("50%", Some(DOCUMENT.len() / 2)),
        ("inside_json", None),
    ] {
        let bench = Bench::with(
            &sim,
            &fault(&format!("truncate: {{ after: {after}, framing: clean }}")),
        )
        .await;
        let mut client = bench.client().await; // one connection for all: each message ends where it says
        for path in CODINGS {
            let response = client.get(&format!("/up{path}")).await;
            let case = format!("{path} after {after}");
            assert_eq!(response.status(), 200);
            assert_eq!(
                response.body.framing,
                Framing::Sized(response.body.content.len()),
                "{case}"
            );
            let plain = decoded(&response);
            assert!(
                DOCUMENT.starts_with(&plain) && plain.len() < DOCUMENT.len(),
                "{case}"
            );
            if let Some(length) = length {
                assert_eq!(plain.len(), length, "{case}");
            }
            assert!(serde_json::from_slice::<Value>(&plain).is_err(), "{case}");
            assert_eq!(marks(&response), ["case/r"], "{case}");
        }
        for exchange in bench.exchanges(CODINGS.len()).await {
            tells(&exchange, &cut(Outcome::Malformed, " of 701 bytes"));
        }
    }
}

#[tokio::test]
async fn a_clean_cut_of_a_chunked_body_ends_with_the_last_chunk() {
    let sim = sim();
    for (after, length) in [("300", 300), ("10%", 100)] {
        let bench = Bench::with(&sim, &fault(&format!("truncate: {{ after: {after} }}"))).await;
        let mut client = bench.client().await;
        let response = client.get("/up/bytes/1000?chunked=1").await;
        assert!(response.body.is_complete());
        assert_eq!(response.body.content, murphy_sim::pattern(0, length));
        assert_eq!(client.get("/up/bytes/1000?chunked=1").await.status(), 200);
        tells(
            &bench.only().await,
            &cut(Outcome::Malformed, &format!("cut after {length}")),
        );
    }
}

#[tokio::test]
async fn an_abrupt_cut_breaks_the_connection_before_the_end_that_was_announced() {
    let sim = sim();
    for after in ["60", "50%", "inside_json"] {
        for path in CODINGS {
            let bench = Bench::with(
                &sim,
                &fault(&format!("truncate: {{ after: {after}, framing: abrupt }}")),
            )
            .await;
            let response = bench.get(path).await;
            let case = format!("{path} after {after}");
            assert_eq!(response.body.end, BodyEnd::Cut(End::Fin), "{case}");
            let Framing::Sized(announced) = response.body.framing else {
                panic!("{case}: {response:?}")
            };
            assert!(response.body.content.len() < announced, "{case}");
            if after == "60" {
                assert_eq!(response.body.content.len(), 60, "{case}");
            }
            assert_eq!(marks(&response), ["case/r"], "{case}");
            tells(&bench.only().await, &cut(Outcome::Dropped, "cut after "));
        }
    }
}

#[tokio::test]
async fn an_abrupt_cut_of_a_chunked_body_has_no_last_chunk() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("truncate: { after: 300, framing: abrupt }")).await;
    let response = bench.get("/bytes/1000?chunked=1").await;
    assert_eq!(response.body.framing, Framing::Chunked);
    assert_eq!(response.body.content, murphy_sim::pattern(0, 300));
    assert_eq!(response.body.end, BodyEnd::Cut(End::Fin));
    tells(&bench.only().await, &cut(Outcome::Dropped, "cut after 300"));
}

#[tokio::test]
async fn the_place_inside_the_json_is_drawn_for_each_call() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("truncate: { after: inside_json }")).await;
    let mut lengths = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let response = bench.get("/json?encoding=gzip").await;
        lengths.insert(decoded(&response).len());
        assert!(serde_json::from_slice::<Value>(&decoded(&response)).is_err());
    }
    assert!(lengths.len() > 5, "{lengths:?}");
}
