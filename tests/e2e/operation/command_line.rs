//! The command line against a running daemon: each verb as text and as JSON, exit codes, and what a terminal gets.

use std::process::Stdio;

use murphy_testkit::daemon::{Daemon, Finished, binary, run};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::support::{NEVER, OUTAGE, call, client, daemon, eventually, recorded, switch, within};

const SLOW: &str = "description: Half a minute more\nrules:\n  - name: wait\n    fault: { delay: 30s }\n";

async fn started() -> Daemon {
    daemon(NEVER)
        .scenario("outage", OUTAGE)
        .scenario("slow", SLOW)
        .start()
        .await
}

async fn text(daemon: &Daemon, args: &[&str], code: i32) -> Finished {
    let done = daemon.murphy(args).await;
    assert_eq!(done.code(), Some(code), "murphy {args:?}: {done:#?}");
    assert!(
        !done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'),
        "colours into a pipe: {done:#?}"
    );
    done
}

async fn json_of(daemon: &Daemon, args: &[&str]) -> Value {
    let args = [args, &["--output", "json"]].concat();
    let done = text(daemon, &args, 0).await;
    serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("murphy {args:?}: {error}: {}", done.stdout))
}

#[tokio::test]
async fn verbs_that_look_print_text_and_json() {
    let daemon = started().await;
    let status = text(&daemon, &["status"], 0).await.stdout;
    for part in [
        "armed",
        &daemon.proxy_url(""),
        &daemon.control_url(""),
        "murphy.toml",
        "/sim",
        "nothing is on",
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert_eq!(
        json_of(&daemon, &["status"]).await,
        daemon.control_get("/api/v1/status").await.1
    );
    assert_eq!(
        text(&daemon, &["status", "--ready"], 0).await.stdout.trim(),
        "ready"
    );

    let scenarios = text(&daemon, &["scenarios"], 0).await.stdout;
    assert!(
        scenarios.contains("outage")
            && scenarios.contains("Half a minute more")
            && scenarios.contains("delay")
    );
    assert_eq!(
        json_of(&daemon, &["scenarios"]).await,
        daemon.control_get("/api/v1/scenarios").await.1
    );
    let one = text(&daemon, &["scenarios", "slow"], 0).await.stdout;
    assert!(one.contains(SLOW.trim()), "{one}");
    assert_eq!(json_of(&daemon, &["scenarios", "slow"]).await["text"], SLOW);
}

#[tokio::test]
async fn verbs_that_switch_do_it_and_say_so() {
    let daemon = started().await;
    let on = text(&daemon, &["on", "outage", "--for", "60s", "--seed", "7"], 0).await;
    assert!(
        on.stdout.contains("outage is on until") && on.stdout.contains("seed 7"),
        "{on:#?}"
    );
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 503);
    let on = json_of(&daemon, &["on", "slow"]).await;
    assert_eq!(
        (&on["scenario"], on["seed"].is_u64()),
        (&json!("slow"), true),
        "{on:#}"
    );
    let status = text(&daemon, &["status"], 0).await.stdout;
    assert!(
        status.contains("outage") && status.contains("murphy (127.0.0.1)"),
        "who switched it on is shown: {status}"
    );
    assert_eq!(
        json_of(&daemon, &["scenarios", "--active"])
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );

    assert!(text(&daemon, &["off", "slow"], 0).await.stdout.contains("slow"));
    assert_eq!(
        json_of(&daemon, &["off", "--all"]).await["scenarios"],
        json!(["outage"])
    );
    assert!(
        text(&daemon, &["off", "--all"], 0)
            .await
            .stdout
            .contains("nothing was on")
    );
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 200);

    std::fs::write(daemon.folder().join("scenarios/third.yaml"), OUTAGE).unwrap();
    let reload = json_of(&daemon, &["reload"]).await;
    assert!(
        matches!(reload["result"].as_str(), Some("applied" | "unchanged")),
        "{reload:#}"
    );
    assert!(text(&daemon, &["reload"], 0).await.stdout.contains("unchanged"));
}

