//! `murphy version`: the version, also for programs.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Verb;
use crate::cli::Shared;
use crate::exit::{Exit, Failure};

/// Show the version.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy version -o json")]
pub(crate) struct Arguments {}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let version = json!({
            "name": "murphy",
            "version": env!("CARGO_PKG_VERSION"),
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
        });
        shared.output().print(&version, |_| {
            concat!("murphy ", env!("CARGO_PKG_VERSION")).to_owned()
        })?;
        Ok(Exit::Done.into())
    }
}
