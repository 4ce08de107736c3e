//! Medians of rounds, and the table that shows them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::load::Measured;

/// The figures of one target for one body, over all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was asked: `200 B`.
    pub body: String,
    /// Who was asked.
    pub target: String,
    /// Requests per second: median of the rounds.
    pub per_second: f64,
    /// The lowest and the highest round.
    pub spread: (f64, f64),
    /// Median latency in milliseconds: median of the rounds.
    pub p50_ms: f64,
    /// 99th percentile of latency in milliseconds: median of the rounds.
    pub p99_ms: f64,
    /// Requests per second as a share of the best bare proxy's.
    pub to_bare: Option<f64>,
}

impl Row {
    /// Sums up the rounds of one target.
    #[must_use]
    pub fn of(body: &str, target: &str, rounds: &[Measured]) -> Self {
        let rates: Vec<f64> = rounds.iter().map(Measured::per_second).collect();
        let quantile = |share| {
            let each = rounds.iter().map(|round| round.quantile(share)).map(milliseconds);
            median(each.collect())
        };
        Self {
            body: body.to_owned(),
            target: target.to_owned(),
            spread: (
                rates.iter().copied().fold(f64::INFINITY, f64::min),
                rates.iter().copied().fold(0.0, f64::max),
            ),
            per_second: median(rates),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            to_bare: None,
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The middle of the values; of an even number the mean of the two middle ones; 0 of none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(0.0);
    if values.len().is_multiple_of(2) {
        let lower = values.get(middle.wrapping_sub(1)).copied().unwrap_or(upper);
        return f64::midpoint(lower, upper);
    }
    upper
}

/// All rows.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Connections at once.
    pub connections: usize,
    /// Rounds.
    pub rounds: usize,
    /// The rows, by body and target.
    pub rows: Vec<Row>,
}

/// How the names of bare proxies begin.
pub const BARE: &str = "bare";

impl Report {
    /// Makes the report and compares each row with the best bare proxy of the same body.
    #[must_use]
    pub fn new(connections: usize, rounds: usize, mut rows: Vec<Row>) -> Self {
        let bare: Vec<(String, f64)> = rows
            .iter()
            .filter(|row| row.target.starts_with(BARE))
            .map(|row| (row.body.clone(), row.per_second))
            .collect();
        for row in &mut rows {
            let same = bare.iter().filter(|(body, _)| *body == row.body);
            let best = same.map(|(_, rate)| *rate).fold(0.0, f64::max);
            row.to_bare = (best > 0.0).then(|| row.per_second / best);
        }
        Self {
            connections,
            rounds,
            rows,
        }
    }

    /// The lowest share of the bare proxy's rate that `target` reached.
    #[must_use]
    pub fn worst(&self, target: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.target == target);
        rows.filter_map(|row| row.to_bare).min_by(f64::total_cmp)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} keep-alive connections, median of {} rounds",
            self.connections, self.rounds
        )?;
        writeln!(
            f,
            "{:<8}{:<16}{:>10}{:>20}{:>10}{:>10}{:>9}",
            "body", "target", "req/s", "min..max", "p50 ms", "p99 ms", "to bare"
        )?;
        for row in &self.rows {
            let spread = format!("{:.0}..{:.0}", row.spread.0, row.spread.1);
            let to_bare = row
                .to_bare
                .map_or_else(|| "-".to_owned(), |share| format!("{share:.2}"));
            writeln!(
                f,
                "{:<8}{:<16}{:>10.0}{:>20}{:>10.2}{:>10.2}{:>9}",
                row.body, row.target, row.per_second, spread, row.p50_ms, row.p99_ms, to_bare
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(vec![7.0]), 7.0);
        assert_eq!(median(vec![]), 0.0);
    }

    fn row(body: &str, target: &str, per_second: f64) -> Row {
        Row {
            per_second,
            ..Row::of(body, target, &[])
        }
    }

    #[test]
    fn each_row_is_compared_with_the_best_bare_proxy_of_its_body() {
        let rows = vec![
            row("200 B", "bare multi", 50.0),
            row("200 B", "bare per-core", 100.0),
            row("200 B", "murphy", 90.0),
            row("8 KiB", "bare multi", 10.0),
            row("8 KiB", "murphy", 8.0),
        ];
        let report = Report::new(64, 5, rows);
        let shares: Vec<f64> = report.rows.iter().filter_map(|row| row.to_bare).collect();
        assert_eq!(shares, [0.5, 1.0, 0.9, 1.0, 0.8]);
        assert_eq!(
            (report.worst("murphy"), report.worst("nobody")),
            (Some(0.8), None)
        );
        assert!(report.to_string().lines().nth(4).unwrap().ends_with("0.90"));
    }
}
