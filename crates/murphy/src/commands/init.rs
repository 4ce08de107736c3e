//! `murphy init`: a first configuration and first scenarios, with schemas for the editor.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Verb;
use super::schema::{Kind, schema};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{DIM, GOOD, styled};

const CONFIG: &str = "#:schema schema/config.json
# Every key that is left out has its default: `murphy schema config` lists them all.

[proxy]
listen = \"127.0.0.1:7070\"

[control]
listen = \"127.0.0.1:7071\"

[scenarios]
dir = \"scenarios/faults\"     # watched: a saved file is in force at once
active = []                  # switched on at the start

[kill_switch]
error_rate = 0.5             # above this share of errors all injection stops

[[routes]]
name = \"sim\"
path = \"/sim\"                # http://127.0.0.1:7070/sim/… goes to …
upstream = \"sim\"             # … the built-in simulator; a URL for a real one

[[routes]]
name = \"openai\"
path = \"/openai\"             # OPENAI_BASE_URL=http://127.0.0.1:7070/openai/v1
upstream = \"https://api.openai.com\"
";

/// Scenarios that are ready in the repository, where the schema lies elsewhere.
const SCENARIOS: [(&str, &str); 2] = [
    (
        "scenarios/faults/slow.yaml",
        include_str!("../../../../scenarios/faults/slow.yaml"),
    ),
    (
        "scenarios/faults/rate-limited.yaml",
        include_str!("../../../../scenarios/faults/rate-limited.yaml"),
    ),
];
const SCHEMA_THERE: &str = "$schema=../../docs/schema/";
const SCHEMA_HERE: &str = "$schema=../../schema/";

/// Write a first configuration, two scenarios and the schemas for the editor.
///
/// Nothing is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy init
  murphy init chaos && cd chaos && murphy serve")]
pub(crate) struct Arguments {
    /// The folder; it is made if it is not there
    #[arg(default_value = ".")]
    dir: PathBuf,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let files = files()?;
        if let Some((name, _)) = files.iter().find(|(name, _)| self.dir.join(name).exists()) {
            let there = self.dir.join(name);
            return Err(Failure::failed(format_args!(
                "{} is there already; nothing was written",
                there.display()
            )));
        }
        for (name, text) in &files {
            let file = self.dir.join(name);
            write(&file, text)
                .map_err(|error| Failure::failed(format_args!("cannot write {}: {error}", file.display())))?;
        }
        let written: Vec<String> = files
            .iter()
            .map(|(name, _)| self.dir.join(name).display().to_string())
            .collect();
        shared.output().print(&written, |written| text(written))?;
        Ok(Exit::Done.into())
    }
}

fn files() -> Result<Vec<(&'static str, String)>, Failure> {
    let schema = |kind| serde_json::to_string_pretty(&schema(kind)).map_err(Failure::failed);
    let mut files = vec![
        ("murphy.toml", CONFIG.to_owned()),
        ("schema/config.json", schema(Kind::Config)? + "\n"),
        ("schema/scenario.json", schema(Kind::Scenario)? + "\n"),
    ];
    files.extend(SCENARIOS.map(|(name, text)| (name, text.replace(SCHEMA_THERE, SCHEMA_HERE))));
    Ok(files)
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut opened = OpenOptions::new().write(true).create_new(true).open(file)?;
    opened.write_all(text.as_bytes())
}

fn text(written: &[String]) -> String {
    let mut lines: Vec<String> = written
        .iter()
        .map(|file| format!("{} {file}", styled(GOOD, "+")))
        .collect();
    lines.push(styled(
        DIM,
        "next: `murphy check`, then `murphy serve`, then `murphy on slow`",
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_names_a_schema_that_is_written_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files().unwrap() {
            write(&dir.path().join(name), &text).unwrap();
        }
        for (file, from) in [
            ("murphy.toml", "#:schema "),
            ("scenarios/faults/slow.yaml", "$schema="),
            ("scenarios/faults/rate-limited.yaml", "$schema="),
        ] {
            let file = dir.path().join(file);
            let text = fs::read_to_string(&file).unwrap();
            let named = text.lines().next().unwrap().split_once(from).unwrap().1;
            assert!(
                file.with_file_name(named).is_file(),
                "{} names {named}",
                file.display()
            );
        }
    }
}
