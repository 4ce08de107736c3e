//! The command line without a daemon: check, faults, schema, completions, help, init, demo.

use std::path::Path;
use std::time::Duration;

use murphy_testkit::daemon::{Finished, run};
use serde_json::Value;
use tempfile::TempDir;

const VERBS: [&str; 19] = [
    "serve",
    "check",
    "status",
    "scenarios",
    "on",
    "off",
    "kill",
    "rearm",
    "lock",
    "unlock",
    "tail",
    "reload",
    "faults",
    "schema",
    "dashboard",
    "init",
    "demo",
    "completions",
    "version",
];

async fn done(folder: &Path, args: &[&str], code: i32) -> Finished {
    let done = run(folder, args).await;
    assert_eq!(done.code(), Some(code), "murphy {args:?}: {done:#?}");
    done
}

#[tokio::test]
async fn check_says_where_each_mistake_is() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "murphy.toml",
        "[proxy]\nlisten = \"127.0.0.1:7070\"\n[scenarios]\ndir = \"faults\"\n",
    );
    write(
        "faults/good.yaml",
        "description: Fine\nrules:\n  - name: a\n    fault: { status: 503 }\n",
    );
    let good = done(folder.path(), &["check", "murphy.toml", "faults"], 0).await;
    assert!(good.stderr.is_empty(), "{good:#?}");
    done(folder.path(), &["check"], 0).await;

    write(
        "faults/typo.yaml",
        "rules:\n  - name: a\n    fualt: { status: 503 }\n",
    );
    write(
        "faults/value.yaml",
        "rules:\n  - name: a\n    fault: { delay: { fixed: soon } }\n  - name: a\n    fault: { status: 99 }\n",
    );
    write("faults/syntax.yaml", "rules:\n  - name: [a\n");
    let bad = done(folder.path(), &["check", "murphy.toml", "faults"], 1).await;
    let shown = format!("{}{}", bad.stdout, bad.stderr);
    for part in [
        "typo.yaml:3:5",
        "fualt",
        "did you mean \"fault\"?",
        "value.yaml:3:30",
        "soon",
        "syntax.yaml:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(
        shown.contains("    fualt: { status: 503 }\n"),
        "the line is shown: {shown}"
    );
    assert!(!shown.contains("good.yaml:"), "{shown}");

    write("bad.toml", "[proxy]\nlisten = \"nowhere\"\n[kil_switch]\n");
    let bad = done(folder.path(), &["check", "bad.toml"], 1).await;
    let shown = format!("{}{}", bad.stdout, bad.stderr);
    assert!(
        shown.contains("bad.toml:2:10") || shown.contains("bad.toml:3:"),
        "{shown}"
    );
    let json = run(folder.path(), &["check", "faults/typo.yaml", "-o", "json"]).await;
    assert_eq!(json.code(), Some(1), "{json:#?}");
    let problems: Value = serde_json::from_str(&json.stdout).expect("JSON on stdout");
    assert!(problems.to_string().contains("typo.yaml"), "{problems:#}");

    let missing = run(folder.path(), &["check", "nowhere.yaml"]).await;
    assert!(matches!(missing.code(), Some(1 | 3)), "{missing:#?}");
    assert!(format!("{}{}", missing.stdout, missing.stderr).contains("nowhere.yaml"));
}

#[tokio::test]
async fn a_daemon_does_not_start_with_bad_files() {
    let scenario =
        murphy_testkit::daemon::DaemonBuilder::new().scenario("typo", "rules:\n  - name: a\n    fualt: {}\n");
    let failed = scenario.try_start().await.expect_err("a bad scenario");
    assert_eq!(failed.code(), Some(1), "{failed:#?}");
    assert!(failed.stderr.contains("typo.yaml:3:5"), "{}", failed.stderr);
    let config = murphy_testkit::daemon::DaemonBuilder::new().config("[proxy]\nmakr = true\n");
    let failed = config.try_start().await.expect_err("a bad configuration");
    assert!(failed.code().is_some_and(|code| code != 0), "{failed:#?}");
    assert!(
        failed.stderr.contains("murphy.toml:2:1") && failed.stderr.contains("mark"),
        "{}",
        failed.stderr
    );
    let variable = murphy_testkit::daemon::DaemonBuilder::new().env("MURPHY__PROXY__MAKR", "true");
    let failed = variable.try_start().await.expect_err("a bad variable");
    assert!(failed.stderr.contains("MURPHY__PROXY__MAKR"), "{}", failed.stderr);
}

