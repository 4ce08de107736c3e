//! The corpus of http-desync-guardian through the front door to a strict recorder (B5): what a strict reader of RFC
//! 9112 objects to reaches no upstream, nothing hangs, nothing becomes an error of the proxy's.

use std::path::PathBuf;
use std::time::Duration;

use cargo_metadata::MetadataCommand;
use murphy_testkit::message::Head;
use murphy_testkit::peer::{Peer, Script, Seen};
use murphy_testkit::raw::{Framing, RawClient};
use serde_json::Value;

use super::setup::configured;

/// Longer than this is a hang.
const HANG: Duration = Duration::from_secs(10);

struct Case {
    name: String,
    tier: String,
    request: Vec<u8>,
}

#[tokio::test]
async fn no_request_of_the_corpus_gets_through_in_two_meanings() {
    // Each request has a connection of its own, of which every byte is kept.
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let peer = Peer::each(Script::new().read_head().send(answer).read_until_left());
    let daemon = configured("[proxy]\nallowed_hosts = [\"corpus.test\"]", &peer.url(), "").await;
    let cases = cases();
    assert!(
        cases.len() >= 150,
        "only {} cases: the corpus was not read whole",
        cases.len()
    );
    let (mut hung, mut failed, mut answered) = (Vec::new(), Vec::new(), 0);
    for case in &cases {
        let mut client = RawClient::connect(daemon.proxy()).await.unwrap();
        client.send(&case.request).await.unwrap();
        client.half_close().await.ok(); // the server may have closed
        match tokio::time::timeout(HANG, client.read_to_end()).await {
            Err(_) => hung.push(&case.name),
            Ok((bytes, _)) => {
                answered += usize::from(!bytes.is_empty());
                let status = String::from_utf8_lossy(bytes.get(9..12).unwrap_or_default()).into_owned();
                // 501 and 505 are refusals with a meaning of their own (RFC 9112 §6.1, RFC 9110 §15.6.6).
                if ["500", "502", "503", "504"].contains(&status.as_str()) {
                    failed.push(format!("{} ({}): {status}", case.name, case.tier));
                }
            }
        }
    }
    let arrived = peer.stop().await;
    let dirty: Vec<String> = arrived
        .iter()
        .filter_map(|seen| {
            Some(format!(
                "{}: {:?}",
                objection(seen)?,
                String::from_utf8_lossy(&seen.bytes)
            ))
        })
        .collect();
    println!(
        "{} cases: {answered} answered, {} arrived; {} dirty, {} hung, {} 5xx",
        cases.len(),
        arrived.len(),
        dirty.len(),
        hung.len(),
        failed.len()
    );
    assert!(dirty.is_empty(), "{dirty:#?}");
    assert!(hung.is_empty(), "{hung:#?}");
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(
        arrived.len() >= 20,
        "only {} arrived: the test shows nothing",
        arrived.len()
    );
    assert!(arrived.len() <= cases.len(), "one request became two");
}

/// What a strict reader of RFC 9112 objects to. Written for this test, so that the daemon does not judge itself.
fn objection(seen: &Seen) -> Option<&'static str> {
    let head = &seen.requests.first()?.head;
    let behind = &seen.bytes[head.bytes.len()..];
    let excess = match head.request_framing() {
        Framing::Sized(length) => behind.len() > length,
        Framing::Chunked => !behind.is_empty() && !behind.ends_with(b"0\r\n\r\n"),
        Framing::None | Framing::UntilClose => !behind.is_empty(),
    };
    excess
        .then_some("bytes behind the message")
        .or_else(|| objection_to_head(head))
}

