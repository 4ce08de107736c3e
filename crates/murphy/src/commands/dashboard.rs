//! `murphy dashboard`: the Grafana dashboard, the same file that `deploy/grafana` provisions.

use std::process::ExitCode;

use clap::Args;

use super::Verb;
use crate::cli::Shared;
use crate::exit::{Exit, Failure};

/// What Grafana loads; the metrics in it are those of this version.
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/dashboards/murphy.json");

/// Print the Grafana dashboard for Murphy's metrics, as JSON.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy dashboard > /var/lib/grafana/dashboards/murphy.json
  murphy dashboard | jq '{dashboard: ., overwrite: true}' \\
    | curl -s -H 'content-type: application/json' -d @- http://127.0.0.1:3000/api/dashboards/db")]
pub(crate) struct Arguments {}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        shared.output().line(DASHBOARD.trim_end())?;
        Ok(Exit::Done.into())
    }
}
