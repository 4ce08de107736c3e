//! Hot reload through the running daemon: every way in which files change, and what happens to bad ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, Signal, binary};
use serde_json::{Value, json};

use super::support::{Metrics, NEVER, SIM, activate, call, client, daemon, eventually};

/// All calls get this status.
fn answers(status: u16) -> String {
    format!("description: All calls get {status}\nrules:\n  - name: all\n    fault: {{ status: {status} }}\n")
}

async fn status_of(daemon: &Daemon) -> u16 {
    call(&client(), daemon, "/sim/echo").await.status.as_u16()
}

async fn wait_for_status(daemon: &Daemon, wanted: u16) {
    let what = format!("calls are answered by {wanted}");
    eventually(&what, async || (status_of(daemon).await == wanted).then_some(())).await;
}

fn scenario_file(daemon: &Daemon) -> std::path::PathBuf {
    daemon.folder().join("scenarios/probe.yaml")
}

async fn started() -> Daemon {
    let daemon = daemon(NEVER).scenario("probe", &answers(501)).start().await;
    activate(&daemon, "probe").await;
    assert_eq!(status_of(&daemon).await, 501);
    daemon
}

async fn status(daemon: &Daemon) -> Value {
    let (code, status) = daemon.control_get("/api/v1/status").await;
    assert_eq!(code, StatusCode::OK);
    status
}

#[tokio::test]
async fn a_scenario_that_is_edited_in_place_is_in_force_soon() {
    let daemon = started().await;
    for wanted in [502, 503, 504] {
        fs::write(scenario_file(&daemon), answers(wanted)).unwrap();
        wait_for_status(&daemon, wanted).await;
    }
    assert_eq!(
        status(&daemon).await["active"][0]["scenario"],
        "probe",
        "it stays on"
    );
}

#[tokio::test]
async fn a_file_that_is_renamed_over_another_is_in_force_soon() {
    let daemon = started().await;
    for wanted in [502, 503, 504] {
        let temporary = daemon.folder().join("scenarios/.probe.yaml.swp");
        fs::write(&temporary, answers(wanted)).unwrap();
        fs::rename(&temporary, scenario_file(&daemon)).unwrap();
        wait_for_status(&daemon, wanted).await;
    }
    // The same with the configuration: editors save it like this.
    assert!(call(&client(), &daemon, "/sim/echo").await.mark.is_some());
    let temporary = daemon.folder().join("murphy.toml~");
    fs::write(&temporary, format!("[proxy]\nmark = false\n{NEVER}\n{SIM}")).unwrap();
    fs::rename(&temporary, daemon.folder().join("murphy.toml")).unwrap();
    eventually("faults are no longer marked", async || {
        let seen = call(&client(), &daemon, "/sim/echo").await;
        assert_eq!(seen.status, 504);
        seen.mark.is_none().then_some(())
    })
    .await;
}

