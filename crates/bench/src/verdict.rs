//! What is asked of the figures, and whether they hold.

use serde::Serialize;

use crate::measure::{FULL, MEBIBYTE, MURPHY_DELAY, SMALL};
use crate::report::number;
use crate::results::{Metric, Results};
use crate::targets::{DIRECT, MURPHY, MURPHY_ELSEWHERE, MURPHY_NEVER, MURPHY_RULES, NGINX};

/// Something that is asked.
#[derive(Debug, Clone, Serialize)]
pub struct Bar {
    /// Of what.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What is wanted.
    pub wanted: Wanted,
    /// Whether it holds.
    pub ok: bool,
}

/// A bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

use Wanted::{AtLeast, AtMost};

impl Bar {
    fn new(what: impl Into<String>, measured: f64, wanted: Wanted) -> Self {
        let ok = match wanted {
            AtLeast(bound) => measured >= bound,
            AtMost(bound) => measured <= bound,
        };
        Self {
            what: what.into(),
            measured,
            wanted,
            ok,
        }
    }

    /// As a row of a table.
    pub(crate) fn cells(&self) -> Vec<String> {
        let wanted = match self.wanted {
            AtLeast(bound) => format!("≥ {bound}"),
            AtMost(bound) => format!("≤ {bound}"),
        };
        let verdict = if self.ok { "ok" } else { "NOT" };
        vec![
            self.what.clone(),
            number(Some(self.measured), 3),
            wanted,
            verdict.to_owned(),
        ]
    }
}

/// Compares the figures with what is asked; what was not measured is not judged.
#[must_use]
pub fn verdict(results: &Results) -> Vec<Bar> {
    let mut bars = throughput(results);
    bars.extend(latency(results));
    bars.extend(streams(results));
    bars.extend(memory(results));
    bars.extend(delay(results));
    bars
}

fn throughput(results: &Results) -> Vec<Bar> {
    let targets = [
        (MURPHY, 0.90),
        (MURPHY_RULES, 0.85),
        (MURPHY_ELSEWHERE, 0.85),
        (MURPHY_NEVER, 0.85),
    ];
    let rates = SMALL.iter().map(|work| (*work, Metric::PerSecond));
    let mut bars = Vec::new();
    for (work, metric) in rates.chain([(MEBIBYTE, Metric::MibPerSecond)]) {
        for (target, least) in targets {
            let ratio = results.to_bare(work, target, metric);
            let what = format!("{work}: rate of {target}, to bare");
            bars.extend(ratio.map(|ratio| Bar::new(what, ratio, AtLeast(least))));
        }
    }
    bars
}

fn latency(results: &Results) -> Option<Bar> {
    results.of("latency", MURPHY, Metric::AddedP99)?;
    let ratio = results.to_bare("latency", MURPHY, Metric::AddedP99);
    let ratio = ratio.unwrap_or(f64::NAN); // measured, but on a machine too busy to compare: that does not hold
    Some(Bar::new("added p99, to bare", ratio, AtMost(1.25)))
}

/// A delayed event is charged to Murphy if the origin, asked directly in the same run, had none: a machine that stops
/// for a while delays everybody's.
fn streams(results: &Results) -> Vec<Bar> {
    let rate = Metric::EventsPerSecond;
    let mut bars = Vec::new();
    for (work, _) in FULL {
        let to_bare = results.to_bare(work, MURPHY, rate);
        let origin = number(results.to_bare(work, DIRECT, rate), 1);
        let what = format!("{work}: to bare (the origin itself: {origin})");
        bars.extend(to_bare.map(|ratio| Bar::new(what, ratio, AtLeast(3.0))));
        let to_nginx = results.ratio(work, MURPHY, NGINX, rate);
        let what = format!("{work}: to nginx");
        bars.extend(to_nginx.map(|ratio| Bar::new(what, ratio, AtLeast(0.8))));
    }
    let delayed = |target| {
        let series = results.of("sse", target, Metric::Delayed)?;
        Some(series.rounds.iter().sum::<f64>())
    };
    bars.extend(delayed(MURPHY).zip(delayed(DIRECT)).map(|(own, direct)| {
        let what = "events delayed at 1 ms pace (wanted: no more than direct)";
        Bar::new(what, own, AtMost(direct))
    }));
    bars
}

fn memory(results: &Results) -> Vec<Bar> {
    let bars = [
        ("idle memory, MiB", Metric::IdleMib, 12.0),
        (
            "memory of an idle connection, KiB",
            Metric::KibPerConnection,
            17.0,
        ),
    ];
    let judged = |(what, metric, most)| {
        let measured = results.median("memory", MURPHY, metric)?;
        Some(Bar::new(what, measured, AtMost(most)))
    };
    bars.into_iter().filter_map(judged).collect()
}

fn delay(results: &Results) -> Vec<Bar> {
    let Some(shortest) = results.of("delay", MURPHY_DELAY, Metric::LateMin) else {
        return Vec::new();
    };
    let shortest = shortest.rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let late = [
        ("injected 100 ms, late at p50, ms", Metric::LateP50, 0.4),
        ("injected 100 ms, late at p99, ms", Metric::LateP99, 1.5),
    ];
    let late = late.into_iter().filter_map(|(what, metric, most)| {
        let measured = results.median("delay", MURPHY_DELAY, metric)?;
        Some(Bar::new(what, measured, AtMost(most)))
    });
    let early = Bar::new("injected 100 ms, shortest beyond it, ms", shortest, AtLeast(0.0));
    [early].into_iter().chain(late).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_on_its_bound_and_not_beyond() {
        assert!(Bar::new("", 0.9, AtLeast(0.9)).ok && !Bar::new("", 0.899, AtLeast(0.9)).ok);
        assert!(Bar::new("", 12.0, AtMost(12.0)).ok && !Bar::new("", 12.1, AtMost(12.0)).ok);
        assert_eq!(
            Bar::new("x", f64::NAN, AtMost(1.0)).cells(),
            ["x", "NaN", "≤ 1", "NOT"]
        );
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert!(verdict(&Results::default()).is_empty());
    }
}
