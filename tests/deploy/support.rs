//! What these tests share: files of the repository, YAML, and programs that may be absent.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of a file of the repository.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file of the repository.
pub(crate) fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The list at a key; empty if there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The text at a key.
pub(crate) fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text at {key} in {value:#}"))
}

/// Says that a test cannot run here; in CI that is a failure.
pub(crate) fn skip(what: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "CI needs this: {what}"
    );
    eprintln!("SKIPPED, NOT PASSED: {what}");
}

/// A program of the Python packages that `./test` installs, or else on the path.
pub(crate) fn linter(name: &str) -> Option<PathBuf> {
    let installed = root().join("target/venv/bin").join(name);
    let found = Some(installed)
        .filter(|path| path.is_file())
        .or_else(|| on_path(name));
    if found.is_none() {
        skip(&format!(
            "{name} is not installed: target/venv/bin/pip install -r tests/deploy/requirements.txt"
        ));
    }
    found
}

/// A program on the path; `package` of Debian has it.
pub(crate) fn program(name: &str, package: &str) -> Option<PathBuf> {
    let found = on_path(name);
    if found.is_none() {
        skip(&format!("{name} is not installed (Debian: {package})"));
    }
    found
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Runs a program, which must say that all is well; what it wrote.
pub(crate) fn passes(command: &mut Command) -> String {
    let (output, shown) = run(command);
    assert!(output.status.success(), "{command:?}: {}\n{shown}", output.status);
    shown
}

/// Runs a program, which must find something wrong; what it wrote.
pub(crate) fn fails(command: &mut Command) -> String {
    let (output, shown) = run(command);
    assert!(
        !output.status.success(),
        "{command:?} finds nothing wrong:\n{shown}"
    );
    shown
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let shown = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output, shown.concat())
}

/// Seconds in `45s` or `10m`; whole numbers only.
pub(crate) fn seconds(span: &str) -> u64 {
    let (number, unit) = span.split_at(span.find(|c: char| !c.is_ascii_digit()).unwrap_or(span.len()));
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("no time: {span}"));
    match unit {
        "" | "s" => number,
        "m" | "min" => number * 60,
        _ => panic!("no unit of these tests: {span}"),
    }
}

/// How long a stop may take by these settings: `drain_delay` and `drain_timeout`.
pub(crate) fn stop_seconds(settings: &murphy_director::settings::Settings) -> u64 {
    (settings.proxy.drain_delay.0 + settings.proxy.drain_timeout.0).as_secs()
}

/// The settings in a configuration's text.
pub(crate) fn settings(toml: &str) -> murphy_director::settings::Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("murphy.toml");
    std::fs::write(&file, toml).unwrap();
    let loaded = murphy_director::load(&murphy_director::Sources {
        config_file: Some(file),
        sim: Some(([127, 0, 0, 1], 1).into()),
        overrides: vec![murphy_director::Override {
            key: "scenarios.dir".to_owned(),
            value: root().join("scenarios/faults").display().to_string(),
            from: "the test".to_owned(),
        }],
        ..murphy_director::Sources::default()
    });
    loaded
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        .unwrap()
        .settings
}