#[tokio::test]
async fn the_kill_switch_is_worked_from_the_command_line() {
    let daemon = started().await;
    let kill = text(&daemon, &["kill", "checkout is failing"], 0).await.stdout;
    assert!(
        kill.contains("tripped") && kill.contains("checkout is failing"),
        "{kill}"
    );
    assert_eq!(switch(&daemon).await["state"], "tripped");
    let refused = text(&daemon, &["on", "outage"], 4).await;
    assert!(
        refused.stderr.contains("tripped") && refused.stdout.is_empty(),
        "{refused:#?}"
    );
    assert_eq!(json_of(&daemon, &["rearm"]).await["state"], "armed");
    assert_eq!(json_of(&daemon, &["lock"]).await["state"], "locked");
    let refused = text(&daemon, &["on", "outage"], 4).await;
    assert!(refused.stderr.contains("locked"), "{refused:#?}");
    assert_eq!(json_of(&daemon, &["unlock"]).await["state"], "armed");
    text(&daemon, &["on", "outage"], 0).await;
    assert_eq!(json_of(&daemon, &["kill"]).await["state"], "tripped");
}

#[tokio::test]
async fn exit_codes_tell_what_kind_of_no_it_is() {
    let daemon = started().await;
    let unknown = text(&daemon, &["on", "slwo"], 3).await;
    assert!(unknown.stderr.contains("did you mean \"slow\"?"), "{unknown:#?}");
    for usage in [
        ["on"].as_slice(),
        &["off"],
        &["off", "slow", "--all"],
        &["nothing"],
        &["on", "slow", "--for", "soon"],
        &["status", "--output", "xml"],
        &["status", "--control", "ftp://x"],
        &["faults", "dealy"],
    ] {
        let done = text(&daemon, usage, 2).await;
        assert!(
            !done.stderr.is_empty() && done.stdout.is_empty(),
            "{usage:?}: {done:#?}"
        );
    }
    std::fs::write(daemon.folder().join("scenarios/slow.yaml"), "rules: [").unwrap();
    let refused = text(&daemon, &["reload"], 1).await;
    assert!(refused.stderr.contains("slow.yaml:1:"), "{refused:#?}");
    let status = text(&daemon, &["status"], 0).await.stdout;
    assert!(
        status.contains("refused") && status.contains("slow.yaml:1:"),
        "{status}"
    );

    let nobody = tempfile::tempdir().unwrap();
    let alone = run(nobody.path(), &["status", "--control", "http://127.0.0.1:1"]).await;
    assert_eq!(alone.code(), Some(3), "{alone:#?}");
    assert!(
        alone.stderr.contains("127.0.0.1:1") && alone.stderr.contains("murphy serve"),
        "{alone:#?}"
    );
}

