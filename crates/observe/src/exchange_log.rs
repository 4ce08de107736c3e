//! The latest exchanges in memory, numbered in order of completion, and a live feed of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use murphy_core::exchange::Exchange;
use tokio::sync::broadcast;

/// How many exchanges a subscriber may be behind before it loses some (and is told how many).
pub const SUBSCRIBER_LAG_MAX: usize = 1_024;

/// A bounded ring of exchanges with subscriptions.
#[derive(Debug)]
pub struct ExchangeLog {
    ring: Mutex<Ring>,
    exchanges_max: usize,
    feed: broadcast::Sender<Arc<Exchange>>,
}

#[derive(Debug)]
struct Ring {
    latest: u64,
    exchanges: VecDeque<Arc<Exchange>>,
}

impl ExchangeLog {
    /// An empty log that keeps the latest `exchanges_max`.
    #[must_use]
    pub fn new(exchanges_max: usize) -> Self {
        Self {
            ring: Mutex::new(Ring {
                latest: 0,
                exchanges: VecDeque::new(),
            }),
            exchanges_max,
            feed: broadcast::Sender::new(SUBSCRIBER_LAG_MAX),
        }
    }

    /// Numbers an exchange, keeps it, and hands it to the subscribers.
    pub fn push(&self, mut exchange: Exchange) -> Arc<Exchange> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.latest += 1;
        exchange.id = ring.latest;
        let exchange = Arc::new(exchange);
        ring.exchanges.push_back(Arc::clone(&exchange));
        let evicted = if ring.exchanges.len() > self.exchanges_max {
            ring.exchanges.pop_front()
        } else {
            None
        };
        // Inside the lock, so that subscribers see the numbers in order. It does not wait; without a
        // subscriber the exchange comes back as an error, which is nothing to report.
        drop(self.feed.send(Arc::clone(&exchange)));
        drop(ring);
        drop(evicted); // outside the lock: freeing it takes longer than all of the above
        exchange
    }

    /// Kept exchanges with a number above `after`, oldest first, at most `limit`; without `after`, the latest
    /// `limit`. `route` and `injected` choose among them.
    #[must_use]
    pub fn list(
        &self,
        after: Option<u64>,
        limit: usize,
        route: Option<&str>,
        injected: Option<bool>,
    ) -> Vec<Arc<Exchange>> {
        let wanted = |exchange: &&Arc<Exchange>| {
            route.is_none_or(|route| &*exchange.route == route)
                && injected.is_none_or(|injected| exchange.injected() == injected)
        };
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        match after {
            Some(after) => {
                let first = ring.exchanges.partition_point(|exchange| exchange.id <= after);
                let newer = ring.exchanges.range(first..);
                newer.filter(wanted).take(limit).cloned().collect()
            }
            None => {
                let newest_first = ring.exchanges.iter().rev();
                let mut latest: Vec<_> = newest_first.filter(wanted).take(limit).cloned().collect();
                latest.reverse();
                latest
            }
        }
    }

    /// All exchanges from now on. A subscriber that lags by more than [`SUBSCRIBER_LAG_MAX`] loses the oldest.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Exchange>> {
        self.feed.subscribe()
    }

    /// The number of the latest exchange; 0 before the first.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::tests::exchange;
    use murphy_core::exchange::AppliedFault;

    fn fault() -> AppliedFault {
        AppliedFault {
            scenario: "s".to_owned(),
            rule: "r".to_owned(),
            fault: "delay".to_owned(),
            effects: Vec::new(),
            skipped: None,
            draw: None,
        }
    }

    fn ids(list: &[Arc<Exchange>]) -> Vec<u64> {
        list.iter().map(|exchange| exchange.id).collect()
    }

    fn ten() -> ExchangeLog {
        let log = ExchangeLog::new(6);
        for nth in 1..=10 {
            let mut exchange = exchange(if nth % 2 == 0 { "even" } else { "odd" });
            exchange.faults = if nth % 5 == 0 { vec![fault()] } else { Vec::new() };
            log.push(exchange);
        }
        log
    }

    #[test]
    fn the_ring_keeps_the_latest() {
        let log = ten();
        assert_eq!(ids(&log.list(Some(0), 100, None, None)), [5, 6, 7, 8, 9, 10]);
        assert_eq!(log.latest(), 10);
    }

    #[test]
    fn a_cursor_pages_through_and_none_gives_the_latest() {
        let log = ten();
        assert_eq!(ids(&log.list(Some(6), 2, None, None)), [7, 8]);
        assert_eq!(ids(&log.list(Some(8), 2, None, None)), [9, 10]);
        assert!(log.list(Some(10), 2, None, None).is_empty());
        assert_eq!(ids(&log.list(None, 2, None, None)), [9, 10]);
    }

    #[test]
    fn filters_choose_before_the_limit_counts() {
        let log = ten();
        assert_eq!(ids(&log.list(Some(0), 2, Some("even"), None)), [6, 8]);
        assert_eq!(ids(&log.list(None, 9, None, Some(true))), [5, 10]);
        assert_eq!(ids(&log.list(None, 9, Some("odd"), Some(true))), [5]);
        assert_eq!(ids(&log.list(None, 1, Some("even"), Some(false))), [8]);
    }

    #[test]
    fn subscribers_see_every_exchange_once_in_order() {
        let log = ExchangeLog::new(1);
        let mut feed = log.subscribe();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| drop(log.push(exchange("r")))));
            }
        });
        let seen: Vec<u64> = std::iter::from_fn(|| feed.try_recv().ok())
            .map(|exchange| exchange.id)
            .collect();
        assert_eq!(seen, (1..=400).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_ring_still_numbers_and_feeds() {
        let log = ExchangeLog::new(0);
        let mut feed = log.subscribe();
        log.push(exchange("r"));
        assert!(log.list(None, 9, None, None).is_empty());
        assert_eq!(feed.try_recv().unwrap().id, 1);
    }
}
