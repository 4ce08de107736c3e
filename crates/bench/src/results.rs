//! The figures of all rounds, and what is made of them: medians, and medians of the ratios of each round.

use serde::Serialize;

use crate::targets::{BARE, Target};

/// What a figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Answers per second.
    PerSecond,
    /// Mebibytes per second.
    MibPerSecond,
    /// Microseconds of processor time for an answer.
    CpuMicros,
    /// Microseconds of processor time for a mebibyte.
    CpuMicrosPerMib,
    /// Latency in milliseconds, median.
    P50,
    /// Latency in milliseconds, 99th percentile.
    P99,
    /// Latency in milliseconds, 99.9th percentile.
    P999,
    /// What is added to the latency of the origin, median.
    AddedP50,
    /// What is added to the latency of the origin, 99th percentile.
    AddedP99,
    /// What is added to the latency of the origin, 99.9th percentile.
    AddedP999,
    /// Milliseconds to the first event, median.
    FirstEvent,
    /// Delay of an event in milliseconds, median.
    DelayP50,
    /// Delay of an event in milliseconds, 99th percentile.
    DelayP99,
    /// Delay of an event in milliseconds, the longest.
    DelayMax,
    /// Events that were delayed too much.
    Delayed,
    /// Events per second.
    EventsPerSecond,
    /// Microseconds of processor time for an event.
    CpuMicrosPerEvent,
    /// Memory of a fresh process, in MiB.
    IdleMib,
    /// Memory with idle connections, in MiB.
    ConnectedMib,
    /// Memory that an idle connection costs, in KiB.
    KibPerConnection,
    /// Milliseconds between what was injected and the shortest whole time: below zero is early.
    LateMin,
    /// Milliseconds that an injected delay is late, median.
    LateP50,
    /// Milliseconds that an injected delay is late, 99th percentile.
    LateP99,
}

impl Metric {
    /// Whether less of it is better.
    #[must_use]
    pub fn is_cost(self) -> bool {
        !matches!(self, Self::PerSecond | Self::MibPerSecond | Self::EventsPerSecond)
    }
}

/// The figures of one target for one kind of work, one for each round.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// The work.
    pub work: &'static str,
    /// What the figures say.
    pub metric: Metric,
    /// Whose they are.
    pub target: String,
    /// Their median.
    pub median: f64,
    /// One for each round.
    pub rounds: Vec<f64>,
}

/// All figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Results {
    /// In the order in which they came first.
    pub series: Vec<Series>,
    /// The share of the cores' time that others took while rates were measured, one for each round.
    pub others: Vec<f64>,
}

impl Results {
    /// Takes the figure of one more round.
    pub fn add(&mut self, work: &'static str, target: &Target, metric: Metric, value: f64) {
        self.put(work, &target.name, metric, value);
    }

    fn put(&mut self, work: &'static str, target: &str, metric: Metric, value: f64) {
        let place = |one: &Series| one.work == work && one.metric == metric && one.target == target;
        match self.series.iter_mut().find(|one| place(one)) {
            Some(series) => {
                series.rounds.push(value);
                series.median = median(series.rounds.clone());
            }
            None => self.series.push(Series {
                work,
                metric,
                target: target.to_owned(),
                median: value,
                rounds: vec![value],
            }),
        }
    }

    /// Puts the targets into this order; others come after them.
    pub fn order(&mut self, names: &[&str]) {
        let place = |series: &Series| names.iter().position(|name| *name == series.target);
        self.series
            .sort_by_key(|series| place(series).unwrap_or(names.len()));
    }

    /// The figures of a target.
    #[must_use]
    pub fn of(&self, work: &str, target: &str, metric: Metric) -> Option<&Series> {
        let place = |one: &&Series| one.work == work && one.metric == metric && one.target == target;
        self.series.iter().find(place)
    }

    /// The median of a target.
    #[must_use]
    pub fn median(&self, work: &str, target: &str, metric: Metric) -> Option<f64> {
        self.of(work, target, metric).map(|series| series.median)
    }

    /// The targets that have figures for a kind of work, in the order in which they were measured first.
    #[must_use]
    pub fn targets(&self, work: &str) -> Vec<&str> {
        let mut targets: Vec<&str> = Vec::new();
        for series in self.series.iter().filter(|series| series.work == work) {
            if !targets.contains(&series.target.as_str()) {
                targets.push(&series.target);
            }
        }
        targets
    }

    /// The median of the ratios that a target has to another one in each round. None if the other has nothing to
    /// compare with: on a busy machine what a proxy adds may come out below zero.
    #[must_use]
    pub fn ratio(&self, work: &str, target: &str, base: &str, metric: Metric) -> Option<f64> {
        let (own, base) = (self.of(work, target, metric)?, self.of(work, base, metric)?);
        if base.median <= 0.0 {
            return None;
        }
        let pairs = own.rounds.iter().zip(&base.rounds);
        let ratios = pairs
            .filter(|(_, base)| **base > 0.0)
            .map(|(own, base)| own / base);
        Some(median(ratios.collect()))
    }

    /// The better of the bare proxies.
    #[must_use]
    pub fn better_bare(&self, work: &str, metric: Metric) -> Option<&str> {
        let bare = self
            .series
            .iter()
            .filter(|one| one.work == work && one.metric == metric && one.target.starts_with(BARE));
        let better = if metric.is_cost() {
            bare.min_by(|left, right| left.median.total_cmp(&right.median))
        } else {
            bare.max_by(|left, right| left.median.total_cmp(&right.median))
        };
        better.map(|series| series.target.as_str())
    }

    /// The ratio of a target to the better of the bare proxies.
    #[must_use]
    pub fn to_bare(&self, work: &str, target: &str, metric: Metric) -> Option<f64> {
        self.ratio(work, target, self.better_bare(work, metric)?, metric)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results::default();
        // The machine slows down to a half from round to round; the ratios stay.
        for speed in [4.0, 2.0, 1.0] {
            results.put("200 B", "bare multi", Metric::PerSecond, 100.0 * speed);
            results.put("200 B", "bare per-core", Metric::PerSecond, 80.0 * speed);
            results.put("200 B", "murphy", Metric::PerSecond, 90.0 * speed);
            results.put("200 B", "bare multi", Metric::CpuMicros, 10.0 / speed);
            results.put("200 B", "bare per-core", Metric::CpuMicros, 8.0 / speed);
            results.put("200 B", "bare multi", Metric::AddedP99, -0.1);
            results.put("200 B", "murphy", Metric::AddedP99, 0.1);
        }
        results
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn ratios_are_those_of_each_round() {
        let results = results();
        assert_eq!(results.to_bare("200 B", "murphy", Metric::PerSecond), Some(0.9));
        assert_eq!(results.median("200 B", "murphy", Metric::PerSecond), Some(180.0));
        assert_eq!(results.to_bare("8 KiB", "murphy", Metric::PerSecond), None);
        assert_eq!(results.to_bare("200 B", "murphy", Metric::AddedP99), None);
        assert_eq!(
            results.targets("200 B"),
            ["bare multi", "bare per-core", "murphy"]
        );
    }

    #[test]
    fn better_is_more_of_a_rate_and_less_of_a_cost() {
        let results = results();
        assert_eq!(
            results.better_bare("200 B", Metric::PerSecond),
            Some("bare multi")
        );
        assert_eq!(
            results.better_bare("200 B", Metric::CpuMicros),
            Some("bare per-core")
        );
    }
}
