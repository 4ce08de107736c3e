//! The error window: what share of the finished calls failed, and whether that is too much.
//!
//! An agent makes few calls, so the window is a hybrid: the last `window` in one-second buckets if enough calls
//! finished in it, else the last `count_window` calls that are not older than `max_age`. It is pure: offsets
//! come in as arguments, and nothing here waits or reads a clock.

mod verdict;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use murphy_core::Name;
use murphy_core::clock::Offset;
use murphy_core::plan::RuleRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use verdict::{Reading, Reason, Top, Verdict, Windowed};

/// The most one-second buckets, so the longest `window`: an hour.
pub const WINDOW_SECONDS_MAX: u64 = 3_600;
/// The most calls that `count_window` can look back on.
pub const COUNT_WINDOW_MAX: usize = 10_000;
/// How many of the latest errors are remembered with their route and rules, for the record of a trip.
const ERRORS_KEPT_MAX: usize = 1_024;
/// How many routes and rules a verdict names.
const TOP_MAX: usize = 3;

/// The numbers of the window, as the settings under `[kill_switch]` name them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowOptions {
    /// More than this share of errors is too much; exactly this share is not. From 0 to 1.
    pub error_rate: f64,
    /// How far the window of time reaches back; rounded up to whole seconds, at most [`WINDOW_SECONDS_MAX`].
    pub window: Duration,
    /// Calls that must have finished within `window` for it to be used.
    pub min_requests: usize,
    /// How many of the latest calls are looked at instead; at most [`COUNT_WINDOW_MAX`].
    pub count_window: usize,
    /// The oldest call that is looked at instead.
    pub max_age: Duration,
    /// With fewer calls there is no verdict.
    pub min_samples: usize,
    /// Which calls count.
    pub basis: Basis,
    /// What is counted.
    pub unit: Unit,
    /// So many errors in a row are too much; 0 is off.
    pub consecutive_errors: u32,
    /// A call that takes longer is slow.
    pub slow_call: Duration,
    /// More than this share of slow calls is too much; 0 is off.
    pub slow_rate: f64,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self {
            error_rate: 0.5,
            window: Duration::from_secs(30),
            min_requests: 20,
            count_window: 20,
            max_age: Duration::from_secs(600),
            min_samples: 10,
            basis: Basis::Observed,
            unit: Unit::Call,
            consecutive_errors: 0,
            slow_call: Duration::from_secs(60),
            slow_rate: 0.0,
        }
    }
}

/// Which calls the error rate is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// All that agents see, injected or not.
    #[default]
    Observed,
    /// Calls whose outcome Murphy caused are left out of both sides of the fraction.
    Organic,
}

/// What the error rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Every call.
    #[default]
    Call,
    /// Every operation, once: good with its first try that is no error, bad if `window` has passed since its
    /// first failed try without one (a try under way is waited for). A call that fails and whose retry
    /// succeeds is one good operation.
    Operation,
}

/// What one finished call (or operation) tells the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it began. What began before the switch was last re-armed is not counted.
    pub began: Offset,
    /// How long it took.
    pub took: Duration,
    /// Whether its outcome is an error.
    pub error: bool,
    /// Whether Murphy caused the outcome.
    pub injected: bool,
    /// The route.
    pub route: Name,
    /// The rules that fired.
    pub rules: Vec<Arc<RuleRef>>,
}

/// The window.
#[derive(Debug)]
pub struct ErrorWindow {
    options: WindowOptions,
    since: Offset,
    buckets: VecDeque<Bucket>,
    sums: Counts,
    latest: VecDeque<Judged>,
    consecutive_errors: u32,
    errors: VecDeque<Failed>,
}

/// Counts of some calls.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// Calls that the basis lets count.
    judged: usize,
    organic_errors: usize,
    injected_errors: usize,
    slow: usize,
}

impl Counts {
    fn subtract(&mut self, other: Self) {
        self.judged = self.judged.saturating_sub(other.judged);
        self.organic_errors = self.organic_errors.saturating_sub(other.organic_errors);
        self.injected_errors = self.injected_errors.saturating_sub(other.injected_errors);
        self.slow = self.slow.saturating_sub(other.slow);
    }

    fn add(&mut self, call: Judged, judged: bool) {
        self.judged += usize::from(judged);
        self.organic_errors += usize::from(call.error && !call.injected);
        self.injected_errors += usize::from(call.error && call.injected);
        self.slow += usize::from(judged && call.slow);
    }
}

/// The calls that finished in one second.
#[derive(Debug)]
struct Bucket {
    second: u64,
    counts: Counts,
}

/// One of the latest calls.
#[derive(Debug, Clone, Copy)]
struct Judged {
    at: Offset,
    error: bool,
    injected: bool,
    slow: bool,
}

/// One of the latest errors.
#[derive(Debug)]
struct Failed {
    at: Offset,
    injected: bool,
    route: Name,
    rules: Vec<Arc<RuleRef>>,
}

impl ErrorWindow {
    /// An empty window. Numbers over the maxima are cut to them.
    #[must_use]
    pub fn new(options: WindowOptions) -> Self {
        let options = WindowOptions {
            count_window: options.count_window.clamp(1, COUNT_WINDOW_MAX),
            ..options
        };
        Self {
            options,
            since: Offset::default(),
            buckets: VecDeque::new(),
            sums: Counts::default(),
            latest: VecDeque::new(),
            consecutive_errors: 0,
            errors: VecDeque::new(),
        }
    }

