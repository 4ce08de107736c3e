//! Reading everything again and putting it in force: all or nothing.

use std::time::Duration;

use murphy_core::Name;
use murphy_observe::{RuleSeries, WindowOptions};

use super::{Director, Loading};
use crate::alerts::{Alerts, Notice};
use crate::gather::{Gathered, Seen, Set, gather};
use crate::probe::Probe;
use crate::restart;
use crate::settings::{KillSwitchSettings, Settings};
use crate::view::{Located, ReloadReport, ReloadResult};

impl Director {
    /// Somebody asked for it: everything is read and compiled, whatever was seen before.
    pub(super) async fn reload(&mut self) -> ReloadReport {
        let result = self.read_again(None).await;
        self.count_reload(result != ReloadResult::Refused);
        self.report(result)
    }

    /// Files may have changed, or it is time to look.
    pub(super) async fn on_files(&mut self) {
        let seen = self.seen.clone();
        let result = self.read_again(Some(seen)).await;
        if result != ReloadResult::Unchanged {
            self.count_reload(result == ReloadResult::Applied);
        }
    }

    async fn read_again(&mut self, before: Option<Seen>) -> ReloadResult {
        self.follow_files();
        let sources = self.startup.sources.clone();
        let memory = self.memory.clone();
        let gathered = self
            .beside(move || gather(&sources, &memory, before.as_ref()))
            .await;
        match gathered {
            None | Some(Gathered::Same) => ReloadResult::Unchanged,
            Some(Gathered::New { seen, set }) => {
                self.seen = seen;
                self.loading.tried_at = self.time_text(Duration::ZERO);
                match set {
                    Ok(set) => self.take(*set),
                    Err(problems) => self.refuse(problems),
                }
            }
        }
    }

    fn refuse(&mut self, problems: Vec<Located>) -> ReloadResult {
        for located in &problems {
            tracing::error!("refused, and what ran goes on running: {located}");
        }
        self.loading.problems = problems;
        self.show();
        ReloadResult::Refused
    }

    fn take(&mut self, set: Set) -> ReloadResult {
        let was_refused = !std::mem::take(&mut self.loading.problems).is_empty();
        if set.says_the_same(&self.set) {
            if was_refused {
                tracing::info!("what is on disk is again what runs");
            }
            self.show();
            return if was_refused {
                ReloadResult::Applied
            } else {
                ReloadResult::Unchanged
            };
        }
        let before = std::mem::replace(&mut self.set, set);
        if before.loaded.settings.scenarios != self.set.loaded.settings.scenarios {
            // Another folder: what changes there before it is watched must not be missed.
            self.follow_files();
            self.inbox.files.notify_one();
        }
        let library = &self.set.library;
        let vanished = self
            .activations
            .retain(|activation| library.contains_key(&activation.scenario));
        if !vanished.is_empty() {
            tracing::warn!(scenarios = ?vanished, "switched off: their files are gone");
        }
        for name in before.library.keys().filter(|name| !library.contains_key(*name)) {
            let name = Name::from(name.as_str());
            self.startup.observer.metrics().scenario_active(&name, false);
        }
        self.start_configured(&before.loaded.settings.scenarios.active);
        self.follow_settings(Some(&before.loaded.settings));
        self.loading = Loading {
            loaded_at: self.loading.tried_at.clone(),
            tried_at: self.loading.tried_at.clone(),
            problems: Vec::new(),
        };
        self.publish();
        for line in restart::needed(&self.startup.settings, &self.set.loaded.settings) {
            tracing::warn!("{line}");
        }
        tracing::info!(
            generation = self.generation,
            scenarios = self.set.library.len(),
            routes = self.set.loaded.routes.len(),
            "loaded"
        );
        ReloadResult::Applied
    }

    /// Makes others follow the settings in force, as far as they differ from those before.
    pub(super) fn follow_settings(&mut self, before: Option<&Settings>) {
        let now = self.now();
        let switch = self.set.loaded.settings.kill_switch.clone();
        let before = before.map(|settings| &settings.kill_switch);
        self.startup.observer.set_window(window(&switch), now);
        if before.is_some_and(|before| before.alerts != switch.alerts) {
            self.alerts = Alerts::start(&switch.alerts, &self.startup.post);
            if let Some(trip) = &self.switch.trip {
                self.alerts.tell(&Notice::StillTripped(trip.clone()));
            }
        }
        if before.is_none_or(|before| before.health != switch.health) {
            let start = |health| {
                let post = std::sync::Arc::clone(&self.startup.post);
                Probe::start(health, post, self.inbox.stop_sender.clone())
            };
            self.probe = switch.health.map(start);
        }
        let metrics = self.startup.observer.metrics();
        let routes: Vec<Name> = self
            .set
            .loaded
            .routes
            .iter()
            .map(|route| route.name.clone())
            .collect();
        metrics.set_routes(&routes);
        metrics.kill_switch(self.switch.trip.is_some());
        self.name_rules();
    }

    /// Tells the metrics which rules there are.
    pub(super) fn name_rules(&self) {
        let routes = &self.set.loaded.routes;
        let entries = self.set.library.values();
        let rules: Vec<RuleSeries> = entries
            .flat_map(|entry| {
                entry
                    .compiled
                    .rules
                    .iter()
                    .map(move |rule| (&entry.compiled.name, rule))
            })
            .map(|(scenario, rule)| RuleSeries {
                scenario: scenario.clone(),
                rule: rule.name.clone(),
                fault: rule.fault,
                routes: routes
                    .iter()
                    .filter(|route| rule.covers(route))
                    .map(|route| route.name.clone())
                    .collect(),
            })
            .collect();
        self.startup.observer.metrics().set_rules(&rules);
    }

    pub(super) fn count_reload(&self, succeeded: bool) {
        let at = self.startup.clock.now();
        self.startup
            .observer
            .metrics()
            .reload(succeeded, self.generation, at);
    }

    fn report(&self, result: ReloadResult) -> ReloadReport {
        let loaded = &self.set.loaded;
        ReloadReport {
            result: match result {
                ReloadResult::Unchanged if !self.loading.problems.is_empty() => ReloadResult::Refused,
                result => result,
            },
            generation: self.generation,
            problems: self.loading.problems.clone(),
            needs_restart: restart::needed(&self.startup.settings, &loaded.settings),
            warnings: loaded.warnings.clone(),
        }
    }
}

/// The numbers of the error window.
#[must_use]
pub fn window(switch: &KillSwitchSettings) -> WindowOptions {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let unset = WindowOptions::default();
    WindowOptions {
        error_rate: switch.error_rate.0,
        window: switch.window.0,
        min_requests: count(switch.min_requests),
        count_window: count(switch.count_window),
        max_age: switch.max_age.0,
        min_samples: count(switch.min_samples),
        basis: switch.basis,
        unit: switch.unit,
        consecutive_errors: switch.consecutive_errors,
        slow_call: switch.slow_call.map_or(unset.slow_call, |span| span.0),
        slow_rate: switch.slow_rate.map_or(unset.slow_rate, |share| share.0),
    }
}