/// `murphy tail` as a process of its own, line by line.
async fn tail(
    daemon: &Daemon,
    args: &[&str],
) -> (
    tokio::process::Child,
    tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
) {
    let mut child = Command::new(binary())
        .arg("tail")
        .args(args)
        .env("MURPHY_CONTROL", daemon.control_url(""))
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test]
async fn tail_follows_calls_live() {
    let daemon = started().await;
    let client = client();
    call(&client, &daemon, "/sim/echo").await;
    recorded(&daemon, 1).await;
    let (mut child, mut lines) = tail(&daemon, &["-o", "json", "--after", "0", "-n", "3"]).await;
    let mut next = async || -> Value {
        let line = tokio::time::timeout(super::support::SOON, lines.next_line())
            .await
            .expect("a line soon");
        serde_json::from_str(&line.unwrap().expect("a line")).unwrap()
    };
    assert_eq!(next().await["id"], 1, "what is remembered comes first");
    call(&client, &daemon, "/sim/status/404").await;
    let second = next().await;
    assert_eq!(
        (&second["id"], &second["status"], &second["outcome"]),
        (&json!(2), &json!(404), &json!("client_error"))
    );
    text(&daemon, &["on", "outage"], 0).await;
    call(&client, &daemon, "/sim/echo").await;
    assert_eq!(next().await["faults"][0]["rule"], "down");
    let ended = tokio::time::timeout(super::support::SOON, child.wait())
        .await
        .expect("it ends after three");
    assert!(ended.unwrap().success());

    let all = text(&daemon, &["tail", "--after", "0", "-n", "3"], 0)
        .await
        .stdout;
    let shown: Vec<&str> = all.lines().collect();
    assert_eq!(shown.len(), 3, "{all}");
    assert!(
        shown[1].contains("404") && shown[1].contains("client_error") && shown[1].contains("/status/404"),
        "{all}"
    );
    assert!(
        shown[2].contains("503") && shown[2].contains("outage/down"),
        "{all}"
    );
    let injected = text(
        &daemon,
        &["tail", "--after", "0", "-n", "1", "--injected", "true"],
        0,
    )
    .await
    .stdout;
    assert!(injected.contains("outage/down"), "{injected}");
}

#[tokio::test]
async fn colours_are_for_terminals_and_whoever_asks() {
    let daemon = started().await;
    call(&client(), &daemon, "/sim/echo").await;
    let colours = async |args: &[&str], no_color: Option<&str>| {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env("MURPHY_CONTROL", daemon.control_url(""))
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout.contains(&0x1b)
    };
    for verb in [
        ["status"].as_slice(),
        &["scenarios"],
        &["tail", "--after", "0", "-n", "1"],
    ] {
        assert!(!colours(verb, None).await, "{verb:?} into a pipe");
        let always = [verb, &["--color", "always"]].concat();
        assert!(colours(&always, None).await, "{verb:?} always");
        let never = [verb, &["--color", "never"]].concat();
        assert!(!colours(&never, None).await, "{verb:?} never");
    }
    // A pseudo-terminal: colours, unless NO_COLOR says no.
    for (no_color, wanted) in [("", true), ("NO_COLOR=1 ", false)] {
        let line = format!(
            "env -u NO_COLOR {no_color}TERM=xterm {} status --control {}",
            binary().display(),
            daemon.control_url("")
        );
        let Ok(output) = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .output()
            .await
        else {
            eprintln!("SKIPPED: no `script` to make a terminal");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("armed"), "{text}");
        assert_eq!(text.contains("\u{1b}["), wanted, "{no_color:?}: {text:?}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_ends_tail_quietly() {
    let daemon = started().await;
    let client = client();
    let (mut child, lines) = tail(&daemon, &["--after", "0"]).await;
    drop(lines);
    let ended = within(super::support::SOON, "tail ends when nobody reads", async || {
        call(&client, &daemon, "/sim/echo").await;
        child.try_wait().unwrap()
    })
    .await;
    assert!(ended.success(), "{ended:?}");
}

#[tokio::test]
async fn a_stopping_daemon_ends_tail_and_is_not_ready() {
    let daemon = daemon(&format!("[proxy]\ndrain_delay = \"2s\"\n{NEVER}"))
        .start()
        .await;
    let (mut child, mut lines) = tail(&daemon, &["-o", "json", "--after", "0"]).await;
    call(&client(), &daemon, "/sim/echo").await;
    let line = tokio::time::timeout(super::support::SOON, lines.next_line())
        .await
        .expect("a line soon");
    assert!(line.unwrap().is_some());
    daemon.signal(murphy_testkit::daemon::Signal::TERM);
    eventually("it is not ready", async || {
        let done = daemon.murphy(&["status", "--ready"]).await;
        (done.code() == Some(1)).then_some(())
    })
    .await;
    let ended = tokio::time::timeout(super::support::SOON, child.wait())
        .await
        .expect("tail ends with the daemon");
    assert!(ended.is_ok());
}
