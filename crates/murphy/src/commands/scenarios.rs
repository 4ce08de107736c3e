//! `murphy scenarios`: list the scenarios, or show one.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{Cell, Color};
use murphy_director::view::{ScenarioDetail, ScenarioView};

use super::{Verb, ask};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{ACTIVE, DIM, HEAD, printable, printable_lines, styled, table, table_text};

/// List the scenarios, or show one with its text.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy scenarios
  murphy scenarios slow
  murphy scenarios -o json")]
pub(crate) struct Arguments {
    /// Only this one, with its text
    name: Option<String>,
    /// Only those that are on
    #[arg(long, conflicts_with = "name")]
    active: bool,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        if let Some(name) = &self.name {
            let detail = ask(shared, async |client| Ok(client.scenario(name).await?))?;
            shared.output().print(&detail, one)?;
            return Ok(Exit::Done.into());
        }
        let mut scenarios = ask(shared, async |client| Ok(client.scenarios().await?))?;
        if self.active {
            scenarios.retain(|scenario| scenario.active.is_some());
        }
        shared.output().print(&scenarios, |scenarios| all(scenarios))?;
        Ok(Exit::Done.into())
    }
}

fn all(scenarios: &[ScenarioView]) -> String {
    if scenarios.is_empty() {
        return "no scenarios".to_owned();
    }
    let mut rows = table(&["", "NAME", "WHAT IT DOES", "FAULTS"]);
    for scenario in scenarios {
        let on = scenario.active.is_some();
        let name = Cell::new(printable(&scenario.name));
        let sign = Cell::new(if on { "●" } else { "○" });
        let paint = |cell: Cell| if on { cell.fg(Color::Yellow) } else { cell };
        rows.add_row([
            paint(sign),
            paint(name),
            Cell::new(printable(scenario.description.trim())),
            Cell::new(kinds(scenario)),
        ]);
    }
    let on = scenarios
        .iter()
        .filter(|scenario| scenario.active.is_some())
        .count();
    let count = format!(
        "{} scenarios, {on} on; `murphy on NAME --for 60s` switches one on",
        scenarios.len()
    );
    format!("{}\n\n{}", table_text(&rows), styled(DIM, count))
}

/// The kinds of fault, each once, in their order.
fn kinds(scenario: &ScenarioView) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for rule in &scenario.rules {
        if !kinds.contains(&rule.fault.as_str()) {
            kinds.push(&rule.fault);
        }
    }
    printable(&kinds.join(", "))
}

fn one(detail: &ScenarioDetail) -> String {
    let scenario = &detail.scenario;
    let mut text = styled(HEAD, printable(&scenario.name));
    if let Some(active) = &scenario.active {
        let until = active.until.as_deref().unwrap_or("it is switched off");
        text.push_str(&format!(
            " is {} until {until} {}",
            styled(ACTIVE, "on"),
            styled(DIM, format_args!("(seed {})", active.seed))
        ));
    }
    if let Some(file) = &scenario.file {
        text.push_str(&format!("  {}", styled(DIM, printable(file))));
    }
    let mut rows = table(&["RULE", "FAULT", "ROUTES"]);
    for rule in &scenario.rules {
        rows.add_row([
            printable(&rule.name),
            printable(&rule.fault),
            printable(&rule.routes.join(", ")),
        ]);
    }
    let source = printable_lines(&detail.text);
    format!("{text}\n\n{}\n\n{source}", table_text(&rows))
}
