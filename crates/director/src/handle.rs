//! `Handle`: how everybody else talks to the Director.

use std::sync::Arc;

use murphy_core::live::Live;
use murphy_rules::snapshot::Snapshot;
use tokio::sync::{mpsc, oneshot, watch};

use crate::event::{Event, Reply, Stop};
use crate::names;
use crate::refusal::Refusal;
use crate::view::{
    ActivateRequest, Activated, Deactivated, KillSwitchView, Put, ReloadReport, RouteView, ScenarioDetail,
    StatusView, Trigger,
};

/// How many requests may wait for the Director.
pub(crate) const EVENTS_WAITING_MAX: usize = 64;
/// How many stops may wait; each is served within one turn of the loop.
pub(crate) const STOPS_WAITING_MAX: usize = 16;
/// Of what a caller says about itself or its reason, so many characters are kept.
const SAID_CHARS_MAX: usize = 500;

/// What is shown, published as one so that its parts agree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    pub(crate) status: Arc<StatusView>,
    pub(crate) scenarios: Arc<Vec<ScenarioDetail>>,
    pub(crate) routes: Arc<Vec<RouteView>>,
}

/// Talks to the Director. What only looks is answered at once from what was last published; what changes
/// something is answered when it is in force.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) stops: mpsc::Sender<Stop>,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) live: Arc<Live<Snapshot>>,
}

impl Handle {
    /// The policy in force, for the data path.
    #[must_use]
    pub fn live(&self) -> Arc<Live<Snapshot>> {
        Arc::clone(&self.live)
    }

    /// How things are.
    #[must_use]
    pub fn status(&self) -> Arc<StatusView> {
        Arc::clone(&self.shown.borrow().status)
    }

    /// Returns after the next change of anything that is shown (or at once if it changed since the last
    /// call on this handle). Never returns once the Director is gone.
    pub async fn changed(&mut self) {
        if self.shown.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// All scenarios, by name.
    #[must_use]
    pub fn scenarios(&self) -> Arc<Vec<ScenarioDetail>> {
        Arc::clone(&self.shown.borrow().scenarios)
    }

    /// One scenario.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn scenario(&self, name: &str) -> Result<ScenarioDetail, Refusal> {
        let scenarios = self.scenarios();
        scenarios
            .iter()
            .find(|detail| detail.scenario.name == name)
            .cloned()
            .ok_or_else(|| {
                let known = scenarios.iter().map(|detail| detail.scenario.name.as_str());
                names::unknown(name, known)
            })
    }

    /// All routes, in the order in which they are tried.
    #[must_use]
    pub fn routes(&self) -> Arc<Vec<RouteView>> {
        Arc::clone(&self.shown.borrow().routes)
    }

    /// The kill switch.
    #[must_use]
    pub fn kill_switch(&self) -> KillSwitchView {
        self.shown.borrow().status.kill_switch.clone()
    }

    /// Switches a scenario on, again from the beginning if it is on.
    ///
    /// # Errors
    /// If there is none of that name, or the kill switch is not armed, or the process is stopping.
    pub async fn activate(
        &self,
        name: &str,
        request: ActivateRequest,
        who: &str,
    ) -> Result<Activated, Refusal> {
        self.ask(|reply| Event::Activate {
            name: name.to_owned(),
            request,
            who: said(who),
            reply,
        })
        .await?
    }

    /// Switches a scenario off; nothing happens if it is off.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn deactivate(&self, name: &str, who: &str) -> Result<Deactivated, Refusal> {
        self.ask(|reply| Event::Deactivate {
            name: name.to_owned(),
            who: said(who),
            reply,
        })
        .await?
    }

    /// Switches all scenarios off.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn deactivate_all(&self, who: &str) -> Result<Deactivated, Refusal> {
        self.ask(|reply| Event::DeactivateAll {
            who: said(who),
            reply,
        })
        .await
    }

    /// Makes or replaces a scenario, written in YAML or JSON.
    ///
    /// # Errors
    /// If the name or the text is wrong, or too long.
    pub async fn put_scenario(&self, name: &str, text: &str, who: &str) -> Result<Put, Refusal> {
        self.ask(|reply| Event::PutScenario {
            name: name.to_owned(),
            text: text.to_owned(),
            who: said(who),
            reply,
        })
        .await?
    }

    /// Removes a scenario, and switches it off if it is on.
    ///
    /// # Errors
    /// If there is none of that name, or its file cannot be removed.
    pub async fn delete_scenario(&self, name: &str, who: &str) -> Result<Deactivated, Refusal> {
        self.ask(|reply| Event::DeleteScenario {
            name: name.to_owned(),
            who: said(who),
            reply,
        })
        .await?
    }

    /// Reads the configuration and all scenarios again; all or nothing.
    ///
    /// # Errors
    /// If the Director is gone. A refused reload is a report.
    pub async fn reload(&self) -> Result<ReloadReport, Refusal> {
        self.ask(|reply| Event::Reload { reply }).await
    }

    /// Trips the kill switch. When this returns, nothing is injected any more. A trip of a tripped switch
    /// changes nothing.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn trip(&self, trigger: Trigger, reason: &str, who: &str) -> Result<KillSwitchView, Refusal> {
        self.stop(|reply| Stop::Trip {
            trigger,
            reason: said(reason),
            who: said(who),
            reply: Some(reply),
        })
        .await
    }

    /// Trips the kill switch without waiting, for callers that cannot: the data path after a failure of its
    /// machinery. If so many stops wait already that there is no room, one of them does it.
    pub fn trip_soon(&self, trigger: Trigger, reason: &str, who: &str) {
        let stop = Stop::Trip {
            trigger,
            reason: said(reason),
            who: said(who),
            reply: None,
        };
        if let Err(error) = self.stops.try_send(stop) {
            tracing::debug!(%error, "a trip was not queued");
        }
    }

    /// Re-arms the kill switch.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn rearm(&self, reason: &str, who: &str) -> Result<KillSwitchView, Refusal> {
        self.ask(|reply| Event::Rearm {
            who: said(who),
            reason: said(reason),
            reply,
        })
        .await
    }

    /// Locks the kill switch: everything is switched off and nothing can be activated.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn lock(&self, reason: &str, who: &str) -> Result<KillSwitchView, Refusal> {
        self.stop(|reply| Stop::Lock {
            who: said(who),
            reason: said(reason),
            reply,
        })
        .await
    }

    /// Unlocks the kill switch; a trip stays in force.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn unlock(&self, reason: &str, who: &str) -> Result<KillSwitchView, Refusal> {
        self.ask(|reply| Event::Unlock {
            who: said(who),
            reason: said(reason),
            reply,
        })
        .await
    }

    /// The process is stopping: injected waits are released and nothing is injected any more.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn drain(&self) -> Result<Arc<StatusView>, Refusal> {
        self.stop(|reply| Stop::Drain { reply }).await
    }

    /// Comes back once the Director's loop has served it, also while a reload is under way: what a watchdog asks.
    ///
    /// # Errors
    /// If the Director is gone.
    pub async fn ping(&self) -> Result<(), Refusal> {
        self.stop(|reply| Stop::Ping { reply }).await
    }

    async fn ask<T>(&self, event: impl FnOnce(Reply<T>) -> Event) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.events
            .send(event(reply))
            .await
            .map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }

    async fn stop<T>(&self, stop: impl FnOnce(Reply<T>) -> Stop) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.stops
            .send(stop(reply))
            .await
            .map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }
}

/// What somebody says about itself, fit for a log: bounded and without control characters.
fn said(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(SAID_CHARS_MAX)
        .collect()
}
