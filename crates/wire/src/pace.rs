//! How many bytes of a body may pass at a moment: an even rate, a pause, some at a time.

use std::time::Duration;

use murphy_core::effect::{Pace, Position};

use crate::truncate::share_of;

/// A throttled reader is woken about this often in a second, not for each byte.
const TICKS_PER_SECOND: u64 = 50;
/// A throttle that had nothing to do for a while lets no more pass at once than for this time.
const IDLE_CREDIT: Duration = Duration::from_millis(100);

/// What may pass now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So many of the bytes that were offered. They count as passed.
    pub bytes: usize,
    /// After them nothing, not even the body's end, may pass before this; then ask again.
    pub wait: Option<Wait>,
}

/// Until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until this time since the body began.
    Until(Duration),
    /// Until the reader leaves.
    Forever,
}

/// Paces one body.
#[derive(Debug, Clone)]
pub struct Pacer {
    kind: Kind,
    passed: u64,
    now: Duration,
}

#[derive(Debug, Clone)]
enum Kind {
    Even(Even),
    Stall(Stall),
}

impl Pacer {
    /// A pacer for a body of `total` bytes, if that is known.
    ///
    /// A stall at a share of an unknown total happens at that share of the bytes that are offered first.
    #[must_use]
    pub fn new(pace: Pace, total: Option<u64>) -> Self {
        let kind = match pace {
            Pace::Throttle { bytes_per_second } => Kind::Even(Even::new(Flow::Rate(bytes_per_second.max(1)))),
            Pace::Drip { bytes, every } => Kind::Even(Even::new(Flow::Groups(bytes.max(1), every))),
            Pace::Stall { after, wait } => Kind::Stall(Stall {
                place: match (after, total) {
                    (Position::Bytes(bytes), _) => Place::At(bytes),
                    (Position::Share(share), Some(total)) => Place::At(share_of(share, total)),
                    (Position::Share(share), None) => Place::ShareOfFirst(share),
                    (Position::InsideJson, _) => Place::At(0), // does not occur
                },
                wait,
                began: None,
            }),
        };
        Self {
            kind,
            passed: 0,
            now: Duration::ZERO,
        }
    }

    /// How many of the `offered` bytes may pass at `now`, a time since the body began that never goes back
    /// (an earlier one is taken for the latest). Ask with 0 before the body's end is passed on.
    pub fn allow(&mut self, now: Duration, offered: usize) -> Allowance {
        self.now = self.now.max(now);
        let offered_bytes = offered as u64;
        let (bytes, wait) = match &mut self.kind {
            Kind::Even(even) => even.allow(self.now, self.passed, offered_bytes),
            Kind::Stall(stall) => stall.allow(self.now, self.passed, offered_bytes),
        };
        self.passed = self.passed.saturating_add(bytes);
        Allowance {
            bytes: usize::try_from(bytes).map_or(offered, |bytes| bytes.min(offered)),
            wait,
        }
    }
}

/// How much flows in a time.
#[derive(Debug, Clone, Copy)]
enum Flow {
    /// So many bytes in a second.
    Rate(u64),
    /// So many bytes each time that this has passed.
    Groups(u64, Duration),
}

impl Flow {
    /// Bytes that have become due after `elapsed`.
    fn due(self, elapsed: Duration) -> u64 {
        let due = match self {
            Self::Rate(rate) => elapsed.as_nanos().saturating_mul(rate.into()) / NANOS,
            Self::Groups(bytes, every) => match elapsed.as_nanos().checked_div(every.as_nanos()) {
                Some(groups) => groups.saturating_mul(bytes.into()),
                None => u128::MAX,
            },
        };
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// The first moment at which `bytes` have become due.
    fn when(self, bytes: u64) -> Duration {
        let nanos = match self {
            Self::Rate(rate) => (u128::from(bytes) * NANOS).div_ceil(rate.into()),
            Self::Groups(group, every) => u128::from(bytes.div_ceil(group)).saturating_mul(every.as_nanos()),
        };
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many bytes are worth waking for.
    fn quantum(self) -> u64 {
        match self {
            Self::Rate(rate) => (rate / TICKS_PER_SECOND).max(1),
            Self::Groups(..) => 1,
        }
    }

    /// For how long unused flow is kept.
    fn credit(self) -> Duration {
        match self {
            Self::Rate(_) => IDLE_CREDIT,
            Self::Groups(_, every) => every,
        }
    }
}

const NANOS: u128 = 1_000_000_000;

/// An even flow. While bytes are held back its average is exact: a late question gets what became due meanwhile.
/// While nothing was held back it saves up no more than its credit, as a slow line would not.
#[derive(Debug, Clone)]
struct Even {
    flow: Flow,
    /// The flow counts from here; moved on when it was idle.
    start: Duration,
    held_back: bool,
}

impl Even {
    fn new(flow: Flow) -> Self {
        Self {
            flow,
            start: Duration::ZERO,
            held_back: false,
        }
    }

    fn allow(&mut self, now: Duration, passed: u64, offered: u64) -> (u64, Option<Wait>) {
        if !self.held_back {
            let used = self.flow.when(passed).saturating_add(self.flow.credit());
            self.start = self.start.max(now.saturating_sub(used));
        }
        let due = self.flow.due(now.saturating_sub(self.start));
        let bytes = offered.min(due.saturating_sub(passed));
        let left = offered - bytes;
        self.held_back = left > 0;
        let wait = self.held_back.then(|| {
            let next = passed
                .saturating_add(bytes)
                .saturating_add(left.min(self.flow.quantum()));
            Wait::Until(self.start.saturating_add(self.flow.when(next)))
        });
        (bytes, wait)
    }
}

/// A pause at a place.
#[derive(Debug, Clone)]
struct Stall {
    place: Place,
    wait: Option<Duration>,
    began: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    At(u64),
    ShareOfFirst(f64),
}

impl Stall {
    fn allow(&mut self, now: Duration, passed: u64, offered: u64) -> (u64, Option<Wait>) {
        let place = match self.place {
            Place::At(place) => place,
            Place::ShareOfFirst(_) if offered == 0 => return (0, None),
            Place::ShareOfFirst(share) => {
                let place = share_of(share, offered);
                self.place = Place::At(place);
                place
            }
        };
        let before = offered.min(place.saturating_sub(passed));
        if passed + before < place {
            return (before, None);
        }
        let began = *self.began.get_or_insert(now);
        match self.wait.map(|wait| began.saturating_add(wait)) {
            None => (before, Some(Wait::Forever)),
            Some(end) if now < end => (before, Some(Wait::Until(end))),
            Some(_) => (offered, None),
        }
    }
}

#[cfg(test)]
mod tests;
