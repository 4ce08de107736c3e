//! A family of series with a cap, and with an end for series that are no longer configured.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};

/// How many series may still be made, over all families that share it.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicUsize,
    overflowed: Counter,
}

impl Budget {
    pub(super) fn new(series_max: usize) -> Self {
        Self {
            left: AtomicUsize::new(series_max),
            overflowed: Counter::default(),
        }
    }

    /// Counts the requests for a series that were refused.
    pub(super) fn overflowed(&self) -> Counter {
        self.overflowed.clone()
    }

    fn take(&self, series: usize) -> bool {
        let taken = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(series)
            })
            .is_ok();
        if !taken {
            self.overflowed.inc();
        }
        taken
    }

    fn give_back(&self, series: usize) {
        self.left.fetch_add(series, Ordering::AcqRel);
    }
}

/// Labels that know where they go when the cap is reached.
pub(super) trait Labels: Clone + Debug + Eq + Hash {
    /// The same labels with the configured ones replaced by [`super::OVERFLOW`].
    fn overflow(&self) -> Self;
}

/// A family under a cap.
#[derive(Debug)]
pub(super) struct Capped<S, M, C = fn() -> M> {
    family: Family<S, M, C>,
    budget: Arc<Budget>,
    /// What one metric takes of the budget: its lines in the exposition.
    series_each: usize,
    made: Mutex<Made<S>>,
}

#[derive(Debug)]
struct Made<S> {
    /// Configured, and within the cap.
    live: HashSet<S>,
    /// No longer configured; to be shown once more.
    retired: HashSet<S>,
}

impl<S, M, C> Capped<S, M, C>
where
    S: Labels,
    M: Clone,
    C: MetricConstructor<M>,
{
    pub(super) fn new(family: Family<S, M, C>, series_each: usize, budget: &Arc<Budget>) -> Self {
        Self {
            family,
            budget: Arc::clone(budget),
            series_each,
            made: Mutex::new(Made {
                live: HashSet::new(),
                retired: HashSet::new(),
            }),
        }
    }

    /// The metric with these labels, made if need be; the one for overflow if the cap is reached.
    pub(super) fn get(&self, labels: &S) -> M {
        if let Some(metric) = self.family.get(labels) {
            return metric.clone();
        }
        self.declare(labels)
    }

    /// Like [`Self::get`], and keeps the series if it was about to end.
    pub(super) fn declare(&self, labels: &S) -> M {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = made.retired.remove(labels) || made.live.contains(labels);
        if kept || self.budget.take(self.series_each) {
            made.live.insert(labels.clone());
            self.family.get_or_create_owned(labels)
        } else {
            self.family.get_or_create_owned(&labels.overflow())
        }
    }

    /// Ends the series for which `keep` says no, after they were shown once more.
    pub(super) fn retire_except(&self, keep: impl Fn(&S) -> bool) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let (live, ended): (HashSet<S>, HashSet<S>) = made.live.drain().partition(keep);
        made.live = live;
        made.retired.extend(ended);
    }

    /// Removes the series that ended: they have been shown.
    pub(super) fn sweep(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for labels in made.retired.drain() {
            self.family.remove(&labels);
            self.budget.give_back(self.series_each);
        }
    }
}
