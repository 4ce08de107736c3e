//! The loop: an event, a new state, a publication, an answer. Nobody else changes policy.
//!
//! Whatever may block (reading files, compiling, syncing the latch) runs beside the loop. While it does, stops
//! are served all the same: a trip never waits for a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use murphy_core::Name;
use murphy_core::clock::{Offset, WallClock};
use murphy_core::live::Live;
use murphy_observe::{Observer, Verdict};
use murphy_rules::ordinals::Counters;
use murphy_rules::snapshot::{Active, Snapshot, SnapshotOptions};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::activation::Activations;
use crate::alerts::{Alerts, Notice, Post};
use crate::event::{Event, Stop};
use crate::gather::{Gathered, Seen, Set, gather};
use crate::handle::{EVENTS_WAITING_MAX, Handle, STOPS_WAITING_MAX, Shown};
use crate::kill_switch::{KillSwitch, Said};
use crate::load::Sources;
use crate::probe::Probe;
use crate::settings::Settings;
use crate::view::{ListenersView, Located};
use crate::watch::{Watch, folders};
use crate::{clock_text, latch};

mod changes;
mod reload;
mod show;
mod stop;

pub use reload::window;

/// How often the error window is evaluated without a call, and progress is looked at.
const TICK: Duration = Duration::from_millis(500);
/// How often files are looked at where their changes cannot be noticed.
const POLL: Duration = Duration::from_secs(2);

/// What a Director is made of.
pub struct Startup {
    /// Where settings come from, now and at each reload.
    pub sources: Sources,
    /// The settings with which the process runs: what it bound, how it logs. Changes of those need a restart.
    pub settings: Settings,
    /// Sees every call.
    pub observer: Arc<Observer>,
    /// The wall clock.
    pub clock: Arc<dyn WallClock>,
    /// When the process started: offsets count from here.
    pub started: Instant,
    /// Sends alerts.
    pub post: Arc<dyn Post>,
    /// Murphy's version.
    pub version: String,
    /// Bound addresses, to be shown.
    pub listeners: ListenersView,
}

/// The only writer of policy.
pub struct Director {
    startup: Startup,
    inbox: Inbox,
    live: Arc<Live<Snapshot>>,
    counters: Arc<Counters>,
    shown: watch::Sender<Shown>,
    /// What is in force.
    set: Set,
    /// Scenarios that are in memory only.
    memory: BTreeMap<String, Arc<str>>,
    /// What was on disk when it was last read.
    seen: Seen,
    activations: Activations,
    switch: KillSwitch,
    generation: u64,
    draining: bool,
    started_at: String,
    loading: Loading,
    /// Why the latch cannot be kept, if it cannot.
    trouble: Option<String>,
    alerts: Alerts,
    probe: Option<Probe>,
    watch: Watch,
}

/// Everything that the loop waits for.
struct Inbox {
    events: mpsc::Receiver<Event>,
    stops: mpsc::Receiver<Stop>,
    /// To give to tasks that may stop us; weak, so that the loop ends with its last handle.
    stop_sender: mpsc::WeakSender<Stop>,
    verdicts: watch::Receiver<Option<Verdict>>,
    files: Arc<Notify>,
    tick_at: Instant,
    poll_at: Option<Instant>,
}

/// How loading went.
struct Loading {
    loaded_at: String,
    tried_at: String,
    problems: Vec<Located>,
}

