//! Documents that try to take Murphy down (T11, T13, B28): each is refused quickly and in little memory, and what ran
//! goes on running.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use http::StatusCode;
use murphy_testkit::daemon::Daemon;
use serde_json::json;
use tokio::time::Instant;

use super::support::{NEVER, SIM, activate, call, client, daemon, memory_kib};

/// A bomb is refused within this time; the bar is a second, and this is not an optimised build.
const QUICK: Duration = Duration::from_secs(2);
/// What all bombs together may cost.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

const TEAPOT: &str = "rules:\n  - name: tea\n    fault: { status: 418 }\n";

fn rule(when: &str) -> String {
    format!("rules:\n  - name: a\n    when: {{ {when} }}\n    fault: {{ status: 503 }}\n")
}

/// 180 KB: one long scalar that is aliased twenty thousand times.
fn aliases() -> String {
    format!(
        "description: &a {}\nrules: [{}]\n",
        "x".repeat(100_000),
        vec!["*a"; 20_000].join(",")
    )
}

fn billion_laughs() -> String {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for n in 1..12 {
        let above = format!("*a{}", n - 1);
        writeln!(text, "a{n}: &a{n} [{}]", [above.as_str(); 9].join(", ")).unwrap();
    }
    text + "rules: *a11\n"
}

fn scenarios() -> Vec<(&'static str, String)> {
    vec![
        ("aliases", aliases()),
        ("a billion laughs", billion_laughs()),
        ("deep lists", format!("rules: {}", "[".repeat(200_000))),
        ("deep maps", format!("rules: {}", "{a: ".repeat(100_000))),
        (
            "deep blocks",
            (0..2_000).fold(String::from("rules:\n"), |text, n| text + &" ".repeat(n) + "- \n"),
        ),
        (
            "many keys",
            (0..60_000).fold(String::new(), |text, n| text + &format!("k{n}: 1\n")),
        ),
        ("many documents", "---\nrules: []\n".repeat(20_000)),
        ("a long line", format!("description: {}\n", "x".repeat(1 << 20))),
        (
            "a merge bomb",
            format!(
                "a: &a {{{}}}\nrules:\n  - <<: [{}]\n",
                (0..500)
                    .map(|n| format!("k{n}: 1"))
                    .collect::<Vec<_>>()
                    .join(", "),
                vec!["*a"; 60].join(", ")
            ),
        ),
        ("nested repeats", rule("path: '/(a{1000}){1000}/'")),
        ("wide classes", rule(r"path: '/\w{300}.{300}\pL{200}/'")),
        (
            "a long pattern",
            rule(&format!("path: '/{}/'", "a".repeat(5_000))),
        ),
        (
            "a long glob",
            rule(&format!("path: '{}'", "/*{a,b}".repeat(2_000))),
        ),
        (
            "nested alternatives",
            rule(&format!("path: '{}a{}'", "{a,".repeat(200), "}".repeat(200))),
        ),
        (
            "too many rules",
            format!(
                "rules:\n{}",
                "  - { name: a, fault: { status: 503 } }\n".repeat(20_000)
            ),
        ),
        ("no text", "\u{0}\u{1}\u{2}".repeat(10_000)),
    ]
}

