//! Operations: the chain of calls by which one agent tries the same thing again.
//!
//! Only what failed is remembered. A call takes up the latest failed call of the same identity and is then its
//! next try; identical calls that overlap find nothing to take up and are operations of their own. A call that
//! ends well closes its operation. While nothing has failed lately, no lock is taken.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use murphy_core::clock::Offset;
use murphy_core::outcome::Outcome;

use crate::window::Sample;

/// An operation whose last try failed is forgotten after this time.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// How many failed tries are remembered; beyond, the oldest is forgotten.
pub const FAILED_OPERATIONS_MAX: usize = 65_536;

/// The operations that failed lately.
#[derive(Debug, Default)]
pub struct Operations {
    latest: AtomicU64,
    remembered: AtomicUsize,
    failed: Mutex<Chains>,
}

/// One call as a try of its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// The operation's number in this process, from 1.
    pub operation: u64,
    /// Which try it is, from 1.
    pub attempt: u32,
    judgement: Judgement,
}

/// Whether the operation was counted, where operations are what the error rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// No try has ended.
    Open,
    /// All tries failed, the first of them then.
    FailingSince(Offset),
    /// It was counted, good or bad. It is not counted again.
    Counted,
}

#[derive(Debug, Default)]
struct Chains {
    by_identity: HashMap<u64, Chain>,
    /// What was put into `by_identity`, oldest first. Entries that were taken up since are skipped.
    order: VecDeque<(u64, Stamp)>,
    /// Operations whose first try failed, oldest first.
    failing: VecDeque<(Offset, u64, u64)>,
}

/// Which try an entry stands for.
type Stamp = (u64, u32);

#[derive(Debug)]
struct Chain {
    stamp: Stamp,
    failed_at: Offset,
    judgement: Judgement,
    /// What is counted if nothing better comes in time.
    sample: Option<Sample>,
}

impl Operations {
    /// A call with this identity begins.
    #[must_use]
    pub fn begin(&self, identity: u64, now: Offset) -> Try {
        let taken_up = if self.remembered.load(Ordering::Acquire) == 0 {
            None
        } else {
            let mut chains = self.lock();
            let chain = chains.by_identity.remove(&identity);
            self.remembered.store(chains.by_identity.len(), Ordering::Release);
            chain.filter(|chain| now.since(chain.failed_at) <= FORGOTTEN_AFTER)
        };
        match taken_up {
            Some(Chain { stamp, judgement, .. }) => Try {
                operation: stamp.0,
                attempt: stamp.1.saturating_add(1),
                judgement,
            },
            None => Try {
                operation: self.latest.fetch_add(1, Ordering::Relaxed) + 1,
                attempt: 1,
                judgement: Judgement::Open,
            },
        }
    }

    /// A call ended, where the error window counts calls.
    pub fn end(&self, identity: u64, ended: Try, now: Offset, outcome: Outcome) {
        if outcome != Outcome::Ok {
            self.remember(identity, ended, ended.judgement, now, None);
        }
    }

    /// A call ended, where the error window counts operations. Returns what is to be counted now: an operation
    /// is good with its first try that is no error, and bad once `patience` has passed since its first failed
    /// try. It is counted once.
    #[must_use]
    pub fn judge(
        &self,
        identity: u64,
        ended: Try,
        now: Offset,
        outcome: Outcome,
        patience: Duration,
        sample: Sample,
    ) -> Option<Sample> {
        let counted = ended.judgement == Judgement::Counted;
        if !outcome.is_error() {
            if outcome != Outcome::Ok {
                self.remember(identity, ended, Judgement::Counted, now, None);
            }
            return (!counted).then_some(sample);
        }
        let since = match ended.judgement {
            Judgement::Counted => {
                self.remember(identity, ended, Judgement::Counted, now, None);
                return None;
            }
            Judgement::FailingSince(first) if now.since(first) >= bounded(patience) => {
                self.remember(identity, ended, Judgement::Counted, now, None);
                return Some(sample);
            }
            Judgement::FailingSince(first) => first,
            Judgement::Open => now,
        };
        self.remember(identity, ended, Judgement::FailingSince(since), now, Some(sample));
        None
    }

    /// The operations that have been failing for `patience` by now and have no try under way.
    #[must_use]
    pub fn overdue(&self, now: Offset, patience: Duration) -> Vec<Sample> {
        if self.remembered.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut chains = self.lock();
        let mut overdue = Vec::new();
        while let Some((_, identity, operation)) = chains
            .failing
            .pop_front_if(|(since, ..)| now.since(*since) >= bounded(patience))
        {
            let chain = chains.by_identity.get_mut(&identity);
            if let Some(chain) = chain.filter(|chain| chain.stamp.0 == operation) {
                chain.judgement = Judgement::Counted;
                overdue.extend(chain.sample.take());
            }
        }
        overdue
    }

