//! One clock for all processes of a measurement, and a ticker that keeps fractions of a millisecond (tokio's timer
//! rounds to whole ones).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Nanoseconds of the machine's monotonic clock, which all processes share: an event may carry when it was sent.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanos
}

/// Milliseconds from nanoseconds.
#[must_use]
pub fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// Expires at a fixed interval, on the kernel's high resolution timers.
#[derive(Debug)]
pub struct Ticker {
    timer: AsyncFd<OwnedFd>,
    /// When it was started: the n-th tick is due n intervals later.
    pub started: u64,
}

impl Ticker {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub fn every(interval: Duration) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let every = Timespec {
            tv_sec: i64::try_from(interval.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: interval.subsec_nanos().into(),
        };
        let spec = Itimerspec {
            it_interval: every,
            it_value: every,
        };
        let started = now();
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
        // Its replacement is unsafe, since a type could close its descriptor early; this one owns it to the end.
        #[allow(deprecated)]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { timer, started })
    }

    /// Waits until it has expired since the last call, and says how often.
    ///
    /// # Errors
    /// If the timer cannot be read.
    pub async fn tick(&mut self) -> io::Result<u64> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut count = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut count)?));
            if let Ok(read) = read {
                read?;
                return Ok(u64::from_ne_bytes(count));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_come_at_their_interval_and_none_is_lost() {
        let mut ticker = Ticker::every(Duration::from_micros(500)).unwrap();
        let mut ticks = 0;
        while ticks < 20 {
            ticks += ticker.tick().await.unwrap();
        }
        assert!(now() - ticker.started >= ticks * 500_000);
    }
}
