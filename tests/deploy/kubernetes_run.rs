//! The configurations and scenarios in the ConfigMaps, read by the built binary, and the daemon that they make: its
//! probes and metrics answer as the manifests expect.

use std::path::Path;

use http::{Method, StatusCode};
use murphy_testkit::daemon::{DaemonBuilder, run};
use serde_json::json;

use super::kubernetes::{WAYS, config, mounted, murphy, objects};
use super::support::word;

const TOKEN: &str = "a-token-of-a-test";

/// The ConfigMaps as the files of a folder; paths of the pod become paths in it.
fn lay_out(way: &str, folder: &Path) -> String {
    std::fs::create_dir_all(folder.join("scenarios")).unwrap();
    for (name, text) in mounted(way, "/etc/murphy/scenarios") {
        std::fs::write(folder.join("scenarios").join(name), text).unwrap();
    }
    std::fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
    let here = |path: &str| folder.join(path).display().to_string();
    let config = config(way)
        .replace("/etc/murphy/scenarios", &here("scenarios"))
        .replace("/run/secrets/murphy/token", &here("token"))
        .replace("/var/lib/murphy", &here(""));
    assert!(
        !config.contains("/etc/") && !config.contains("/run/"),
        "{way}: {config}"
    );
    config
}

#[tokio::test]
async fn murphy_check_accepts_configuration_and_scenarios() {
    for way in WAYS {
        let folder = tempfile::tempdir().unwrap();
        let config = lay_out(way, folder.path());
        std::fs::write(folder.path().join("murphy.toml"), config).unwrap();
        let checked = run(folder.path(), &["check", "murphy.toml", "-o", "json"]).await;
        assert_eq!(checked.code(), Some(0), "{way}: {checked:#?}");
        let said: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        let files = 1 + mounted(way, "/etc/murphy/scenarios").len();
        assert_eq!(said["files"].as_array().unwrap().len(), files, "{way}: {said:#}");
        assert!(files > 2, "{way}: are the scenarios still found?");
    }
}

#[tokio::test]
async fn probes_and_metrics_answer_as_the_manifests_expect() {
    for (way, monitor) in WAYS.iter().zip(objects("monitoring")) {
        let builder = DaemonBuilder::new();
        let config = lay_out(way, builder.folder());
        let daemon = builder.config(&config).start().await;
        let container = murphy(way);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let (status, _) = daemon
                .control_get(word(&container[probe]["httpGet"], "path"))
                .await;
            assert_eq!(
                status,
                StatusCode::OK,
                "{way}: {probe} has no token and needs none"
            );
        }
        let metrics = word(&monitor["spec"]["podMetricsEndpoints"][0], "path");
        assert_eq!(
            daemon.control_get(metrics).await.0,
            StatusCode::UNAUTHORIZED,
            "{way}"
        );
        let scraped = reqwest::Client::builder().no_proxy().build().unwrap();
        let scraped = scraped
            .get(daemon.control_url(metrics))
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap();
        assert_eq!(scraped.status(), StatusCode::OK, "{way}");
        assert!(
            scraped.text().await.unwrap().contains("murphy_build_info"),
            "{way}"
        );

        // What `kubectl exec` does: the command line finds the token by the container's environment.
        let names: Vec<&str> = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|env| word(env, "name"))
            .collect();
        assert_eq!(names, ["MURPHY_TOKEN_FILE"], "{way}");
        let (status, _) = daemon
            .control_call(Method::POST, "/api/v1/kill-switch/trip", Some(json!({})))
            .await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{way}");
        assert_eq!(
            daemon.murphy(&["on", "slow"]).await.code(),
            Some(3),
            "{way}: not without the token"
        );
        let on = tokio::process::Command::new(murphy_testkit::daemon::binary())
            .args(["on", "slow", "--for", "60s"])
            .env("MURPHY_CONTROL", daemon.control_url(""))
            .env("MURPHY_TOKEN_FILE", daemon.folder().join("token"))
            .output();
        let on = on.await.unwrap();
        assert!(on.status.success(), "{way}: {on:?}");
    }
}
