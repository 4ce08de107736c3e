//! Answers that must reach the agent as the upstream gave them.

use murphy_testkit::raw::Framing;

use super::pair::{Case, check};

fn sized(head: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n",
        content.len()
    )
    .into_bytes();
    bytes.extend_from_slice(content);
    bytes
}

#[tokio::test]
async fn every_status() {
    let statuses = [
        200, 201, 202, 203, 204, 206, 207, 226, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403,
        404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 425, 426, 428,
        429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520, 529, 599, 600, 999,
    ];
    let case = |status: u16| {
        let body = if status == 204 || status == 304 {
            "\r\n"
        } else {
            "Content-Length: 4\r\n\r\nbody"
        };
        Case::get(status.to_string())
            .answered(format!("HTTP/1.1 {status} Some Words\r\nX-S: {status}\r\n{body}"))
    };
    check(statuses.map(case).to_vec()).await;
}

#[tokio::test]
async fn status_lines() {
    let lines = [
        "200 OK",
        "200 ",
        "200 Fine, thanks: (really)",
        "404 not found",
        "503 OK",
        "299 Odd\tWords",
    ];
    let case =
        |line: &str| Case::get(line).answered(format!("HTTP/1.1 {line}\r\nContent-Length: 1\r\n\r\nx"));
    let mut cases = lines.map(case).to_vec();
    // The parser gives no reason that is not ASCII; nobody may act on one (RFC 9112 §4).
    cases.push(case("200 \u{e9}t\u{e9}").status_line("HTTP/1.1 200 "));
    check(cases).await;
}

