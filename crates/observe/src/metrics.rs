//! The metrics: one struct of families with typed labels, rendered for Prometheus.
//!
//! Labels come from the configuration, never from traffic, and there is a hard cap on series. The data path
//! holds ready handles (`requests::RouteMetrics`), so an ordinary call hashes no label.

mod capped;
mod faults;
mod kill_switch;
mod negotiate;
mod reload;
mod requests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use foldhash::fast::FixedState; // routes come from the configuration
use murphy_core::Name;
use murphy_core::live::Live;
use murphy_core::plan::{RuleRef, Skip};
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use capped::Budget;
use faults::FaultMetrics;
use kill_switch::KillSwitchMetrics;
use negotiate::Format;
use reload::ReloadMetrics;
use requests::RequestMetrics;

pub use faults::RuleSeries;
pub(crate) use requests::{RouteMetrics, Timings};

/// The route label of calls that no route took.
pub const NO_ROUTE: &str = "-";
/// The label value of all series beyond the cap.
pub const OVERFLOW: &str = "_overflow";

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestMetrics,
    faults: FaultMetrics,
    kill_switch: KillSwitchMetrics,
    reload: ReloadMetrics,
    routes: Live<HashMap<Name, Arc<RouteMetrics>, FixedState>>,
    unrouted: Arc<RouteMetrics>,
    log_dropped: Counter,
    /// Held while series come, go or are shown, so that a series never vanishes unseen.
    changing: Mutex<()>,
}

impl Metrics {
    /// Registers everything. `series_max` caps the series that depend on the configuration.
    #[must_use]
    pub fn new(version: &str, series_max: usize) -> Self {
        let mut registry = Registry::with_prefix("murphy");
        let budget = Arc::new(Budget::new(series_max));
        let build = Info::new([("version", version.to_owned())]);
        registry.register("build", "The version that runs", build);
        let requests = RequestMetrics::register(&mut registry, &budget);
        let log_dropped = Counter::default();
        registry.register(
            "event_log_dropped",
            "Exchanges that did not reach the event log on disk",
            log_dropped.clone(),
        );
        registry.register(
            "series_overflow",
            "Series that were folded into _overflow because of the cap",
            budget.overflowed(),
        );
        let unrouted = requests.route(&Name::from(NO_ROUTE));
        Self {
            requests,
            faults: FaultMetrics::register(&mut registry, &budget),
            kill_switch: KillSwitchMetrics::register(&mut registry),
            reload: ReloadMetrics::register(&mut registry),
            routes: Live::new(HashMap::default()),
            unrouted,
            log_dropped,
            changing: Mutex::new(()),
            registry,
        }
    }

    /// Renders the metrics in the best format that the `Accept` header takes: OpenMetrics 1.0 (with exemplars)
    /// or the Prometheus text format 0.0.4. Returns the content type and the body.
    #[must_use]
    pub fn render(&self, accept: Option<&str>) -> (&'static str, String) {
        let format = Format::negotiate(accept);
        let mut body = String::new();
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match format {
            Format::OpenMetrics => text::encode(&mut body, &self.registry),
            Format::Text => prometheus_text::encode(&mut body, &self.registry),
        };
        if written.is_err() {
            tracing::error!("the metrics could not be written"); // no metric of ours fails to encode
        }
        self.requests.sweep();
        self.faults.sweep();
        (format.content_type(), body)
    }

    /// Names the routes: their series start at 0, those of routes that are gone end after the next scrape.
    pub fn set_routes(&self, routes: &[Name]) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.requests.retire_except(routes);
        let handles = routes
            .iter()
            .map(|name| (Arc::clone(name), self.requests.route(name)));
        self.routes.publish(handles.collect());
    }

    /// Names the rules of all loaded scenarios, active or not: their series start at 0, those of rules that
    /// are gone end after the next scrape.
    pub fn set_rules(&self, rules: &[RuleSeries]) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.faults.set_rules(rules);
    }

    /// Says whether a scenario is active.
    pub fn scenario_active(&self, scenario: &Name, active: bool) {
        self.faults.scenario_active(scenario, active);
    }

    /// Says whether the kill switch is tripped.
    pub fn kill_switch(&self, tripped: bool) {
        self.kill_switch.tripped(tripped);
    }

    /// Names the triggers that can trip the kill switch, so that their counts start at 0.
    pub fn set_triggers(&self, triggers: &[&'static str]) {
        triggers
            .iter()
            .for_each(|trigger| self.kill_switch.declare(trigger));
    }

    /// Counts a trip of the kill switch.
    pub fn trip(&self, trigger: &'static str) {
        self.kill_switch.trip(trigger);
    }

    /// Records a load of the configuration: whether it succeeded, the generation in force after it, and when.
    pub fn reload(&self, succeeded: bool, generation: u64, at: SystemTime) {
        self.reload.record(succeeded, generation, at);
    }

    /// How many exchanges did not reach the event log on disk.
    #[must_use]
    pub fn log_dropped(&self) -> u64 {
        self.log_dropped.get()
    }

    pub(crate) fn log_dropped_counter(&self) -> Counter {
        self.log_dropped.clone()
    }

    /// The handles of a route; those of [`NO_ROUTE`] if it is not known.
    pub(crate) fn route(&self, name: &str) -> Arc<RouteMetrics> {
        self.routes
            .peek(|routes| routes.get(name).map(Arc::clone))
            .unwrap_or_else(|| Arc::clone(&self.unrouted))
    }

    pub(crate) fn fault_fired(&self, route: &Name, rule: &RuleRef) {
        self.faults.fired(route, rule);
    }

    pub(crate) fn fault_skipped(&self, reason: Skip) {
        self.faults.skipped(reason);
    }

    /// Says what the observed error ratio is compared with.
    pub(crate) fn limits(&self, ratio: f64, samples_min: usize) {
        self.kill_switch.limits(ratio, samples_min);
    }

    pub(crate) fn observed(&self, ratio: f64, samples: usize) {
        self.kill_switch.observed(ratio, samples);
    }
}

#[cfg(test)]
mod tests;
