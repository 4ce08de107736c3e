//! Joins what clients saw, what arrived at the origin and what the event log says: each call must be explained.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::client::{Called, End};
use crate::events::Log;
use crate::ledger::{Seen, id};

/// What one worker did.
#[derive(Debug, Default)]
pub struct Worked {
    /// Its number.
    pub worker: u64,
    /// How many ids it used.
    pub used: u64,
    /// How many answers were exact, not marked, and not near a kill of the upstream.
    pub exact: u64,
    /// Bytes of exact answers and of what was sent for them.
    pub bytes: u64,
    /// All other calls.
    pub others: Vec<Called>,
}

impl Worked {
    /// Takes the next id.
    pub fn next_id(&mut self) -> u64 {
        self.used += 1;
        id(self.worker, self.used - 1)
    }

    /// A call ended.
    pub fn ended(&mut self, called: Called, bytes: u64) {
        if called.end == End::Exact {
            self.bytes += bytes;
            if !called.marked && !called.in_outage {
                self.exact += 1;
                return;
            }
        }
        self.others.push(called);
    }
}

/// All that is known.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The clients.
    pub workers: &'a [Worked],
    /// The origin.
    pub arrived: &'a Seen,
    /// The event log.
    pub log: &'a Log,
    /// From the answer to a trip until the re-arm was sent.
    pub tripped: &'a [(Timestamp, Timestamp)],
}

/// What came of it.
#[derive(Debug, Default, Clone)]
pub struct Verdict {
    /// Calls made.
    pub calls: u64,
    /// Of these, exact and untouched.
    pub exact: u64,
    /// Of these, with a fault that the event log names.
    pub faulted: u64,
    /// Of these, in flight at a kill of the upstream.
    pub in_outage: u64,
    /// Sent to the upstream once more around a kill of it.
    pub repeated_in_outage: u64,
    /// What should not be, by its name.
    pub wrong: BTreeMap<&'static str, u64>,
    /// The first few of each, in words.
    pub examples: Vec<String>,
}

const EXAMPLES_MAX: u64 = 4;

impl Verdict {
    /// How many of these names.
    #[must_use]
    pub fn count(&self, names: &[&str]) -> u64 {
        names.iter().filter_map(|name| self.wrong.get(name)).sum()
    }

    fn blame(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        let count = self.wrong.entry(what).or_default();
        *count += 1;
        if *count <= EXAMPLES_MAX {
            self.examples.push(format!("{what}: {}", example()));
        }
    }
}

/// Judges.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for worked in evidence.workers {
        verdict.calls += worked.used;
        verdict.exact += worked.exact;
        let others: BTreeMap<u64, &Called> = worked.others.iter().map(|called| (called.id, called)).collect();
        for sequence in 0..worked.used {
            let id = id(worked.worker, sequence);
            judge_one(evidence, id, others.get(&id).copied(), &mut verdict);
        }
    }
    let issued: u64 = verdict.calls;
    let known: u64 = evidence
        .workers
        .iter()
        .map(|worked| arrivals(evidence, worked))
        .sum();
    if evidence.arrived.total() != known {
        verdict.blame("invented", || {
            format!(
                "{} arrivals of {issued} calls, {known} known",
                evidence.arrived.total()
            )
        });
    }
    for id in &evidence.arrived.wrong {
        verdict.blame("wrong", || {
            format!("{id}: the body that arrived at the origin is another one")
        });
    }
    for (from, until) in evidence.tripped {
        for (id, fault) in evidence
            .log
            .faults
            .iter()
            .filter(|(_, fault)| fault.at > *from && fault.at < *until)
        {
            verdict.blame("injected while tripped", || {
                format!("{id} by {} at {}", fault.rules, fault.at)
            });
        }
    }
    verdict
}

fn arrivals(evidence: &Evidence<'_>, worked: &Worked) -> u64 {
    let times = |sequence| u64::from(evidence.arrived.times(id(worked.worker, sequence)));
    (0..worked.used).map(times).sum()
}

fn judge_one(evidence: &Evidence<'_>, id: u64, other: Option<&Called>, verdict: &mut Verdict) {
    let arrived = evidence.arrived.times(id);
    let fault = evidence.log.faults.get(&id);
    let outage = other.is_some_and(|called| called.in_outage);
    let recorded = evidence.log.exchanges.times(id);
    if let Some(called) = other.filter(|called| recorded + arrived == 0 && is_unread(called)) {
        verdict.blame("closed without notice", || format!("{id}: {called:?}"));
        return;
    }
    match recorded {
        1 => {}
        0 => verdict.blame("unrecorded", || {
            format!("{id}: {other:?} is not in the event log")
        }),
        n => verdict.blame("recorded twice", || format!("{id} is {n} times in the event log")),
    }
    if let Some(fault) = fault {
        verdict.faulted += 1;
        match other {
            None => verdict.blame("unmarked", || format!("{id}: {} left no mark", fault.rules)),
            Some(called) if !called.marked && !matches!(called.end, End::Broken(_)) => {
                verdict.blame("unmarked", || {
                    format!("{id}: {} left no mark on {:?}", fault.rules, called.end)
                });
            }
            Some(_) => {}
        }
        if arrived > 1 && !outage {
            verdict.blame("duplicated", || {
                format!("{id} ({}) arrived {arrived} times", fault.rules)
            });
        }
        return;
    }
    match other.map(|called| (called.marked, &called.end)) {
        None => {}
        Some((true, End::Exact)) if evidence.log.idle.contains(&id) => {}
        Some((true, End::Broken(_))) if outage && evidence.log.idle.contains(&id) => verdict.in_outage += 1,
        Some((true, end)) => verdict.blame("marked without a record", || format!("{id}: {end:?}")),
        Some((false, End::Exact)) => {
            verdict.in_outage += 1;
            if arrived == 0 {
                verdict.blame("lost", || format!("{id} was answered and never arrived"));
            }
        }
        Some((false, End::Wrong(what))) => verdict.blame("wrong", || format!("{id}: {what}")),
        Some((false, End::Broken(_) | End::Status(502 | 504))) if outage => verdict.in_outage += 1,
        Some((false, _)) => verdict.blame("lost", || format!("{id}: {other:?}; it arrived {arrived} times")),
    }
    match arrived {
        1 => {}
        0 if other.is_none() => verdict.blame("lost", || format!("{id} was answered and never arrived")),
        0 => {} // what it got instead of an answer is judged above
        _ if outage => verdict.repeated_in_outage += 1,
        n => verdict.blame("duplicated", || format!("{id} arrived {n} times: {other:?}")),
    }
}

/// Whether the daemon closed the connection behind an answer that did not say so, and never read this call.
fn is_unread(called: &Called) -> bool {
    matches!(called.end, End::Broken(_)) && called.before.starts_with("Status")
}

#[cfg(test)]
mod tests;