#[tokio::test]
async fn the_catalogue_and_the_schemas_are_printed() {
    let here = TempDir::new().unwrap();
    let faults = done(here.path(), &["faults", "-o", "json"], 0).await.stdout;
    let faults: Vec<Value> = serde_json::from_str(&faults).unwrap();
    assert!(
        faults.len() >= 18 && faults.iter().any(|fault| fault["name"] == "truncate"),
        "{faults:#?}"
    );
    let text = done(here.path(), &["faults"], 0).await.stdout;
    for fault in &faults {
        let name = fault["name"].as_str().unwrap();
        assert!(text.contains(name), "{name}: {text}");
        assert!(
            done(here.path(), &["faults", name], 0)
                .await
                .stdout
                .contains(name)
        );
    }
    for kind in ["config", "scenario"] {
        let schema = done(here.path(), &["schema", kind], 0).await.stdout;
        let schema: Value = serde_json::from_str(&schema).unwrap();
        assert!(
            schema["$schema"].is_string() && schema["properties"].is_object(),
            "{kind}"
        );
    }
    let version = done(here.path(), &["version"], 0).await.stdout;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

#[tokio::test]
async fn each_verb_has_help_with_an_example_and_completions() {
    let here = TempDir::new().unwrap();
    let help = done(here.path(), &["--help"], 0).await.stdout;
    assert!(help.contains("Exit codes:"), "{help}");
    for verb in VERBS {
        assert!(help.contains(&format!("  {verb} ")), "{verb}: {help}");
        let help = done(here.path(), &[verb, "--help"], 0).await.stdout;
        let examples = help
            .split_once("Examples:")
            .unwrap_or_else(|| panic!("{verb} has no example:\n{help}"))
            .1;
        assert!(examples.contains(&format!("murphy {verb}")), "{verb}: {examples}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(here.path(), &["completions", shell], 0).await.stdout;
        assert!(VERBS.iter().all(|verb| script.contains(verb)), "{shell}");
    }
    done(here.path(), &[], 2).await;
}

#[tokio::test]
async fn what_init_writes_passes_check() {
    let here = TempDir::new().unwrap();
    done(here.path(), &["init", "chaos"], 0).await;
    let chaos = here.path().join("chaos");
    done(&chaos, &["check"], 0).await;
    done(&chaos, &["check", "murphy.toml", "scenarios/faults"], 0).await;
    let again = done(here.path(), &["init", "chaos"], 3).await;
    assert!(
        again.stderr.contains("murphy.toml is there already"),
        "{again:#?}"
    );
}

#[tokio::test]
async fn the_demo_runs_green_in_time() {
    let here = TempDir::new().unwrap();
    let demo = tokio::time::timeout(Duration::from_secs(20), run(here.path(), &["demo"])).await;
    let demo = demo.expect("under 20 seconds");
    assert_eq!(demo.code(), Some(0), "{demo:#?}");
    for part in ["tripped", "armed", "flaky/third", "murphy_kill_switch_tripped 1"] {
        assert!(demo.stdout.contains(part), "{part}: {}", demo.stdout);
    }
    let recovered = demo.stdout.split("4. ").nth(1).expect("the part after the trip");
    assert!(
        recovered.contains(" 200 ok"),
        "the calls are as before: {recovered}"
    );
    assert!(
        std::fs::read_dir(here.path()).unwrap().next().is_none(),
        "it leaves nothing behind"
    );
}
