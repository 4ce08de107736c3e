//! `murphy kill`: trip the kill switch.

use std::process::ExitCode;

use clap::Args;

use super::{Verb, ask, switch};
use crate::cli::Shared;
use crate::exit::Failure;

/// Trip the kill switch: stop all injection at once.
///
/// It stays tripped, also over a restart, until it is re-armed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  murphy kill \"checkout is failing\"")]
pub(crate) struct Arguments {
    /// Why, for the record
    reason: Option<String>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let switch = ask(shared, async |client| Ok(client.trip(self.reason).await?))?;
        switch::print(shared, &switch)
    }
}
