//! The kill switch as a pure state machine: (state, input, offset) → (state, change).
//!
//! ```text
//! armed ── trip ──► tripped ── rearm, or rearm_after ──► armed
//!   └──── lock ──► locked ─── unlock ──► what it was without the lock (a trip stays in force)
//! ```

use std::time::Duration;

use murphy_core::clock::Offset;
use serde::{Deserialize, Serialize};

use crate::view::{Change, ChangeView, SwitchState, TripView};

/// How many changes are remembered.
pub const HISTORY_MAX: usize = 50;

/// Everything that can happen to the switch.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Something or somebody trips it.
    Trip(TripView),
    /// A person re-arms it.
    Rearm(Said),
    /// A person locks it.
    Lock(Said),
    /// A person unlocks it.
    Unlock(Said),
    /// Time passes; with `rearm_after` it may re-arm by itself.
    Tick {
        /// The setting.
        rearm_after: Option<Duration>,
        /// The wall-clock time, as text.
        at: String,
    },
}

/// Who said it, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: String,
}

/// The state of the switch. It is what the latch keeps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillSwitch {
    /// The trip in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trip: Option<TripView>,
    /// The lock in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ChangeView>,
    /// The last changes, newest first.
    #[serde(default)]
    pub history: Vec<ChangeView>,
    /// When it tripped, in the time of this process; after a restart, when the process started.
    #[serde(skip)]
    pub tripped_at: Offset,
}

impl KillSwitch {
    /// The state.
    #[must_use]
    pub fn state(&self) -> SwitchState {
        if self.lock.is_some() {
            SwitchState::Locked
        } else if self.trip.is_some() {
            SwitchState::Tripped
        } else {
            SwitchState::Armed
        }
    }

    /// When it re-arms by itself.
    #[must_use]
    pub fn rearms_at(&self, rearm_after: Option<Duration>) -> Option<Offset> {
        let after = rearm_after.filter(|_| self.trip.is_some())?;
        Some(self.tripped_at.plus(after))
    }

    /// The state after an input, and what changed. An input that does not fit the state changes nothing: the
    /// first trip stands, and what is not tripped is not re-armed.
    #[must_use]
    pub fn next(mut self, input: Input, now: Offset) -> (Self, Option<Change>) {
        let recorded = match input {
            Input::Trip(trip) if self.trip.is_none() => {
                let record = ChangeView {
                    change: Change::Tripped,
                    who: trip.who.clone(),
                    reason: trip.reason.clone(),
                    at: trip.at.clone(),
                };
                self.trip = Some(trip);
                self.tripped_at = now;
                Some(record)
            }
            Input::Rearm(said) if self.trip.is_some() => {
                self.trip = None;
                Some(said.record(Change::Rearmed))
            }
            Input::Tick { rearm_after, at } if self.rearms_at(rearm_after).is_some_and(|due| due <= now) => {
                self.trip = None;
                let said = Said {
                    who: "director".to_owned(),
                    reason: "kill_switch.rearm_after passed".to_owned(),
                    at,
                };
                Some(said.record(Change::Rearmed))
            }
            Input::Lock(said) if self.lock.is_none() => {
                let record = said.record(Change::Locked);
                self.lock = Some(record.clone());
                Some(record)
            }
            Input::Unlock(said) if self.lock.is_some() => {
                self.lock = None;
                Some(said.record(Change::Unlocked))
            }
            _ => None,
        };
        let change = recorded.as_ref().map(|record| record.change);
        if let Some(record) = recorded {
            self.history.insert(0, record);
            self.history.truncate(HISTORY_MAX);
        }
        (self, change)
    }
}

