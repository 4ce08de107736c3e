//! `[kill_switch]`: what trips it, and who is told.

use std::path::PathBuf;
use std::time::Duration;

use murphy_core::span::{Share, Span};
use murphy_observe::{Basis, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kill switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KillSwitchSettings {
    /// It trips when the share of errors among finished calls exceeds this. Exactly this share does not trip
    /// (circuit breakers commonly trip at it).
    pub error_rate: Share,
    /// The share is taken over the calls of this time, if there are enough of them.
    pub window: Span,
    /// So many calls must have finished in window for it to be used.
    #[schemars(range(min = 1))]
    pub min_requests: u32,
    /// Otherwise over the last so many calls.
    #[schemars(range(min = 1, max = 100_000))]
    pub count_window: u32,
    /// Of those, only calls that are not older than this count.
    pub max_age: Span,
    /// With fewer calls than this there is no verdict.
    #[schemars(range(min = 1))]
    pub min_samples: u32,
    /// "observed" counts what agents see, injected or not; "organic" leaves injected outcomes out, for
    /// experiments that take a dependency down on purpose.
    pub basis: Basis,
    /// "call", or "operation": a call that fails and whose retry succeeds is one good operation.
    pub unit: Unit,
    /// Also trip after so many errors in a row; 0 is off.
    pub consecutive_errors: u32,
    /// Also trip when more than slow_rate of the calls took longer than this.
    #[schemars(extend("examples" = ["60s"]))]
    pub slow_call: Option<Span>,
    /// The share of slow calls; both must be set.
    #[schemars(extend("examples" = [0.5]))]
    pub slow_rate: Option<Share>,
    /// Also trip when scenarios are active, calls are in flight, none makes progress for this long and no injected
    /// wait accounts for it; "0s" is off.
    pub unresponsive_after: Span,
    /// Also trip when this URL fails several times in a row.
    #[schemars(extend("examples" = [{ "url": "http://127.0.0.1:8080/healthz", "every": "10s", "failures": 3 }]))]
    pub health: Option<Health>,
    /// Re-arm by itself after this time. Without it a person must.
    #[schemars(extend("examples" = ["15m"]))]
    pub rearm_after: Option<Span>,
    /// Who is told of a trip: { kind = "webhook" | "slack" | "alertmanager", url = "…" }.
    #[schemars(length(max = 16))]
    pub alerts: Vec<Alert>,
    /// The latch: a trip or lock is kept here and survives a restart.
    pub state_file: PathBuf,
}

/// A URL that must answer 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The URL.
    pub url: String,
    /// How often it is asked.
    #[serde(default = "Health::every")]
    pub every: Span,
    /// So many failures in a row trip the switch.
    #[serde(default = "Health::failures")]
    #[schemars(range(min = 1))]
    pub failures: u32,
}

impl Health {
    fn every() -> Span {
        Span(Duration::from_secs(10))
    }

    fn failures() -> u32 {
        3
    }
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// What is spoken.
    pub kind: AlertKind,
    /// Where to. For `alertmanager` its base URL; `/api/v2/alerts` is added.
    pub url: String,
}

/// What an alert receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Murphy's own JSON.
    Webhook,
    /// A Slack-compatible incoming webhook.
    Slack,
    /// Alertmanager's API v2: resent while the switch is tripped, ended when it is re-armed.
    Alertmanager,
}

impl Default for KillSwitchSettings {
    fn default() -> Self {
        Self {
            error_rate: Share(0.5),
            window: Span(Duration::from_secs(30)),
            min_requests: 20,
            count_window: 20,
            max_age: Span(Duration::from_secs(600)),
            min_samples: 10,
            basis: Basis::Observed,
            unit: Unit::Call,
            consecutive_errors: 0,
            slow_call: None,
            slow_rate: None,
            unresponsive_after: Span(Duration::from_secs(30)),
            health: None,
            rearm_after: None,
            alerts: Vec::new(),
            state_file: PathBuf::from("murphy-state.json"),
        }
    }
}
