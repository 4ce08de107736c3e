//! The murphy binary: command line and wiring.

mod cli;
mod commands;
mod daemon;
mod exit;
mod files;
mod logging;
mod output;
mod post;
mod runtime;
mod sockets;
mod systemd;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

/// A call is some forty small allocations, and those of an exchange are freed by whichever worker evicts it: with
/// the system's allocator that was a seventh of Murphy's own time. Its settings (few arenas, memory given back
/// soon) stand in `.cargo/config.toml`.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli.shared.choose_colors();
    match cli.command.run(&cli.shared) {
        Ok(code) => code,
        Err(failure) => {
            if !failure.words.is_empty() {
                output::say(&format!(
                    "{}: {}",
                    output::styled(output::BAD, "error"),
                    output::printable_lines(&failure.words)
                ));
            }
            failure.exit.into()
        }
    }
}
