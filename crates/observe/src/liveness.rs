//! Whether calls still make progress: what the kill switch's `unresponsive_after` is decided on.
//!
//! No clock is read here. Progress is an event without a time; whoever asks gives the time, and gets the time
//! of the first question at which the latest progress was seen. The answer is as fine as the questions are
//! frequent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use murphy_core::clock::Offset;

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// Calls in flight.
    pub in_flight: usize,
    /// Calls in flight that sit in an injected wait.
    pub waiting_injected: usize,
    /// When progress was last seen: a call finished, the first call after a silence began, an injected wait
    /// ended, or bytes of an answer passed.
    pub last_progress: Offset,
}

impl Liveness {
    /// For how long calls have been in flight without any progress and without an injected wait that explains
    /// it; zero if there is no such call.
    #[must_use]
    pub fn stuck_for(&self, now: Offset) -> Duration {
        if self.in_flight > self.waiting_injected {
            now.since(self.last_progress)
        } else {
            Duration::ZERO
        }
    }
}

/// The counters behind [`Liveness`].
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    in_flight: AtomicUsize,
    waiting_injected: AtomicUsize,
    progress: AtomicU64,
    seen: Mutex<(u64, Offset)>,
}

impl Pulse {
    pub(crate) fn begin(&self) {
        if self.in_flight.fetch_add(1, Ordering::AcqRel) == 0 {
            self.progressed();
        }
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.progressed();
    }

    pub(crate) fn progressed(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wait(self: &Arc<Self>) -> InjectedWait {
        self.waiting_injected.fetch_add(1, Ordering::AcqRel);
        InjectedWait {
            pulse: Arc::clone(self),
        }
    }

    pub(crate) fn look(&self, now: Offset) -> Liveness {
        let progress = self.progress.load(Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != progress {
            *seen = (progress, now);
        }
        Liveness {
            in_flight: self.in_flight.load(Ordering::Acquire),
            waiting_injected: self.waiting_injected.load(Ordering::Acquire),
            last_progress: seen.1,
        }
    }
}

/// Held while a call sits in an injected wait (a delay, a hang, a stall, a throttle).
#[derive(Debug)]
pub struct InjectedWait {
    pulse: Arc<Pulse>,
}

impl Drop for InjectedWait {
    fn drop(&mut self) {
        self.pulse.waiting_injected.fetch_sub(1, Ordering::AcqRel);
        self.pulse.progressed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Offset {
        Offset(Duration::from_secs(seconds))
    }

    #[test]
    fn a_call_after_a_long_silence_is_not_stuck_from_the_start() {
        let pulse = Pulse::default();
        pulse.begin();
        pulse.end();
        let _ = pulse.look(at(1));
        let _ = pulse.look(at(599));
        pulse.begin();
        assert_eq!(pulse.look(at(600)).stuck_for(at(600)), Duration::ZERO);
        assert_eq!(pulse.look(at(631)).stuck_for(at(631)), Duration::from_secs(31));
    }

    #[test]
    fn calls_that_begin_behind_a_stuck_one_are_no_progress_and_bytes_are() {
        let pulse = Pulse::default();
        pulse.begin();
        let _ = pulse.look(at(0));
        pulse.begin();
        assert_eq!(pulse.look(at(40)).stuck_for(at(40)), Duration::from_secs(40));
        pulse.progressed();
        assert_eq!(pulse.look(at(41)).stuck_for(at(41)), Duration::ZERO);
    }

    #[test]
    fn an_injected_wait_explains_the_silence_and_its_end_starts_the_count_anew() {
        let pulse = Arc::new(Pulse::default());
        pulse.begin();
        let wait = pulse.wait();
        let _ = pulse.look(at(0));
        assert_eq!(pulse.look(at(90)).stuck_for(at(90)), Duration::ZERO);
        drop(wait);
        assert_eq!(pulse.look(at(91)).stuck_for(at(91)), Duration::ZERO);
        assert_eq!(pulse.look(at(122)).stuck_for(at(122)), Duration::from_secs(31));
    }
}
