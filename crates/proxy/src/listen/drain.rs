//! An orderly end: no new connections, no new requests on those that there are, then a deadline.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::limits::Places;

/// After the deadline, how long connections have to notice.
const ABORT_WAIT_MAX: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Everything is served.
    Open,
    /// Listeners are closed; what is in flight is finished.
    Draining,
    /// What is left is cut.
    Aborting,
}

/// Tells all workers how far the end has come.
#[derive(Debug)]
pub(super) struct Drain {
    stage: watch::Sender<Stage>,
}

impl Drain {
    pub(super) fn new() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Open),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Goes on to a stage; never back.
    pub(super) fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let later = to > *stage;
            *stage = to.max(*stage);
            later
        });
    }

    /// Returns once this stage, or a later one, is reached.
    pub(super) async fn reached(&self, wanted: Stage) {
        let mut stage = self.subscribe();
        // The sender lives as long as `self`.
        let _reached = stage.wait_for(|stage| *stage >= wanted).await;
    }

    /// Drains: returns how many connections had to be cut at the deadline.
    pub(super) async fn run(&self, places: &Places, deadline: Duration) -> usize {
        self.advance(Stage::Draining);
        let gone = async {
            tokio::select! {
                () = places.empty() => true,
                () = self.reached(Stage::Aborting) => false,
            }
        };
        if timeout(deadline, gone).await == Ok(true) {
            return 0;
        }
        let left = places.taken();
        self.advance(Stage::Aborting);
        let _noticed = timeout(ABORT_WAIT_MAX, places.empty()).await;
        left
    }
}