    fn remember(&self, identity: u64, ended: Try, judgement: Judgement, now: Offset, sample: Option<Sample>) {
        let mut chains = self.lock();
        if ended.judgement == Judgement::Open && sample.is_some() {
            chains.failing.push_back((now, identity, ended.operation));
        }
        let chain = Chain {
            stamp: (ended.operation, ended.attempt),
            failed_at: now,
            judgement,
            sample,
        };
        chains.order.push_back((identity, chain.stamp));
        chains.by_identity.insert(identity, chain);
        chains.forget(now);
        self.remembered.store(chains.by_identity.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Chains> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chains {
    /// Drops what is too old and what is too much, oldest first.
    fn forget(&mut self, now: Offset) {
        while let Some((identity, stamp)) = self.order.front().copied() {
            let chain = self
                .by_identity
                .get(&identity)
                .filter(|chain| chain.stamp == stamp);
            let fresh = chain.is_some_and(|chain| now.since(chain.failed_at) <= FORGOTTEN_AFTER);
            if fresh && self.order.len() <= FAILED_OPERATIONS_MAX {
                break;
            }
            if chain.is_some() {
                self.by_identity.remove(&identity);
            }
            self.order.pop_front();
        }
        while self.failing.len() > FAILED_OPERATIONS_MAX {
            self.failing.pop_front();
        }
    }
}

/// An operation must be counted before it is forgotten.
fn bounded(patience: Duration) -> Duration {
    patience.min(FORGOTTEN_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::outcome::Outcome::{ClientError, Ok as Good, ServerError};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Offset {
        Offset(Duration::from_secs(seconds))
    }

    fn sample(error: bool) -> Sample {
        Sample {
            began: at(0),
            took: Duration::ZERO,
            error,
            injected: false,
            route: "r".into(),
            rules: Vec::new(),
        }
    }

    /// One whole call; returns (operation, attempt).
    fn call(operations: &Operations, identity: u64, now: u64, outcome: Outcome) -> (u64, u32) {
        let begun = operations.begin(identity, at(now));
        operations.end(identity, begun, at(now), outcome);
        (begun.operation, begun.attempt)
    }

    /// One whole call where operations are counted; returns what is counted when it ends: is it an error?
    fn judged(operations: &Operations, identity: u64, now: u64, outcome: Outcome) -> Option<bool> {
        let begun = operations.begin(identity, at(now));
        let sample = sample(outcome.is_error());
        operations
            .judge(identity, begun, at(now), outcome, PATIENCE, sample)
            .map(|sample| sample.error)
    }

    #[test]
    fn tries_after_failures_share_an_operation_and_success_closes_it() {
        let operations = Operations::default();
        assert_eq!(call(&operations, 7, 0, ServerError), (1, 1));
        assert_eq!(call(&operations, 7, 1, ClientError), (1, 2));
        assert_eq!(
            call(&operations, 8, 1, Good),
            (2, 1),
            "another identity is another operation"
        );
        assert_eq!(call(&operations, 7, 2, Good), (1, 3));
        assert_eq!(call(&operations, 7, 3, Good), (3, 1));
    }

    #[test]
    fn overlapping_identical_calls_are_not_retries() {
        let operations = Operations::default();
        let (one, two) = (operations.begin(7, at(0)), operations.begin(7, at(0)));
        assert_eq!((one.attempt, two.attempt), (1, 1));
        assert_ne!(one.operation, two.operation);
        operations.end(7, one, at(1), ServerError);
        let (retry, beside) = (operations.begin(7, at(2)), operations.begin(7, at(2)));
        assert_eq!((retry.operation, retry.attempt), (one.operation, 2));
        assert_eq!(beside.attempt, 1);
    }

    #[test]
    fn a_failed_operation_is_forgotten_after_ten_minutes() {
        let operations = Operations::default();
        call(&operations, 7, 0, ServerError);
        call(&operations, 8, 0, ServerError);
        assert_eq!(call(&operations, 7, 600, Good).1, 2);
        assert_eq!(call(&operations, 8, 601, Good).1, 1);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let operations = Operations::default();
        let max = FAILED_OPERATIONS_MAX as u64;
        for identity in 0..=max {
            call(&operations, identity, 0, ServerError);
        }
        assert_eq!(operations.lock().by_identity.len(), FAILED_OPERATIONS_MAX);
        assert_eq!(call(&operations, 0, 1, Good).1, 1);
        assert_eq!(call(&operations, max, 1, Good).1, 2);
        for _ in 0..3 * max {
            call(&operations, 1, 1, ServerError);
        }
        assert!(operations.lock().order.len() <= FAILED_OPERATIONS_MAX);
    }

    #[test]
    fn an_operation_whose_retry_succeeds_is_counted_once_and_good() {
        let operations = Operations::default();
        assert_eq!(judged(&operations, 7, 0, ServerError), None);
        assert_eq!(judged(&operations, 7, 1, ServerError), None);
        assert_eq!(judged(&operations, 7, 2, Good), Some(false));
        assert!(
            operations.overdue(at(100), PATIENCE).is_empty(),
            "it was counted already"
        );
        assert_eq!(
            judged(&operations, 7, 101, ClientError),
            Some(false),
            "no error, though the chain goes on"
        );
        assert_eq!(judged(&operations, 7, 102, Good), None);
    }

    #[test]
    fn an_operation_that_is_given_up_is_counted_bad_when_its_patience_is_over() {
        let operations = Operations::default();
        assert_eq!(judged(&operations, 7, 0, ServerError), None);
        assert_eq!(judged(&operations, 7, 20, ServerError), None);
        assert!(operations.overdue(at(29), PATIENCE).is_empty());
        assert_eq!(operations.overdue(at(30), PATIENCE), [sample(true)]);
        assert!(operations.overdue(at(300), PATIENCE).is_empty());
        assert_eq!(
            judged(&operations, 7, 301, ServerError),
            None,
            "counted once, however long it goes on"
        );
    }

    #[test]
    fn an_operation_that_is_retried_for_ever_is_counted_bad_and_one_under_way_is_waited_for() {
        let operations = Operations::default();
        assert_eq!(judged(&operations, 7, 0, ServerError), None);
        let under_way = operations.begin(7, at(29));
        assert!(operations.overdue(at(31), PATIENCE).is_empty());
        let counted = operations.judge(7, under_way, at(32), ServerError, PATIENCE, sample(true));
        assert_eq!(counted, Some(sample(true)));
    }
}
