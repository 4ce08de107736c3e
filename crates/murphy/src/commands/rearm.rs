//! `murphy rearm`: re-arm the kill switch.

use std::process::ExitCode;

use clap::Args;

use super::{Verb, ask, switch};
use crate::cli::Shared;
use crate::exit::Failure;

/// Re-arm the kill switch: allow injection again.
///
/// What was halted stays off.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  murphy rearm \"found it: the cache was cold\"")]
pub(crate) struct Arguments {
    /// Why, for the record
    reason: Option<String>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let switch = ask(shared, async |client| Ok(client.rearm(self.reason).await?))?;
        switch::print(shared, &switch)
    }
}
