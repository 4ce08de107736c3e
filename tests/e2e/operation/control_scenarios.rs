//! Scenarios made, replaced and removed by the control API; names that try to leave the folder (T12).

use std::fs;
use std::os::unix::fs::symlink;

use http::{Method, StatusCode};
use murphy_testkit::daemon::Daemon;
use serde_json::{Value, json};

use super::support::{NEVER, OUTAGE, activate, call, client, daemon, raw_control};

async fn put(
    daemon: &Daemon,
    name: &str,
    media_type: &str,
    text: &str,
    header: Option<(&str, &str)>,
) -> (u16, Value) {
    let url = daemon.control_url(&format!("/api/v1/scenarios/{name}"));
    let mut request = client()
        .put(url)
        .header("content-type", media_type)
        .body(text.to_owned());
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test]
async fn a_scenario_is_made_replaced_and_removed() {
    let daemon = daemon(NEVER).start().await;
    let file = daemon.folder().join("scenarios/made.yaml");
    let (status, made) = put(&daemon, "made", "application/yaml", OUTAGE, None).await;
    assert_eq!((status, &made["created"]), (201, &json!(true)), "{made:#}");
    assert_eq!(
        (
            &made["scenario"]["stored"],
            &made["scenario"]["rules"][0]["fault"]
        ),
        (&json!("file"), &json!("status"))
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        OUTAGE,
        "it is kept in its file"
    );
    let (_, detail) = daemon.control_get("/api/v1/scenarios/made").await;
    assert_eq!(
        (&detail["text"], &detail["name"]),
        (&json!(OUTAGE), &json!("made"))
    );
    activate(&daemon, "made").await;
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 503);

    let replaced = json!({ "rules": [{ "name": "down", "fault": { "status": 418 } }] }).to_string();
    let (status, made) = put(&daemon, "made", "application/json", &replaced, None).await;
    assert_eq!((status, &made["created"]), (200, &json!(false)), "{made:#}");
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        418,
        "in force when it is answered, and still on"
    );

    let (status, removed) = daemon
        .control_call(Method::DELETE, "/api/v1/scenarios/made", None)
        .await;
    assert_eq!(
        (status, &removed["scenarios"]),
        (StatusCode::OK, &json!(["made"])),
        "{removed:#}"
    );
    assert!(!file.exists());
    assert_eq!(
        call(&client(), &daemon, "/sim/echo").await.status,
        200,
        "it was switched off first"
    );
    assert_eq!(
        daemon.control_get("/api/v1/scenarios/made").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_bad_scenario_is_refused_with_places_and_changes_nothing() {
    let daemon = daemon(NEVER).scenario("made", OUTAGE).start().await;
    let bad = "rules:\n  - name: a\n    fault: { status: 42 }\n  - name: a\n    when: { route: smi }\n    fault: { delay: 1s }\n";
    let (status, problem) = put(&daemon, "made", "application/yaml", bad, None).await;
    assert_eq!(
        (status, &problem["type"]),
        (422, &json!("urn:murphy:problem:invalid-scenario")),
        "{problem:#}"
    );
    let problems = problem["problems"].as_array().unwrap();
    let places: Vec<(&str, u64)> = problems
        .iter()
        .map(|one| (one["pointer"].as_str().unwrap(), one["line"].as_u64().unwrap()))
        .collect();
    for wanted in [3, 4, 5] {
        assert!(
            places.iter().any(|(_, line)| *line == wanted),
            "line {wanted}: {problem:#}"
        );
    }
    assert!(
        places
            .iter()
            .any(|(pointer, _)| *pointer == "/rules/1/when/route"),
        "{problem:#}"
    );
    assert!(
        problem.to_string().contains("did you mean \\\"sim\\\"?"),
        "{problem:#}"
    );
    let (_, detail) = daemon.control_get("/api/v1/scenarios/made").await;
    assert_eq!(detail["text"], OUTAGE);
}

#[tokio::test]
async fn preconditions_keep_two_writers_from_losing_a_change() {
    let daemon = daemon(NEVER).start().await;
    let (status, made) = put(
        &daemon,
        "made",
        "application/yaml",
        OUTAGE,
        Some(("if-none-match", "*")),
    )
    .await;
    assert_eq!(status, 201, "{made:#}");
    let (status, problem) = put(
        &daemon,
        "made",
        "application/yaml",
        OUTAGE,
        Some(("if-none-match", "*")),
    )
    .await;
    assert_eq!(
        (status, &problem["type"]),
        (412, &json!("urn:murphy:problem:precondition-failed"))
    );
    let url = daemon.control_url("/api/v1/scenarios/made");
    let tag = client().get(url).send().await.unwrap().headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let other = OUTAGE.replace("503", "502");
    let (status, _) = put(
        &daemon,
        "made",
        "application/yaml",
        &other,
        Some(("if-match", &tag)),
    )
    .await;
    assert_eq!(status, 200);
    let (status, _) = put(
        &daemon,
        "made",
        "application/yaml",
        OUTAGE,
        Some(("if-match", &tag)),
    )
    .await;
    assert_eq!(status, 412, "the version is an older one");
}

/// Names as they stand in a request's target: encoded, doubled, absolute, with devices and controls.
const HOSTILE: [&str; 60] = [
    "..",
    "../x",
    "../../x",
    "..%2fx",
    "..%2Fx",
    "%2e%2e",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "%2e%2e%2f%2e%2e%2fx",
    "..%5cx",
    "%2e%2e%5cx",
    "..%252fx",
    "%252e%252e%252fx",
    ".",
    "%2e",
    ".x",
    "%2ex",
    "x..y",
    "x/../y",
    "x%2f..%2fy",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "%2Fx",
    "x%2fy",
    "x%5cy",
    "C:%5cx",
    "c:x",
    "%00",
    "x%00",
    "x%00.yaml",
    "x%0a",
    "x%0d%0ay",
    "%20",
    "x%20",
    "%20x",
    "x%09",
    "x%7f",
    "~",
    "~root",
    "%7e",
    "-x",
    "_x",
    "X",
    "x%c0%ae",
    "%c0%ae%c0%ae",
    "%c0%afx",
    "%ff",
    "%e2%80%ae",
    "x%e2%80%a8",
    "%ef%bc%8e%ef%bc%8e",
    "con",
    "nul",
    "aux.yaml",
    "com1",
    "lpt9",
    "prn.x",
    "x.",
    "*",
    "$HOME",
    "x;y",
];

#[tokio::test]
async fn hostile_names_never_leave_the_folder() {
    let builder = daemon(NEVER);
    let outside = builder.folder().join("x.yaml");
    fs::write(&outside, OUTAGE).unwrap();
    let daemon = builder.start().await;
    let host = daemon.control();
    let before = listing(&daemon);
    for name in HOSTILE {
        for (method, suffix, body) in [
            ("GET", "", ""),
            ("PUT", "", OUTAGE),
            ("DELETE", "", ""),
            ("POST", "/activate", "{}"),
            ("POST", "/deactivate", "{}"),
        ] {
            let media = if method == "PUT" {
                "application/yaml"
            } else {
                "application/json"
            };
            let head = format!(
                "{method} /api/v1/scenarios/{name}{suffix} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media}\r\n\
                 Content-Length: {}\r\nConnection: close",
                body.len()
            );
            let answer = raw_control(&daemon, &head, body).await;
            let status = answer.status();
            assert!(
                matches!(status, 400 | 404 | 405),
                "{method} {name:?}{suffix}: {status}"
            );
            assert!(!answer.body.text().contains("root:"), "{name:?}");
        }
    }
    assert_eq!(listing(&daemon), before, "a file was made or removed");
    assert_eq!(fs::read_to_string(&outside).unwrap(), OUTAGE);
    let long = "a".repeat(65);
    let (status, _) = put(&daemon, &long, "application/yaml", OUTAGE, None).await;
    assert_eq!(status, 400, "65 characters");
    let (status, _) = put(&daemon, &long[..64], "application/yaml", OUTAGE, None).await;
    assert_eq!(status, 201, "64 are a name");
}

fn listing(daemon: &Daemon) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let parent = daemon.folder().to_owned();
    for folder in [parent.join("scenarios"), parent] {
        found.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    found.sort();
    found
}

#[tokio::test]
async fn links_out_of_the_folder_are_neither_read_nor_written() {
    let builder = daemon(NEVER);
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.yaml");
    fs::write(&secret, "password: hunter2hunter2\n").unwrap();
    let daemon = builder.start().await;
    symlink(&secret, daemon.folder().join("scenarios/link.yaml")).unwrap();
    let (status, problem) = daemon.control_post("/api/v1/reload", json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(
        problem.to_string().contains("link out of the folder"),
        "{problem:#}"
    );
    assert!(!problem.to_string().contains("hunter2"));
    let (_, answer) = put(&daemon, "link", "application/yaml", OUTAGE, None).await;
    assert_eq!(
        fs::read_to_string(&secret).unwrap(),
        "password: hunter2hunter2\n",
        "{answer:#}"
    );
    // The same by a rule that reads a file.
    for file in [
        "../murphy.toml",
        "/etc/hostname",
        "link.yaml",
        "a/../../murphy.toml",
    ] {
        let text =
            format!("rules:\n  - name: a\n    fault: {{ status: {{ code: 503, file: \"{file}\" }} }}\n");
        let (status, problem) = put(&daemon, "reads", "application/yaml", &text, None).await;
        assert_eq!(status, 422, "{file}: {problem:#}");
    }
}
