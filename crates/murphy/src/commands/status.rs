//! `murphy status`: what the daemon is doing.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use murphy_core::clock::{SystemClock, WallClock};
use murphy_director::view::{ActivationView, RouteView, StatusView};
use serde_json::json;

use super::{Verb, ask, switch};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{
    ACTIVE, BAD, DIM, GOOD, HEAD, printable, printable_lines, say, styled, table, table_text,
};

/// Show what the daemon is doing.
///
/// The kill switch, what is on, where it listens, how loading went, the routes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy status
  murphy status -o json
  murphy status --ready || echo 'not ready'")]
pub(crate) struct Arguments {
    /// Only say whether it is ready; exit with 1 if it is not
    #[arg(long)]
    ready: bool,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        if self.ready {
            return ready(shared);
        }
        let (status, routes) = ask(shared, async |client| {
            Ok((client.status().await?, client.routes().await?))
        })?;
        shared
            .output()
            .print(&status, |status| text(status, &routes, now()))?;
        Ok(Exit::Done.into())
    }
}

fn ready(shared: &Shared) -> Result<ExitCode, Failure> {
    let (ready, checks) = ask(shared, async |client| Ok(client.ready().await?))?;
    let word = if ready {
        styled(GOOD, "ready")
    } else {
        styled(BAD, "not ready")
    };
    shared.output().print(&json!({ "ready": ready }), |_| word)?;
    if ready {
        return Ok(Exit::Done.into());
    }
    say(printable_lines(&checks).trim_end());
    Ok(Exit::No.into())
}

fn now() -> Timestamp {
    Timestamp::try_from(SystemClock.now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn text(status: &StatusView, routes: &[RouteView], now: Timestamp) -> String {
    let mut text = format!(
        "{} {}{}\n",
        styled(HEAD, "murphy"),
        printable(&status.version),
        styled(DIM, format_args!(", up {}", span(&status.started_at, now)))
    );
    text.push_str(&switch::text(&status.kill_switch));
    text.push('\n');
    if status.draining {
        text.push_str(&styled(BAD, "stopping: nothing is injected any more\n"));
    }
    text.push_str(&format!("proxy        {}\n", printable(&status.listeners.proxy)));
    text.push_str(&format!(
        "control      {}\n",
        printable(&status.listeners.control)
    ));
    let config = status
        .config_file
        .as_deref()
        .unwrap_or("(none: built-in defaults)");
    text.push_str(&format!("config       {}\n", printable(config)));
    text.push_str(&format!(
        "scenarios    {} in {}\n",
        status.scenarios,
        printable(&status.scenario_dir)
    ));
    text.push_str(&loading(status));
    text.push_str(&active(&status.active, now));
    text.push_str(&listed(routes, &status.listeners.proxy));
    for setting in &status.needs_restart {
        text.push_str(&format!("{} {}\n", styled(ACTIVE, "!"), printable(setting)));
    }
    for warning in &status.warnings {
        text.push_str(&format!("{} {}\n", styled(ACTIVE, "!"), printable(warning)));
    }
    text
}

fn loading(status: &StatusView) -> String {
    if status.reload.ok {
        return format!(
            "loaded       {} {}\n",
            status.reload.loaded_at,
            styled(DIM, format_args!("(generation {})", status.generation))
        );
    }
    let mut text = format!(
        "{} at {}; what was loaded at {} goes on running\n",
        styled(BAD, "the files were refused"),
        status.reload.tried_at,
        status.reload.loaded_at
    );
    for located in &status.reload.last_error {
        text.push_str(&printable_lines(&located.to_string()));
        text.push('\n');
    }
    text
}

fn active(active: &[ActivationView], now: Timestamp) -> String {
    if active.is_empty() {
        return "\nnothing is on: calls pass untouched\n".to_owned();
    }
    let mut rows = table(&["ON", "FOR", "STILL", "SEED", "BY"]);
    for activation in active {
        let still = match &activation.until {
            Some(until) => left(until, now),
            None => "until switched off".to_owned(),
        };
        rows.add_row([
            comfy_table::Cell::new(printable(&activation.scenario)).fg(comfy_table::Color::Yellow),
            comfy_table::Cell::new(span(&activation.since, now)),
            comfy_table::Cell::new(still),
            comfy_table::Cell::new(activation.seed),
            comfy_table::Cell::new(printable(&activation.who)),
        ]);
    }
    format!("\n{}\n", table_text(&rows))
}

fn listed(routes: &[RouteView], proxy: &str) -> String {
    let mut rows = table(&["ROUTE", "CALL", "GOES TO", "DIALECT", "RULES"]);
    for route in routes {
        let host = route
            .host
            .as_deref()
            .map(|host| format!(" (host {host})"))
            .unwrap_or_default();
        let mut notes = vec![route.rules.to_string()];
        if route.protected {
            notes.push("protected".to_owned());
        }
        if route.insecure {
            notes.push("certificate not verified".to_owned());
        }
        rows.add_row([
            printable(&route.name),
            printable(&format!("{proxy}{}{host}", route.path.trim_end_matches('/'))),
            printable(&route.upstream),
            printable(&route.dialect),
            notes.join(", "),
        ]);
    }
    format!("\n{}\n", table_text(&rows))
}

/// How long ago a time of the API was; as it stands if it is none.
fn span(since: &str, now: Timestamp) -> String {
    match since.parse::<Timestamp>() {
        Ok(since) => rough(now.as_second() - since.as_second()),
        Err(_) => printable(since),
    }
}

/// How long it is until a time of the API.
fn left(until: &str, now: Timestamp) -> String {
    match until.parse::<Timestamp>() {
        Ok(until) => rough(until.as_second() - now.as_second()),
        Err(_) => printable(until),
    }
}

/// A number of seconds in at most two units.
fn rough(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units_and_never_go_below_zero() {
        for (seconds, wanted) in [
            (-5, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3_600, "1h 0m"),
            (90_061, "1d 1h"),
        ] {
            assert_eq!(rough(seconds), wanted);
        }
        let now: Timestamp = "2030-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(span("2030-01-02T03:03:05.000Z", now), "1m 0s");
        assert_eq!(left("2030-01-02T03:04:35.000Z", now), "30s");
        assert_eq!(span("soon\u{1b}", now), "soon\\u{1b}");
    }
}
