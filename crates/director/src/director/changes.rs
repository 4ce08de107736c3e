//! Scenarios on and off, made and removed.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use super::Director;
use crate::activation::{Activation, length};
use crate::library::{self, SCENARIOS_MAX, Source, TEXT_BYTES_MAX};
use crate::parse::FILE_BYTES_MAX;
use crate::refusal::Refusal;
use crate::settings::StartActive;
use crate::view::{ActivateRequest, Activated, Deactivated, Put, SwitchState};
use crate::{forecast, latch, names};

/// Who switches on what the settings name.
const CONFIGURATION: &str = "configuration";
/// Drawn seeds have so many bits: every reader of JSON keeps them whole.
const SEED_BITS: u32 = 53;

impl Director {
    pub(super) fn activate(
        &mut self,
        name: &str,
        request: &ActivateRequest,
        who: &str,
    ) -> Result<Activated, Refusal> {
        self.may_activate()?;
        let warnings = self.switch_on(name, request, who)?;
        self.publish();
        let activation = self.activations.of(name).ok_or(Refusal::Stopping)?.view();
        tracing::info!(
            scenario = name,
            who,
            seed = activation.seed,
            until = activation.until.as_deref().unwrap_or("forever"),
            "a scenario is on"
        );
        Ok(Activated {
            activation,
            generation: self.generation,
            warnings,
        })
    }

