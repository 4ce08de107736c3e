//! A Director on a folder of its own.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use murphy_core::agent::AgentId;
use murphy_core::call::{Body, Call, Facts};
use murphy_core::exchange::Exchange;
use murphy_core::outcome::{Cause, Outcome};
use murphy_observe::{Finished, ObserverOptions};

use super::super::*;
use crate::alerts::{Outgoing, Sending};
use crate::load::load;
use crate::view::{ActivateRequest, ReloadReport};

pub(super) const SLOW: &str = "rules:\n  - name: r\n    fault: { delay: 2s }\n";
pub(super) const FAIL: &str = "rules:\n  - name: r\n    fault: { status: 503 }\n";

/// A wall clock that stands still, since paused time does not move the machine's.
struct Noon;

impl WallClock for Noon {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_268_800)
    }
}

/// Notes what is sent and takes it, or says what it was told to say.
#[derive(Default)]
pub(super) struct FakePost {
    pub(super) sent: Mutex<Vec<Outgoing>>,
    pub(super) answer: Mutex<Option<u16>>,
}

impl Post for FakePost {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        self.sent.lock().unwrap().push(request);
        let status = self.answer.lock().unwrap().unwrap_or(200);
        Box::pin(async move { Ok(status) })
    }
}

pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) handle: Handle,
    pub(super) observer: Arc<Observer>,
    pub(super) post: Arc<FakePost>,
    pub(super) started: Instant,
    calls: AtomicU64,
}

/// What a test starts with: settings besides those of the folders, and scenarios.
#[derive(Default)]
pub(super) struct Given<'a> {
    pub(super) config: &'a str,
    pub(super) scenarios: &'a [(&'a str, &'a str)],
}

impl World {
    /// A Director in a new folder.
    pub(super) fn new(given: &Given<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scenarios")).unwrap();
        for (name, text) in given.scenarios {
            std::fs::write(folder.path().join("scenarios").join(format!("{name}.yaml")), text).unwrap();
        }
        std::fs::write(folder.path().join("murphy.toml"), given.config).unwrap();
        Self::in_folder(folder).unwrap()
    }

    /// A Director in a folder that has everything.
    pub(super) fn in_folder(folder: tempfile::TempDir) -> Result<Self, Vec<Located>> {
        let set = |key: &str, file: &str| crate::layers::Override {
            key: key.into(),
            value: folder.path().join(file).display().to_string(),
            from: key.into(),
        };
        let mut overrides = vec![set("kill_switch.state_file", "state.json")];
        if !std::fs::read_to_string(folder.path().join("murphy.toml"))
            .unwrap()
            .contains("dir = ")
        {
            overrides.push(set("scenarios.dir", "scenarios"));
        }
        let sources = Sources {
            config_file: Some(folder.path().join("murphy.toml")),
            env: Vec::new(),
            overrides,
            sim: None,
        };
        let settings = load(&sources)?.settings;
        let observer = Observer::new(ObserverOptions {
            routes: Vec::new(),
            ring_exchanges_max: 10,
            jsonl: None,
            window: window(&settings.kill_switch),
            series_max: 1_000,
            version: "0".into(),
        })
        .unwrap();
        let post = Arc::new(FakePost::default());
        let started = Instant::now();
        let (handle, _loop) = Director::start(Startup {
            sources,
            settings,
            observer: Arc::clone(&observer),
            clock: Arc::new(Noon),
            started,
            post: Arc::clone(&post) as Arc<dyn Post>,
            version: "0".into(),
            listeners: ListenersView::default(),
        })?;
        Ok(Self {
            folder,
            handle,
            observer,
            post,
            started,
            calls: AtomicU64::new(0),
        })
    }

    /// Stops this one, as `kill -9` would, and starts another on the same files.
    pub(super) fn restart(self) -> Result<Self, Vec<Located>> {
        let Self { folder, handle, .. } = self;
        drop(handle);
        Self::in_folder(folder)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    pub(super) async fn on(&self, name: &str) -> crate::view::Activated {
        self.handle
            .activate(name, ActivateRequest::default(), "test")
            .await
            .unwrap()
    }

    pub(super) async fn reload(&self) -> ReloadReport {
        self.handle.reload().await.unwrap()
    }

    /// The names of what is on.
    pub(super) fn active(&self) -> Vec<String> {
        let status = self.handle.status();
        status
            .active
            .iter()
            .map(|activation| activation.scenario.clone())
            .collect()
    }

    /// How many rules could hit a call of the first built-in route.
    pub(super) fn rules(&self) -> usize {
        self.handle.live().load().routes[0].rules.len()
    }

    /// Waits until something that is shown is so.
    pub(super) async fn until(&self, what: impl Fn(&Self) -> bool) {
        let mut handle = self.handle.clone();
        let wait = async {
            while !what(self) {
                handle.changed().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("it did not come about");
    }

    /// Asks what would happen to a call of the first route: how many rules fire, and the number of the call
    /// under the first one.
    pub(super) fn call(&self) -> (usize, Option<u64>) {
        let snapshot = self.handle.live().load();
        let entry = &snapshot.routes[0];
        let call = Call {
            route: entry.route.name.clone(),
            dialect: "plain",
            method: &http::Method::GET,
            path: "/",
            query: None,
            headers: &http::HeaderMap::new(),
            agent: &AgentId::named("a"),
            attempt: 1,
            facts: Facts::default(),
            body: Body::Unread,
        };
        let plan = snapshot.plan(&entry.rules, &call, 1, Offset(self.started.elapsed()));
        (plan.effects.len(), plan.considered.first().map(|one| one.ordinal))
    }

    /// A call of its own operation ends with this outcome.
    pub(super) fn finish(&self, outcome: Outcome) {
        let now = Offset(self.started.elapsed());
        let identity = self.calls.fetch_add(1, Ordering::Relaxed);
        let ticket = self.observer.start(identity, &"sim".into(), now);
        self.observer.finish(Finished {
            ticket,
            exchange: Exchange {
                route: "sim".into(),
                outcome,
                cause: Cause::Upstream,
                ..Exchange::empty()
            },
            offset: now,
            arrived: SystemTime::UNIX_EPOCH,
            fired: Vec::new(),
            skipped: Vec::new(),
            ttfb: None,
            duration: Duration::from_millis(1),
            injected: Duration::ZERO,
            upstream: None,
            overhead: Duration::ZERO,
        });
    }

    /// The value of a metric in the text format.
    pub(super) fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.observer.metrics().render(None);
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.and_then(|value| value.trim().parse().ok())
    }
}
