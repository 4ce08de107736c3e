//! What is shown of the state.

use std::sync::Arc;

use murphy_core::draw::identity;
use murphy_core::route::Route;

use super::Director;
use crate::handle::Shown;
use crate::library::Entry;
use crate::load::shown as file_text;
use crate::restart;
use crate::view::{
    KillSwitchView, ReloadStatus, RouteView, RuleView, ScenarioDetail, ScenarioView, StatusView,
};

impl Director {
    /// Publishes what is shown, as one.
    pub(super) fn show(&self) {
        self.count_activations();
        let shown = Shown {
            status: Arc::new(self.status_view()),
            scenarios: Arc::new(
                self.set
                    .library
                    .values()
                    .map(|entry| self.scenario_view(entry))
                    .collect(),
            ),
            routes: Arc::new(self.route_views()),
        };
        self.shown.send_replace(shown);
    }

    fn status_view(&self) -> StatusView {
        let loaded = &self.set.loaded;
        let mut warnings = loaded.warnings.clone();
        warnings.extend(self.trouble.clone());
        if self.set.library.is_empty() {
            let dir = loaded.settings.scenarios.dir.display();
            warnings.push(format!("there are no scenarios in {dir}"));
        }
        StatusView {
            version: self.startup.version.clone(),
            started_at: self.started_at.clone(),
            listeners: self.startup.listeners.clone(),
            config_file: self.startup.sources.config_file.as_deref().map(file_text),
            scenario_dir: file_text(&loaded.settings.scenarios.dir),
            generation: self.generation,
            draining: self.draining,
            routes: loaded.routes.len(),
            scenarios: self.set.library.len(),
            active: self
                .activations
                .iter()
                .map(|activation| activation.view())
                .collect(),
            kill_switch: self.switch_view(),
            reload: ReloadStatus {
                ok: self.loading.problems.is_empty(),
                loaded_at: self.loading.loaded_at.clone(),
                tried_at: self.loading.tried_at.clone(),
                last_error: self.loading.problems.clone(),
            },
            needs_restart: restart::needed(&self.startup.settings, &loaded.settings),
            warnings,
        }
    }

    pub(super) fn switch_view(&self) -> KillSwitchView {
        let rearms_at = self.switch.rearms_at(self.rearm_after());
        KillSwitchView {
            state: self.switch.state(),
            trip: self.switch.trip.clone(),
            lock: self.switch.lock.clone(),
            rearms_at: rearms_at.map(|at| self.time_text(at.since(self.now()))),
            history: self.switch.history.clone(),
        }
    }

    fn scenario_view(&self, entry: &Entry) -> ScenarioDetail {
        let routes = &self.set.loaded.routes;
        let rules = entry.compiled.rules.iter().map(|rule| RuleView {
            name: rule.name.to_string(),
            fault: rule.fault.to_owned(),
            routes: routes
                .iter()
                .filter(|route| rule.covers(route))
                .map(|route| route.name.to_string())
                .collect(),
        });
        let scenario = ScenarioView {
            name: entry.source.name.clone(),
            description: entry.compiled.description.clone(),
            catalog: entry.catalog.clone(),
            rules: rules.collect(),
            active: self
                .activations
                .of(&entry.source.name)
                .map(|activation| activation.view()),
            stored: entry.stored(),
            file: entry.source.file.as_deref().map(file_text),
            hash: format!("{:016x}", identity(&[entry.source.text.as_bytes()])),
        };
        ScenarioDetail {
            scenario,
            text: Arc::clone(&entry.source.text),
        }
    }

    fn route_views(&self) -> Vec<RouteView> {
        self.live.peek(|snapshot| {
            let entries = snapshot.routes.iter();
            entries
                .map(|entry| route_view(&entry.route, entry.rules.len()))
                .collect()
        })
    }
}

fn route_view(route: &Route, rules: usize) -> RouteView {
    let upstream = &route.upstream;
    RouteView {
        name: route.name.to_string(),
        host: route.host.clone(),
        path: if route.prefix.is_empty() {
            "/".to_owned()
        } else {
            route.prefix.clone()
        },
        upstream: format!(
            "{}://{}{}",
            upstream.scheme, upstream.authority, upstream.base_path
        ),
        dialect: route.dialect.to_string(),
        protected: route.protected,
        insecure: upstream.insecure,
        rules,
    }
}
