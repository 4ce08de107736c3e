//! `murphy tail`: follow the calls live.

use std::process::ExitCode;

use anstyle::Style;
use clap::Args;
use murphy_control::client::{ExchangeFilter, Streamed};
use murphy_core::exchange::{AppliedFault, Exchange};
use murphy_core::outcome::{Cause, Outcome};

use super::{Verb, ask};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{ACTIVE, BAD, DIM, GOOD, Output, printable, say, styled};

/// Follow the calls live: one line for each, with -o json one JSON object a line.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy tail
  murphy tail --injected true --route openai
  murphy tail -o json --after 0 | jq .outcome")]
pub(crate) struct Arguments {
    /// Begin after this number (0: with all that is remembered) instead of now
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// End after so many
    #[arg(short = 'n', long)]
    limit: Option<usize>,
    /// Only calls of this route
    #[arg(long)]
    route: Option<String>,
    /// Only calls with (true) or without (false) an injected fault
    #[arg(long)]
    injected: Option<bool>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let output = shared.output();
        let filter = ExchangeFilter {
            after: self.after,
            limit: self.limit,
            route: self.route,
            injected: self.injected,
        };
        ask(shared, async |client| {
            let mut stream = client.stream(&filter).await?;
            // The stream ends when the daemon does; until then, with ^C.
            while let Some(streamed) = stream.next().await? {
                print(output, &streamed)?;
            }
            Ok(())
        })?;
        Ok(Exit::Done.into())
    }
}

fn print(output: Output, streamed: &Streamed) -> Result<(), Failure> {
    match streamed {
        Streamed::Exchange(exchange) => output.print_line(exchange, |exchange| line(exchange)),
        Streamed::Missed(missed) => {
            say(&styled(
                ACTIVE,
                format_args!("… {missed} calls were left out: reading is too slow"),
            ));
            Ok(())
        }
    }
}

/// A call on one line: when, what, what the agent saw, how long, and who made it so.
pub(super) fn line(exchange: &Exchange) -> String {
    let at = exchange.at.to_string();
    let time = at.get(11..23).unwrap_or(&at);
    let status = exchange
        .status
        .map_or("---".to_owned(), |status| status.to_string());
    let attempt = if exchange.attempt > 1 {
        format!(" try {}", exchange.attempt)
    } else {
        String::new()
    };
    let mut line = format!(
        "{} {} {} {} {} {}{}",
        styled(DIM, printable(time)),
        styled(
            style(exchange.outcome),
            format_args!("{status:>3} {:<12}", exchange.outcome.name())
        ),
        printable(&exchange.route),
        printable(&exchange.method),
        printable(&exchange.path),
        styled(DIM, format_args!("{:.0}ms", exchange.duration_ms)),
        styled(DIM, attempt)
    );
    let subject = [&exchange.model, &exchange.tool, &exchange.mcp_method];
    for name in subject.into_iter().flatten() {
        line.push_str(&format!(" {}", printable(name)));
    }
    for fault in &exchange.faults {
        line.push_str(&format!("  {}", styled(ACTIVE, fault_text(fault))));
    }
    if exchange.cause == Cause::Agent {
        line.push_str(&styled(DIM, "  (the agent)"));
    }
    if let Some(error) = &exchange.error {
        line.push_str(&format!("  {}", styled(BAD, printable(error))));
    }
    line
}

fn fault_text(fault: &AppliedFault) -> String {
    let what = match &fault.skipped {
        Some(why) => format!("not applied: {why}"),
        None => fault.effects.join(", "),
    };
    printable(&format!(
        "{}/{} {} [{what}]",
        fault.scenario, fault.rule, fault.fault
    ))
}

fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Ok => GOOD,
        Outcome::ClientError => ACTIVE,
        _ => BAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchange {
        serde_json::from_value(serde_json::json!({
            "id": 1, "at": "2030-01-02T03:04:05.678Z", "agent": "a", "operation": "op-1", "attempt": 2,
            "route": "sim", "dialect": "plain", "method": "GET", "path": "/a\u{1b}[31m\nb", "stream": false,
            "faults": [{ "scenario": "s", "rule": "r", "fault": "status", "effects": ["respond 503"] }],
            "outcome": "server_error", "cause": "murphy", "status": 503, "bytes_in": 0, "bytes_out": 0,
            "duration_ms": 12.3, "injected_ms": 0.0, "generation": 1
        }))
        .unwrap()
    }

    #[test]
    fn a_line_tells_the_outcome_and_the_fault_and_cannot_be_forged() {
        let line = line(&exchange());
        let plain = anstream::adapter::strip_str(&line).to_string();
        assert!(
            plain.starts_with("03:04:05.678 503 server_error sim GET /a\\u{1b}[31m\\u{a}b 12ms try 2"),
            "{plain}"
        );
        assert!(plain.ends_with("s/r status [respond 503]"), "{plain}");
    }
}
