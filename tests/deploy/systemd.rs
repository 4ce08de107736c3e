//! The units in `deploy/systemd/`: valid for systemd, as closed as `systemd-analyze security` can tell, and in
//! agreement with the daemon.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use murphy_testkit::daemon::{DaemonBuilder, binary};

use super::support::{fails, passes, program, root, seconds, settings, stop_seconds, text};

const SERVICE: &str = "deploy/systemd/murphy.service";
const SOCKET: &str = "deploy/systemd/murphy.socket";
/// The exposure that `systemd-analyze security` may find, in tenths: 0 is closed, 100 open to all.
const EXPOSURE_MAX: &str = "11";

/// The settings of a unit, each with all its values.
fn unit(path: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text(path).lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            found.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    found
}

fn one(path: &str, key: &str) -> String {
    let unit = unit(path);
    let values = unit.get(key).unwrap_or_else(|| panic!("{path}: no {key}"));
    assert_eq!(values.len(), 1, "{path}: {key}");
    values[0].clone()
}

/// The units in a folder of their own, with the built binary and programs that are there.
fn installed(folder: &Path, change: impl Fn(String) -> String) {
    for unit in [SERVICE, SOCKET] {
        let name = unit.rsplit('/').next().unwrap();
        let text = text(unit).replace("/usr/local/bin/murphy", binary().to_str().unwrap());
        std::fs::write(folder.join(name), change(text)).unwrap();
    }
}

#[test]
fn systemd_finds_nothing_wrong() {
    let Some(analyze) = program("systemd-analyze", "systemd") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let verify = || {
        let mut command = Command::new(&analyze);
        let units = ["murphy.service", "murphy.socket"].map(|unit| folder.path().join(unit));
        command
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(units);
        command
    };
    installed(folder.path(), |text| text);
    let said = passes(&mut verify());
    assert_eq!(said.trim(), "", "it warns");
    // It would notice.
    installed(folder.path(), |text| {
        text.replace("ProtectSystem=strict", "ProtectSistem=strict")
    });
    let said = fails(&mut verify());
    assert!(said.contains("ProtectSistem"), "{said}");
}

#[test]
fn the_service_is_closed_up() {
    let Some(analyze) = program("systemd-analyze", "systemd") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let security = || {
        let mut command = Command::new(&analyze);
        command.args(["security", "--offline=true", "--threshold", EXPOSURE_MAX]);
        command.arg(folder.path().join("murphy.service"));
        command
    };
    installed(folder.path(), |text| text);
    passes(&mut security());
    installed(folder.path(), |text| text.replace("CapabilityBoundingSet=\n", ""));
    fails(&mut security());
}

/// What the unit starts, started: with its arguments, and a configuration as docs/systemd.md has it.
#[tokio::test]
async fn what_the_unit_starts_runs() {
    let command = one(SERVICE, "ExecStart");
    let arguments: Vec<&str> = command.split(' ').collect();
    assert_eq!(
        arguments,
        [
            "/usr/local/bin/murphy",
            "serve",
            "--config",
            "/etc/murphy/murphy.toml"
        ]
    );
    let page = text("docs/systemd.md");
    let config = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let config = config.expect("a configuration in docs/systemd.md");
    assert!(config.contains("/etc/murphy/scenarios"), "{config}");
    // The harness gives the same arguments, and a folder of scenarios of its own.
    let daemon = DaemonBuilder::new().config(config).start().await;
    let (status, _) = daemon.control_get("/readyz").await;
    assert_eq!(status, 200);
}

#[test]
fn the_unit_agrees_with_the_daemon() {
    assert_eq!(one(SERVICE, "Type"), "notify");
    assert_eq!(one(SERVICE, "NotifyAccess"), "main");
    assert!(
        seconds(&one(SERVICE, "WatchdogSec")) >= 10,
        "a busy machine is not a dead daemon"
    );
    assert_eq!(one(SERVICE, "ExecReload"), "/bin/kill -HUP $MAINPID");
    let defaults = settings("");
    let stop = seconds(&one(SERVICE, "TimeoutStopSec"));
    assert!(stop > stop_seconds(&defaults), "{stop} s is too short to drain");
    // The latch, whose path is relative, lies in what stays and is writable.
    assert!(defaults.kill_switch.state_file.is_relative());
    let state = format!("/var/lib/{}", one(SERVICE, "StateDirectory"));
    assert_eq!(one(SERVICE, "WorkingDirectory"), state);
    let descriptors: usize = one(SERVICE, "LimitNOFILE").parse().unwrap();
    assert!(descriptors > 2 * defaults.proxy.max_connections, "{descriptors}");
    // In this order: the first is for agents, the second for the control API.
    let listen = [defaults.proxy.listen, defaults.control.listen].map(|listen| listen.to_string());
    assert_eq!(unit(SOCKET)["ListenStream"], listen);
    assert!(
        root().join(SOCKET).with_extension("service").is_file(),
        "a socket starts the service of its name"
    );
}
