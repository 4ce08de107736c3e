//! The kill switch as it is shown, told to receivers of alerts, and kept in the latch.

use murphy_observe::Verdict;
use murphy_observe::window::Top;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kill switch: `GET kill-switch`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct KillSwitchView {
    /// The state. While it is not `armed`, nothing is injected and nothing can be activated.
    pub state: SwitchState,
    /// The trip that is in force, also while the switch is locked besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trip: Option<TripView>,
    /// The lock that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ChangeView>,
    /// When it re-arms by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rearms_at: Option<String>,
    /// The last changes, newest first (at most 50).
    #[serde(default)]
    pub history: Vec<ChangeView>,
}

/// The state of the kill switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwitchState {
    /// Scenarios can be activated.
    #[default]
    Armed,
    /// It tripped.
    Tripped,
    /// Somebody locked it.
    Locked,
}

impl SwitchState {
    /// The name as it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Tripped => "tripped",
            Self::Locked => "locked",
        }
    }
}

/// Why the switch tripped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Too many errors.
    ErrorRate,
    /// Too many errors in a row.
    ConsecutiveErrors,
    /// Too many slow calls.
    SlowRate,
    /// Nothing finishes any more.
    Unresponsive,
    /// The health URL failed.
    Health,
    /// A person said so, by the API, the command line or the dashboard.
    Manual,
    /// The process got `SIGUSR1`.
    Signal,
    /// An alarm from Alertmanager.
    Alarm,
    /// Murphy's own machinery failed.
    Internal,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Self; 9] = [
        Self::ErrorRate,
        Self::ConsecutiveErrors,
        Self::SlowRate,
        Self::Unresponsive,
        Self::Health,
        Self::Manual,
        Self::Signal,
        Self::Alarm,
        Self::Internal,
    ];

    /// The name as it stands in metrics and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::ConsecutiveErrors => "consecutive_errors",
            Self::SlowRate => "slow_rate",
            Self::Unresponsive => "unresponsive",
            Self::Health => "health",
            Self::Manual => "manual",
            Self::Signal => "signal",
            Self::Alarm => "alarm",
            Self::Internal => "internal",
        }
    }
}

/// A trip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TripView {
    /// What tripped it.
    pub trigger: Trigger,
    /// Why, in words.
    pub reason: String,
    /// Who: a person, `director`, an alarm's name.
    pub who: String,
    /// When.
    pub at: String,
    /// The scenarios that were halted.
    pub halted: Vec<String>,
    /// What was measured, if that is what tripped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredView>,
}

/// What the error window held when it was too much.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredView {
    /// The share of errors, from 0 to 1.
    pub ratio: f64,
    /// Of how many calls (or operations).
    pub samples: u64,
    /// Errors that Murphy injected.
    pub injected_errors: u64,
    /// Errors that it did not.
    pub organic_errors: u64,
    /// The routes with the most errors (at most three): name and number.
    pub top_routes: Vec<(String, u64)>,
    /// The rules with the most errors (at most three): `scenario/rule` and number.
    pub top_rules: Vec<(String, u64)>,
}

impl From<&Verdict> for MeasuredView {
    fn from(verdict: &Verdict) -> Self {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let pairs = |tops: &[Top]| {
            let pair = |top: &Top| (top.name.clone(), count(top.errors));
            tops.iter().map(pair).collect()
        };
        Self {
            ratio: verdict.ratio,
            samples: count(verdict.samples),
            injected_errors: count(verdict.injected_errors),
            organic_errors: count(verdict.organic_errors),
            top_routes: pairs(&verdict.top_routes),
            top_rules: pairs(&verdict.top_rules),
        }
    }
}

/// A change of the kill switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeView {
    /// What was done.
    pub change: Change,
    /// Who.
    pub who: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When.
    pub at: String,
}

/// What was done to the kill switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It tripped.
    Tripped,
    /// It was re-armed.
    Rearmed,
    /// It was locked.
    Locked,
    /// It was unlocked.
    Unlocked,
}
