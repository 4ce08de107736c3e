//! What real client libraries raise: httpx and requests in Python, Node's built-in fetch (undici).
//!
//! The expected classes are those that were seen of each ending of a connection, whoever made it: a fault is a
//! good one if a library cannot tell it from the real thing.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::harness::{Bench, Setup, http, repository, rules, sim};

/// A fault by the client's side.
struct Case {
    name: &'static str,
    path: &'static str,
    fault: &'static str,
    /// What must be among the names that each library raises; `OK` if it notices nothing.
    httpx: &'static [&'static str],
    requests: &'static [&'static str],
    fetch: &'static [&'static str],
}

/// The call ends well, whatever the fault did.
const OK: &[&str] = &[];

/// How long clients wait for the next byte (fetch: for all of them), in seconds.
const TIMEOUT: f64 = 0.4;

const CASES: &[Case] = &[
    Case {
        name: "fin-before-the-head",
        path: "/json",
        fault: "abort: fin",
        httpx: &["RemoteProtocolError"],
        requests: &["ConnectionError", "RemoteDisconnected"],
        fetch: &["TypeError", "fetch failed", "UND_ERR_SOCKET"],
    },
    Case {
        name: "rst-before-the-head",
        path: "/json",
        fault: "abort: rst",
        httpx: &["ReadError"],
        requests: &["ConnectionError", "ConnectionResetError"],
        fetch: &["TypeError", "fetch failed", "ECONNRESET"],
    },
    Case {
        name: "lost-answer",
        path: "/json",
        fault: "abort: { at: after_upstream, how: rst }",
        httpx: &["ReadError"],
        requests: &["ConnectionError", "ConnectionResetError"],
        fetch: &["TypeError", "fetch failed", "ECONNRESET"],
    },
    Case {
        name: "short-body-then-fin",
        path: "/json",
        fault: "truncate: { after: 50%, framing: abrupt }",
        httpx: &["RemoteProtocolError"],
        requests: &["ChunkedEncodingError", "IncompleteRead"],
        fetch: &["TypeError", "terminated", "UND_ERR_SOCKET"],
    },
    Case {
        name: "too-long-a-length",
        path: "/json",
        fault: "wrong_length: { by: 10 }",
        httpx: &["RemoteProtocolError"],
        requests: &["ChunkedEncodingError", "IncompleteRead"],
        fetch: &["TypeError", "terminated", "UND_ERR_SOCKET"],
    },
    Case {
        name: "no-last-chunk",
        path: "/bytes/1000?chunked=1",
        fault: "abort: { at: mid_body, after: 300, how: fin }",
        httpx: &["RemoteProtocolError"],
        requests: &["ChunkedEncodingError", "ProtocolError"],
        fetch: &["TypeError", "terminated"],
    },
    Case {
        name: "rst-inside-the-body",
        path: "/json",
        fault: "abort: { at: mid_body, after: 50%, how: rst }",
        httpx: &["ReadError"],
        requests: &["ProtocolError", "ConnectionResetError"],
        // ECONNRESET or UND_ERR_SOCKET: if it all comes at once libuv takes a reset after a short read for an end.
        fetch: &["TypeError", "terminated"],
    },
    Case {
        name: "truncated-json",
        path: "/json",
        fault: "truncate: { after: inside_json, framing: clean }",
        httpx: &["JSONDecodeError"],
        requests: &["JSONDecodeError"],
        fetch: &["SyntaxError"],
    },
    Case {
        name: "truncated-json-in-gzip",
        path: "/json?encoding=gzip",
        fault: "truncate: { after: inside_json, framing: clean }",
        httpx: &["JSONDecodeError"],
        requests: &["JSONDecodeError"],
        fetch: &["SyntaxError"],
    },
    Case {
        name: "too-short-a-length",
        path: "/json",
        fault: "wrong_length: { by: -10 }",
        httpx: &["JSONDecodeError"],
        requests: &["JSONDecodeError"],
        fetch: &["SyntaxError"],
    },
    Case {
        name: "unclosed-string",
        path: "/json",
        fault: "corrupt: unclosed_string",
        httpx: &["JSONDecodeError"],
        requests: &["JSONDecodeError"],
        fetch: &["SyntaxError"],
    },
    Case {
        name: "not-utf8",
        path: "/json",
        fault: "corrupt: invalid_utf8",
        httpx: &["UnicodeDecodeError"],
        requests: OK, // it guesses another encoding
        fetch: OK,    // it puts U+FFFD in its place
    },
    Case {
        name: "not-a-number",
        path: "/json",
        fault: "corrupt: nan",
        httpx: OK, // Python's parser takes NaN
        requests: OK,
        fetch: &["SyntaxError"],
    },
    Case {
        name: "html-with-200",
        path: "/json",
        fault: "html_instead: { status: 200 }",
        httpx: &["JSONDecodeError"],
        requests: &["JSONDecodeError"],
        fetch: &["SyntaxError"],
    },
    Case {
        name: "black-hole",
        path: "/json",
        fault: "hang: {}",
        httpx: &["ReadTimeout"],
        requests: &["ReadTimeout"],
        fetch: &["TimeoutError"],
    },
    Case {
        name: "stalled-body",
        path: "/json",
        fault: "stall: { after: 50%, for: forever }",
        httpx: &["ReadTimeout"],
        requests: &["ConnectionError", "ReadTimeoutError"],
        fetch: &["TimeoutError"],
    },
    Case {
        name: "drip",
        path: "/json",
        fault: "slow_drip: { bytes: 100, every: 90ms }",
        httpx: OK, // each piece starts the timeout anew
        requests: OK,
        fetch: &["TimeoutError"], // it counts all of it
    },
    Case {
        name: "redirect-loop",
        path: "/json",
        fault: "redirect_loop: {}",
        httpx: &["TooManyRedirects"],
        requests: &["TooManyRedirects"],
        fetch: &["TypeError", "fetch failed", "redirect count exceeded"],
    },
    Case {
        name: "rate-limited",
        path: "/json",
        fault: "error: { kind: rate_limited, retry_after: 2s }",
        httpx: OK, // a status is no exception: what it says is looked at below
        requests: OK,
        fetch: OK,
    },
];

