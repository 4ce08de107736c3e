//! Waiting finer than tokio's millisecond: injected waits end on time, never early.
//!
//! tokio's wheel turns once a millisecond and rounds up. A fault that promises 100 ms should not take 101, so
//! the last part of an injected wait is kept by one thread that sleeps until the next deadline of a heap. In
//! tests with paused time that thread would be wrong by construction: [`Timer::tokio`] follows tokio's clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// Waits longer than this first sleep on tokio's wheel, so that the heap stays short.
const COARSE: Duration = Duration::from_millis(4);

/// Makes sleeps.
#[derive(Debug, Clone, Default)]
pub struct Timer {
    fine: Option<Arc<Heap>>,
}

impl Timer {
    /// A timer that follows tokio's clock, to its millisecond.
    #[must_use]
    pub fn tokio() -> Self {
        Self { fine: None }
    }

    /// A timer with a thread of its own; if the thread cannot be started, tokio's clock.
    #[must_use]
    pub fn fine() -> Self {
        let heap = Arc::new(Heap::default());
        let theirs = Arc::downgrade(&heap);
        let started = std::thread::Builder::new()
            .name("murphy-timer".to_owned())
            .spawn(move || {
                while let Some(heap) = theirs.upgrade() {
                    heap.turn();
                }
            });
        match started {
            Ok(_) => Self { fine: Some(heap) },
            Err(_) => Self::tokio(),
        }
    }

    /// Returns at `deadline` or as soon after as can be, never before.
    pub async fn sleep_until(&self, deadline: Instant) {
        let Some(heap) = &self.fine else {
            tokio::time::sleep_until(deadline).await;
            return;
        };
        if let Some(coarse) = deadline.checked_sub(COARSE)
            && coarse > Instant::now()
        {
            tokio::time::sleep_until(coarse).await;
        }
        FineSleep {
            heap,
            deadline,
            shared: None,
        }
        .await;
    }
}

/// The wakers of all fine sleeps, by deadline.
#[derive(Debug, Default)]
struct Heap {
    entries: Mutex<BinaryHeap<Reverse<Entry>>>,
    earlier: Condvar,
}

/// How long the thread sleeps when nobody waits; bounds how long it outlives its timer.
const IDLE: Duration = Duration::from_millis(500);

impl Heap {
    fn push(&self, deadline: Instant, slot: Arc<Slot>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let first = entries
            .peek()
            .is_none_or(|Reverse(entry)| deadline < entry.deadline);
        entries.push(Reverse(Entry { deadline, slot }));
        drop(entries);
        if first {
            self.earlier.notify_one();
        }
    }

    /// Wakes who is due, then sleeps until the next deadline.
    fn turn(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut due = Vec::new();
        while entries.peek().is_some_and(|Reverse(entry)| entry.deadline <= now) {
            due.extend(entries.pop());
        }
        if due.is_empty() {
            let wait = entries.peek().map_or(IDLE, |Reverse(entry)| {
                entry.deadline.duration_since(now).min(IDLE)
            });
            let _unlocked = self.earlier.wait_timeout(entries, wait);
            return;
        }
        drop(entries); // wakers run foreign code
        for Reverse(entry) in due {
            entry.slot.wake();
        }
    }
}

#[derive(Debug)]
struct Entry {
    deadline: Instant,
    slot: Arc<Slot>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.deadline == other.deadline
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.deadline.cmp(&other.deadline)
    }
}

/// Who is to be woken; empty when the sleep was dropped.
#[derive(Debug, Default)]
struct Slot(Mutex<Option<Waker>>);

impl Slot {
    fn set(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }

    fn wake(&self) {
        if let Some(waker) = self.set(None) {
            waker.wake();
        }
    }
}

struct FineSleep<'a> {
    heap: &'a Heap,
    deadline: Instant,
    shared: Option<Arc<Slot>>,
}

impl Future for FineSleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(());
        }
        match &self.shared {
            Some(slot) => {
                let _old = slot.set(Some(context.waker().clone()));
                // The thread may have taken the old waker between the look at the clock and here.
                if Instant::now() >= self.deadline {
                    return Poll::Ready(());
                }
            }
            None => {
                let slot = Arc::new(Slot(Mutex::new(Some(context.waker().clone()))));
                self.heap.push(self.deadline, Arc::clone(&slot));
                self.shared = Some(slot);
            }
        }
        Poll::Pending
    }
}

impl Drop for FineSleep<'_> {
    fn drop(&mut self) {
        if let Some(slot) = &self.shared {
            let _waker = slot.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fine_sleeps_are_never_early_and_all_end() {
        let timer = Timer::fine();
        let start = Instant::now();
        let sleeps = (0..200_u64).map(|nth| {
            let timer = timer.clone();
            async move {
                let deadline = start + Duration::from_micros(150 * nth);
                timer.sleep_until(deadline).await;
                assert!(Instant::now() >= deadline, "woke early");
            }
        });
        futures_util::future::join_all(sleeps).await;
    }

    #[tokio::test(start_paused = true)]
    async fn tokio_sleeps_follow_paused_time() {
        let start = Instant::now();
        Timer::tokio()
            .sleep_until(start + Duration::from_secs(3_600))
            .await;
        assert_eq!(start.elapsed(), Duration::from_secs(3_600));
    }
}
