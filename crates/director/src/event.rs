//! Everything that can change what the proxy does, as messages to the Director.

use tokio::sync::oneshot;

use crate::refusal::Refusal;
use crate::view::{
    ActivateRequest, Activated, Deactivated, KillSwitchView, Put, ReloadReport, StatusView, Trigger,
};

/// Carries the answer back to who asked. Nobody need wait for it.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the Director is asked to do, in order.
pub(crate) enum Event {
    /// Switch a scenario on.
    Activate {
        name: String,
        request: ActivateRequest,
        who: String,
        reply: Reply<Result<Activated, Refusal>>,
    },
    /// Switch a scenario off.
    Deactivate {
        name: String,
        who: String,
        reply: Reply<Result<Deactivated, Refusal>>,
    },
    /// Switch all scenarios off.
    DeactivateAll { who: String, reply: Reply<Deactivated> },
    /// Make or replace a scenario.
    PutScenario {
        name: String,
        text: String,
        who: String,
        reply: Reply<Result<Put, Refusal>>,
    },
    /// Remove a scenario.
    DeleteScenario {
        name: String,
        who: String,
        reply: Reply<Result<Deactivated, Refusal>>,
    },
    /// Read everything again.
    Reload { reply: Reply<ReloadReport> },
    /// Re-arm the kill switch.
    Rearm {
        who: String,
        reason: String,
        reply: Reply<KillSwitchView>,
    },
    /// Unlock the kill switch.
    Unlock {
        who: String,
        reason: String,
        reply: Reply<KillSwitchView>,
    },
}

/// What does not wait for anything, not even for a reload that is under way: it makes injection stop.
pub(crate) enum Stop {
    /// Trip the kill switch.
    Trip {
        trigger: Trigger,
        reason: String,
        who: String,
        reply: Option<Reply<KillSwitchView>>,
    },
    /// Lock the kill switch.
    Lock {
        who: String,
        reason: String,
        reply: Reply<KillSwitchView>,
    },
    /// The process is stopping.
    Drain {
        reply: Reply<std::sync::Arc<StatusView>>,
    },
    /// Nothing stops: whoever asks wants to know that the Director still serves what comes this way.
    Ping { reply: Reply<()> },
}
