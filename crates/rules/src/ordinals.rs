//! The counters: what numbers a call before it is decided, and is updated by the decision. The only state of
//! this crate; keyed, bounded, and kept over reloads.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use murphy_core::call::Call;
use murphy_core::clock::Offset;
use murphy_core::draw::identity;
use murphy_core::effect::Per;
use murphy_core::plan::{ActivationId, Gauge, Plan, Why};

use crate::compile::CompiledRule;
use crate::decide::{Candidate, Decision, Numbers, decide};
use crate::limits::{Usage, Window};
use crate::snapshot::{Active, ActiveRule};

/// The most keys (agents, sessions, operations; identities of calls) that are kept per activation. Beyond it
/// those that were not seen for longest are forgotten, half of them at once, and count from the beginning.
pub const KEYS_MAX: usize = 65_536;

/// All counters. One lock guards them: it is held for the numbering and the decision of one call, which do
/// no I/O, and never across an `await`.
#[derive(Debug, Default)]
pub struct Counters {
    activations: Mutex<HashMap<ActivationId, Activation>>,
    held: Gauge,
}

impl Counters {
    /// Makes counters for what is active and has none yet, or has some that were let go before.
    pub fn register(&self, active: &[Active]) {
        let mut activations = self.lock();
        for active in active {
            let activation = activations.entry(active.activation).or_default();
            for rule in &active.scenario.rules {
                let counted = activation.rules.entry(rule.text).or_default();
                if counted.is_let_go {
                    *counted = Counted::default();
                }
                counted.rule = Arc::downgrade(rule);
            }
        }
    }

    /// Forgets activations that ended, and lets go of rules that are gone or whose text changed: their counters
    /// last as long as a snapshot that has them, so that a call which loaded an older one lives with it. To be
    /// called once the snapshot with `active` is published.
    pub fn retain(&self, active: &[Active]) {
        self.lock().retain(|id, activation| {
            let kept = active.iter().find(|active| active.activation == *id);
            if let Some(kept) = kept {
                activation.rules.retain(|text, counted| {
                    counted.is_let_go = !kept.scenario.rules.iter().any(|rule| rule.text == *text);
                    !counted.is_let_go || counted.rule.strong_count() > 0
                });
            }
            kept.is_some()
        });
    }

    /// What an activation did so far.
    #[must_use]
    pub fn usage(&self, activation: ActivationId) -> Option<Usage> {
        self.lock().get(&activation).map(Activation::usage)
    }

    /// How many calls are under a fault now, over all scenarios.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.held()
    }

    /// Numbers a call, decides about it, and counts what was decided.
    pub(crate) fn plan(
        &self,
        matched: &[&ActiveRule],
        call: &Call<'_>,
        operation: u64,
        now: Offset,
        held_max: usize,
    ) -> Plan {
        let identity = call.identity(); // hashes the body: before the lock
        let keys = Keys::new(call, operation);
        let mut activations = self.lock();
        let mut candidates = Vec::with_capacity(matched.len());
        for rules in matched.chunk_by(|one, next| one.rule.activation == next.rule.activation) {
            let activation = rules
                .first()
                .and_then(|rule| activations.get_mut(&rule.rule.activation));
            if let Some(activation) = activation {
                activation.number(rules, identity, &keys, now, &mut candidates);
            }
        }
        let decision = decide(&candidates, identity, now, self.held.held() < held_max);
        self.commit(&mut activations, &candidates, &keys, decision, held_max)
    }

    /// Counts what was decided, and takes the call's places under the limits.
    fn commit(
        &self,
        activations: &mut HashMap<ActivationId, Activation>,
        candidates: &[Candidate<'_>],
        keys: &Keys,
        decision: Decision,
        held_max: usize,
    ) -> Plan {
        let Decision { mut plan, windows } = decision;
        let mut last = None;
        for ((candidate, considered), window) in candidates.iter().zip(&plan.considered).zip(windows) {
            let id = candidate.rule.rule.activation;
            let Some(activation) = activations.get_mut(&id).filter(|_| considered.why == Why::Fired) else {
                continue;
            };
            if last.is_none() {
                plan.permits.extend(self.held.take(held_max));
            }
            if last.replace(id) != Some(id) {
                activation.hit += 1;
                plan.permits.extend(activation.held.take(usize::MAX)); // the limit was looked at before
            }
            let compiled = &candidate.rule.compiled;
            activation
                .tally(compiled.text, keys.of(compiled.cadence.per))
                .fired += 1;
            if let Some(limit) = compiled.limiter {
                activation.tally(compiled.text, keys.of(limit.per)).window = window;
            }
        }
        plan
    }

    /// Counters hold no invariant that a panic elsewhere could break, so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, HashMap<ActivationId, Activation>> {
        self.activations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters of one activation.
#[derive(Debug, Default)]
struct Activation {
    /// How often each identity of a call came.
    seen: Generations<u64, u64>,
    matched: u64,
    hit: u64,
    held: Gauge,
    /// What is counted over all calls of a rule, by the rule's text.
    rules: HashMap<u64, Counted>,
    /// What is counted by agent, session or operation, by the rule's text and the key.
    keyed: Generations<(u64, u64), Tally>,
}

/// What is counted over all calls of a rule.
#[derive(Debug, Default)]
struct Counted {
    tally: Tally,
    /// The rule, as the newest snapshot that has it holds it.
    rule: Weak<CompiledRule>,
    /// It is not in force any more.
    is_let_go: bool,
}

/// What is counted for one rule and key. A rule's cadence and its limiter may have different keys; each uses
/// its own part.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    matched: u64,
    fired: u64,
    window: Option<Window>,
}

