//! Injected waits, each releasable: when the scenario is switched off or the kill switch trips, the wait ends
//! and the call goes on as normal.

use std::sync::Arc;
use std::time::Duration;

use murphy_core::live::Live;
use murphy_core::plan::{ActivationId, RuleRef};
use murphy_rules::snapshot::Snapshot;
use tokio::time::Instant;

use super::trace::Trace;
use crate::timer::Timer;

/// What an executor asks before it acts, and what it waits on.
#[derive(Clone)]
pub struct Gate {
    /// The published snapshot.
    pub live: Arc<Live<Snapshot>>,
    /// Makes the sleeps.
    pub timer: Timer,
}

/// How an injected wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its time was up.
    Elapsed,
    /// It was released: the activation that asked for it has ended.
    Released,
}

impl Gate {
    /// Whether effects of this activation may still be executed. Asked right before each effect.
    #[must_use]
    pub fn is_open(&self, activation: ActivationId) -> bool {
        self.live.peek(|snapshot| snapshot.holds(activation))
    }

    /// Waits until `deadline` (`None`: for ever) or until the rule's activation ends. The time is booked as
    /// injected on `trace`, also when the waiting future is dropped.
    pub async fn hold(&self, rule: &RuleRef, deadline: Option<Instant>, trace: &Trace) -> Held {
        let mut watcher = self.live.watch(); // before the look, so that no publication is missed
        let booked = trace.waiting(rule);
        let sleep = async {
            match deadline {
                Some(deadline) => self.timer.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(sleep);
        while self.is_open(rule.activation) {
            tokio::select! {
                biased;
                () = &mut sleep => {
                    booked.end();
                    return Held::Elapsed;
                }
                () = watcher.changed() => {}
            }
        }
        booked.end();
        Held::Released
    }

    /// Waits for `wait` from now.
    pub async fn hold_for(&self, rule: &RuleRef, wait: Duration, trace: &Trace) -> Held {
        self.hold(rule, Instant::now().checked_add(wait), trace).await
    }
}
