//! The decision about one call: a pure function of the call's identity, its numbers and the time.

use std::sync::Arc;

use murphy_core::clock::Offset;
use murphy_core::draw::{DrawKey, LANE_FIRE};
use murphy_core::effect::Effect;
use murphy_core::plan::{Considered, Drawn, LimitReading, Plan, Planned, Why};

use crate::limits::{Usage, Window};
use crate::snapshot::ActiveRule;

/// How many lanes of draws each effect of a rule has.
const LANES_PER_EFFECT: u32 = 8;

/// Which of an effect's lanes holds the bits that choose a place. A law of latency uses the two before it.
const LANE_BITS: u32 = 2;

/// A rule that matches the call, with what was counted for it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The rule.
    pub rule: &'a ActiveRule,
    /// The numbers.
    pub numbers: Numbers,
}

/// What was counted for a rule and a call, before the decision.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Numbers {
    /// How often the call's identity came before under this activation.
    pub occurrence: u64,
    /// The probability in force; `None` outside the schedule.
    pub probability: Option<f64>,
    /// The number of the call within the rule's key, from 1; 0 outside the schedule, where none is counted.
    pub ordinal: u64,
    /// How often the rule fired within that key.
    pub fired: u64,
    /// What the activation did so far; the same for all its rules.
    pub usage: Usage,
    /// The window of the rule's limiter for this call's key.
    pub window: Option<Window>,
}

/// What was decided.
#[derive(Debug, Default)]
pub struct Decision {
    /// The plan, without permits. `considered` has one entry for each candidate.
    pub plan: Plan,
    /// For each candidate the window of its limiter, if that counted the call.
    pub windows: Vec<Option<Window>>,
}

/// Decides about a call. `candidates` stand in the order in which rules are tried, those of one activation
/// together; `call` is the call's identity; `room` says whether the cap over all scenarios leaves a place.
#[must_use]
pub fn decide(candidates: &[Candidate<'_>], call: u64, now: Offset, room: bool) -> Decision {
    let mut decision = Decision::default();
    let mut ended = false;
    let mut hit = false; // then the call already has its place under the cap
    let mut hit_by = None; // then it already counts against that scenario's limits
    for candidate in candidates {
        let ActiveRule {
            rule,
            compiled,
            limits,
            ..
        } = candidate.rule;
        let numbers = &candidate.numbers;
        let key = DrawKey {
            seed: candidate.rule.seed,
            rule: compiled.identity,
            call,
            occurrence: numbers.occurrence,
        };
        let (mut why, draw) = if ended {
            (Why::Ended, None)
        } else {
            chance(candidate, &key)
        };
        let counted = hit_by == Some(rule.activation);
        if why == Why::Fired && !((hit || room) && (counted || limits.admits(numbers.usage))) {
            why = Why::Limit;
        }
        let mut window = None;
        if why == Why::Fired {
            hit = true;
            hit_by = Some(rule.activation);
            let read = compiled
                .limiter
                .map(|limit| Window::count(numbers.window, &limit, now));
            window = read.map(|(window, _)| window);
            let reading = read.map(|(_, reading)| reading);
            ended = compiled.stop
                || reading.is_some_and(|reading| reading.exhausted)
                || compiled.effects.iter().any(|effect| effect.is_terminal());
            decision
                .plan
                .effects
                .extend(effects(candidate.rule, &key, reading));
        }
        decision.windows.push(window);
        decision.plan.considered.push(Considered {
            rule: Arc::clone(rule),
            why,
            draw,
            probability: numbers.probability.unwrap_or(0.0),
            ordinal: numbers.ordinal,
        });
    }
    decision
}

/// What the rule's cadence says, and the draw if one was needed. A probability of 0 or 1 needs none.
fn chance(candidate: &Candidate<'_>, key: &DrawKey) -> (Why, Option<f64>) {
    let cadence = &candidate.rule.compiled.cadence;
    let numbers = &candidate.numbers;
    let Some(probability) = numbers.probability else {
        return (Why::Schedule, None);
    };
    if !cadence.chooses(numbers.ordinal) {
        return (Why::Cadence, None);
    }
    if cadence.times.is_some_and(|times| numbers.fired >= times) {
        return (Why::Times, None);
    }
    if probability <= 0.0 {
        return (Why::Probability, None);
    }
    if probability >= 1.0 {
        return (Why::Fired, None);
    }
    let draw = key.unit(LANE_FIRE);
    let why = if draw < probability {
        Why::Fired
    } else {
        Why::Probability
    };
    (why, Some(draw))
}

/// The effects of a rule with all that is drawn for them.
fn effects(rule: &ActiveRule, key: &DrawKey, reading: Option<LimitReading>) -> impl Iterator<Item = Planned> {
    let lanes = (LANE_FIRE + 1..).step_by(LANES_PER_EFFECT as usize);
    rule.compiled
        .effects
        .iter()
        .zip(lanes)
        .map(move |(effect, lane)| Planned {
            rule: Arc::clone(&rule.rule),
            effect: Arc::clone(effect),
            drawn: match &**effect {
                Effect::Delay(delay) => Drawn {
                    wait: delay.law.sample(key, lane, delay.cap),
                    ..Drawn::default()
                },
                Effect::Limit(_) => Drawn {
                    reading,
                    bits: key.word(lane + LANE_BITS),
                    ..Drawn::default()
                },
                Effect::Body(_) | Effect::Abort(_) | Effect::Respond(_) => Drawn {
                    bits: key.word(lane + LANE_BITS),
                    ..Drawn::default()
                },
                _ => Drawn::default(),
            },
        })
}

#[cfg(test)]
mod tests;
