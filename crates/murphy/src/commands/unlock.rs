//! `murphy unlock`: unlock the kill switch.

use std::process::ExitCode;

use clap::Args;

use super::{Verb, ask, switch};
use crate::cli::Shared;
use crate::exit::Failure;

/// Unlock the kill switch; a trip stays in force
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  murphy unlock")]
pub(crate) struct Arguments {
    /// Why, for the record
    reason: Option<String>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let switch = ask(shared, async |client| Ok(client.unlock(self.reason).await?))?;
        switch::print(shared, &switch)
    }
}
