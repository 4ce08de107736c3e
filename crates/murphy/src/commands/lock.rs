//! `murphy lock`: lock the kill switch.

use std::process::ExitCode;

use clap::Args;

use super::{Verb, ask, switch};
use crate::cli::Shared;
use crate::exit::Failure;

/// Lock the kill switch: stop all injection and let nobody activate anything.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  murphy lock \"release in progress\"")]
pub(crate) struct Arguments {
    /// Why, for the record
    reason: Option<String>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let switch = ask(shared, async |client| Ok(client.lock(self.reason).await?))?;
        switch::print(shared, &switch)
    }
}
