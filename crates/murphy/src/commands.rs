//! The verbs, one file each, and what those that talk to a daemon share.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod dashboard;
pub(crate) mod demo;
pub(crate) mod faults;
pub(crate) mod init;
pub(crate) mod kill;
pub(crate) mod lock;
pub(crate) mod off;
pub(crate) mod on;
pub(crate) mod rearm;
pub(crate) mod reload;
pub(crate) mod scenarios;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod unlock;
pub(crate) mod version;

mod switch;

use std::process::ExitCode;

use murphy_control::auth::Token;
use murphy_control::client::Client;

use crate::cli::Shared;
use crate::exit::Failure;
use crate::output::{ACTIVE, say, styled};

/// The variable with the control API's token.
const TOKEN_VARIABLE: &str = "MURPHY_TOKEN";

/// A verb with its arguments.
pub(crate) trait Verb {
    /// Carries it out.
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure>;
}

/// Asks the daemon that the shared options name.
pub(crate) fn ask<T>(
    shared: &Shared,
    question: impl AsyncFnOnce(Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let client = client(shared)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(question(client))
}

fn client(shared: &Shared) -> Result<Client, Failure> {
    let client = Client::new(&shared.control)?.with_who(&who())?;
    let token = match &shared.token_file {
        Some(file) => Some(Token::read(file)),
        None => std::env::var(TOKEN_VARIABLE)
            .ok()
            .filter(|token| !token.is_empty())
            .map(|token| Token::new(&token)),
    };
    match token.transpose().map_err(Failure::usage)? {
        Some(token) => Ok(client.with_token(&token)?),
        None => Ok(client),
    }
}

/// Who asks, for the record: the user's name where it can stand in a header.
fn who() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("USERNAME"))
        .unwrap_or_default();
    let user: String = user.chars().filter(char::is_ascii_graphic).take(32).collect();
    if user.is_empty() {
        "murphy".to_owned()
    } else {
        format!("{user}, murphy")
    }
}

/// Says what is odd and not wrong.
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&format!("{}: {warning}", styled(ACTIVE, "warning")));
    }
}
