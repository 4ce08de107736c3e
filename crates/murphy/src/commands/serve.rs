//! `murphy serve`: start the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use murphy_director::settings::LogFormat;

use super::Verb;
use crate::cli::Shared;
use crate::daemon;
use crate::exit::Failure;
use crate::wiring::ServeOptions;

/// The configuration file of the working folder.
pub(super) const CONFIG_HERE: &str = "murphy.toml";

/// Start the daemon: the proxy and its control API.
///
/// Without a configuration the built-in routes serve: /sim is a simulated upstream, and /openai, /anthropic and
/// /gemini are those providers. Flags stand above environment variables (MURPHY__SECTION__KEY), those above the file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy serve
  murphy serve --config murphy.toml --activate slow
  MURPHY__KILL_SWITCH__ERROR_RATE=0.3 murphy serve --log-format json")]
pub(crate) struct Arguments {
    /// The configuration file [default: ./murphy.toml if there is one]
    #[arg(short, long, env = "MURPHY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the proxy listens [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the control API listens [default: 127.0.0.1:7071]
    #[arg(long, value_name = "ADDRESS")]
    control_listen: Option<String>,
    /// The folder of the scenarios [default: scenarios/faults]
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    /// Switch a scenario on at the start (may be repeated, or separated by commas)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    activate: Vec<String>,
    /// Fix the draws of activations that name no seed [default: random, shown]
    #[arg(long)]
    seed: Option<u64>,
    /// How the log is written, on standard error [default: auto: text on a terminal, JSON elsewhere]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<Log>,
    /// What is logged: a level or directives (else MURPHY_LOG, RUST_LOG) [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// How the log is written; see [`LogFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    Auto,
    Text,
    Json,
}

impl From<Log> for LogFormat {
    fn from(log: Log) -> Self {
        match log {
            Log::Auto => Self::Auto,
            Log::Text => Self::Text,
            Log::Json => Self::Json,
        }
    }
}

impl Verb for Arguments {
    fn run(self, _: &Shared) -> Result<ExitCode, Failure> {
        let here = PathBuf::from(CONFIG_HERE);
        daemon::run(ServeOptions {
            config: self.config.or_else(|| here.is_file().then_some(here)),
            listen: self.listen,
            control_listen: self.control_listen,
            scenarios: self.scenarios,
            activate: self.activate,
            seed: self.seed,
            log_format: self.log_format.map(LogFormat::from),
            log_level: self.log_level,
        })
    }
}
