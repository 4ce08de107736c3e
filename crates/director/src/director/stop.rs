//! What makes injection stop, and what allows it again. Every stop first publishes a snapshot without rules,
//! in the turn of the loop that took it; the record, the latch, the metrics and the alerts come after.

use std::time::Duration;

use tokio::time::timeout;

use super::Director;
use crate::alerts::Notice;
use crate::event::Stop;
use crate::kill_switch::{Input, Said};
use crate::latch;
use crate::view::{Change, ChangeView, KillSwitchView, MeasuredView, SwitchState, Trigger, TripView};

/// The latch must be on disk within this time; else it counts as not kept.
const LATCH_TIMEOUT: Duration = Duration::from_secs(5);

impl Director {
    pub(super) async fn on_stop(&mut self, stop: Stop) {
        match stop {
            Stop::Trip {
                trigger,
                reason,
                who,
                reply,
            } => {
                self.trip(trigger, reason, who, None).await;
                if let Some(reply) = reply {
                    drop(reply.send(self.switch_view()));
                }
            }
            Stop::Lock { who, reason, reply } => {
                let said = self.said(who, reason);
                self.lock(said).await;
                drop(reply.send(self.switch_view()));
            }
            Stop::Drain { reply } => {
                self.drain();
                drop(reply.send(std::sync::Arc::clone(&self.shown.borrow().status)));
            }
            Stop::Ping { reply } => {
                let _nobody_waits_any_more = reply.send(());
            }
        }
    }

    /// The error window says that there is too much of something. While nothing can be injected anyway, that
    /// is no news.
    pub(super) async fn on_verdict(&mut self) {
        let verdict = self.inbox.verdicts.borrow_and_update().clone();
        let Some(verdict) = verdict else { return };
        if self.switch.state() != SwitchState::Armed {
            return;
        }
        let trigger = match verdict.reason {
            murphy_observe::Reason::ErrorRate => Trigger::ErrorRate,
            murphy_observe::Reason::ConsecutiveErrors => Trigger::ConsecutiveErrors,
            murphy_observe::Reason::SlowRate => Trigger::SlowRate,
        };
        let measured = MeasuredView::from(&verdict);
        self.trip(
            trigger,
            verdict.to_string(),
            "director".to_owned(),
            Some(measured),
        )
        .await;
    }

    /// Trips if scenarios are active, calls are in flight, none makes progress and no injected wait explains it.
    pub(super) async fn look_at_progress(&mut self) {
        let limit = self.set.loaded.settings.kill_switch.unresponsive_after.0;
        let now = self.now();
        let liveness = self.startup.observer.liveness(now);
        let stuck = liveness.stuck_for(now);
        if limit.is_zero() || stuck < limit || self.activations.iter().next().is_none() {
            return;
        }
        let reason = format!(
            "{} calls are in flight and none made progress for {:.0} s",
            liveness.in_flight,
            stuck.as_secs_f64()
        );
        self.trip(Trigger::Unresponsive, reason, "director".to_owned(), None)
            .await;
    }

    async fn trip(&mut self, trigger: Trigger, reason: String, who: String, measured: Option<MeasuredView>) {
        let halted = self.halt();
        let trip = TripView {
            trigger,
            reason,
            who,
            at: self.time_text(Duration::ZERO),
            halted,
            measured,
        };
        let now = self.now();
        let (next, change) = std::mem::take(&mut self.switch).next(Input::Trip(trip.clone()), now);
        self.switch = next;
        if change.is_none() {
            self.show();
            return;
        }
        tracing::error!(
            trigger = trigger.name(), reason = %trip.reason, who = %trip.who, halted = ?trip.halted,
            "the kill switch tripped: nothing is injected any more"
        );
        let metrics = self.startup.observer.metrics();
        metrics.trip(trigger.name());
        metrics.kill_switch(true);
        self.show();
        self.keep().await;
        self.alerts.tell(&Notice::Tripped(trip));
    }

    async fn lock(&mut self, said: Said) {
        let halted = self.halt();
        let now = self.now();
        let (next, change) = std::mem::take(&mut self.switch).next(Input::Lock(said.clone()), now);
        self.switch = next;
        self.show();
        if change.is_some() {
            tracing::warn!(who = %said.who, reason = %said.reason, ?halted, "the kill switch is locked");
            self.keep().await;
        }
    }

    /// The process is stopping.
    fn drain(&mut self) {
        self.draining = true;
        let halted = self.halt();
        tracing::info!(?halted, "draining: nothing is injected any more");
        self.show();
    }

    /// Switches everything off, and publishes that at once. What was on.
    fn halt(&mut self) -> Vec<String> {
        let halted = self.activations.clear();
        if !halted.is_empty() {
            self.publish_snapshot();
        }
        halted
    }

    pub(super) async fn rearm(&mut self, said: Said) -> KillSwitchView {
        self.change(Input::Rearm(said)).await;
        self.switch_view()
    }

    pub(super) async fn unlock(&mut self, said: Said) -> KillSwitchView {
        self.change(Input::Unlock(said)).await;
        self.switch_view()
    }

    pub(super) async fn rearm_if_due(&mut self) {
        let tick = Input::Tick {
            rearm_after: self.rearm_after(),
            at: self.time_text(Duration::ZERO),
        };
        self.change(tick).await;
    }

    pub(super) fn rearm_after(&self) -> Option<Duration> {
        self.set
            .loaded
            .settings
            .kill_switch
            .rearm_after
            .map(|span| span.0)
    }

    /// A change towards armed.
    async fn change(&mut self, input: Input) {
        let now = self.now();
        let (next, change) = std::mem::take(&mut self.switch).next(input, now);
        self.switch = next;
        let Some(change) = change else { return };
        let record: Option<ChangeView> = self.switch.history.first().cloned();
        if let Some(record) = &record {
            tracing::warn!(?change, who = %record.who, reason = %record.reason, "the kill switch was changed");
        }
        if change == Change::Rearmed {
            // What went wrong before must not trip it again.
            self.startup.observer.rearm(now);
            self.startup.observer.metrics().kill_switch(false);
        }
        self.show();
        self.keep().await;
        if let (Change::Rearmed, Some(record)) = (change, record) {
            self.alerts.tell(&Notice::Rearmed(record));
        }
    }

    /// Puts the state into the latch. Whether that works or not, what was decided holds.
    async fn keep(&mut self) {
        let file = self.startup.settings.kill_switch.state_file.clone();
        let switch = self.switch.clone();
        let saving = tokio::task::spawn_blocking(move || latch::save(&file, &switch));
        let error = match timeout(LATCH_TIMEOUT, saving).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!(
                "the disk did not answer within {}s",
                LATCH_TIMEOUT.as_secs()
            )),
        };
        let before = self.trouble.take();
        let Some(error) = error else {
            if before.is_some() {
                self.show();
            }
            return;
        };
        let file = self.startup.settings.kill_switch.state_file.display();
        let what =
            format!("the state file {file} cannot be written, so a restart would forget this: {error}");
        tracing::error!("{what}");
        self.alerts.tell(&Notice::Trouble {
            what: what.clone(),
            at: self.time_text(Duration::ZERO),
        });
        self.trouble = Some(what);
        self.show();
    }
}
