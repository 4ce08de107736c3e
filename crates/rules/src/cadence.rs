//! How many of the calls that a rule matches it hits: a schedule, counts, and a chance. All pure.

use std::time::Duration;

use murphy_core::effect::Per;
use murphy_core::problem::{Path, Problem};
use murphy_core::span::print_duration;

use crate::scenario::Often;

/// A compiled `often`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cadence {
    /// Whose calls are counted together.
    pub per: Per,
    /// At most so many hits per key.
    pub times: Option<u64>,
    probability: f64,
    every: Option<u64>,
    first: Option<u64>,
    after: u64,
    from: Duration,
    length: Option<Duration>,
    period: Option<Duration>,
    ramp: Duration,
}

impl Cadence {
    /// Compiles what was written.
    ///
    /// # Errors
    /// With all that does not make sense; paths are relative to `often`.
    pub fn compile(often: &Often) -> Result<Self, Vec<Problem>> {
        let problems = problems(often);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            per: often.per,
            times: often.times,
            probability: often.probability.map_or(1.0, |share| share.0),
            every: often.every,
            first: often.first,
            after: often.after.unwrap_or(0),
            from: often.from.unwrap_or_default().0,
            length: often.for_.map(|span| span.0),
            period: often.repeat_every.map(|span| span.0),
            ramp: often.ramp.unwrap_or_default().0,
        })
    }

    /// The probability in force so long after activation; `None` outside the schedule.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> Option<f64> {
        let mut position = elapsed.checked_sub(self.from)?;
        if let Some(period) = self.period {
            position = modulo(position, period);
        }
        if self.length.is_some_and(|length| position >= length) {
            return None;
        }
        Some(if position < self.ramp {
            self.probability * (position.as_secs_f64() / self.ramp.as_secs_f64())
        } else {
            self.probability
        })
    }

    /// Whether `after`, `first` and `every` choose the call with this number (from 1) within its key.
    #[must_use]
    pub fn chooses(&self, ordinal: u64) -> bool {
        let Some(counted) = ordinal.checked_sub(self.after).filter(|counted| *counted > 0) else {
            return false;
        };
        self.first.is_none_or(|first| counted <= first)
            && self.every.is_none_or(|every| counted.is_multiple_of(every))
    }
}

/// The rest of a division of durations; of a division by zero, zero.
fn modulo(position: Duration, period: Duration) -> Duration {
    let rest = position.as_nanos().checked_rem(period.as_nanos()).unwrap_or(0);
    Duration::from_nanos(u64::try_from(rest).unwrap_or(0)) // a period is at most 366 days
}

