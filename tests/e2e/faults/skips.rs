//! Where a fault cannot be applied the call passes byte for byte, and that is counted under its reason.

use std::io::Write as _;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::raw::RawClient;
use murphy_testkit::recorder::Recorder;

use super::harness::{Bench, CASE, Setup, fault, http, marks, request, sim};

const EDIT: &str = "body: { merge: { injected: true } }";

/// Calls `path` directly and under an edit: the same comes, and the skip is told and counted.
async fn passes(bench: &Bench, upstream: std::net::SocketAddr, path: &str, reason: &str) {
    let direct = RawClient::connect(upstream).await.unwrap().get(path).await;
    let before = bench.skipped(reason).await;
    let proxied = bench.get(path).await;
    assert_eq!(proxied.status(), direct.status(), "{path}");
    assert!(
        proxied.body.content == direct.body.content,
        "{path}: the body was changed"
    );
    assert!(proxied.body.is_complete(), "{path}");
    for name in ["content-encoding", "content-type", "content-length", "etag"] {
        assert_eq!(proxied.head.all(name), direct.head.all(name), "{path}");
    }
    assert_eq!(marks(&proxied), [""; 0], "{path}");
    assert_eq!(bench.skipped(reason).await, before + 1.0, "{path}");
    assert_eq!(bench.injected(&["rule=\"r\""]).await, 0.0);
    let exchanges = bench.all_exchanges(1).await;
    let exchange = exchanges.last().unwrap();
    assert_eq!(exchange.cause, Cause::Upstream);
    assert_eq!(
        exchange.faults[0].skipped.as_deref(),
        Some(reason),
        "{exchange:#?}"
    );
}

#[tokio::test]
async fn a_body_over_the_limit_passes() {
    let sim = sim();
    let bench = Setup::sim(&sim, &fault(EDIT))
        .proxy("max_body_inspect = \"64KiB\"")
        .start()
        .await;
    passes(&bench, sim.addr(), "/bytes/65537", "too_large").await;
    passes(&bench, sim.addr(), "/bytes/3000000?chunked=1", "too_large").await;
}

#[tokio::test]
async fn what_is_no_json_passes() {
    let sim = sim();
    for yaml in [
        EDIT,
        "corrupt: unclosed_string",
        "truncate: { after: inside_json }",
    ] {
        let bench = Bench::with(&sim, &fault(yaml)).await;
        passes(&bench, sim.addr(), "/bytes/1000", "not_json").await;
    }
}

#[tokio::test]
async fn what_a_patch_does_not_fit_passes() {
    let sim = sim();
    for yaml in [
        "body: { patch: [{ op: test, path: /count, value: 99 }, { op: remove, path: /id }] }",
        "body: { patch: [{ op: remove, path: /no/such/place }] }",
        "truncate: { after: 5KiB, framing: clean }",
        "wrong_length: { by: -5000 }",
    ] {
        let bench = Bench::with(&sim, &fault(yaml)).await;
        passes(&bench, sim.addr(), "/json", "does_not_apply").await;
    }
}

#[tokio::test]
async fn a_stream_of_events_passes_and_is_not_held_back() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault(EDIT)).await;
    passes(&bench, sim.addr(), "/sse?events=3&interval_ms=1", "unsupported").await;
    // An endless stream would never come if it were read whole.
    let mut client = bench.client().await;
    client
        .send(request(
            "GET",
            "/sse?events=1000000&interval_ms=3600000",
            &[],
            b"",
        ))
        .await
        .unwrap();
    assert_eq!(client.read_head().await.unwrap().status(), 200);
    let first = client.read_some().await.unwrap();
    assert!(String::from_utf8_lossy(&first).contains("id: 0"));
}

