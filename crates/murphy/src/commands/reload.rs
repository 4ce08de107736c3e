//! `murphy reload`: make the daemon read its files again.

use std::process::ExitCode;

use clap::Args;
use murphy_director::view::{ReloadReport, ReloadResult};

use super::{Verb, ask, warn};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{GOOD, styled};

/// Make the daemon read its configuration and scenarios again, all or nothing.
///
/// Files are also watched: this is for file systems that report no changes, and for an answer. What is refused is
/// printed with its place, and exits with 1; what ran goes on running.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy reload")]
pub(crate) struct Arguments {}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let report = ask(shared, async |client| Ok(client.reload().await?))?;
        shared.output().print(&report, text)?;
        warn(&report.warnings);
        Ok(Exit::Done.into())
    }
}

fn text(report: &ReloadReport) -> String {
    let what = match report.result {
        ReloadResult::Applied => "the new files are in force",
        ReloadResult::Unchanged => "nothing changed",
        ReloadResult::Refused => "the files are refused",
    };
    let mut text = format!(
        "{}: {what} (generation {})",
        styled(GOOD, report.result.name()),
        report.generation
    );
    for setting in &report.needs_restart {
        text.push_str(&format!("\n  {setting}"));
    }
    text
}
