//! `deploy/compose.yaml` and what is laid over it: valid, published on loopback only, hardened, and every mount there.

use std::collections::BTreeMap;
use std::process::Command;

use murphy_director::settings::Settings;
use serde_json::{Map, Value};

use super::support::{
    documents, fails, linter, list, program, root, seconds, settings, stop_seconds, text, word,
};

const FILES: [&str; 2] = ["deploy/compose.yaml", "deploy/compose.control.yaml"];

fn compose() -> Value {
    documents(FILES[0]).remove(0)
}

fn services(file: &Value) -> &Map<String, Value> {
    file["services"].as_object().expect("services")
}

/// The settings of the image, with what the environment of the service `murphy` puts above them.
fn image_settings() -> Settings {
    settings(&text("deploy/murphy.toml"))
}

#[test]
fn the_files_are_valid() {
    let Some(linter) = linter("check-jsonschema") else {
        return;
    };
    let check = |file: &std::path::Path| {
        let mut command = Command::new(&linter);
        command
            .args(["--builtin-schema", "vendor.compose-spec"])
            .arg(file);
        command
    };
    for file in FILES {
        super::support::passes(&mut check(&root().join(file)));
    }
    // It would notice.
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("compose.yaml");
    std::fs::write(&bad, text(FILES[0]).replace("pids_limit", "pid_limit")).unwrap();
    assert!(fails(&mut check(&bad)).contains("pid_limit"));
}

#[test]
fn all_that_is_published_is_on_loopback() {
    let mut published = BTreeMap::new();
    for file in FILES {
        for (name, service) in services(&documents(file)[0]) {
            assert!(service.get("expose").is_none(), "{file}: {name}");
            assert_ne!(service["network_mode"], "host", "{file}: {name}");
            for port in list(service, "ports") {
                let port = port.as_str().expect("a port in the short form");
                let parts: Vec<&str> = port.split(':').collect();
                assert_eq!(
                    (parts.len(), parts[0]),
                    (3, "127.0.0.1"),
                    "{file}: {name}: {port}"
                );
                assert_eq!(
                    parts[1], parts[2],
                    "a Host header with another port is refused: {port}"
                );
                published.insert(parts[2].parse::<u16>().unwrap(), file);
            }
        }
    }
    let listen = image_settings().proxy.listen;
    assert!(
        listen.ip().is_unspecified(),
        "a published port reaches no loopback: {listen}"
    );
    assert_eq!(published.get(&listen.port()), Some(&FILES[0]));
    // Without a token the control API is neither published nor beyond the loopback of the namespace.
    let control = image_settings().control;
    assert!(control.listen.ip().is_loopback() && control.token_file.is_none());
    assert_eq!(published.get(&control.listen.port()), Some(&FILES[1]));
    let over = &documents(FILES[1])[0];
    let environment = &over["services"]["murphy"]["environment"];
    assert_eq!(environment["MURPHY__CONTROL__LISTEN"], "0.0.0.0:7071");
    let token = word(environment, "MURPHY__CONTROL__TOKEN_FILE");
    let secret = over["services"]["murphy"]["secrets"][0].as_str().unwrap();
    assert_eq!(token, format!("/run/secrets/{secret}"));
    assert!(
        over["secrets"][secret]["file"]
            .as_str()
            .unwrap()
            .starts_with("${MURPHY_TOKEN_FILE:?")
    );
}

#[test]
fn every_service_is_hardened() {
    let file = compose();
    for (name, service) in services(&file) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(
            service["security_opt"],
            serde_json::json!(["no-new-privileges:true"]),
            "{name}"
        );
        for forbidden in [
            "privileged",
            "cap_add",
            "pid",
            "ipc",
            "userns_mode",
            "devices",
            "user",
        ] {
            assert!(service.get(forbidden).is_none(), "{name}: {forbidden}");
        }
        for bound in ["mem_limit", "pids_limit"] {
            assert!(service.get(bound).is_some(), "{name} has no {bound}");
        }
        assert!(
            !service["logging"]["options"]["max-size"].is_null(),
            "{name}: its log has no bound"
        );
        if name != "net" {
            assert_eq!(service["network_mode"], "service:net", "{name}");
            assert!(
                !list(&service["healthcheck"], "test").is_empty(),
                "{name} has no health check"
            );
        }
    }
}