async fn refused(daemon: &Daemon, what: &str) {
    let began = Instant::now();
    let (status, problem) = daemon.control_post("/api/v1/reload", json!({})).await;
    let took = began.elapsed();
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {problem:#}");
    assert!(took < QUICK, "{what} took {took:?}");
    assert!(
        problem.to_string().len() < 200_000,
        "{what}: the answer repeats the bomb"
    );
    assert_eq!(
        call(&client(), daemon, "/sim/echo").await.status,
        418,
        "{what}: what ran goes on running"
    );
}

async fn started() -> Daemon {
    let daemon = daemon(NEVER).scenario("tea", TEAPOT).start().await;
    activate(&daemon, "tea").await;
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_in_scenarios_are_refused() {
    let daemon = started().await;
    let file = daemon.folder().join("scenarios/bomb.yaml");
    let before = memory_kib(&daemon, "VmRSS");
    for (what, text) in scenarios() {
        fs::write(&file, &text).unwrap();
        refused(&daemon, what).await;
        // The same by the API, which also bounds the body.
        let request = client()
            .put(daemon.control_url("/api/v1/scenarios/bomb"))
            .header("content-type", "application/yaml");
        let began = Instant::now();
        let large = text.len() > 1 << 20;
        match request.body(text).send().await {
            Ok(response) => {
                let wanted = if large { 413 } else { 422 };
                assert_eq!(response.status(), wanted, "{what} by PUT");
            }
            // The refusal came before all was sent, and the connection ended under it.
            Err(error) => assert!(large, "{what} by PUT: {error}"),
        }
        assert!(
            began.elapsed() < QUICK,
            "{what} by PUT took {:?}",
            began.elapsed()
        );
    }
    let growth = memory_kib(&daemon, "VmHWM").saturating_sub(before);
    println!("B28: bombs in scenarios: {growth} KiB at most above {before} KiB");
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
    fs::remove_file(file).unwrap();
    let (status, report) = daemon.control_post("/api/v1/reload", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_in_the_configuration_are_refused() {
    let daemon = started().await;
    let file = daemon.folder().join("murphy.toml");
    let before = memory_kib(&daemon, "VmRSS");
    let many_routes: String = (0..5_000)
        .map(|n| format!("[[routes]]\nname = \"r{n}\"\npath = \"/r{n}\"\nupstream = \"sim\"\n"))
        .collect();
    for (what, text) in [
        ("deep arrays", format!("a = {}", "[".repeat(200_000))),
        ("deep tables", format!("[{}]\n", vec!["a"; 100_000].join("."))),
        ("dotted keys", format!("{} = 1\n", vec!["a"; 100_000].join("."))),
        ("a long string", format!("seed = \"{}\"\n", "x".repeat(900_000))),
        (
            "a large file",
            format!("{NEVER}\n{SIM}\n#{}\n", "x".repeat(1 << 20)),
        ),
        ("no text", "\u{0}".repeat(10_000)),
        ("many routes", format!("{NEVER}\n{many_routes}")),
    ] {
        fs::write(&file, text).unwrap();
        refused(&daemon, what).await;
    }
    let growth = memory_kib(&daemon, "VmHWM").saturating_sub(before);
    println!("B28: bombs in the configuration: {growth} KiB at most above {before} KiB");
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
}

/// Files that are more than files: too large, endless, waiting for a writer, too many.
#[tokio::test(flavor = "multi_thread")]
async fn strange_files_are_refused() {
    let daemon = started().await;
    let folder = daemon.folder().join("scenarios");
    let file = folder.join("strange.yaml");
    let before = memory_kib(&daemon, "VmRSS");
    fs::File::create(&file).unwrap().set_len(10 << 30).unwrap();
    refused(&daemon, "ten sparse gibibytes").await;
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    refused(&daemon, "an endless device").await;
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    refused(&daemon, "a pipe without a writer").await;
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("strange.yaml", &file).unwrap();
    refused(&daemon, "a link to itself").await;
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(&daemon, "a folder").await;
    fs::remove_dir(&file).unwrap();
    for n in 0..1_001 {
        fs::write(folder.join(format!("s{n}.yaml")), TEAPOT).unwrap();
    }
    refused(&daemon, "too many files").await;
    let growth = memory_kib(&daemon, "VmHWM").saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB");
}

/// Patterns that blow up in other engines are linear here, also on what clients send.
#[tokio::test]
async fn patterns_are_linear_in_what_they_look_at() {
    let text =
        "rules:\n  - name: a\n    when: { body: { matches: '/^(a+)+$/' } }\n    fault: { status: 418 }\n";
    let daemon = daemon(NEVER).scenario("evil", text).start().await;
    activate(&daemon, "evil").await;
    let began = Instant::now();
    for end in ["", "!"] {
        let body = "a".repeat(60_000) + end;
        let request = client().post(daemon.proxy_url("/sim/echo")).body(body);
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, if end.is_empty() { 418 } else { 200 });
    }
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
}
