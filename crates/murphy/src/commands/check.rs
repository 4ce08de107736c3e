//! `murphy check PATH…`: validate configuration and scenarios.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use murphy_director::check;
use murphy_director::check::Checked;
use murphy_director::view::Located;
use serde_json::json;

use super::serve::CONFIG_HERE;
use super::{Verb, warn};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{BAD, GOOD, HEAD, printable_lines, styled};
use crate::wiring::ServeOptions;

/// Validate configuration and scenarios.
///
/// What is wrong is told with its place, and exits with 1. A .toml is a configuration, whose scenarios are checked with it; a .yaml is a scenario; of a folder, everything
/// in it. Scenarios are checked against the routes of the first configuration that is named, else the built-in ones.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy check
  murphy check murphy.toml scenarios/faults
  murphy check scenarios/faults/slow.yaml -o json")]
pub(crate) struct Arguments {
    /// Configurations, scenarios or folders [default: ./murphy.toml]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let mut paths = self.paths;
        if paths.is_empty() {
            if !Path::new(CONFIG_HERE).is_file() {
                return Err(Failure::usage(format_args!(
                    "say what to check: there is no {CONFIG_HERE} here"
                )));
            }
            paths.push(CONFIG_HERE.into());
        }
        let sources = ServeOptions::default().sources(None);
        let checked = check(&paths, &sources);
        let good = checked.problems.is_empty();
        let document = json!({
            "ok": good,
            "files": checked.files,
            "problems": checked.problems,
            "warnings": checked.warnings,
        });
        shared.output().print(&document, |_| text(&checked))?;
        warn(&checked.warnings);
        Ok(if good { Exit::Done } else { Exit::No }.into())
    }
}

fn text(checked: &Checked) -> String {
    let count = checked.files.len();
    let files = if count == 1 { "file" } else { "files" };
    if checked.problems.is_empty() {
        return format!("{} {count} {files}", styled(GOOD, "ok:"));
    }
    let mut text: String = checked.problems.iter().map(located).collect();
    let problems = checked.problems.len();
    text.push_str(&styled(
        BAD,
        format_args!("{problems} problem(s) in {count} {files}"),
    ));
    text
}

/// A problem with its place emphasised; the line and the caret under it keep their lines.
fn located(located: &Located) -> String {
    let shown = printable_lines(&located.to_string());
    let (place, rest) = shown.split_at(shown.find(": ").unwrap_or(0));
    format!("{}{rest}\n\n", styled(HEAD, place))
}
