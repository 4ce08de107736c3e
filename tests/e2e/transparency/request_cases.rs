//! Requests that must arrive as they were sent.

use murphy_testkit::peer::{Peer, Script};

use super::pair::{Case, check};
use super::setup::{OK, client, proxy_to, within};

#[tokio::test]
async fn every_method() {
    let methods = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "PATCH",
        "PROPFIND",
        "REPORT",
        "M-SEARCH",
        "QUERY",
        "get",
        "PoSt",
        "X-_!~'",
        "LONGMETHODNAMEWITHMANYLETTERSINIT",
    ];
    check(methods.map(|method| Case::new(method, method, "/m?x=1")).to_vec()).await;
}

#[tokio::test]
async fn every_target() {
    let long = format!("/{}?{}", "p".repeat(4_000), "q".repeat(4_000));
    let targets: [&[u8]; 27] = [
        b"/",
        b"/a/b/c",
        b"/a/",
        b"//a",
        b"/a//b///c//",
        b"/?",
        b"/a?",
        b"/a??",
        b"/a?x=1&x=2&&=&y",
        b"/a?x=/b//c?d",
        b"/a?x=http://u:p@host/",
        b"/%41%2f%2F%25",
        b"/%00%0d%0a",
        b"/%zz%",
        b"/%e4?%E4=%e4",
        b"/caf\xc3\xa9?caf\xc3\xa9",
        b"/./a/../b/.",
        b"/../../etc/passwd",
        b"/..%2f..%2f",
        b"/a;v=1,2;w/b",
        b"/a:b@c!$&'()*+,=~-._",
        b"/a+b?c+d=e%20f",
        b"/a|b",
        b"/{id}?filter={a:[1,2]}",
        b"/a\\b?c\\d",
        b"/a^b?[0]=x",
        long.as_bytes(),
    ];
    let case = |target: &[u8]| Case::new(String::from_utf8_lossy(target), "GET", target);
    check(targets.map(case).to_vec()).await;
}

#[tokio::test]
async fn odd_fields() {
    let long = format!("X-Long: {}\r\n", "v".repeat(16_000));
    let many: String = (0..90).map(|n| format!("X-N{n}: {n}\r\n")).collect();
    let all_bytes: Vec<u8> = (0x80..=0xff).chain(*b"\r\n").collect();
    let fields: [(&str, Vec<u8>); 16] = [
        ("case is kept", b"ACCEPT: a\r\nx-lower: b\r\nX-MiXeD-cAsE: c\r\n".to_vec()),
        ("order is kept", b"Z: 1\r\nA: 2\r\nM: 3\r\nB: 4\r\n".to_vec()),
        ("one name twice", b"X-A: 1\r\nX-A: 2\r\n".to_vec()),
        ("one name twice, apart, in two cases", b"X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n".to_vec()),
        ("cookies in two fields", b"Cookie: a=1\r\nCookie: b=2\r\n".to_vec()),
        ("empty values", b"X-Empty:\r\nX-Blank:   \r\nX-Empty:\r\n".to_vec()),
        ("blanks around and within", b"X-A:\t 1  2\t3 \t\r\nX-B:4\r\n".to_vec()),
        ("obs-text", [b"X-Bytes: ".to_vec(), all_bytes].concat()),
        ("UTF-8", "X-Name: Zoë – 日本\r\n".as_bytes().to_vec()),
        ("every character of a token", b"X!#$%&'*+-.^_`|~0: v\r\n".to_vec()),
        ("every visible character", b"X-V: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\r\n".to_vec()),
        ("underscores", b"x_under_score: 1\r\nX_B: 2\r\n".to_vec()),
        (
            "credentials",
            b"Authorization: Bearer t\r\nX-Api-Key: k\r\napi-key: k\r\nx-goog-api-key: k\r\n".to_vec(),
        ),
        (
            "what others would act on",
            b"Accept-Encoding: gzip, br, zstd\r\nVia: 1.0 other\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n\
              Max-Forwards: 0\r\nCache-Control: no-cache\r\nRange: bytes=0-1\r\nIf-None-Match: \"x\"\r\nPragma: p\r\n"
                .to_vec(),
        ),
        ("a long value", long.into_bytes()),
        ("ninety fields", many.into_bytes()),
    ];
    check(fields.map(|(name, lines)| Case::get(name).fields(lines)).to_vec()).await;
}