impl Activation {
    fn usage(&self) -> Usage {
        Usage {
            matched: self.matched,
            hit: self.hit,
            held: self.held.held(),
        }
    }

    /// Numbers a call for those of this activation's rules that match it.
    fn number<'a>(
        &mut self,
        rules: &[&'a ActiveRule],
        identity: u64,
        keys: &Keys,
        now: Offset,
        candidates: &mut Vec<Candidate<'a>>,
    ) {
        let seen = self.seen.entry(identity);
        let occurrence = *seen;
        *seen += 1;
        let begin = candidates.len();
        let mut scheduled = false;
        for rule in rules {
            let compiled = &rule.compiled;
            if !self.rules.contains_key(&compiled.text) {
                continue; // forgotten: another snapshot of the same text was the last that kept it
            }
            let probability = compiled.cadence.at(now.since(rule.since));
            let tally = self.tally(compiled.text, keys.of(compiled.cadence.per));
            tally.matched += u64::from(probability.is_some());
            let Tally { matched, fired, .. } = *tally;
            let window = compiled
                .limiter
                .and_then(|limit| self.tally(compiled.text, keys.of(limit.per)).window);
            scheduled |= probability.is_some();
            let numbers = Numbers {
                occurrence,
                probability,
                ordinal: if probability.is_some() { matched } else { 0 },
                fired,
                usage: Usage::default(), // below, when it is known whether the call counts
                window,
            };
            candidates.push(Candidate { rule, numbers });
        }
        self.matched += u64::from(scheduled);
        let usage = self.usage();
        for candidate in candidates.iter_mut().skip(begin) {
            candidate.numbers.usage = usage;
        }
    }

    fn tally(&mut self, rule: u64, key: Option<u64>) -> &mut Tally {
        match key {
            None => &mut self.rules.entry(rule).or_default().tally,
            Some(key) => self.keyed.entry((rule, key)),
        }
    }
}

/// Whose call it is, for counting.
struct Keys {
    agent: u64,
    session: u64,
    operation: u64,
}

impl Keys {
    /// A call without a session counts for its agent.
    fn new(call: &Call<'_>, operation: u64) -> Self {
        let agent = call.agent.identity;
        let session = call.facts.session.as_ref();
        Self {
            agent,
            session: session.map_or(agent, |session| identity(&[session.as_bytes()])),
            operation,
        }
    }

    /// The key; `None` where all calls count together.
    fn of(&self, per: Per) -> Option<u64> {
        match per {
            Per::Call => None,
            Per::Agent => Some(self.agent),
            Per::Session => Some(self.session),
            Per::Operation => Some(self.operation),
        }
    }
}

/// A map of at most [`KEYS_MAX`] keys in two generations: when the young one is full, the old one is
/// forgotten and the young one becomes old. A key that is used returns to the young one.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Generations<K, V> {
    fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= KEYS_MAX / 2 {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests;
