//! What the window says: a reading at any time, and a verdict when it is too much.

use std::collections::HashMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Basis, Counts, Unit, WindowOptions};

/// The state of the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// The share of errors, from 0 to 1; 0 without samples.
    pub ratio: f64,
    /// How many calls it is made of.
    pub samples: usize,
    /// Errors that Murphy caused; they are told even where the basis leaves them out.
    pub injected_errors: usize,
    /// All other errors.
    pub organic_errors: usize,
    /// The share of slow calls, from 0 to 1.
    pub slow_ratio: f64,
    /// How many of the latest calls failed in a row.
    pub consecutive_errors: u32,
    /// Which window was used.
    pub windowed: Windowed,
}

/// Which half of the hybrid window was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Windowed {
    /// The last `window`.
    Time,
    /// The last `count_window` calls.
    Count,
}

/// What was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The share of errors.
    ErrorRate,
    /// Errors in a row.
    ConsecutiveErrors,
    /// The share of slow calls.
    SlowRate,
}

impl Reason {
    /// The name as it stands in metrics and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::ConsecutiveErrors => "consecutive_errors",
            Self::SlowRate => "slow_rate",
        }
    }

    pub(super) fn limit(self, options: &WindowOptions) -> f64 {
        match self {
            Self::ErrorRate => options.error_rate,
            Self::ConsecutiveErrors => f64::from(options.consecutive_errors),
            Self::SlowRate => options.slow_rate,
        }
    }
}

/// Why the kill switch should trip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What was too much.
    pub reason: Reason,
    /// The setting that was exceeded.
    pub limit: f64,
    /// The share of errors, from 0 to 1.
    pub ratio: f64,
    /// How many calls it is made of.
    pub samples: usize,
    /// Errors that Murphy caused.
    pub injected_errors: usize,
    /// All other errors.
    pub organic_errors: usize,
    /// The share of slow calls, from 0 to 1.
    pub slow_ratio: f64,
    /// How many of the latest calls failed in a row.
    pub consecutive_errors: u32,
    /// Which window was used.
    pub windowed: Windowed,
    /// Which calls counted.
    pub basis: Basis,
    /// What was counted.
    pub unit: Unit,
    /// The routes with the most errors that counted, at most three (of the latest 1,024 errors).
    pub top_routes: Vec<Top>,
    /// The rules (`scenario/rule`) that fired in the most errors that counted, at most three.
    pub top_rules: Vec<Top>,
}

/// A route or a rule, with its share of the errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Top {
    /// Its name.
    pub name: String,
    /// Its errors.
    pub errors: usize,
}

impl Reading {
    pub(super) fn of(counts: Counts, windowed: Windowed, basis: Basis, consecutive_errors: u32) -> Self {
        let errors = match basis {
            Basis::Observed => counts.organic_errors + counts.injected_errors,
            Basis::Organic => counts.organic_errors,
        };
        Self {
            ratio: share(errors, counts.judged),
            samples: counts.judged,
            injected_errors: counts.injected_errors,
            organic_errors: counts.organic_errors,
            slow_ratio: share(counts.slow, counts.judged),
            consecutive_errors,
            windowed,
        }
    }

    /// What of it is too much, if anything. A share must exceed its limit: to reach it is not enough.
    #[must_use]
    pub(crate) fn reason(&self, options: &WindowOptions) -> Option<Reason> {
        let run = options.consecutive_errors;
        if run > 0 && self.consecutive_errors >= run {
            return Some(Reason::ConsecutiveErrors);
        }
        if self.samples == 0 || self.samples < options.min_samples {
            return None;
        }
        if self.ratio > options.error_rate {
            return Some(Reason::ErrorRate);
        }
        (options.slow_rate > 0.0 && self.slow_ratio > options.slow_rate).then_some(Reason::SlowRate)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Call => "calls",
            Unit::Operation => "operations",
        };
        let percent = |share: f64| share * 100.0;
        match self.reason {
            Reason::ErrorRate => write!(
                f,
                "{:.1} % of {} {unit} failed (limit {:.1} %; {} errors injected, {} genuine)",
                percent(self.ratio),
                self.samples,
                percent(self.limit),
                self.injected_errors,
                self.organic_errors
            ),
            Reason::ConsecutiveErrors => {
                write!(f, "{} {unit} in a row failed", self.consecutive_errors)
            }
            Reason::SlowRate => write!(
                f,
                "{:.1} % of {} {unit} were slow (limit {:.1} %)",
                percent(self.slow_ratio),
                self.samples,
                percent(self.limit)
            ),
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// The most frequent names, most frequent first, equal ones by name.
pub(super) fn top(names: impl Iterator<Item = String>, max: usize) -> Vec<Top> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut top: Vec<Top> = counts
        .into_iter()
        .map(|(name, errors)| Top { name, errors })
        .collect();
    top.sort_by(|a, b| b.errors.cmp(&a.errors).then_with(|| a.name.cmp(&b.name)));
    top.truncate(max);
    top
}