/// A daemon with all cases, each by its header.
async fn bench(sim: &murphy_testkit::Sim) -> Bench {
    let list: Vec<String> = CASES
        .iter()
        .map(|case| {
            format!(
                "name: {0}, when: {{ header: {{ x-case: {0} }} }}, fault: {{ {1} }}",
                case.name, case.fault
            )
        })
        .collect();
    Setup::new(http(sim))
        .on(super::harness::CASE, &rules(&list))
        .start()
        .await
}

fn call(bench: &Bench, case: &Case, library: &str) -> Value {
    json!({
        "library": library,
        "url": bench.daemon.proxy_url(&format!("/up{}", case.path)),
        "headers": { "x-case": case.name },
        "timeout": TIMEOUT,
    })
}

/// Runs a script that reads calls and prints what came of them.
async fn script(program: &PathBuf, name: &str, calls: &[Value]) -> Vec<Value> {
    let mut child = Command::new(program)
        .arg(repository().join("tests/sdk").join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(json!(calls).to_string().as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{name}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Asserts what a library made of a case, and that the daemon tells of it.
fn check(case: &Case, library: &str, expected: &[&str], got: &Value) {
    let case = format!("{} with {library}: {got}", case.name);
    let Some(chain) = got["chain"].as_array() else {
        assert!(expected.is_empty(), "{case}");
        assert!(got["status"].is_u64(), "{case}");
        return;
    };
    assert!(!expected.is_empty(), "{case}");
    for name in expected {
        assert!(
            chain
                .iter()
                .any(|one| one.as_str().is_some_and(|one| one == *name)),
            "{name} is missing: {case}"
        );
    }
}

/// The interpreter that `variable` names, or `fallback` if it is there. Without one the test is skipped, loudly,
/// but never in CI.
fn program(variable: &str, fallback: Option<PathBuf>, how: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).or(fallback);
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "CI needs {variable}: {how}"
        );
        eprintln!("SKIPPED, NOT PASSED: {variable} is not set: {how}");
    }
    found
}

fn python() -> Option<PathBuf> {
    let venv = repository().join("target/venv/bin/python");
    let how = "python3 -m venv target/venv && target/venv/bin/pip install -r tests/sdk/requirements.txt";
    program("MURPHY_PYTHON", Some(venv).filter(|path| path.exists()), how)
}

fn node() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join("node"))
        .find(|path| path.is_file());
    program("MURPHY_NODE", found, "install Node 20 or later")
}

/// All calls of one library, and then what the daemon told of them: each was hit by the rule of its name.
async fn all_cases(
    program: &PathBuf,
    name: &str,
    library: &str,
    expected: impl Fn(&Case) -> &'static [&'static str],
) {
    let sim = sim();
    let bench = bench(&sim).await;
    let calls: Vec<Value> = CASES.iter().map(|case| call(&bench, case, library)).collect();
    let got = script(program, name, &calls).await;
    assert_eq!(got.len(), CASES.len());
    for (case, got) in CASES.iter().zip(&got) {
        check(case, library, expected(case), got);
    }
    let limited = got.last().unwrap();
    assert_eq!(
        (&limited["status"], &limited["code"]),
        (&json!(429), &json!("rate_limited"))
    );
    for case in CASES {
        let injected = bench.injected(&[&format!("rule=\"{}\"", case.name)]).await;
        assert!(injected >= 1.0, "{} with {library}: {injected}", case.name);
    }
}

#[tokio::test]
async fn httpx_raises_what_it_raises_for_the_real_thing() {
    if let Some(python) = python() {
        all_cases(&python, "calls.py", "httpx", |case| case.httpx).await;
    }
}

#[tokio::test]
async fn requests_raises_what_it_raises_for_the_real_thing() {
    if let Some(python) = python() {
        all_cases(&python, "calls.py", "requests", |case| case.requests).await;
    }
}

#[tokio::test]
async fn fetch_throws_what_it_throws_for_the_real_thing() {
    if let Some(node) = node() {
        all_cases(&node, "calls.mjs", "fetch", |case| case.fetch).await;
    }
}
