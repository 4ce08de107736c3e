//! `murphy completions SHELL`: a completion script.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Verb;
use crate::cli::{Cli, Shared};
use crate::exit::{Exit, Failure};

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy completions bash > ~/.local/share/bash-completion/completions/murphy
  murphy completions zsh > ~/.zfunc/_murphy
  murphy completions fish > ~/.config/fish/completions/murphy.fish")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        // Into memory first: the generator panics on a pipe that was closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "murphy", &mut script);
        let script = String::from_utf8_lossy(&script);
        shared.output().line(script.trim_end())?;
        Ok(Exit::Done.into())
    }
}
