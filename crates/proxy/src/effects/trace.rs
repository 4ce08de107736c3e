//! What became of a call's faults: the proof that stands in its exchange.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use murphy_core::exchange::AppliedFault;
use murphy_core::plan::{Plan, RuleRef, Skip};
use murphy_observe::Observer;
use tokio::time::Instant;

/// The faults of one call as they are executed. Shared by the pipeline and the bodies that it wraps.
pub struct Trace {
    fired: Vec<Arc<RuleRef>>,
    observer: Arc<Observer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Vec<AppliedFault>,
    /// Rules, by their place in `fired`, of which something was done or is under way.
    touched: Vec<usize>,
    skips: Vec<Skip>,
    injected: Duration,
    waiting: usize,
    left_waiting: bool,
    malformed: bool,
}

/// What is left of a trace when the call ends.
pub struct Traced {
    /// The rules that fired and were executed at least in part.
    pub fired: Vec<Arc<RuleRef>>,
    /// One entry for each rule that fired.
    pub faults: Vec<AppliedFault>,
    /// Reasons why faults were not applied.
    pub skips: Vec<Skip>,
    /// Injected waits, in all.
    pub injected: Duration,
    /// Whether the call ended inside an injected wait.
    pub waiting: bool,
    /// Whether the answer, though complete, was damaged.
    pub malformed: bool,
}

impl Trace {
    /// A trace for what `plan` decided.
    #[must_use]
    pub fn new(plan: &Plan, observer: Arc<Observer>) -> Arc<Self> {
        let mut fired: Vec<Arc<RuleRef>> = Vec::new();
        let mut faults = Vec::new();
        for planned in &plan.effects {
            if fired.iter().any(|rule| Arc::ptr_eq(rule, &planned.rule)) {
                continue;
            }
            let draw = plan
                .considered
                .iter()
                .find(|one| one.rule == planned.rule)
                .and_then(|one| one.draw);
            fired.push(Arc::clone(&planned.rule));
            faults.push(AppliedFault {
                scenario: planned.rule.scenario.to_string(),
                rule: planned.rule.rule.to_string(),
                fault: planned.rule.fault.to_owned(),
                effects: Vec::new(),
                skipped: None,
                draw,
            });
        }
        Arc::new(Self {
            fired,
            observer,
            state: Mutex::new(State {
                faults,
                ..State::default()
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an effect is under way, so that the response is marked before the effect is over.
    pub fn touch(&self, rule: &RuleRef) {
        self.with_fault(rule, |state, nth| {
            if !state.touched.contains(&nth) {
                state.touched.push(nth);
            }
        });
    }

    /// The marks of the rules that touched the call: `scenario/rule`.
    #[must_use]
    pub fn touched(&self) -> Vec<String> {
        let mut touched = self.state().touched.clone();
        touched.sort_unstable();
        touched
            .iter()
            .filter_map(|nth| self.fired.get(*nth))
            .map(|rule| rule.mark())
            .collect()
    }

    fn with_fault(&self, rule: &RuleRef, change: impl FnOnce(&mut State, usize)) {
        if let Some(nth) = self.fired.iter().position(|fired| **fired == *rule) {
            change(&mut self.state(), nth);
        }
    }

    /// Notes an effect that was executed.
    pub fn applied(&self, rule: &RuleRef, what: impl Into<String>) {
        self.touch(rule);
        self.with_fault(rule, |state, nth| {
            if let Some(fault) = state.faults.get_mut(nth) {
                fault.effects.push(what.into());
            }
        });
    }

    /// Notes an effect that could not be executed.
    pub fn skipped(&self, rule: &RuleRef, why: Skip) {
        self.with_fault(rule, |state, nth| {
            state.skips.push(why);
            if let Some(fault) = state.faults.get_mut(nth) {
                fault.skipped = Some(why.name().to_owned());
            }
        });
    }

    /// Notes that the answer is complete and damaged.
    pub fn damaged(&self) {
        self.state().malformed = true;
    }

    /// Books an injected wait of this rule for as long as the guard lives.
    #[must_use]
    pub fn waiting<'a>(&'a self, rule: &'a RuleRef) -> Waiting<'a> {
        self.state().waiting += 1;
        Waiting {
            trace: self,
            rule,
            since: Instant::now(),
            ended: false,
            _known: self.observer.injected_wait(),
        }
    }

    /// What became of the faults.
    #[must_use]
    pub fn take(&self) -> Traced {
        let mut state = self.state();
        let mut faults = std::mem::take(&mut state.faults);
        let executed: Vec<bool> = faults.iter().map(|fault| !fault.effects.is_empty()).collect();
        let fired = self
            .fired
            .iter()
            .zip(executed)
            .filter(|(_, executed)| *executed)
            .map(|(rule, _)| Arc::clone(rule));
        // A limiter that let the call pass did nothing to it.
        faults.retain(|fault| !fault.effects.is_empty() || fault.skipped.is_some());
        Traced {
            fired: fired.collect(),
            skips: std::mem::take(&mut state.skips),
            injected: state.injected,
            waiting: state.waiting > 0 || state.left_waiting,
            malformed: state.malformed,
            faults,
        }
    }
}

/// An injected wait in progress.
pub struct Waiting<'a> {
    trace: &'a Trace,
    rule: &'a RuleRef,
    since: Instant,
    ended: bool,
    _known: murphy_observe::InjectedWait,
}

impl Waiting<'_> {
    /// The wait came to its end. Without this it was given up: the agent left.
    pub fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed();
        let mut state = self.trace.state();
        state.injected += waited;
        state.waiting = state.waiting.saturating_sub(1);
        state.left_waiting |= !self.ended;
        drop(state);
        if !self.ended {
            // A wait that nobody waited out was injected all the same.
            self.trace.applied(
                self.rule,
                format!("waited {}ms, until the agent left", waited.as_millis()),
            );
        }
    }
}

impl Traced {
    /// The trace of a call without faults.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            fired: Vec::new(),
            faults: Vec::new(),
            skips: Vec::new(),
            injected: Duration::ZERO,
            waiting: false,
            malformed: false,
        }
    }
}