    fn may_activate(&self) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::Stopping);
        }
        match self.switch.state() {
            SwitchState::Armed => Ok(()),
            SwitchState::Tripped => Err(Refusal::Tripped {
                reason: self
                    .switch
                    .trip
                    .as_ref()
                    .map(|trip| trip.reason.clone())
                    .unwrap_or_default(),
            }),
            SwitchState::Locked => Err(Refusal::Locked {
                who: self
                    .switch
                    .lock
                    .as_ref()
                    .map(|lock| lock.who.clone())
                    .unwrap_or_default(),
            }),
        }
    }

    /// Switches a scenario on without publishing it; what to expect of it.
    fn switch_on(
        &mut self,
        name: &str,
        request: &ActivateRequest,
        who: &str,
    ) -> Result<Vec<String>, Refusal> {
        let known = self.set.library.keys().map(String::as_str);
        let entry = self
            .set
            .library
            .get(name)
            .ok_or_else(|| names::unknown(name, known))?;
        let settings = &self.set.loaded.settings;
        let warning = forecast::warning(entry, &self.set.loaded.routes, &settings.kill_switch);
        let seed = request
            .seed
            .or(entry.compiled.seed)
            .or(settings.seed)
            .unwrap_or_else(draw_seed);
        let lasts = length(request.for_, settings.scenarios.max_active.0);
        let since = self.now();
        let shown = (
            self.time_text(std::time::Duration::ZERO),
            lasts.map(|lasts| self.time_text(lasts)),
        );
        let id = self.activations.next_id();
        self.activations.add(Activation {
            scenario: name.to_owned(),
            id,
            seed,
            since,
            until: lasts.map(|lasts| since.plus(lasts)),
            who: who.to_owned(),
            shown,
        });
        Ok(warning.into_iter().collect())
    }

    /// Switches on what the settings name and did not name before, and off what they named and no longer do.
    /// Nothing is published.
    pub(super) fn start_configured(&mut self, before: &[StartActive]) {
        let wanted = self.set.loaded.settings.scenarios.active.clone();
        let gone = |name: &str| {
            let named = |list: &[StartActive]| list.iter().any(|start| start.name == name);
            named(before) && !named(&wanted)
        };
        self.activations
            .retain(|activation| !(activation.who == CONFIGURATION && gone(&activation.scenario)));
        for start in wanted.iter().filter(|start| !before.contains(start)) {
            let request = ActivateRequest {
                for_: start.lifetime,
                seed: start.seed,
            };
            let done = self
                .may_activate()
                .and_then(|()| self.switch_on(&start.name, &request, CONFIGURATION));
            match done {
                Ok(warnings) => {
                    tracing::info!(scenario = %start.name, "a scenario is on, as configured");
                    for warning in warnings {
                        tracing::warn!(scenario = %start.name, "{warning}");
                    }
                }
                Err(refusal) => tracing::warn!(scenario = %start.name, %refusal, "not switched on"),
            }
        }
    }

    pub(super) fn deactivate(&mut self, name: &str, who: &str) -> Result<Deactivated, Refusal> {
        if !self.set.library.contains_key(name) {
            return Err(names::unknown(name, self.set.library.keys().map(String::as_str)));
        }
        let was_on = self.activations.remove(name);
        if was_on {
            tracing::info!(scenario = name, who, "a scenario is off");
            self.publish();
        }
        Ok(Deactivated {
            scenarios: was_on.then(|| name.to_owned()).into_iter().collect(),
            generation: self.generation,
        })
    }

    pub(super) fn deactivate_all(&mut self, who: &str) -> Deactivated {
        let scenarios = self.activations.clear();
        if !scenarios.is_empty() {
            tracing::info!(?scenarios, who, "all scenarios are off");
            self.publish();
        }
        Deactivated {
            scenarios,
            generation: self.generation,
        }
    }

    pub(super) async fn put_scenario(
        &mut self,
        name: String,
        text: String,
        who: &str,
    ) -> Result<Put, Refusal> {
        self.may_put(&name, &text)?;
        let before = self.set.library.get(&name);
        let created = before.is_none();
        let dir = self.set.loaded.settings.scenarios.dir.clone();
        let file = before
            .and_then(|entry| entry.source.file.clone())
            .unwrap_or_else(|| dir.join(format!("{name}.yaml")));
        let routes = self.set.loaded.routes.clone();
        let source = Source {
            name: name.clone(),
            text: text.into(),
            file: None,
        };
        let done = self
            .beside(move || {
                let mut entry = library::prepare(source, &dir, &routes)?;
                let written = write(&file, &entry.source.text);
                if written.is_ok() {
                    entry.source.file = Some(file);
                }
                Ok((entry, written))
            })
            .await
            .ok_or(Refusal::Stopping)?;
        let (entry, written) = done.map_err(Refusal::Invalid)?;
        let mut warnings = Vec::new();
        match written {
            Ok(()) => drop(self.memory.remove(&name)),
            Err(error) => {
                warnings.push(format!(
                    "kept in memory only, until a restart: its file cannot be written: {error}"
                ));
                self.memory.insert(name.clone(), Arc::clone(&entry.source.text));
            }
        }
        tracing::info!(scenario = %name, who, created, stored = ?entry.stored(), "a scenario was put");
        self.set.library.insert(name.clone(), entry);
        self.name_rules();
        self.publish();
        let shown = self.shown.borrow();
        let scenario = shown.scenarios.iter().find(|detail| detail.scenario.name == name);
        Ok(Put {
            scenario: scenario.ok_or(Refusal::Stopping)?.scenario.clone(),
            created,
            generation: self.generation,
            warnings,
        })
    }

    /// Whether a scenario of that name and length may be put.
    fn may_put(&self, name: &str, text: &str) -> Result<(), Refusal> {
        if !names::is_scenario_name(name) {
            return Err(Refusal::BadName {
                name: names::cut(name),
                wanted: names::WANTED,
            });
        }
        if text.len() > FILE_BYTES_MAX {
            return Err(Refusal::TooLarge {
                bytes: text.len(),
                max: FILE_BYTES_MAX,
            });
        }
        let library = &self.set.library;
        if !library.contains_key(name) && library.len() >= SCENARIOS_MAX {
            return Err(Refusal::TooMany { max: SCENARIOS_MAX });
        }
        let others = library.values().filter(|entry| entry.source.name != name);
        let bytes = others.map(|entry| entry.source.text.len()).sum::<usize>() + text.len();
        if bytes > TEXT_BYTES_MAX {
            return Err(Refusal::TooLarge {
                bytes,
                max: TEXT_BYTES_MAX,
            });
        }
        Ok(())
    }

    pub(super) async fn delete_scenario(&mut self, name: &str, who: &str) -> Result<Deactivated, Refusal> {
        let Some(entry) = self.set.library.get(name) else {
            return Err(names::unknown(name, self.set.library.keys().map(String::as_str)));
        };
        if let Some(file) = entry.source.file.clone() {
            let shown = file.display().to_string();
            let removed = self.beside(move || std::fs::remove_file(&file)).await;
            match removed.ok_or(Refusal::Stopping)? {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Refusal::NotRemovable {
                        file: shown,
                        error: error.to_string(),
                    });
                }
            }
        }
        self.memory.remove(name);
        self.set.library.remove(name);
        let was_on = self.activations.remove(name);
        tracing::info!(scenario = name, who, was_on, "a scenario was removed");
        self.name_rules();
        self.publish();
        Ok(Deactivated {
            scenarios: was_on.then(|| name.to_owned()).into_iter().collect(),
            generation: self.generation,
        })
    }
}

/// Writes a scenario's file. A link is left alone: what it points to belongs to somebody else (a ConfigMap).
fn write(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    if std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(std::io::Error::other("it is a link or no plain file"));
    }
    latch::write_atomically(file, text.as_bytes())
}

/// A seed that nobody chose. It is shown, so that the run can be had again.
fn draw_seed() -> u64 {
    let word = std::hash::RandomState::new().build_hasher().finish();
    word >> (u64::BITS - SEED_BITS)
}
