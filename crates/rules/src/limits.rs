//! Blast radius: how many calls a scenario may hit. And the window of a rate limiter, which counts alike.

use murphy_core::clock::Offset;
use murphy_core::effect::Limit;
use murphy_core::plan::LimitReading;

/// The limits of a scenario, compiled. They count calls, not firings: a call that two rules of the scenario
/// hit is one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BlastLimits {
    /// The greatest share of the matching calls that may be hit.
    pub share: Option<f64>,
    /// How many calls may be under a fault at once.
    pub concurrent: Option<usize>,
    /// How many calls may be hit in all.
    pub total: Option<u64>,
}

/// What an activation did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Calls that a rule matched within its schedule, this one included.
    pub matched: u64,
    /// Calls that were hit.
    pub hit: u64,
    /// Calls that are under a fault now.
    pub held: usize,
}

impl BlastLimits {
    /// Whether one more call may be hit.
    ///
    /// The share is never exceeded, not even at the beginning: of the first calls as many pass as are needed
    /// for one hit to be within it (with 0.3 the fourth call is the first that may be hit).
    #[must_use]
    pub fn admits(&self, usage: Usage) -> bool {
        const ROUNDING: f64 = 1.0 + 1e-12; // 0.29 * 100.0 is below 29
        let within_share = self
            .share
            .is_none_or(|share| (usage.hit + 1) as f64 <= share * usage.matched as f64 * ROUNDING);
        within_share
            && self.total.is_none_or(|total| usage.hit < total)
            && self.concurrent.is_none_or(|concurrent| usage.held < concurrent)
    }
}

/// A fixed window of a rate limiter for one key. It begins with the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    began: Offset,
    used: u32,
}

impl Window {
    /// Counts a call: the window afterwards and what the limiter reads.
    #[must_use]
    pub fn count(before: Option<Self>, limit: &Limit, now: Offset) -> (Self, LimitReading) {
        let mut window = before
            .filter(|window| now.since(window.began) < limit.window)
            .unwrap_or(Self { began: now, used: 0 });
        let exhausted = window.used >= limit.limit;
        window.used = window.used.saturating_add(1).min(limit.limit);
        let reading = LimitReading {
            exhausted,
            remaining: limit.limit - window.used,
            resets_in: window.began.plus(limit.window).since(now),
        };
        (window, reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use murphy_core::effect::Per;
    use proptest::prelude::*;

    fn share(share: f64) -> BlastLimits {
        BlastLimits {
            share: Some(share),
            ..BlastLimits::default()
        }
    }

    fn first_admitted(limits: BlastLimits) -> Option<u64> {
        (1..1_000).find(|matched| {
            limits.admits(Usage {
                matched: *matched,
                ..Usage::default()
            })
        })
    }

    #[test]
    fn the_first_calls_pass_until_one_hit_is_within_the_share() {
        assert_eq!(first_admitted(share(0.3)), Some(4));
        assert_eq!(first_admitted(share(0.1)), Some(10));
        assert_eq!(first_admitted(share(1.0)), Some(1));
        assert_eq!(first_admitted(share(0.0)), None);
    }

    proptest! {
        #[test]
        fn the_share_is_never_exceeded_and_is_used_up(limit in 1_u32..=100, calls in 100_u64..2_000) {
            let limits = share(f64::from(limit) / 100.0);
            let mut usage = Usage::default();
            for _ in 0..calls {
                usage.matched += 1;
                usage.hit += u64::from(limits.admits(usage));
                prop_assert!(usage.hit * 100 <= usage.matched * u64::from(limit));
            }
            prop_assert_eq!(usage.hit, calls * u64::from(limit) / 100);
        }

        #[test]
        fn a_limiter_lets_n_pass_in_each_window_and_tells_the_truth(
            n in 1_u32..20, gaps in prop::collection::vec(0_u64..3_000, 1..200),
        ) {
            let limit = Limit {
                limit: n,
                window: Duration::from_secs(10),
                per: Per::Call,
                form: murphy_core::failure::RetryAfterForm::Seconds,
            };
            let (mut now, mut began, mut passed) = (Offset::default(), None, 0);
            let mut window = None;
            for gap in gaps {
                now = now.plus(Duration::from_millis(gap));
                if began.is_none_or(|began| now.since(began) >= limit.window) {
                    (began, passed) = (Some(now), 0);
                }
                let (after, reading) = Window::count(window, &limit, now);
                window = Some(after);
                prop_assert_eq!(reading.exhausted, passed == n);
                passed += u32::from(!reading.exhausted);
                prop_assert_eq!(reading.remaining, n - passed);
                prop_assert_eq!(now.plus(reading.resets_in), began.unwrap().plus(limit.window));
            }
        }
    }
}