#[test]
fn images_are_pinned_and_murphys_is_of_this_version() {
    let file = compose();
    for (name, service) in services(&file) {
        let image = word(service, "image");
        let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
        assert!(
            tag.chars().any(|c| c.is_ascii_digit()),
            "{name}: {image} has no version"
        );
    }
    let murphy = &file["services"]["murphy"];
    assert_eq!(
        word(murphy, "image"),
        concat!("murphy:", env!("CARGO_PKG_VERSION"))
    );
    assert!(
        root()
            .join("deploy")
            .join(word(&murphy["build"], "context"))
            .join("Dockerfile")
            .is_file()
    );
    let grace = seconds(word(murphy, "stop_grace_period"));
    assert!(
        grace > stop_seconds(&image_settings()),
        "{grace} s is too short to drain"
    );
}

#[test]
fn every_mount_is_a_folder_that_is_there_or_a_declared_volume() {
    let file = compose();
    let mut folders = BTreeMap::new();
    for (name, service) in services(&file) {
        for volume in list(service, "volumes") {
            let parts: Vec<&str> = volume.as_str().unwrap().split(':').collect();
            if !parts[0].starts_with('.') {
                let declared = file["volumes"].get(parts[0]);
                assert!(declared.is_some(), "{name}: {} is not declared", parts[0]);
                continue;
            }
            let folder = root().join("deploy").join(parts[0]);
            assert!(folder.is_dir(), "{name}: {} is no folder", folder.display());
            assert_eq!(parts.get(2), Some(&"ro"), "{name}: {volume} is writable");
            folders.insert((name.clone(), parts[1].to_owned()), folder);
        }
    }
    // What is named inside a container is in what is mounted there.
    let inside = |service: &str, path: &str| {
        let mut above = std::path::Path::new(path).ancestors();
        let found = above.find_map(|mount| {
            let folder = folders.get(&(service.to_owned(), mount.to_str()?.to_owned()))?;
            Some(folder.join(std::path::Path::new(path).strip_prefix(mount).ok()?))
        });
        let found = found.unwrap_or_else(|| panic!("{service}: nothing is mounted for {path}"));
        assert!(found.exists(), "{service}: {path} is not in {}", found.display());
    };
    inside("murphy", image_settings_scenarios());
    for file in FILES {
        for argument in list(&documents(file)[0]["services"]["prometheus"], "command") {
            if let Some(config) = argument.as_str().unwrap().strip_prefix("--config.file=") {
                inside("prometheus", config);
                assert!(inside_rules(config), "{config} loads no rules");
            }
        }
    }
    for provisioned in ["datasources", "dashboards"] {
        inside("grafana", &format!("/etc/grafana/provisioning/{provisioned}"));
    }
    let folder = root().join("deploy/grafana/provisioning/dashboards");
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let file: Value = serde_saphyr::from_str(&text).unwrap();
        for provider in list(&file, "providers") {
            inside("grafana", word(&provider["options"], "path"));
        }
    }
}

/// As written: the loader of [`settings`] puts another folder above it.
fn image_settings_scenarios() -> &'static str {
    let scenarios = "/etc/murphy/scenarios/faults";
    assert!(text("deploy/murphy.toml").contains(&format!("dir = \"{scenarios}\"")));
    scenarios
}

/// Whether a configuration of Prometheus names rule files that lie beside it.
fn inside_rules(config: &str) -> bool {
    let name = config.rsplit('/').next().unwrap();
    let file = &documents(&format!("deploy/prometheus/{name}"))[0];
    let rules = list(file, "rule_files");
    let beside = |rule: &Value| {
        root()
            .join("deploy/prometheus")
            .join(rule.as_str().unwrap())
            .is_file()
    };
    !rules.is_empty() && rules.iter().all(beside)
}

/// The two configurations of Prometheus differ in the token and in nothing else.
#[test]
fn prometheus_with_a_token_is_configured_as_without() {
    let mut with = documents("deploy/prometheus/prometheus-token.yml").remove(0);
    let job = &mut with["scrape_configs"][0];
    let file = job["authorization"]["credentials_file"].take();
    assert_eq!(file, "/run/secrets/murphy_token");
    job.as_object_mut().unwrap().remove("authorization");
    assert_eq!(with, documents("deploy/prometheus/prometheus.yml")[0]);
    let Some(promtool) = program("promtool", "prometheus") else {
        return;
    };
    let config = root().join("deploy/prometheus/prometheus-token.yml");
    super::support::passes(
        Command::new(promtool)
            .args(["check", "config", "--syntax-only"])
            .arg(config),
    );
}
