//! B29: schemathesis makes calls from the control API's own description, well-formed and malformed ones: no 5xx, no
//! status, media type or body that the description does not have; and without the token nothing changes.

use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use murphy_testkit::daemon::{Daemon, DaemonBuilder, Finished};
use serde_json::Value;
use tokio::process::Command;

use super::support::{NEVER, SIM, client};

const TOKEN: &str = "schemathesis-token";
/// It never ends, which is what it is for.
const ENDLESS: &str = "/api/v1/exchanges/stream";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";
const SCENARIO: &str = "rules:\n  - name: slow\n    fault: { delay: 1ms }\n";

/// The program beside the interpreter of the client libraries. Without it the test is skipped, loudly, but never in
/// CI.
fn schemathesis() -> Option<PathBuf> {
    let named = std::env::var_os("MURPHY_PYTHON").map(PathBuf::from);
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let program = named.unwrap_or(venv).with_file_name("schemathesis");
    if program.exists() {
        return Some(program);
    }
    let how = "target/venv/bin/pip install -r tests/sdk/requirements.txt";
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "CI needs schemathesis: {how}");
    eprintln!("SKIPPED, NOT PASSED: no schemathesis: {how}");
    None
}

async fn guarded() -> Daemon {
    let builder = DaemonBuilder::new()
        .config(&format!("{NEVER}\n{SIM}"))
        .file("token", TOKEN)
        .scenario("slow", SCENARIO);
    let token = builder.folder().join("token");
    let token = token.to_str().unwrap().to_owned();
    builder.env("MURPHY__CONTROL__TOKEN_FILE", &token).start().await
}

async fn run(program: &Path, daemon: &Daemon, more: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap(); // it keeps a database where it runs
    let output = Command::new(program)
        .arg("run")
        .arg(daemon.control_url("/openapi.json"))
        .args([
            "--checks",
            CHECKS,
            "--exclude-path",
            ENDLESS,
            "--request-timeout",
            "10",
        ])
        .args(["--seed", "1", "--no-color"])
        .args(more)
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// How many calls it says that it made.
fn made(finished: &Finished) -> u64 {
    let line = finished.stdout.lines().find(|line| line.contains(" generated, "));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("it made no calls:\n{}", finished.stdout))
}

/// A call with the token.
async fn with_token(daemon: &Daemon, method: Method, path: &str) -> (StatusCode, Value) {
    let request = client()
        .request(method, daemon.control_url(path))
        .bearer_auth(TOKEN);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// What a write could have changed.
async fn state(daemon: &Daemon) -> (Value, Value) {
    let (status, seen) = with_token(daemon, Method::GET, "/api/v1/status").await;
    let (_, scenarios) = with_token(daemon, Method::GET, "/api/v1/scenarios").await;
    assert_eq!(status, StatusCode::OK);
    let kept = ["generation", "active", "kill_switch", "reload"].map(|key| seen[key].clone());
    (Value::from(kept.to_vec()), scenarios)
}

#[tokio::test]
async fn every_answer_is_one_that_the_description_has() {
    let Some(program) = schemathesis() else { return };
    let daemon = guarded().await;
    let bearer = format!("authorization: Bearer {TOKEN}");
    let phases = "examples,coverage,fuzzing";
    let finished = run(
        &program,
        &daemon,
        &["--header", &bearer, "--phases", phases, "--max-examples", "10"],
    )
    .await;
    assert_eq!(
        finished.code(),
        Some(0),
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    println!("B29: {} calls, every answer as described", made(&finished));
    assert!(made(&finished) >= 1_000, "{}", finished.stdout);
    // It switched and tripped what it liked; the daemon still does what it is told.
    let (status, _) = with_token(&daemon, Method::POST, "/api/v1/kill-switch/unlock").await;
    assert_eq!(status, StatusCode::OK);
    let (status, switch) = with_token(&daemon, Method::POST, "/api/v1/kill-switch/rearm").await;
    assert_eq!(
        (status, &switch["state"]),
        (StatusCode::OK, &Value::from("armed"))
    );
    assert!(!daemon.stderr().contains("panicked"), "{}", daemon.stderr());
}

#[tokio::test]
async fn without_the_token_no_call_changes_anything() {
    let Some(program) = schemathesis() else { return };
    let daemon = guarded().await;
    let before = state(&daemon).await;
    let phases = "examples,fuzzing";
    let finished = run(&program, &daemon, &["--phases", phases, "--max-examples", "20"]).await;
    // That nothing but refusals came back is a warning of its own making, not a failure.
    assert_eq!(
        finished.code(),
        Some(0),
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    assert!(made(&finished) >= 100, "{}", finished.stdout);
    assert_eq!(
        state(&daemon).await,
        before,
        "{} calls without the token",
        made(&finished)
    );
    println!("B29: {} calls without the token changed nothing", made(&finished));
}