fn problems(often: &Often) -> Vec<Problem> {
    let mut problems = Vec::new();
    let counts = [
        ("every", often.every),
        ("first", often.first),
        ("times", often.times),
    ];
    for (key, count) in counts {
        if count == Some(0) {
            let problem = Problem::new(Path::root().key(key), 0, "at least 1");
            problems.push(problem.hint("a rule that never fires is `probability: 0`"));
        }
    }
    let for_ = often.for_.map(|span| span.0);
    if for_ == Some(Duration::ZERO) {
        problems.push(Problem::new(Path::root().key("for"), "0s", "more than nothing"));
    }
    if let Some(period) = often.repeat_every.map(|span| span.0) {
        let place = Path::root().key("repeat_every");
        let found = print_duration(period);
        match for_ {
            None => problems.push(Problem::new(
                place,
                found,
                "`for` beside it: the length of each window",
            )),
            Some(length) if period < length => {
                let wanted = format!("at least as long as `for` ({})", print_duration(length));
                problems.push(Problem::new(place, found, wanted));
            }
            Some(_) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::span::{Share, Span};
    use proptest::prelude::*;

    fn secs(seconds: u64) -> Option<Span> {
        Some(Span(Duration::from_secs(seconds)))
    }

    fn compiled(often: Often) -> Cadence {
        Cadence::compile(&often).unwrap()
    }

    fn chosen(often: Often) -> Vec<u64> {
        let cadence = compiled(often);
        (0..=12).filter(|ordinal| cadence.chooses(*ordinal)).collect()
    }

    #[test]
    fn counts_choose_calls_and_combine() {
        let often = Often::default();
        assert_eq!(
            chosen(Often {
                every: Some(3),
                ..often
            }),
            [3, 6, 9, 12]
        );
        assert_eq!(
            chosen(Often {
                first: Some(2),
                ..often
            }),
            [1, 2]
        );
        assert_eq!(
            chosen(Often {
                after: Some(10),
                ..often
            }),
            [11, 12]
        );
        let combined = Often {
            after: Some(4),
            every: Some(2),
            first: Some(5),
            ..often
        };
        assert_eq!(chosen(combined), [6, 8]);
    }

    #[test]
    fn the_window_opens_closes_and_comes_again() {
        let cadence = compiled(Often {
            from: secs(10),
            for_: secs(5),
            repeat_every: secs(60),
            ..Often::default()
        });
        let open = |seconds| cadence.at(Duration::from_secs(seconds)).is_some();
        assert!(!open(0) && !open(9) && open(10) && open(14) && !open(15));
        assert!(!open(69) && open(70) && open(74) && !open(75) && open(130));
    }

    #[test]
    fn the_ramp_rises_from_nothing_to_the_probability_in_each_window() {
        let cadence = compiled(Often {
            probability: Some(Share(0.8)),
            from: secs(10),
            for_: secs(100),
            repeat_every: secs(200),
            ramp: secs(40),
            ..Often::default()
        });
        let at = |seconds| cadence.at(Duration::from_secs(seconds));
        assert_eq!(
            (at(9), at(10), at(30), at(50), at(109)),
            (None, Some(0.0), Some(0.4), Some(0.8), Some(0.8))
        );
        assert_eq!((at(110), at(210), at(230)), (None, Some(0.0), Some(0.4)));
    }

    #[test]
    fn what_does_not_make_sense_is_told_with_its_place() {
        let often = Often {
            every: Some(0),
            times: Some(0),
            for_: secs(9),
            repeat_every: secs(5),
            ..Often::default()
        };
        let places: Vec<String> = Cadence::compile(&often)
            .unwrap_err()
            .iter()
            .map(|problem| problem.path.to_string())
            .collect();
        assert_eq!(places, ["every", "times", "repeat_every"]);
        let lonely = Often {
            repeat_every: secs(5),
            ..Often::default()
        };
        assert!(Cadence::compile(&lonely).unwrap_err()[0].wanted.contains("`for`"));
    }

    proptest! {
        #[test]
        fn of_n_calls_every_k_hits_n_over_k(n in 0_u64..2_000, k in 1_u64..50, after in 0_u64..100) {
            let cadence = compiled(Often { every: Some(k), after: Some(after), ..Often::default() });
            let hits = (1..=n).filter(|ordinal| cadence.chooses(*ordinal)).count() as u64;
            prop_assert_eq!(hits, n.saturating_sub(after) / k);
        }

        #[test]
        fn the_probability_in_force_is_never_above_the_one_that_was_asked(
            p in 0.0_f64..=1.0, ramp in 0_u64..100, from in 0_u64..100, length in 1_u64..100,
            more in 0_u64..100, millis in 0_u64..1_000_000,
        ) {
            let cadence = compiled(Often {
                probability: Some(Share(p)), ramp: secs(ramp), from: secs(from), for_: secs(length),
                repeat_every: secs(length + more), ..Often::default()
            });
            let now = Duration::from_millis(millis);
            let period = Duration::from_secs(length + more);
            if let Some(in_force) = cadence.at(now) {
                prop_assert!((0.0..=p).contains(&in_force));
            }
            if now < Duration::from_secs(from) {
                prop_assert_eq!(cadence.at(now), None);
            } else {
                // The same place of a later window.
                let (one, other) = (cadence.at(now), cadence.at(now + 2 * period));
                prop_assert_eq!(one.is_some(), other.is_some());
                prop_assert!((one.unwrap_or(0.0) - other.unwrap_or(0.0)).abs() < 1e-9);
            }
        }
    }
}