impl Director {
    /// Reads everything, restores the latch, switches on what the settings name, and starts the loop. To be
    /// called on the runtime on which the loop shall run. The loop ends when the last handle is dropped.
    ///
    /// # Errors
    /// If the configuration or a scenario is bad.
    pub fn start(startup: Startup) -> Result<(Handle, JoinHandle<()>), Vec<Located>> {
        let memory = BTreeMap::new();
        let (seen, set) = match gather(&startup.sources, &memory, None) {
            Gathered::New { seen, set } => (seen, *set?),
            Gathered::Same => return Err(Vec::new()), // nothing was seen before, so nothing is the same
        };
        let now_text = clock_text(&*startup.clock, Duration::ZERO);
        let mut switch = latch::restore(&startup.settings.kill_switch.state_file, &now_text);
        switch.tripped_at = Offset(startup.started.elapsed());

        let counters = Arc::new(Counters::default());
        let first = Snapshot::build(
            0,
            options(&set.loaded.settings),
            &set.loaded.routes,
            &[],
            Arc::clone(&counters),
        );
        let live = Arc::new(Live::new(first));
        let (events_in, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let (stops_in, stops) = mpsc::channel(STOPS_WAITING_MAX);
        let (shown_in, shown) = watch::channel(Shown::default());
        let files = Arc::new(Notify::new());
        let settings = &set.loaded.settings;
        let mut director = Self {
            inbox: Inbox {
                events,
                stops,
                stop_sender: stops_in.downgrade(),
                verdicts: startup.observer.verdicts(),
                files: Arc::clone(&files),
                tick_at: Instant::now() + TICK,
                poll_at: None,
            },
            live: Arc::clone(&live),
            counters,
            shown: shown_in,
            memory,
            seen,
            activations: Activations::default(),
            switch,
            generation: 0,
            draining: false,
            started_at: now_text.clone(),
            loading: Loading {
                loaded_at: now_text.clone(),
                tried_at: now_text,
                problems: Vec::new(),
            },
            trouble: None,
            alerts: Alerts::start(&settings.kill_switch.alerts, &startup.post),
            probe: None,
            watch: Watch::start(files, own_files(&startup.settings)),
            set,
            startup,
        };
        director.open();
        let handle = Handle {
            events: events_in,
            stops: stops_in,
            shown,
            live,
        };
        Ok((handle, tokio::spawn(director.run())))
    }

    /// Brings everything into the state that the settings ask for, once.
    fn open(&mut self) {
        if let Some(trip) = &self.switch.trip {
            tracing::error!(reason = %trip.reason, at = %trip.at, "the kill switch is tripped since before the start");
            self.alerts.tell(&Notice::StillTripped(trip.clone()));
        }
        let triggers = crate::view::Trigger::ALL.map(crate::view::Trigger::name);
        self.startup.observer.metrics().set_triggers(&triggers);
        self.follow_files();
        self.follow_settings(None);
        self.start_configured(&[]);
        self.publish();
        self.count_reload(true);
    }

    async fn run(mut self) {
        loop {
            let due = self.next_due();
            tokio::select! {
                biased;
                stop = self.inbox.stops.recv() => match stop {
                    Some(stop) => self.on_stop(stop).await,
                    None => return,
                },
                Ok(()) = self.inbox.verdicts.changed() => self.on_verdict().await,
                () = tokio::time::sleep_until(due) => self.on_time().await,
                () = self.inbox.files.notified() => self.on_files().await,
                event = self.inbox.events.recv() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return,
                },
            }
        }
    }

    async fn on_event(&mut self, event: Event) {
        // Whoever asked may have gone: then the answer goes nowhere.
        match event {
            Event::Activate {
                name,
                request,
                who,
                reply,
            } => drop(reply.send(self.activate(&name, &request, &who))),
            Event::Deactivate { name, who, reply } => drop(reply.send(self.deactivate(&name, &who))),
            Event::DeactivateAll { who, reply } => drop(reply.send(self.deactivate_all(&who))),
            Event::PutScenario {
                name,
                text,
                who,
                reply,
            } => drop(reply.send(self.put_scenario(name, text, &who).await)),
            Event::DeleteScenario { name, who, reply } => {
                drop(reply.send(self.delete_scenario(&name, &who).await))
            }
            Event::Reload { reply } => drop(reply.send(self.reload().await)),
            Event::Rearm { who, reason, reply } => {
                let said = self.said(who, reason);
                drop(reply.send(self.rearm(said).await));
            }
            Event::Unlock { who, reason, reply } => {
                let said = self.said(who, reason);
                drop(reply.send(self.unlock(said).await));
            }
        }
    }

    /// When something is due that no event announces.
    fn next_due(&self) -> Instant {
        let at = |offset: Offset| self.startup.started + offset.0;
        let rearm_after = self.rearm_after();
        [
            self.activations.next_end().map(at),
            self.switch.rearms_at(rearm_after).map(at),
            self.inbox.poll_at,
        ]
        .into_iter()
        .flatten()
        .fold(self.inbox.tick_at, Instant::min)
    }