#[tokio::test]
async fn every_body() {
    let big: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let in_chunks = |content: &[u8], size: usize| {
        let mut bytes = Vec::new();
        for chunk in content.chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    };
    let post = |name: &str| Case::new(name, "POST", "/b");
    let cases = vec![
        post("none at all"),
        post("a length of zero").sized(""),
        post("one byte").sized("x"),
        post("every byte").sized((0..=255).collect::<Vec<u8>>()),
        post("line feeds").sized("\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        post("64 KiB").sized(&big[..65_536]),
        post("3 MB").sized(&big),
        post("gzip")
            .fields("Content-Encoding: gzip\r\n")
            .sized(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\x00"),
        post("no valid JSON")
            .fields("Content-Type: application/json\r\n")
            .sized("{\"a\": "),
        post("chunked and empty").fields(chunked).body("0\r\n\r\n"),
        post("one chunk").fields(chunked).body("3\r\nabc\r\n0\r\n\r\n"),
        post("extensions go")
            .fields(chunked)
            .body("3;a=b;c=\"d\"\r\nabc\r\n1;x\r\nd\r\n0;last\r\n\r\n"),
        post("sizes with zeros and capitals")
            .fields(chunked)
            .body("00A\r\n0123456789\r\n000\r\n\r\n"),
        post("chunked 3 MB").fields(chunked).body(in_chunks(&big, 10_007)),
        post("chunks of one byte")
            .fields(chunked)
            .body(in_chunks(&big[..2_000], 1)),
        post("announced trailers")
            .fields("Transfer-Encoding: chunked\r\nTrailer: X-Sum, x-two\r\n")
            .body("3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Two: a\r\nX-Two: b\r\n\r\n"),
        Case::new("PUT", "PUT", "/b").sized("put"),
        Case::new("DELETE with a body", "DELETE", "/b").sized("gone"),
        Case::new("OPTIONS with a chunked body", "OPTIONS", "/b")
            .fields(chunked)
            .body("1\r\no\r\n0\r\n\r\n"),
        Case::new("GET with a body", "GET", "/b").sized("content"),
        Case::new("HEAD with a body", "HEAD", "/b").sized("content"),
        Case::new("an unknown method with a chunked body", "REPORT", "/b")
            .fields(chunked)
            .body("1\r\nr\r\n0\r\n\r\n"),
    ];
    check(cases).await;
}

/// No URI has these (RFC 3986 §3.4), and the stack cannot pass them on: hyper refuses them.
#[tokio::test]
async fn targets_that_are_no_uri_are_refused() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    for target in ["/a?filter={\"a\":1}", "/a<b>", "/a`b`", "/a?b=<c>", "/a#fragment"] {
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!(
                "GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
                daemon.proxy()
            ))
            .await
            .unwrap();
        let response = within(target, client.response("GET")).await;
        let arrived = peer.requests().iter().any(|one| one.head.target() == target);
        if !arrived {
            assert_eq!(response.status(), 400, "{target}");
        }
    }
}

/// hyper's client leaves out a chunked body of a `GET` unless it is told of the framing.
#[tokio::test]
async fn chunked_bodies_of_methods_that_seldom_have_one() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let body = "7\r\ncontent\r\n0\r\n\r\n";
    let case = |method: &str| Case::new(method, method, "/b").fields(chunked).body(body);
    check(vec![case("GET"), case("HEAD")]).await;
}
