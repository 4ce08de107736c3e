//! What is shown: what was measured and where, a table for each part, and the verdict.

use std::fmt::{self, Write as _};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::results::{Metric, Results};
use crate::targets::NGINX;
use crate::verdict::Bar;

mod tables;

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a terminal.
    Text,
    /// For a document.
    Markdown,
}

/// All that a run gave.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was measured where, line by line.
    pub about: Vec<String>,
    /// The figures.
    pub results: Results,
    /// What is asked of them.
    pub verdict: Vec<Bar>,
}

/// A table with a title and what is to be known to read it.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Its title.
    pub title: String,
    /// How it was measured.
    pub note: String,
    /// What stands above the columns.
    pub header: Vec<String>,
    /// The rows; the first cell is a name.
    pub rows: Vec<Vec<String>>,
}

impl Report {
    /// All of it.
    #[must_use]
    pub fn write(&self, form: Form) -> String {
        let mut text = String::new();
        for line in &self.about {
            match form {
                Form::Text => writeln!(text, "{line}").ok(),
                Form::Markdown => writeln!(text, "* {line}").ok(),
            };
        }
        for sheet in tables::sheets(&self.results)
            .iter()
            .chain([&self.verdict_sheet()])
        {
            if !sheet.rows.is_empty() {
                text.push('\n');
                text.push_str(&sheet.write(form));
            }
        }
        text
    }

    fn verdict_sheet(&self) -> Sheet {
        let rows = self.verdict.iter().map(Bar::cells).collect();
        Sheet {
            title: "Verdict".to_owned(),
            note: "What is asked; medians of the rounds' ratios where it is a ratio.".to_owned(),
            header: ["", "measured", "wanted", ""].map(str::to_owned).to_vec(),
            rows,
        }
    }
}

impl Sheet {
    /// The table with its title and note.
    #[must_use]
    pub fn write(&self, form: Form) -> String {
        let (title, note) = (&self.title, &self.note);
        match form {
            Form::Text => format!("{}\n{note}\n{}\n", title.to_uppercase(), self.table(form)),
            Form::Markdown => format!("### {title}\n\n{note}\n\n{}\n", self.table(form)),
        }
    }

    pub(crate) fn table(&self, form: Form) -> Table {
        let mut table = Table::new();
        table.load_style(match form {
            Form::Text => presets::NOTHING,
            Form::Markdown => presets::ASCII_MARKDOWN,
        });
        table.set_header(&self.header).add_rows(&self.rows);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// A number with so many digits after the point; a dash where there is none.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.write(Form::Text))
    }
}

/// A column: what stands above it, and a target's cell.
type Column<'a> = (&'a str, Box<dyn Fn(&str) -> String + 'a>);

fn median<'a>(
    results: &'a Results,
    work: &'a str,
    metric: Metric,
    digits: usize,
) -> Box<dyn Fn(&str) -> String + 'a> {
    Box::new(move |target| number(results.median(work, target, metric), digits))
}

fn spread<'a>(results: &'a Results, work: &'a str, metric: Metric) -> Box<dyn Fn(&str) -> String + 'a> {
    Box::new(move |target| {
        let rounds = results
            .of(work, target, metric)
            .map(|series| series.rounds.as_slice());
        let rounds = rounds.unwrap_or_default();
        let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{least:.0}..{most:.0}")
    })
}

fn to_bare<'a>(results: &'a Results, work: &'a str, metric: Metric) -> Box<dyn Fn(&str) -> String + 'a> {
    Box::new(move |target| number(results.to_bare(work, target, metric), 2))
}

fn to_nginx<'a>(results: &'a Results, work: &'a str, metric: Metric) -> Box<dyn Fn(&str) -> String + 'a> {
    Box::new(move |target| number(results.ratio(work, target, NGINX, metric), 2))
}