#[tokio::test]
async fn odd_fields() {
    let long = format!("X-Long: {}\r\n", "v".repeat(20_000));
    let many: String = (0..90).map(|n| format!("X-N{n}: {n}\r\n")).collect();
    let all_bytes: Vec<u8> = (0x80..=0xff).collect();
    let obs_text = [
        b"HTTP/1.1 200 OK\r\nX-Bytes: ".to_vec(),
        all_bytes,
        b"\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ];
    let fields = [
        (
            "two set-cookie",
            "Set-Cookie: a=1; Path=/\r\nX-Between: 1\r\nSet-Cookie: b=2, c=3; HttpOnly\r\n",
        ),
        (
            "case and order",
            "ZED: 1\r\nalpha: 2\r\nX-MiXeD: 3\r\nContent-type: text/x\r\n",
        ),
        ("empty values", "X-Empty:\r\nX-Empty: \r\nX-Blank:\t\r\n"),
        (
            "every visible character",
            "X-V: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\r\nx!#$%&'*+-.^_`|~: t\r\n",
        ),
        (
            "a date of its own",
            "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: own/1.0\r\nAge: 3\r\nVia: 1.1 cdn\r\n",
        ),
        (
            "validators and caching",
            "ETag: W/\"a\"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nVary: *\r\nCache-Control: no-transform\r\n",
        ),
        (
            "provider fields",
            "x-request-id: r\r\nx-ratelimit-remaining-requests: 0\r\nretry-after-ms: 17\r\nRetry-After: 1\r\n\
             anthropic-ratelimit-tokens-reset: t\r\nProxy-Status: other; error=x\r\nAlt-Svc: h3=\":443\"\r\n",
        ),
        (
            "a redirect elsewhere",
            "Location: http://169.254.169.254/\r\nRefresh: 0; url=/x\r\n",
        ),
        ("a long value", long.as_str()),
        ("ninety fields", many.as_str()),
    ];
    let mut cases: Vec<Case> = fields
        .map(|(name, lines)| Case::get(name).answered(sized(lines, "body")))
        .to_vec();
    cases.push(Case::get("obs-text").answered(obs_text.concat()));
    cases.push(Case::get("no field at all").answered("HTTP/1.1 204 No Content\r\n\r\n"));
    check(cases).await;
}

#[tokio::test]
async fn every_body() {
    let big: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let in_chunks: Vec<u8> = big
        .chunks(9_973)
        .flat_map(|chunk| [format!("{:X}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let cases = vec![
        Case::get("a length of zero").answered(sized("", "")),
        Case::get("one byte").answered(sized("", "x")),
        Case::get("every byte").answered(sized("", (0..=255).collect::<Vec<u8>>())),
        Case::get("3 MB").answered(sized("", &big)),
        Case::get("gzip, broken").answered(sized("Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00not really")),
        Case::get("brotli").answered(sized("Content-Encoding: br\r\nContent-Type: application/json\r\n", b"\x0b\x02\x80[1]\x03")),
        Case::get("several codings").answered(sized("Content-Encoding: gzip, zstd\r\n", b"\xff\xfe\x00")),
        Case::get("chunked and empty").answered([chunked, "0\r\n\r\n"].concat()),
        Case::get("chunks with extensions").answered([chunked, "3;a=\"b\"\r\nabc\r\n0;x\r\n\r\n"].concat()),
        Case::get("chunked 3 MB").answered([chunked.as_bytes(), &in_chunks, b"0\r\n\r\n"].concat()),
        Case::get("invalid JSON stays so").answered(sized("Content-Type: application/json\r\n", "{\"a\":NaN,}")),
        Case::get("closed after a sized body").answered(sized("Connection: close\r\n", "last")).closing(),
        Case::get("a refusal to stream").fields("Accept: text/event-stream\r\n").answered(
            "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nretry-after: 7\r\nx-should-retry: true\r\n\
             Content-Length: 30\r\n\r\n{\"error\":{\"type\":\"rate_limit\"}}",
        ),
        Case::new("a refusal of stream: true", "POST", "/v1/chat/completions")
            .fields("Content-Type: application/json\r\n")
            .sized("{\"stream\":true}")
            .answered("HTTP/1.1 529 Overloaded\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
        Case::get("events, all at once").answered(sized(
            "Content-Type: text/event-stream\r\n",
            "\u{feff}: comment\r\nevent: a\rdata: 1\n\ndata:2\r\n\r\ndata: [DONE]\n\n",
        )),
    ];
    check(cases).await;
}

#[tokio::test]
async fn answers_without_a_body() {
    let length = "Content-Length: 1234\r\n\r\n";
    let head = |name: &str| Case::new(name, "HEAD", "/p");
    let cases = vec![
        head("HEAD with a length").answered(format!("HTTP/1.1 200 OK\r\n{length}")),
        head("HEAD with a length of zero").answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        head("HEAD without a length").answered("HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"),
        head("HEAD, chunked").answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        head("HEAD, 404").answered(format!("HTTP/1.1 404 Not Found\r\n{length}")),
        Case::get("204").answered("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
        Case::get("304").answered("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n"),
        Case::get("304 with a length")
            .answered(format!("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n{length}")),
        Case::get("205").answered("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
        Case::new("204 to POST", "POST", "/p")
            .sized("x")
            .answered("HTTP/1.1 204 No Content\r\n\r\n"),
    ];
    check(cases).await;
}

#[tokio::test]
async fn framings_that_a_hop_must_change() {
    let cases = vec![
        Case::get("until the end")
            .answered("HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil the connection's end")
            .closing()
            .reframed(Framing::Chunked),
        Case::get("until the end, empty")
            .answered("HTTP/1.1 200 OK\r\n\r\n")
            .closing()
            .reframed(Framing::Chunked),
        // RFC 9110 §2.5: an intermediary sends its own version.
        Case::get("HTTP/1.0, sized")
            .answered("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .closing()
            .status_line("HTTP/1.1 200 OK"),
        Case::get("HTTP/1.0, until the end")
            .answered("HTTP/1.0 404 Gone Away\r\nContent-Type: text/html\r\n\r\n<html>")
            .closing()
            .reframed(Framing::Chunked)
            .status_line("HTTP/1.1 404 Gone Away"),
    ];
    check(cases).await;
}

#[tokio::test]
async fn trailers_reach_an_agent_that_takes_them() {
    let announced = "HTTP/1.1 200 OK\r\nTrailer: X-Sum, x-part\r\nTransfer-Encoding: chunked\r\n\r\n\
                     3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Part: one\r\nX-Part: two\r\n\r\n";
    check(vec![
        Case::get("announced")
            .fields("TE: trailers\r\n")
            .answered(announced),
    ])
    .await;
}
