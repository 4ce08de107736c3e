//! What was decided for one call: effects with every random draw already made, and for each rule that matched
//! why it fired or did not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;
use crate::effect::Effect;

/// An activation of a scenario: a new one each time that it is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivationId(pub u64);

/// Which rule, of which activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// The scenario's name.
    pub scenario: Name,
    /// The rule's name.
    pub rule: Name,
    /// The fault kind, as it is written.
    pub fault: &'static str,
    /// The activation that it belongs to. Effects of an activation that has ended are not executed.
    pub activation: ActivationId,
}

impl RuleRef {
    /// What stands in the mark header: `scenario/rule`.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{}/{}", self.scenario, self.rule)
    }
}

/// All that was decided for one call.
#[derive(Debug, Default)]
pub struct Plan {
    /// Effects to execute, in order.
    pub effects: Vec<Planned>,
    /// One entry for each rule that matched, in order.
    pub considered: Vec<Considered>,
    /// Places under the limits that this call occupies until it ends.
    pub permits: Vec<Permit>,
}

impl Plan {
    /// Whether nothing is to be executed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

/// One effect to execute.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Whose effect it is.
    pub rule: Arc<RuleRef>,
    /// What to do.
    pub effect: Arc<Effect>,
    /// The draws.
    pub drawn: Drawn,
}

/// The random and counted parts of an effect, as values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Drawn {
    /// The wait of a delay.
    pub wait: Duration,
    /// 64 bits for effects that choose a place (corrupt, truncate inside JSON).
    pub bits: u64,
    /// What a limiter read for this call.
    pub reading: Option<LimitReading>,
}

/// What a limiter read for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReading {
    /// Whether the call is over the limit.
    pub exhausted: bool,
    /// Calls left in the window after this one.
    pub remaining: u32,
    /// Until the window ends.
    pub resets_in: Duration,
}

/// A rule that matched, and what became of it.
#[derive(Debug, Clone)]
pub struct Considered {
    /// The rule.
    pub rule: Arc<RuleRef>,
    /// Whether it fired, and why not.
    pub why: Why,
    /// The draw in [0, 1) that was compared with the probability, if one was needed.
    pub draw: Option<f64>,
    /// The probability that it was compared with.
    pub probability: f64,
    /// The number of the call under this rule's cadence, from 1.
    pub ordinal: u64,
}

/// Why a rule that matched fired or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It fired.
    Fired,
    /// The draw was not below the probability.
    Probability,
    /// `every`, `first` or `after` did not choose this call.
    Cadence,
    /// It had fired `times` times.
    Times,
    /// Outside the schedule (`from`, `for`, `repeat_every`).
    Schedule,
    /// `limits.share`, `limits.concurrent`, `limits.total` or the global cap held it back.
    Limit,
    /// An earlier rule ended the list (a terminal effect, or `stop: true`).
    Ended,
}

impl Why {
    /// The name as it stands in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Probability => "probability",
            Self::Cadence => "cadence",
            Self::Times => "times",
            Self::Schedule => "schedule",
            Self::Limit => "limit",
            Self::Ended => "ended",
        }
    }
}

/// Why a fault that fired could not be applied; the call passed unfaulted by it. Also the values of the metric
/// label `reason` of `faults_skipped_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// A limit held it back (never drawn into a plan; counted all the same).
    Limit,
    /// The body is larger than may be buffered, or unpacks to more than that.
    TooLarge,
    /// The body is not JSON.
    NotJson,
    /// The edit does not fit this message (an empty body, a patch whose `test` fails, no place to damage).
    DoesNotApply,
    /// The body's `content-encoding` is not known, is layered, or does not decode.
    UnknownCoding,
    /// No earlier answer is remembered.
    NothingEarlier,
    /// The activation ended, or the kill switch tripped, before it could be applied.
    Halted,
    /// The protocol of this connection cannot show it.
    Unsupported,
    /// Murphy's own machinery failed; the call was forwarded unfaulted.
    Internal,
}

impl Skip {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Limit,
        Self::TooLarge,
        Self::NotJson,
        Self::DoesNotApply,
        Self::UnknownCoding,
        Self::NothingEarlier,
        Self::Halted,
        Self::Unsupported,
        Self::Internal,
    ];

    /// The name as it stands in events and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::DoesNotApply => "does_not_apply",
            Self::UnknownCoding => "unknown_coding",
            Self::NothingEarlier => "nothing_earlier",
            Self::Halted => "halted",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

/// A count of calls that are held at once, against a maximum.
#[derive(Debug, Clone)]
pub struct Gauge {
    held: Arc<AtomicUsize>,
}

impl Default for Gauge {
    fn default() -> Self {
        Self {
            held: Arc::new(AtomicUsize::new(0)),
        }
    }
}

impl Gauge {
    /// How many are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Takes a place if fewer than `max` are held.
    #[must_use]
    pub fn take(&self, max: usize) -> Option<Permit> {
        self.held
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                (held < max).then_some(held + 1)
            })
            .ok()
            .map(|_| Permit {
                held: Arc::clone(&self.held),
            })
    }
}

/// A place under a limit; given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    held: Arc<AtomicUsize>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_never_goes_over_its_maximum_and_gives_places_back() {
        let gauge = Gauge::default();
        let first = gauge.take(1);
        assert!(first.is_some() && gauge.take(1).is_none());
        drop(first);
        assert!(gauge.take(1).is_some());
        assert_eq!(gauge.held(), 0);
    }
}
