//! Which faults were injected, which could not be, and which scenarios are on.

use std::collections::HashSet;
use std::sync::Arc;

use murphy_core::Name;
use murphy_core::plan::{RuleRef, Skip};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::OVERFLOW;
use super::capped::{Budget, Capped, Labels};

/// A rule as it appears in metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSeries {
    /// The scenario's name.
    pub scenario: Name,
    /// The rule's name.
    pub rule: Name,
    /// The fault kind.
    pub fault: &'static str,
    /// The routes that it can touch; [`super::NO_ROUTE`] for a fault that strikes before a route is known.
    pub routes: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    route: Name,
    scenario: Name,
    rule: Name,
    fault: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScenarioLabel {
    scenario: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Labels for FaultLabels {
    fn overflow(&self) -> Self {
        Self {
            route: OVERFLOW.into(),
            scenario: OVERFLOW.into(),
            rule: OVERFLOW.into(),
            fault: self.fault,
        }
    }
}

impl Labels for ScenarioLabel {
    fn overflow(&self) -> Self {
        Self {
            scenario: OVERFLOW.into(),
        }
    }
}

/// The families.
#[derive(Debug)]
pub(super) struct FaultMetrics {
    injected: Capped<FaultLabels, Counter>,
    active: Capped<ScenarioLabel, Gauge>,
    skipped: Family<ReasonLabel, Counter>,
}

impl FaultMetrics {
    pub(super) fn register(registry: &mut Registry, budget: &Arc<Budget>) -> Self {
        let injected = Family::default();
        registry.register("faults_injected", "Faults that fired", injected.clone());
        let skipped = Family::default();
        registry.register(
            "faults_skipped",
            "Faults that were held back or could not be applied",
            skipped.clone(),
        );
        let active = Family::default();
        registry.register("scenario_active", "Whether a scenario is on", active.clone());
        for reason in Skip::ALL {
            skipped.get_or_create_owned(&ReasonLabel {
                reason: reason.name(),
            });
        }
        Self {
            injected: Capped::new(injected, 1, budget),
            active: Capped::new(active, 1, budget),
            skipped,
        }
    }

    pub(super) fn set_rules(&self, rules: &[RuleSeries]) {
        let configured: HashSet<FaultLabels> = rules
            .iter()
            .flat_map(|rule| rule.routes.iter().map(move |route| rule.labels(route)))
            .collect();
        self.injected.retire_except(|labels| configured.contains(labels));
        for labels in &configured {
            self.injected.declare(labels);
        }
        let scenarios: HashSet<&Name> = rules.iter().map(|rule| &rule.scenario).collect();
        self.active
            .retire_except(|label| scenarios.contains(&label.scenario));
        for scenario in scenarios {
            self.active.declare(&ScenarioLabel {
                scenario: Arc::clone(scenario),
            });
        }
    }

    pub(super) fn scenario_active(&self, scenario: &Name, active: bool) {
        let label = ScenarioLabel {
            scenario: Arc::clone(scenario),
        };
        self.active.get(&label).set(i64::from(active));
    }

    pub(super) fn fired(&self, route: &Name, rule: &RuleRef) {
        let labels = FaultLabels {
            route: Arc::clone(route),
            scenario: Arc::clone(&rule.scenario),
            rule: Arc::clone(&rule.rule),
            fault: rule.fault,
        };
        self.injected.get(&labels).inc();
    }

    pub(super) fn skipped(&self, reason: Skip) {
        let label = ReasonLabel {
            reason: reason.name(),
        };
        self.skipped.get_or_create(&label).inc();
    }

    pub(super) fn sweep(&self) {
        self.injected.sweep();
        self.active.sweep();
    }
}

impl RuleSeries {
    fn labels(&self, route: &Name) -> FaultLabels {
        FaultLabels {
            route: Arc::clone(route),
            scenario: Arc::clone(&self.scenario),
            rule: Arc::clone(&self.rule),
            fault: self.fault,
        }
    }
}