    async fn on_time(&mut self) {
        let now = self.now();
        let ended = self.activations.expire(now);
        if !ended.is_empty() {
            tracing::info!(scenarios = ?ended, "activations ended: their time is over");
            self.publish();
        }
        self.rearm_if_due().await;
        if self.inbox.tick_at <= Instant::now() {
            self.inbox.tick_at = Instant::now() + TICK;
            self.startup.observer.evaluate(now);
            self.on_verdict().await;
            self.look_at_progress().await;
        }
        if self.inbox.poll_at.is_some_and(|at| at <= Instant::now()) {
            self.on_files().await;
        }
    }

    /// Runs what may block beside the loop, and serves stops meanwhile. `None` if it panicked.
    async fn beside<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let mut job = tokio::task::spawn_blocking(work);
        loop {
            tokio::select! {
                biased;
                Some(stop) = self.inbox.stops.recv() => self.on_stop(stop).await,
                Ok(()) = self.inbox.verdicts.changed() => self.on_verdict().await,
                done = &mut job => return done
                    .map_err(|error| tracing::error!(%error, "work beside the Director's loop failed"))
                    .ok(),
            }
        }
    }

    /// Puts the state in force: the snapshot first, then what is shown.
    fn publish(&mut self) {
        self.publish_snapshot();
        self.show();
    }

    fn publish_snapshot(&mut self) {
        self.generation += 1;
        let active: Vec<Active> = self
            .activations
            .iter()
            .filter_map(|activation| {
                let entry = self.set.library.get(&activation.scenario)?;
                Some(Active {
                    scenario: Arc::clone(&entry.compiled),
                    activation: activation.id,
                    seed: activation.seed,
                    since: activation.since,
                })
            })
            .collect();
        let loaded = &self.set.loaded;
        self.live.publish(Snapshot::build(
            self.generation,
            options(&loaded.settings),
            &loaded.routes,
            &active,
            Arc::clone(&self.counters),
        ));
        self.counters.retain(&active);
    }

    /// Tells the metrics which scenarios are on.
    fn count_activations(&self) {
        let metrics = self.startup.observer.metrics();
        for name in self.set.library.keys() {
            metrics.scenario_active(&Name::from(name.as_str()), self.activations.of(name).is_some());
        }
    }

    fn follow_files(&mut self) {
        let scenarios = &self.set.loaded.settings.scenarios;
        let folders = folders(self.startup.sources.config_file.as_deref(), &scenarios.dir);
        self.watch.follow(folders);
        let every = match scenarios.poll {
            Some(span) => Some(span.0.max(Duration::from_millis(10))),
            None => self.watch.is_blind().then_some(POLL),
        };
        self.inbox.poll_at = every.map(|every| Instant::now() + every);
    }

    fn now(&self) -> Offset {
        Offset(self.startup.started.elapsed())
    }

    /// The wall-clock time so much later than now, as text.
    fn time_text(&self, later: Duration) -> String {
        clock_text(&*self.startup.clock, later)
    }

    fn said(&self, who: String, reason: String) -> Said {
        Said {
            who,
            reason,
            at: self.time_text(Duration::ZERO),
        }
    }
}

fn options(settings: &Settings) -> SnapshotOptions {
    SnapshotOptions {
        mark: settings.proxy.mark,
        max_active_faults: settings.proxy.max_active_faults,
        body_inspect_bytes_max: usize::try_from(settings.proxy.max_body_inspect.0).unwrap_or(usize::MAX),
    }
}

/// Files that Murphy itself writes: their changes are no news.
fn own_files(settings: &Settings) -> Vec<std::path::PathBuf> {
    let files = [
        Some(&settings.kill_switch.state_file),
        settings.events.file.as_ref(),
    ];
    let real = |file: &std::path::PathBuf| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        file.file_name().map(|name| folder.join(name))
    };
    files.into_iter().flatten().filter_map(real).collect()
}

#[cfg(test)]
mod tests;
