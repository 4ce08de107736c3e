//! Time as an argument: wall clock for people, offsets for decisions.

use std::time::{Duration, SystemTime};

/// Tells the wall-clock time. The only reader of the system clock is [`SystemClock`].
pub trait WallClock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one home of the wall clock
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Monotonic time since the process started: what decisions and windows are computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Offset(pub Duration);

impl Offset {
    /// The offset that lies `later` after this one (saturating).
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }

    /// How long after `earlier` this is; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
