//! `Live<T>`: one published value, many readers, and a wake-up for those who wait.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

/// The published value. One writer publishes; readers load once per request and keep what they got.
#[derive(Debug)]
pub struct Live<T> {
    current: ArcSwap<T>,
    published: watch::Sender<u64>,
}

impl<T> Live<T> {
    /// A cell that holds `first`.
    #[must_use]
    pub fn new(first: T) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
            published: watch::Sender::new(0),
        }
    }

    /// The value in force, as an owned handle: guards of `ArcSwap` are meant to be short.
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Looks at the value in force without taking a handle.
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.current.load())
    }

    /// Replaces the value, then wakes all who wait. Readers that loaded before keep the old value.
    pub fn publish(&self, next: T) {
        self.current.store(Arc::new(next));
        self.published.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A watcher that sees every publication from now on.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        Watcher {
            published: self.published.subscribe(),
        }
    }
}

/// Waits for publications.
#[derive(Debug, Clone)]
pub struct Watcher {
    published: watch::Receiver<u64>,
}

impl Watcher {
    /// Returns after the next publication since the last call (or since the watcher was made).
    /// Never returns once the cell is gone.
    pub async fn changed(&mut self) {
        if self.published.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_keep_what_they_loaded() {
        let live = Live::new(1);
        let old = live.load();
        live.publish(2);
        assert_eq!((*old, *live.load(), live.peek(|now| *now)), (1, 2, 2));
    }

    #[test]
    fn a_publication_before_the_wait_is_not_missed() {
        let live = Live::new(1);
        let mut watcher = live.watch();
        live.publish(2);
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let changed = std::pin::pin!(watcher.changed());
        assert!(changed.poll(&mut context).is_ready());
    }
}