/// Kubernetes mounts a ConfigMap like this: each file is a link through `..data`, and an update renames a new
/// `..data` over the old one and removes the old folder. No event ever names the file.
fn mount(folder: &Path, version: u32, text: &str) {
    let data = format!("..v{version}");
    fs::create_dir(folder.join(&data)).unwrap();
    fs::write(folder.join(&data).join("probe.yaml"), text).unwrap();
    symlink(&data, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if version > 1 {
        fs::remove_dir_all(folder.join(format!("..v{}", version - 1))).unwrap();
    }
}

#[tokio::test]
async fn each_swap_of_a_config_map_is_in_force_soon() {
    let builder = daemon(NEVER);
    let folder = builder.folder().join("scenarios");
    mount(&folder, 1, &answers(501));
    symlink("..data/probe.yaml", folder.join("probe.yaml")).unwrap();
    let daemon = builder.start().await;
    activate(&daemon, "probe").await;
    assert_eq!(status_of(&daemon).await, 501);
    for (version, wanted) in [(2, 502), (3, 503), (4, 504)] {
        mount(&folder, version, &answers(wanted));
        wait_for_status(&daemon, wanted).await;
    }
    assert_eq!(
        status(&daemon).await["active"][0]["scenario"],
        "probe",
        "it stays on"
    );
}

/// A file in a folder below is not watched: only who asks gets it read again.
#[tokio::test]
async fn a_hangup_signal_and_a_request_reload() {
    let builder = daemon(NEVER).scenario(
        "page",
        "rules:\n  - name: page\n    fault: { status: { code: 503, file: pages/down.html } }\n",
    );
    let pages = builder.folder().join("scenarios/pages");
    fs::create_dir(&pages).unwrap();
    fs::write(pages.join("down.html"), "first").unwrap();
    let daemon = builder.start().await;
    activate(&daemon, "page").await;
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.body, "first");

    fs::write(pages.join("down.html"), "second").unwrap();
    daemon.signal(Signal::HUP);
    eventually("SIGHUP reloads", async || {
        (call(&client(), &daemon, "/sim/echo").await.body == "second").then_some(())
    })
    .await;

    fs::write(pages.join("down.html"), "third").unwrap();
    let (code, report) = daemon.control_post("/api/v1/reload", json!({})).await;
    assert_eq!(
        (code, &report["result"]),
        (StatusCode::OK, &json!("applied")),
        "{report:#}"
    );
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.body,
        "third",
        "in force when it is answered"
    );
    let (_, again) = daemon.control_post("/api/v1/reload", json!({})).await;
    assert_eq!(again["result"], "unchanged");
    assert_eq!(
        again["generation"], report["generation"],
        "what is equal is not published again"
    );
}

#[tokio::test]
async fn a_bad_file_is_refused_whole_with_its_place_and_what_ran_goes_on() {
    let daemon = started().await;
    let before = status(&daemon).await;
    let bad = "description: A slip\nrules:\n  - name: all\n    fault: { dealy: 2s }\n";
    fs::write(scenario_file(&daemon), bad).unwrap();
    // A good file beside it must not be taken either: all or nothing.
    fs::write(daemon.folder().join("scenarios/good.yaml"), answers(500)).unwrap();

    daemon.wait_for_stderr("probe.yaml:4:14").await;
    let log = daemon.stderr();
    let line = log.lines().find(|line| line.contains("probe.yaml:4:14")).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["level"], "ERROR");
    let message = event["message"].as_str().unwrap();
    for part in ["\"dealy\"", "did you mean \"delay\"?", "fault: { dealy: 2s }"] {
        assert!(message.contains(part), "{part}: {message}");
    }

    let now = eventually("the status tells it", async || {
        Some(status(&daemon).await).filter(|status| status["reload"]["ok"] == false)
    })
    .await;
    let error = &now["reload"]["last_error"][0];
    assert!(
        error["file"].as_str().unwrap().ends_with("probe.yaml"),
        "{error:#}"
    );
    assert_eq!((&error["line"], &error["column"]), (&json!(4), &json!(14)));
    assert_eq!(error["problem"]["hint"], "did you mean \"delay\"?");
    assert_eq!(now["generation"], before["generation"]);
    assert_eq!(now["scenarios"], 1, "the good file is not in force either");
    let metrics = Metrics::of(&daemon).await;
    assert_eq!(metrics.get("murphy_config_last_reload_successful"), 0.0);
    assert!(metrics.get("murphy_config_reloads_total{result=\"failure\"}") >= 1.0);
    assert_eq!(status_of(&daemon).await, 501, "what ran goes on running");

    let (code, problem) = daemon.control_post("/api/v1/reload", json!({})).await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["problems"][0]["line"], 4, "{problem:#}");

    fs::write(scenario_file(&daemon), answers(504)).unwrap();
    wait_for_status(&daemon, 504).await;
    let recovered = status(&daemon).await;
    assert_eq!(
        (&recovered["reload"]["ok"], &recovered["scenarios"]),
        (&json!(true), &json!(2))
    );
    assert_eq!(recovered["reload"]["last_error"], json!([]));
    assert_eq!(
        Metrics::of(&daemon)
            .await
            .get("murphy_config_last_reload_successful"),
        1.0
    );
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_its_place() {
    let daemon = started().await;
    for (text, place, parts) in [
        (
            format!("[proxy]\nmakr = false\n{NEVER}\n{SIM}"),
            "murphy.toml:2:1",
            ["makr", "mark"],
        ),
        (
            format!("{NEVER}\n{SIM}").replace("1.0", "\"much\""),
            "murphy.toml:3:14",
            ["much", "a share"],
        ),
        (
            format!("{NEVER}\n{SIM}").replace("\"/sim\"", "\"sim\""),
            "murphy.toml:9:8",
            ["sim", "/"],
        ),
        ("[proxy\n".to_owned(), "murphy.toml:1:", ["proxy", ""]),
    ] {
        fs::write(daemon.folder().join("murphy.toml"), text).unwrap();
        let (code, problem) = daemon.control_post("/api/v1/reload", json!({})).await;
        assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY, "{place}: {problem:#}");
        let first = &problem["problems"][0];
        let found = format!(
            "{}:{}:{}",
            first["file"].as_str().unwrap(),
            first["line"],
            first["column"]
        );
        assert!(found.contains(place), "{place}: {found}");
        daemon.wait_for_stderr(&found).await;
        let shown = problem.to_string();
        assert!(
            parts.iter().all(|part| shown.contains(part)),
            "{parts:?}: {problem:#}"
        );
        assert_eq!(status_of(&daemon).await, 501, "what ran goes on running");
    }
}

