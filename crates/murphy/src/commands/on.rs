//! `murphy on NAME`: switch a scenario on.

use std::process::ExitCode;

use clap::Args;
use murphy_director::settings::Lifetime;
use murphy_director::view::{ActivateRequest, Activated};

use super::{Verb, ask, warn};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{ACTIVE, DIM, printable, styled};

/// Switch a scenario on; again from the beginning if it is on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy on slow --for 60s
  murphy on flaky-5xx --seed 7
  murphy on brownout --for forever")]
pub(crate) struct Arguments {
    /// The scenario
    name: String,
    /// For how long: 60s, 10m, or forever [default: the setting scenarios.max_active, 1h]
    #[arg(long = "for", value_name = "TIME")]
    lifetime: Option<Lifetime>,
    /// Fix which calls are hit [default: drawn, and shown]
    #[arg(long)]
    seed: Option<u64>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let request = ActivateRequest {
            for_: self.lifetime,
            seed: self.seed,
        };
        let activated = ask(shared, async |client| {
            Ok(client.activate(&self.name, &request).await?)
        })?;
        shared.output().print(&activated, text)?;
        warn(&activated.warnings);
        Ok(Exit::Done.into())
    }
}

fn text(activated: &Activated) -> String {
    let activation = &activated.activation;
    let until = match &activation.until {
        Some(until) => format!("until {until}"),
        None => "until it is switched off".to_owned(),
    };
    format!(
        "{} is {} {until} {}",
        printable(&activation.scenario),
        styled(ACTIVE, "on"),
        styled(DIM, format_args!("(seed {})", activation.seed))
    )
}
