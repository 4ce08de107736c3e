//! `murphy off NAME`, `murphy off --all`: switch scenarios off.

use std::process::ExitCode;

use clap::Args;
use murphy_director::view::Deactivated;

use super::{Verb, ask};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{HEAD, printable, styled};

/// Switch a scenario off, or all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy off slow
  murphy off --all")]
pub(crate) struct Arguments {
    /// The scenario
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// All scenarios
    #[arg(long)]
    all: bool,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let deactivated = ask(shared, async |client| {
            Ok(match &self.name {
                Some(name) => client.deactivate(name).await?,
                None => client.deactivate_all().await?,
            })
        })?;
        shared.output().print(&deactivated, text)?;
        Ok(Exit::Done.into())
    }
}

fn text(deactivated: &Deactivated) -> String {
    if deactivated.scenarios.is_empty() {
        return "nothing was on".to_owned();
    }
    let names = printable(&deactivated.scenarios.join(", "));
    format!("{} {names}", styled(HEAD, "off:"))
}
