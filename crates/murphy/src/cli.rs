//! The command line: options that all verbs share, and the list of verbs.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    Verb, check, completions, dashboard, demo, faults, init, kill, lock, off, on, rearm, reload, scenarios,
    schema, serve, status, tail, unlock, version,
};
use crate::exit::{self, Failure};
use crate::output::{Format, Output};

/// Where a daemon's control API is if it is not said.
pub(crate) const CONTROL_DEFAULT: &str = "http://127.0.0.1:7071";

/// A fault-injecting HTTP proxy: invisible until told otherwise.
///
/// Start it with `murphy serve`, point an agent at http://127.0.0.1:7070/ROUTE, and switch a scenario on with
/// `murphy on NAME`. The kill switch stops all injection when too much goes wrong.
#[derive(Debug, Parser)]
#[command(name = "murphy", version, after_help = exit::HELP, max_term_width = 100, infer_long_args = false)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all verbs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Shared {
    /// The daemon's control API
    #[arg(long, global = true, env = "MURPHY_CONTROL", value_name = "URL", default_value = CONTROL_DEFAULT)]
    pub(crate) control: String,
    /// A file with the control API's token (else the variable MURPHY_TOKEN)
    #[arg(long, global = true, env = "MURPHY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How data is printed: json is one document (tail: one a line)
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Format,
    /// The same as --output json
    #[arg(long, global = true, hide = true)]
    json: bool,
    /// When to use colours (auto also honours NO_COLOR and CLICOLOR)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Shared {
    /// How data is printed.
    pub(crate) fn output(&self) -> Output {
        let format = if self.json { Format::Json } else { self.output };
        Output { format }
    }

    /// Makes all streams keep or drop colours as `--color` says.
    pub(crate) fn choose_colors(&self) {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

/// Makes the enum of verbs, and hands each its arguments. What a verb is for stands at its arguments.
macro_rules! verbs {
    ($($name:ident => $module:ident),* $(,)?) => {
        /// A verb and its arguments.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($name($module::Arguments)),*
        }

        impl Command {
            /// Carries the verb out.
            pub(crate) fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
                match self {
                    $(Self::$name(arguments) => arguments.run(shared)),*
                }
            }
        }
    };
}

verbs! {
    Serve => serve,
    Check => check,
    Status => status,
    Scenarios => scenarios,
    On => on,
    Off => off,
    Kill => kill,
    Rearm => rearm,
    Lock => lock,
    Unlock => unlock,
    Tail => tail,
    Reload => reload,
    Faults => faults,
    Schema => schema,
    Dashboard => dashboard,
    Init => init,
    Demo => demo,
    Completions => completions,
    Version => version,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lists_the_exit_codes_and_each_verb_has_an_example() {
        let mut cli = Cli::command();
        let help = cli.render_long_help().to_string();
        for code in [
            "0  done",
            "1  the answer",
            "2  the command",
            "3  it could",
            "4  halted",
        ] {
            assert!(help.contains(code), "{code}");
        }
        // clap adds `help` by itself.
        for verb in cli.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
            let name = format!("murphy {}", verb.get_name());
            let help = verb.render_long_help().to_string();
            let example = help.split("Examples:").nth(1);
            assert!(
                example.is_some_and(|example| example.contains(&name)),
                "{name}:\n{help}"
            );
        }
    }

    #[test]
    fn json_is_chosen_in_any_of_the_ways_that_people_type() {
        for arguments in [["-o", "json"].as_slice(), &["--output=json"], &["--json"]] {
            let line = ["murphy", "status"].iter().chain(arguments);
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.shared.output().format, Format::Json, "{arguments:?}");
        }
    }
}
