//! What was asked and what was measured, as a table.

use std::fmt::Write as _;

use serde::Serialize;

/// Whether a bar holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// It does.
    Ok,
    /// It does not.
    Fails,
    /// It does not, and that is known.
    Known,
    /// Nothing was asked, or it could not be tried here: a figure only.
    Told,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Bar {
    /// The part that measured it.
    pub part: &'static str,
    /// What it is about.
    pub what: String,
    /// What was asked.
    pub asked: String,
    /// What was measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: Holds,
}

impl Bar {
    /// A bar that holds or not.
    #[must_use]
    pub fn of(what: &str, asked: &str, measured: String, holds: bool) -> Self {
        let holds = if holds { Holds::Ok } else { Holds::Fails };
        Self {
            part: "",
            what: what.to_owned(),
            asked: asked.to_owned(),
            measured,
            holds,
        }
    }

    /// A figure of which nothing was asked.
    #[must_use]
    pub fn told(what: &str, measured: String) -> Self {
        let mut bar = Self::of(what, "", measured, true);
        bar.holds = Holds::Told;
        bar
    }
}

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The seed of the plan.
    pub seed: u64,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// The lines.
    pub bars: Vec<Bar>,
    /// What went wrong, in words.
    pub notes: Vec<String>,
}

impl Report {
    /// Bars that may fail, by a part of `part: what`.
    pub fn tolerate(&mut self, known: &[String]) {
        for bar in self.bars.iter_mut().filter(|bar| bar.holds == Holds::Fails) {
            let name = format!("{}: {}", bar.part, bar.what);
            if known.iter().any(|known| name.contains(known)) {
                bar.holds = Holds::Known;
            }
        }
    }

    /// Whether every bar holds, but for those that are known not to.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bars.iter().all(|bar| bar.holds != Holds::Fails)
    }

    /// As a table, aligned for a terminal, or in Markdown.
    #[must_use]
    pub fn table(&self, markdown: bool) -> String {
        let mut rows = vec![["part", "what", "asked", "measured", ""].map(str::to_owned)];
        for bar in &self.bars {
            let holds = match bar.holds {
                Holds::Ok => "ok",
                Holds::Fails => "NOT OK",
                Holds::Known => "not ok, known",
                Holds::Told => "-",
            };
            let texts = [bar.part, &bar.what, &bar.asked, &bar.measured, holds];
            rows.push(texts.map(str::to_owned));
        }
        let width = |column: usize| {
            let lengths = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            lengths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..5).map(width).collect();
        let mut text = String::new();
        for (number, row) in rows.iter().enumerate() {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let cells: Vec<String> = cells.collect();
            let line = if markdown {
                format!("| {} |", cells.join(" | "))
            } else {
                cells.join("  ")
            };
            text.push_str(line.trim_end());
            text.push('\n');
            if markdown && number == 0 {
                text.push_str("| --- | --- | --- | --- | --- |\n");
            }
        }
        let known = self.bars.iter().filter(|bar| bar.holds == Holds::Known).count();
        let verdict = match (self.holds(), known) {
            (true, 0) => "every bar holds".to_owned(),
            (true, known) => format!("every bar holds but {known} that are known not to"),
            (false, _) => "NOT every bar holds".to_owned(),
        };
        writeln!(text, "\n{verdict}; seed {}, {} s", self.seed, self.seconds).ok();
        for note in &self.notes {
            writeln!(text, "{}{note}", if markdown { "\n* " } else { "  " }).ok();
        }
        text
    }
}

/// The slope of the line that fits these points best; 0 if they are too few.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let joint: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    if spread > 0.0 { joint / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-9);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[test]
    fn one_bar_that_fails_fails_it_all() {
        let mut report = Report {
            seed: 1,
            seconds: 2,
            bars: vec![
                Bar::of("a", "0", "0".to_owned(), true),
                Bar::told("b", "9".to_owned()),
            ],
            notes: Vec::new(),
        };
        assert!(report.holds());
        assert!(report.table(false).contains("every bar holds; seed 1, 2 s"));
        report.bars.push(Bar::of("c", "0", "1".to_owned(), false));
        assert!(!report.holds());
        assert!(
            report.table(true).contains("| NOT OK |"),
            "{}",
            report.table(true)
        );
    }
}