impl Said {
    fn record(self, change: Change) -> ChangeView {
        ChangeView {
            change,
            who: self.who,
            reason: self.reason,
            at: self.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Trigger;

    fn at(seconds: u64) -> Offset {
        Offset(Duration::from_secs(seconds))
    }

    fn said(who: &str) -> Said {
        Said {
            who: who.to_owned(),
            reason: String::new(),
            at: String::new(),
        }
    }

    fn trip(who: &str) -> Input {
        Input::Trip(TripView {
            trigger: Trigger::Manual,
            reason: "why".to_owned(),
            who: who.to_owned(),
            at: String::new(),
            halted: Vec::new(),
            measured: None,
        })
    }

    fn tick() -> Input {
        Input::Tick {
            rearm_after: Some(Duration::from_secs(60)),
            at: String::new(),
        }
    }

    /// All states, by how they are reached.
    fn states() -> [(&'static str, KillSwitch); 4] {
        let armed = KillSwitch::default();
        let tripped = armed.clone().next(trip("a"), at(0)).0;
        let locked = armed.clone().next(Input::Lock(said("b")), at(0)).0;
        let both = tripped.clone().next(Input::Lock(said("b")), at(0)).0;
        [
            ("armed", armed),
            ("tripped", tripped),
            ("locked", locked),
            ("both", both),
        ]
    }

    #[test]
    fn every_input_in_every_state() {
        use Change::{Locked, Rearmed, Tripped, Unlocked};
        type Outcome = (Option<Change>, SwitchState);
        let table: [(&str, Input, [Outcome; 4]); 5] = {
            let (armed, tripped, locked) = (SwitchState::Armed, SwitchState::Tripped, SwitchState::Locked);
            [
                (
                    "trip",
                    trip("x"),
                    [
                        (Some(Tripped), tripped),
                        (None, tripped),
                        (Some(Tripped), locked),
                        (None, locked),
                    ],
                ),
                (
                    "rearm",
                    Input::Rearm(said("x")),
                    [
                        (None, armed),
                        (Some(Rearmed), armed),
                        (None, locked),
                        (Some(Rearmed), locked),
                    ],
                ),
                (
                    "lock",
                    Input::Lock(said("x")),
                    [
                        (Some(Locked), locked),
                        (Some(Locked), locked),
                        (None, locked),
                        (None, locked),
                    ],
                ),
                (
                    "unlock",
                    Input::Unlock(said("x")),
                    [
                        (None, armed),
                        (None, tripped),
                        (Some(Unlocked), armed),
                        (Some(Unlocked), tripped),
                    ],
                ),
                (
                    "tick",
                    tick(),
                    [
                        (None, armed),
                        (Some(Rearmed), armed),
                        (None, locked),
                        (Some(Rearmed), locked),
                    ],
                ),
            ]
        };
        for (what, input, expected) in table {
            for ((from, state), (change, to)) in states().into_iter().zip(expected) {
                let before = state.history.len();
                let (next, changed) = state.next(input.clone(), at(60));
                assert_eq!((changed, next.state()), (change, to), "{what} while {from}");
                assert_eq!(
                    next.history.len() - before,
                    usize::from(change.is_some()),
                    "{what} while {from}"
                );
            }
        }
    }

    #[test]
    fn the_first_trip_stands_and_rearming_by_itself_waits_its_time() {
        let [_, (_, tripped), ..] = states();
        let (tripped, _) = tripped.next(trip("later"), at(5));
        assert_eq!(tripped.trip.as_ref().unwrap().who, "a");
        let (tripped, change) = tripped.next(tick(), at(59));
        assert_eq!(change, None);
        assert_eq!(tripped.rearms_at(Some(Duration::from_secs(60))), Some(at(60)));
        assert_eq!(tripped.rearms_at(None), None);
    }

    #[test]
    fn the_history_is_bounded() {
        let mut switch = KillSwitch::default();
        for n in 0..100 {
            switch = switch.next(Input::Lock(said("a")), at(n)).0;
            switch = switch.next(Input::Unlock(said("a")), at(n)).0;
        }
        assert_eq!(switch.history.len(), HISTORY_MAX);
        assert_eq!(switch.history[0].change, Change::Unlocked);
    }
}
