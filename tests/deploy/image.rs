//! The Dockerfile, without an engine: hadolint finds nothing, what it copies is there, what it builds exists, and what
//! the image holds agrees with the configuration that it is given. [`super::image_run`] runs what it makes.

use std::collections::BTreeSet;
use std::process::Command;

use super::support::{fails, linter, passes, root, settings, text};

/// An instruction: its name and the rest, with continued lines joined.
#[derive(Debug, Clone)]
pub(crate) struct Instruction {
    pub(crate) name: String,
    pub(crate) rest: String,
}

/// The instructions of a stage of the Dockerfile; the first is its FROM.
pub(crate) fn stage(number: usize) -> Vec<Instruction> {
    let mut stages: Vec<Vec<Instruction>> = Vec::new();
    let dockerfile = text("Dockerfile");
    let lines: Vec<&str> = dockerfile.lines().filter(|line| !line.starts_with('#')).collect();
    for line in lines
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .filter(|line| !line.trim().is_empty())
    {
        let (name, rest) = line.split_once(' ').unwrap();
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        if name == "FROM" {
            stages.push(Vec::new());
        }
        let name = name.to_owned();
        stages.last_mut().unwrap().push(Instruction { name, rest });
    }
    assert_eq!(stages.len(), 2, "a stage that builds and one that runs");
    stages.swap_remove(number)
}

/// The one instruction of a name in the stage that runs.
pub(crate) fn last(name: &str) -> String {
    let found: Vec<String> = all(name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].clone()
}

/// All instructions of a name in the stage that runs.
pub(crate) fn all(name: &str) -> Vec<String> {
    let found = stage(1)
        .into_iter()
        .filter(|instruction| instruction.name == name);
    found.map(|instruction| instruction.rest).collect()
}

/// A command in the exec form: a list, so that no shell is needed and signals arrive.
pub(crate) fn exec_form(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not in the exec form: {text}"))
}

#[test]
fn hadolint_finds_nothing() {
    let Some(hadolint) = linter("hadolint") else {
        return;
    };
    let check = |file: &std::path::Path| {
        let mut command = Command::new(&hadolint);
        command
            .args(["--failure-threshold", "style", "--no-color"])
            .arg(file);
        command
    };
    let said = passes(&mut check(&root().join("Dockerfile")));
    assert_eq!(said.trim(), "");
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("Dockerfile");
    std::fs::write(&bad, text("Dockerfile").replace(":1.95-bookworm", "")).unwrap();
    assert!(fails(&mut check(&bad)).contains("DL3006"), "it would notice");
}

#[test]
fn what_is_built_and_copied_exists() {
    let build = stage(0);
    let toolchain = settings_of_workspace("rust-version");
    assert!(
        build[0].rest.starts_with(&format!("rust:{toolchain}-")),
        "{}",
        build[0].rest
    );
    let command = &build.iter().find(|one| one.name == "RUN").unwrap().rest;
    let word_after = |flag: &str| {
        let mut words = command.split(' ').skip_while(|word| *word != flag);
        words
            .nth(1)
            .unwrap_or_else(|| panic!("no {flag} in {command}"))
            .to_owned()
    };
    assert!(command.contains("cargo build --release --locked "), "{command}");
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .unwrap();
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == word_after("--package"));
    let targets = &package.expect("the package is in the workspace").targets;
    let binary = word_after("--bin");
    assert!(
        targets
            .iter()
            .any(|target| target.is_bin() && target.name == binary)
    );
    assert!(
        command.contains(&format!("install -D target/release/{binary} /out/{binary}")),
        "{command}"
    );

    for copy in all("COPY") {
        let from = copy.split(' ').rev().nth(1).unwrap().to_owned();
        match from.strip_prefix("/src/") {
            Some(path) => {
                assert!(root().join(path).exists(), "{path} is not in the repository");
                assert!(!ignored(path), "{path} is in .dockerignore");
            }
            None => assert!(command.contains(&from), "nothing makes {from}"),
        }
    }
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "crates",
        "tests",
        "scenarios",
        "config",
        "docs",
    ] {
        assert!(
            root().join(needed).exists() && !ignored(needed),
            "the build needs {needed}"
        );
    }
    for secret_or_large in [".git", "target"] {
        assert!(
            ignored(secret_or_large),
            "{secret_or_large} would be sent to the engine"
        );
    }
}

/// Whether `.dockerignore` names this very path; its patterns with stars are for names that are none of ours.
fn ignored(path: &str) -> bool {
    text(".dockerignore")
        .lines()
        .any(|line| line.trim_end_matches('/') == path)
}

/// A value of `[workspace.package]`.
fn settings_of_workspace(key: &str) -> String {
    let manifest = text("Cargo.toml");
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    line.expect(key).trim().trim_matches('"').to_owned()
}

#[test]
fn the_image_agrees_with_its_configuration() {
    let settings = settings(&text("deploy/murphy.toml"));
    let exposed: BTreeSet<u16> = last("EXPOSE")
        .split(' ')
        .map(|port| port.parse().unwrap())
        .collect();
    assert_eq!(
        exposed,
        BTreeSet::from([settings.proxy.listen.port(), settings.control.listen.port()])
    );
    let user = last("USER");
    let (uid, gid) = user.split_once(':').expect("user and group by number");
    assert!(
        uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0,
        "{user}"
    );
    let folder = last("WORKDIR");
    assert_eq!(
        settings
            .kill_switch
            .state_file
            .parent()
            .unwrap()
            .to_str()
            .unwrap(),
        folder
    );
    let state = all("COPY")
        .into_iter()
        .find(|copy| copy.ends_with(&format!(" {folder}")));
    assert!(
        state.unwrap().contains(&format!("--chown={user}")),
        "the latch can be written"
    );
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    assert!(stage(1)[0].rest.ends_with(":nonroot"), "a base without root");
}