#[tokio::test]
async fn counters_survive_a_reload_until_the_rule_itself_changes() {
    let first_three = |status: u16| {
        format!("rules:\n  - name: all\n    often: {{ first: 3 }}\n    fault: {{ status: {status} }}\n")
    };
    let daemon = daemon(NEVER).scenario("probe", &first_three(501)).start().await;
    activate(&daemon, "probe").await;
    assert_eq!((status_of(&daemon).await, status_of(&daemon).await), (501, 501));
    let generation = status(&daemon).await["generation"].as_u64().unwrap();
    fs::write(daemon.folder().join("scenarios/other.yaml"), answers(500)).unwrap();
    eventually("another file is loaded", async || {
        let now = status(&daemon).await;
        (now["scenarios"] == 2 && now["generation"].as_u64().unwrap() > generation).then_some(())
    })
    .await;
    assert_eq!(
        (status_of(&daemon).await, status_of(&daemon).await),
        (501, 200),
        "it has one left"
    );
    fs::write(scenario_file(&daemon), first_three(502)).unwrap();
    wait_for_status(&daemon, 502).await;
    assert_eq!(
        (status_of(&daemon).await, status_of(&daemon).await),
        (502, 502),
        "a changed rule counts anew"
    );
    assert_eq!(status_of(&daemon).await, 200);
}

/// The harness sets addresses by variables, which stand above the file; here the file must have its say.
#[tokio::test]
async fn a_changed_address_waits_for_a_restart_and_says_so() {
    let builder = daemon(&format!("[proxy]\nlisten = \"127.0.0.1:0\"\n{NEVER}"));
    let wrapper = builder.folder().join("murphy.sh");
    let script = format!(
        "#!/bin/sh\nunset MURPHY__PROXY__LISTEN\nexec {} \"$@\"\n",
        binary().display()
    );
    fs::write(&wrapper, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&wrapper, executable).unwrap();
    let daemon = builder.executable(wrapper).start().await;
    let text = format!("[proxy]\nlisten = \"127.0.0.1:18070\"\n{NEVER}\n{SIM}");
    fs::write(daemon.folder().join("murphy.toml"), text).unwrap();
    daemon.wait_for_stderr("proxy.listen changed").await;
    assert!(daemon.stderr().contains("restart"), "{}", daemon.stderr());
    let now = eventually("the status tells it", async || {
        Some(status(&daemon).await).filter(|status| status["needs_restart"] != json!([]))
    })
    .await;
    let line = now["needs_restart"][0].as_str().unwrap();
    assert!(
        line.starts_with("proxy.listen changed") && line.contains("18070"),
        "{line}"
    );
    assert_eq!(now["reload"]["ok"], true);
    assert_eq!(status_of(&daemon).await, 200, "it goes on listening where it did");
}