#[tokio::test]
async fn a_head_without_a_body_passes() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("truncate: { after: 1 }")).await;
    let response = bench.call("HEAD", "/json", &[], b"").await;
    assert_eq!((response.status(), response.body.content.len()), (200, 0));
    assert_eq!(response.head.header("content-length"), Some("701"));
    assert_eq!(bench.get("/status/204").await.status(), 204);
    assert_eq!(bench.get("/head-304").await.status(), 304);
    assert_eq!(bench.skipped("does_not_apply").await, 3.0);
    for exchange in bench.exchanges(3).await {
        assert_eq!((exchange.outcome, exchange.cause), (Outcome::Ok, Cause::Upstream));
    }
}

/// `bytes` zeros in gzip.
fn zeros_in_gzip(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..bytes >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// An upstream that answers with these bytes under this coding.
fn coded(coding: &'static str, body: Vec<u8>) -> Recorder {
    let body = Bytes::from(body);
    Recorder::start(move |_| {
        let head = Response::builder()
            .header("content-encoding", coding)
            .header("content-type", "application/json");
        head.body(Full::from(body.clone())).unwrap()
    })
}

#[tokio::test]
async fn a_decompression_bomb_passes_as_it_came() {
    let big = zeros_in_gzip(1 << 30); // a GiB in one MiB
    let small = zeros_in_gzip(10 << 20);
    let brotli = {
        let mut out = Vec::new();
        let mut encoder = brotli::CompressorWriter::new(&mut out, 4_096, 5, 22);
        encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
        drop(encoder);
        out
    };
    let zstd = zstd::encode_all(&vec![b' '; 64 << 20][..], 3).unwrap();
    for (coding, body) in [("gzip", big), ("gzip", small), ("br", brotli), ("zstd", zstd)] {
        let upstream = coded(coding, body);
        let bench = Setup::new(upstream.url()).on(CASE, &fault(EDIT)).start().await;
        let before = resident_bytes(&bench);
        passes(&bench, upstream.addr(), "/", "too_large").await;
        let grown = resident_bytes(&bench).saturating_sub(before);
        assert!(grown < 32 << 20, "{coding}: {grown} bytes more");
    }
}

/// The resident memory of the daemon.
fn resident_bytes(bench: &Bench) -> usize {
    let path = format!("/proc/{}/statm", bench.daemon.pid());
    let Ok(text) = std::fs::read_to_string(path) else {
        return 0;
    }; // not on Linux
    let pages: usize = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("statm");
    pages * 4_096
}

#[tokio::test]
async fn layered_unknown_and_broken_codings_pass() {
    let nested = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&zeros_in_gzip(1 << 20)).unwrap();
        encoder.finish().unwrap()
    };
    for (coding, body) in [
        ("gzip, gzip", nested),
        ("compress", b"LZW, they say".to_vec()),
        ("gzip", b"{\"not\": \"gzip\"}".to_vec()),
    ] {
        let upstream = coded(coding, body);
        let bench = Setup::new(upstream.url()).on(CASE, &fault(EDIT)).start().await;
        passes(&bench, upstream.addr(), "/", "unknown_coding").await;
    }
}

#[tokio::test]
async fn a_request_over_the_limit_is_neither_edited_nor_doubled() {
    let sim = sim();
    for yaml in ["body: { side: request, merge: { a: 1 } }", "duplicate: {}"] {
        let bench = Setup::new(http(&sim))
            .on(CASE, &fault(yaml))
            .proxy("max_body_inspect = \"64KiB\"")
            .start()
            .await;
        let calls = sim.calls("/sink");
        let half = murphy_sim::pattern(0, 50_000);
        let body = [half, murphy_sim::pattern(50_000, 50_000)].concat();
        let response = bench.call("POST", "/sink", &[], &body).await;
        assert_eq!(
            response.body.json(),
            serde_json::json!({ "bytes": 100_000, "pattern": true }),
            "{yaml}"
        );
        assert_eq!(sim.calls("/sink"), calls + 1, "{yaml}");
        assert_eq!(bench.skipped("too_large").await, 1.0, "{yaml}");
        assert_eq!(marks(&response), [""; 0]);
    }
}
