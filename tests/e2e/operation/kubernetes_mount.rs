//! Hot reload as Kubernetes brings it about: configuration and scenarios in folders that are mounted ConfigMaps, and
//! updated as the kubelet does it (its `AtomicWriter`): a new dated folder, a link to it renamed over `..data`, links
//! for keys that are new, those of keys that are gone removed, then the old folder. No event names a file that is read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use serde_json::{Value, json};

use super::support::{NEVER, SIM, activate, call, client, eventually};

/// A mounted ConfigMap.
struct Mount {
    folder: PathBuf,
    updates: u32,
}

impl Mount {
    fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        Self { folder, updates: 0 }
    }

    fn dated(&self, update: u32) -> String {
        format!("..2030_01_02_03_04_05.{update:09}")
    }

    /// Makes these the keys of the ConfigMap.
    fn update(&mut self, keys: &BTreeMap<&str, String>) {
        self.updates += 1;
        let dated = self.dated(self.updates);
        fs::create_dir(self.folder.join(&dated)).unwrap();
        for (key, text) in keys {
            fs::write(self.folder.join(&dated).join(key), text).unwrap();
        }
        symlink(&dated, self.folder.join("..data_tmp")).unwrap();
        fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).unwrap();
        for key in keys
            .keys()
            .filter(|key| fs::symlink_metadata(self.folder.join(key)).is_err())
        {
            symlink(Path::new("..data").join(key), self.folder.join(key)).unwrap();
        }
        for entry in fs::read_dir(&self.folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.starts_with("..") && !keys.contains_key(name.as_str()) {
                fs::remove_file(self.folder.join(name)).unwrap();
            }
        }
        if self.updates > 1 {
            fs::remove_dir_all(self.folder.join(self.dated(self.updates - 1))).unwrap();
        }
    }
}

fn answers(status: u16) -> String {
    format!("description: All calls get {status}\nrules:\n  - name: all\n    fault: {{ status: {status} }}\n")
}

fn config(mark: bool) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("murphy.toml", format!("[proxy]\nmark = {mark}\n{NEVER}\n{SIM}"))])
}

/// A daemon whose configuration and scenarios are mounted, with the scenario `probe` on.
async fn mounted() -> (Daemon, Mount, Mount) {
    let builder = DaemonBuilder::new();
    let [mut configs, mut scenarios] =
        ["config", "scenarios"].map(|folder| Mount::new(builder.folder().join(folder)));
    configs.update(&config(true));
    scenarios.update(&BTreeMap::from([("probe.yaml", answers(501))]));
    let file = configs.folder.join("murphy.toml").display().to_string();
    let daemon = builder.env("MURPHY_CONFIG", &file).start().await;
    activate(&daemon, "probe").await;
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 501);
    (daemon, configs, scenarios)
}

async fn status(daemon: &Daemon) -> Value {
    let (code, status) = daemon.control_get("/api/v1/status").await;
    assert_eq!(code, StatusCode::OK);
    status
}

#[tokio::test]
async fn each_update_of_either_map_is_in_force_soon() {
    let (daemon, mut configs, mut scenarios) = mounted().await;
    for (status, mark) in [(502, false), (503, true), (504, false)] {
        scenarios.update(&BTreeMap::from([("probe.yaml", answers(status))]));
        configs.update(&config(mark));
        eventually(&format!("status {status}, mark {mark}"), async || {
            let seen = call(&client(), &daemon, "/sim/echo").await;
            (seen.status == status && seen.mark.is_some() == mark).then_some(())
        })
        .await;
    }
    assert_eq!(
        status(&daemon).await["active"][0]["scenario"],
        "probe",
        "it stays on"
    );
}

#[tokio::test]
async fn keys_come_and_go() {
    let (daemon, _configs, mut scenarios) = mounted().await;
    scenarios.update(&BTreeMap::from([
        ("probe.yaml", answers(502)),
        ("more.yaml", answers(503)),
    ]));
    eventually("a key that came is a scenario", async || {
        (status(&daemon).await["scenarios"] == 2).then_some(())
    })
    .await;
    activate(&daemon, "more").await;
    scenarios.update(&BTreeMap::from([("more.yaml", answers(504))]));
    eventually("a key that is gone ends its scenario", async || {
        let now = status(&daemon).await;
        let active = now["active"]
            .as_array()
            .unwrap()
            .iter()
            .map(|active| &active["scenario"]);
        (now["scenarios"] == 1 && active.eq([&json!("more")])).then_some(())
    })
    .await;
    assert_eq!(call(&client(), &daemon, "/sim/echo").await.status, 504);
}

#[tokio::test]
async fn a_bad_update_changes_nothing_and_the_next_good_one_counts() {
    let (daemon, mut configs, mut scenarios) = mounted().await;
    let bad = answers(502).replace("fault:", "fualt:");
    scenarios.update(&BTreeMap::from([("probe.yaml", bad)]));
    daemon.wait_for_stderr("fualt").await;
    configs.update(&config(false));
    let refused = eventually("the status tells it", async || {
        Some(status(&daemon).await).filter(|status| status["reload"]["ok"] == false)
    })
    .await;
    let file = refused["reload"]["last_error"][0]["file"].as_str().unwrap();
    assert!(
        file.ends_with("scenarios/probe.yaml"),
        "by the name that people know: {file}"
    );
    let seen = call(&client(), &daemon, "/sim/echo").await;
    assert_eq!(
        (seen.status.as_u16(), seen.mark.is_some()),
        (501, true),
        "what ran goes on running"
    );
    scenarios.update(&BTreeMap::from([("probe.yaml", answers(503))]));
    eventually("both are in force", async || {
        let seen = call(&client(), &daemon, "/sim/echo").await;
        (seen.status == 503 && seen.mark.is_none()).then_some(())
    })
    .await;
}
