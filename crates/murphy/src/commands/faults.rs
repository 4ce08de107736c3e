//! `murphy faults`: the catalogue of fault kinds.

use std::process::ExitCode;

use clap::Args;
use murphy_director::names::closest;
use murphy_faults::{CATALOGUE, Row};
use serde_json::{Value, json};

use super::Verb;
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{DIM, HEAD, styled, table, table_text};

/// The catalogue of fault kinds: what each does and how it is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy faults
  murphy faults truncate
  murphy faults delay -o json")]
pub(crate) struct Arguments {
    /// Only this kind, with its parameters
    name: Option<String>,
}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let output = shared.output();
        match &self.name {
            None => output.print(&CATALOGUE.iter().map(short).collect::<Vec<_>>(), |_| all_text())?,
            Some(name) => {
                let row = find(name)?;
                output.print(&long(row), |_| one_text(row))?;
            }
        }
        Ok(Exit::Done.into())
    }
}

fn find(name: &str) -> Result<&'static Row, Failure> {
    CATALOGUE.iter().find(|row| row.name == name).ok_or_else(|| {
        let hint = closest(name, CATALOGUE.iter().map(|row| row.name))
            .map(|meant| format!("; did you mean {meant:?}?"))
            .unwrap_or_default();
        Failure::usage(format_args!("there is no fault kind {name:?}{hint}"))
    })
}

fn short(row: &Row) -> Value {
    json!({
        "name": row.name,
        "summary": row.summary,
        "example": row.example,
        "terminal": row.terminal,
    })
}

fn long(row: &Row) -> Value {
    let mut long = short(row);
    if let Some(long) = long.as_object_mut() {
        long.insert("schema".to_owned(), (row.schema)().to_value());
    }
    long
}

fn all_text() -> String {
    let mut all = table(&["KIND", "WHAT IT DOES"]);
    for row in CATALOGUE {
        all.add_row([row.name, row.summary]);
    }
    let more = styled(DIM, "`murphy faults KIND` shows an example and the parameters");
    format!("{}\n\n{more}", table_text(&all))
}

fn one_text(row: &Row) -> String {
    let mut text = format!("{}: {}\n", styled(HEAD, row.name), row.summary);
    if row.terminal {
        text.push_str("It is terminal: no later rule is tried for the call.\n");
    }
    text.push_str(&format!("\n{}\n", styled(HEAD, "Example")));
    for line in ["fault:"].into_iter().chain(row.example.lines()) {
        let indent = if line == "fault:" { "  " } else { "    " };
        text.push_str(&format!("{indent}{line}\n"));
    }
    let schema = (row.schema)().to_value();
    let parameters = parameters(&schema);
    if !parameters.is_empty() {
        let mut listed = table(&["PARAMETER", "MEANING"]);
        listed.add_rows(parameters);
        text.push_str(&format!("\n{}", table_text(&listed)));
    }
    text
}

/// The parameters of the kind's long form, with their meaning.
fn parameters(schema: &Value) -> Vec<[String; 2]> {
    let forms = ["anyOf", "oneOf"]
        .iter()
        .filter_map(|key| schema.get(key)?.as_array())
        .flatten();
    std::iter::once(schema)
        .chain(forms)
        .filter_map(|form| form.get("properties")?.as_object())
        .flatten()
        .map(|(name, parameter)| {
            let meaning = parameter.get("description").and_then(Value::as_str);
            [name.clone(), meaning.unwrap_or_default().replace('\n', " ")]
        })
        .collect()
}
