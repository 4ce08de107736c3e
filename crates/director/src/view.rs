//! What the control API shows: these types are its JSON. Times are RFC 3339 with milliseconds, UTC.

use std::sync::Arc;

use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::Lifetime;

mod switch;

pub use switch::{Change, ChangeView, KillSwitchView, MeasuredView, SwitchState, Trigger, TripView};

/// A problem at its place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Located {
    /// The file, or whatever else the value came from: `environment variable MURPHY__PROXY__LISTEN`.
    pub file: String,
    /// The line, from 1; 0 if the source has none.
    pub line: usize,
    /// The column in characters, from 1; 0 if the source has none.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
    /// The line as it is written, if there is one (at most 200 characters of it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

/// `GET status`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// Murphy's version.
    pub version: String,
    /// When the process started.
    pub started_at: String,
    /// Where it listens.
    pub listeners: ListenersView,
    /// The configuration file, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// The folder of the scenarios.
    pub scenario_dir: String,
    /// The number of the snapshot in force; each publication has the next.
    pub generation: u64,
    /// Whether the process is stopping: nothing is injected any more.
    pub draining: bool,
    /// How many routes there are.
    pub routes: usize,
    /// How many scenarios there are.
    pub scenarios: usize,
    /// What is on, in order of activation.
    pub active: Vec<ActivationView>,
    /// The kill switch.
    pub kill_switch: KillSwitchView,
    /// How loading went.
    pub reload: ReloadStatus,
    /// Settings that were changed and take effect only after a restart.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// What is odd and not wrong.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Bound addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListenersView {
    /// Of the data path: `http://127.0.0.1:7070`.
    pub proxy: String,
    /// Of the control API.
    pub control: String,
}

/// How loading went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReloadStatus {
    /// Whether what is on disk is what runs.
    pub ok: bool,
    /// When the set that runs was loaded.
    pub loaded_at: String,
    /// When it was last tried.
    pub tried_at: String,
    /// Why the last try was refused; empty if it was not.
    #[serde(default)]
    pub last_error: Vec<Located>,
}

/// What a reload did: `POST reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadReport {
    /// What became of it.
    pub result: ReloadResult,
    /// The generation in force now.
    pub generation: u64,
    /// Why it was refused.
    #[serde(default)]
    pub problems: Vec<Located>,
    /// Settings that were changed and take effect only after a restart.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// What is odd and not wrong.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What became of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// The new set is in force.
    Applied,
    /// It is the set that was in force already.
    Unchanged,
    /// It is bad; what ran goes on running.
    Refused,
}

impl ReloadResult {
    /// The name as it stands in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// An activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivationView {
    /// The scenario.
    pub scenario: String,
    /// The number of the activation.
    pub activation: u64,
    /// The seed: with it the same calls are hit again.
    pub seed: u64,
    /// Since when.
    pub since: String,
    /// When it ends by itself; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who switched it on.
    pub who: String,
}

/// The answer to an activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Activated {
    /// The activation.
    #[serde(flatten)]
    pub activation: ActivationView,
    /// The generation from which on it governs.
    pub generation: u64,
    /// What to expect: that it will trip the kill switch, for one.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What `POST scenarios/{name}/activate` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActivateRequest {
    /// For how long: `60s`, or `forever`; the setting `scenarios.max_active` if it is not said.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Lifetime>,
    /// The seed; drawn if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The answer to a deactivation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deactivated {
    /// The scenarios that were on and are now off.
    pub scenarios: Vec<String>,
    /// The generation from which on they are off.
    pub generation: u64,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands in the catalogue of failure modes, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<serde_json::Value>,
    /// Its rules.
    pub rules: Vec<RuleView>,
    /// Its activation, if it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActivationView>,
    /// Where it is kept.
    pub stored: Stored,
    /// Its file, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A fingerprint of its text.
    pub hash: String,
}

/// A scenario with its text: `GET scenarios/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioDetail {
    /// The scenario.
    #[serde(flatten)]
    pub scenario: ScenarioView,
    /// Its text as it was written.
    pub text: Arc<str>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// The kind of its fault.
    pub fault: String,
    /// The routes that it can touch, by name.
    pub routes: Vec<String>,
}

/// Where a scenario is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// In a file of the scenario folder.
    File,
    /// In memory only: it was put by the API and the folder cannot be written. It is gone after a restart.
    Memory,
}

/// The answer to `PUT scenarios/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Put {
    /// The scenario as it is now.
    pub scenario: ScenarioView,
    /// Whether there was none of that name.
    pub created: bool,
    /// The generation from which on it governs.
    pub generation: u64,
    /// What is odd and not wrong: that it is kept in memory only, for one.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteView {
    /// Its name.
    pub name: String,
    /// The host that a request must name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path prefix; `/` takes every path.
    pub path: String,
    /// The URL that requests go to.
    pub upstream: String,
    /// What the API speaks.
    pub dialect: String,
    /// No rule can touch it.
    pub protected: bool,
    /// The upstream's certificate is not verified.
    pub insecure: bool,
    /// How many rules of active scenarios could match a call of this route.
    pub rules: usize,
}