fn objection_to_head(head: &Head) -> Option<&'static str> {
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let lines = head
        .bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    if lines
        .into_iter()
        .any(|line| !line.ends_with(b"\r") || line[..line.len() - 1].contains(&b'\r'))
    {
        return Some("a bare CR or LF");
    }
    let parts: Vec<&str> = head.line.split(' ').collect();
    if parts.len() != 3 || !is_token(parts[0]) || parts[2] != "HTTP/1.1" {
        return Some("the request line");
    }
    if parts[1].chars().any(|c| c.is_ascii_control() || c == ' ')
        || !(parts[1].starts_with('/') || parts[1] == "*")
    {
        return Some("the target");
    }
    if head.headers.iter().any(|(name, _)| !is_token(name)) {
        return Some("a field name");
    }
    if head
        .headers
        .iter()
        .any(|(_, value)| value.bytes().any(|b| (b < 32 && b != 9) || b == 127))
    {
        return Some("a field value");
    }
    if head.all("host").len() != 1 {
        return Some("Host");
    }
    let (lengths, codings) = (head.all("content-length"), head.all("transfer-encoding"));
    if lengths.len() + codings.len() > 1 {
        return Some("two framings");
    }
    if lengths
        .iter()
        .any(|length| length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()))
    {
        return Some("Content-Length");
    }
    codings
        .iter()
        .any(|coding| !coding.eq_ignore_ascii_case("chunked"))
        .then_some("Transfer-Encoding")
}

/// Where cargo keeps the package.
fn corpus() -> PathBuf {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata");
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "http_desync_guardian");
    let manifest = &package.expect("a dev-dependency").manifest_path;
    manifest.parent().unwrap().join("tests").into_std_path_buf()
}

fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(corpus())
        .expect("the corpus's folder")
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| serde_saphyr::from_str::<Vec<Value>>(&text).expect("YAML"))
        .map(|case| read(&case))
        .collect()
}

/// A case as it stands on the wire. The corpus is not about `Host`: one that the proxy serves takes its place where
/// there is exactly one, or none.
fn read(case: &Value) -> Case {
    let mut request = [bytes(&case["method"]), b" ".to_vec(), bytes(&case["uri"])].concat();
    let version = bytes(&case["version"]);
    if !version.is_empty() {
        request.extend([b" ".as_slice(), &version].concat());
    }
    request.extend(b"\r\n");
    let fields = case["headers"].as_array().cloned().unwrap_or_default();
    let is_host = |field: &Value| bytes(&field["name"]).eq_ignore_ascii_case(b"host");
    let hosts = fields.iter().filter(|field| is_host(field)).count();
    if hosts == 0 {
        request.extend(b"Host: corpus.test\r\n");
    }
    for field in &fields {
        let value = if hosts == 1 && is_host(field) {
            b"corpus.test".to_vec()
        } else {
            bytes(&field["value"])
        };
        request.extend([&bytes(&field["name"]), b": ".as_slice(), &value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    let named = |name: &[u8]| {
        fields
            .iter()
            .find(|field| bytes(&field["name"]).eq_ignore_ascii_case(name))
    };
    let chunked =
        named(b"transfer-encoding").is_some_and(|field| bytes(&field["value"]).ends_with(b"chunked"));
    if chunked {
        request.extend(b"0\r\n\r\n");
    } else if let Some(length) = named(b"content-length") {
        let length = String::from_utf8_lossy(&bytes(&length["value"]))
            .trim()
            .parse()
            .unwrap_or(0_usize);
        request.extend(std::iter::repeat_n(b'x', length.min(1 << 16)));
    }
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Case {
        name: text(&case["name"]),
        tier: text(&case["expected"]["tier"]),
        request,
    }
}

/// The bytes of a scalar, in which backslashes escape and characters up to U+00FF stand for bytes.
fn bytes(value: &Value) -> Vec<u8> {
    let text = match value {
        Value::String(text) => text
            .replace("\\t", "\t")
            .replace("\\n", "\n")
            .replace("\\r", "\r")
            .replace("\\\\", "\\"),
        Value::Number(number) => number.to_string(),
        other => panic!("{other} is no scalar"),
    };
    let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    bytes.unwrap_or_else(|_| text.into_bytes())
}