    /// The numbers that it works with.
    #[must_use]
    pub fn options(&self) -> &WindowOptions {
        &self.options
    }

    /// Forgets everything. Calls that began before `now` will not count either: they tell of the time before.
    pub fn clear(&mut self, now: Offset) {
        *self = Self {
            since: now,
            ..Self::new(self.options)
        };
    }

    /// Takes in a call that finished at `now`.
    pub fn record(&mut self, now: Offset, sample: Sample) {
        if sample.began < self.since {
            return;
        }
        let judged = self.counts(sample.injected);
        let call = Judged {
            at: now,
            error: sample.error,
            injected: sample.injected,
            slow: sample.took > self.options.slow_call,
        };
        self.add_to_bucket(now, call, judged);
        if judged {
            self.consecutive_errors = if call.error {
                self.consecutive_errors.saturating_add(1)
            } else {
                0
            };
            push_bounded(&mut self.latest, call, self.options.count_window);
        }
        if call.error {
            let failed = Failed {
                at: now,
                injected: sample.injected,
                route: sample.route,
                rules: sample.rules,
            };
            push_bounded(&mut self.errors, failed, ERRORS_KEPT_MAX);
        }
    }

    /// The share of errors at `now`.
    #[must_use]
    pub fn reading(&mut self, now: Offset) -> Reading {
        self.expire(now);
        let basis = self.options.basis;
        if self.sums.judged >= self.options.min_requests {
            return Reading::of(self.sums, Windowed::Time, basis, self.consecutive_errors);
        }
        let oldest = self.oldest_counted(now);
        let mut counts = Counts::default();
        for call in self.latest.iter().filter(|call| call.at >= oldest) {
            counts.add(*call, true);
        }
        if basis == Basis::Organic {
            counts.injected_errors = self
                .errors
                .iter()
                .filter(|failed| failed.injected && failed.at >= oldest)
                .count();
        }
        Reading::of(counts, Windowed::Count, basis, self.consecutive_errors)
    }

    /// Why the switch should trip at `now`, if it should.
    #[must_use]
    pub fn verdict(&mut self, now: Offset) -> Option<Verdict> {
        let reading = self.reading(now);
        let reason = reading.reason(&self.options)?;
        Some(self.explain(now, &reading, reason))
    }

    /// The verdict that a reading with this reason is.
    #[must_use]
    pub(crate) fn explain(&self, now: Offset, reading: &Reading, reason: Reason) -> Verdict {
        let oldest = match reading.windowed {
            Windowed::Time => Offset(Duration::from_secs(
                (now.0.as_secs() + 1).saturating_sub(self.seconds()),
            )),
            Windowed::Count => self.oldest_counted(now),
        };
        let failed = || {
            self.errors
                .iter()
                .filter(move |failed| failed.at >= oldest && self.counts(failed.injected))
        };
        Verdict {
            reason,
            limit: reason.limit(&self.options),
            ratio: reading.ratio,
            samples: reading.samples,
            injected_errors: reading.injected_errors,
            organic_errors: reading.organic_errors,
            slow_ratio: reading.slow_ratio,
            consecutive_errors: reading.consecutive_errors,
            windowed: reading.windowed,
            basis: self.options.basis,
            unit: self.options.unit,
            top_routes: verdict::top(failed().map(|failed| failed.route.to_string()), TOP_MAX),
            top_rules: verdict::top(
                failed().flat_map(|failed| failed.rules.iter().map(|rule| rule.mark())),
                TOP_MAX,
            ),
        }
    }

    fn counts(&self, injected: bool) -> bool {
        !(injected && self.options.basis == Basis::Organic)
    }

    fn seconds(&self) -> u64 {
        let window = self.options.window;
        let rounded_up = window.as_secs() + u64::from(window.subsec_nanos() > 0);
        rounded_up.clamp(1, WINDOW_SECONDS_MAX)
    }

    /// When the oldest call finished that the window of counted calls looks at.
    fn oldest_counted(&self, now: Offset) -> Offset {
        self.latest
            .iter()
            .find(|call| now.since(call.at) <= self.options.max_age)
            .map_or(now, |call| call.at)
    }

    fn add_to_bucket(&mut self, now: Offset, call: Judged, judged: bool) {
        self.expire(now);
        let second = now.0.as_secs();
        // Calls finish on many threads, so an offset may lie just before the newest bucket: it goes there.
        if self.buckets.back().is_none_or(|newest| newest.second < second) {
            self.buckets.push_back(Bucket {
                second,
                counts: Counts::default(),
            });
        }
        if let Some(newest) = self.buckets.back_mut() {
            newest.counts.add(call, judged);
        }
        self.sums.add(call, judged);
    }

    fn expire(&mut self, now: Offset) {
        let seconds = self.seconds();
        while let Some(oldest) = self
            .buckets
            .pop_front_if(|oldest| oldest.second + seconds <= now.0.as_secs())
        {
            self.sums.subtract(oldest.counts);
        }
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests;
