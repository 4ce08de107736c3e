//! The configuration as types: every key with its meaning, its default and its schema. The committed
//! `config/murphy.toml` and `docs/schema/config.json` are generated from here.

use std::path::PathBuf;

use murphy_core::span::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod control;
mod kill_switch;
mod proxy;
mod routes;
mod scenarios;

pub use control::ControlSettings;
pub use kill_switch::{Alert, AlertKind, Health, KillSwitchSettings};
pub use murphy_observe::{Basis, Unit};
pub use proxy::{ProxySettings, Tls};
pub use routes::{HttpVersion, RouteSettings, RouteTimeouts, SIM, built_in};
pub use scenarios::{Lifetime, ScenarioSettings, StartActive};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Fixes every random draw of activations that name no seed of their own. Without it each activation
    /// draws a seed and shows it.
    #[schemars(extend("examples" = [7]))]
    pub seed: Option<u64>,
    /// The data path.
    pub proxy: ProxySettings,
    /// The control API, metrics and dashboard.
    pub control: ControlSettings,
    /// Scenarios.
    pub scenarios: ScenarioSettings,
    /// The kill switch.
    pub kill_switch: KillSwitchSettings,
    /// The log, on standard error.
    pub log: LogSettings,
    /// The event log: one exchange for each call.
    pub events: EventSettings,
    /// Metrics.
    pub metrics: MetricsSettings,
    /// Where requests go. Without any, /sim is the built-in simulator, and /openai, /anthropic and /gemini
    /// are those providers.
    pub routes: Vec<RouteSettings>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object in a line.
    Json,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// "auto" (text on a terminal, JSON elsewhere), "text" or "json".
    pub format: LogFormat,
    /// A level, or directives such as "info,murphy_proxy=debug".
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: "info".to_owned(),
        }
    }
}

/// The event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventSettings {
    /// How many exchanges are kept in memory for the control API.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub ring: usize,
    /// A file to which each exchange is appended as one line of JSON.
    #[schemars(extend("examples" = ["murphy-events.jsonl"]))]
    pub file: Option<PathBuf>,
    /// The file is rotated when it is this large.
    pub max_size: Size,
    /// How many files are kept, the current one included.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_files: usize,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            ring: 1_000,
            file: None,
            max_size: Size(64 << 20),
            max_files: 5,
        }
    }
}

/// Metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// At most this many series over all families (a route has about 80); the rest is counted under "_overflow".
    #[schemars(range(min = 1, max = 100_000))]
    pub max_series: usize,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { max_series: 10_000 }
    }
}

/// The JSON Schema of the configuration file.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}
