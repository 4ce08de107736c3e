//! `murphy schema config|scenario`: JSON Schemas, for editors and other checkers.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Verb;
use crate::cli::Shared;
use crate::exit::{Exit, Failure};

/// Print a JSON Schema (2020-12), for editors.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy schema scenario > scenario.schema.json
  murphy schema config > config.schema.json")]
pub(crate) struct Arguments {
    /// Of what
    kind: Kind,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The configuration file
    Config,
    /// A scenario file
    Scenario,
}

/// The schema of a kind of file.
pub(super) fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Config => murphy_director::settings::schema().to_value(),
        Kind::Scenario => murphy_director::scenario_schema().to_value(),
    }
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let text = serde_json::to_string_pretty(&schema(self.kind)).map_err(Failure::failed)?;
        shared.output().line(&text)?;
        Ok(Exit::Done.into())
    }
}
