//! Kill -9 and restart with the latch kept (B16), and disks that are full or failing (B20): proxying goes on.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Trouble;
use crate::churn::{FIVE, scenarios};
use crate::content::Random;
use crate::control::{call, get, metric};
use crate::events::Tail;
use crate::ground::{Ground, Setup, Task};
use crate::judge::Worked;
use crate::report::Bar;
use crate::traffic::{Role, Shared, work};

use super::Outcome;

const CLIENTS: u64 = 8;
const KILLS: u64 = 20;

/// Clients of the route with rules, until they are told to stop.
struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Worked>,
}

impl Load {
    fn start(ground: &Ground, seed: u64) -> Self {
        let shared = Arc::new(Shared::of(ground.murphy.proxy, seed));
        let mut clients = JoinSet::new();
        for worker in 0..CLIENTS {
            let shared = Arc::clone(&shared);
            clients.spawn(async move { work(Role::Faulted, worker, &shared).await });
        }
        Self { shared, clients }
    }

    /// Waits for so many further calls.
    async fn calls(&self, more: u64) -> Result<(), Trouble> {
        let wanted = self.shared.done.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.shared.done.load(Ordering::Relaxed) < wanted {
            if Instant::now() > deadline {
                return Err("the traffic stands still".into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn stop(self) -> Vec<Worked> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await
    }
}

/// Trips, kills at a random moment, restarts, and looks whether anything is injected; over and over.
///
/// # Errors
/// If it cannot be carried out.
pub async fn latch(task: &Task) -> Result<Outcome, Trouble> {
    let scenarios = scenarios(task.seed);
    let setup = Setup {
        events: "file = \"events.jsonl\"",
        scenarios: &scenarios,
        ..Setup::default()
    };
    let mut ground = Ground::prepare(task, setup).await?;
    let mut random = Random::of(task.seed, 16);
    let kills = task.scaled(KILLS, Duration::from_secs(13));
    let activate = format!("/api/v1/scenarios/{FIVE}/activate");
    let (mut kept, mut refused, mut injected, mut calls, mut lost) = (0, 0, 0, 0, 0);
    let (mut start_max, mut notes) = (Duration::ZERO, Vec::new());
    for _ in 0..kills {
        ground.post(&activate, 200).await?;
        let load = Load::start(&ground, random.draw());
        load.calls(random.within(50, 500)).await?;
        ground.post("/api/v1/kill-switch/trip", 200).await?;
        sleep(Duration::from_millis(random.below(50))).await; // it dies at any moment after the answer
        load.shared.stop.store(true, Ordering::Relaxed);
        let began = Instant::now();
        ground.kill_and_restart().await?;
        start_max = start_max.max(began.elapsed());
        load.stop().await; // what is cut by the kill is not judged
        kept += u64::from(state(&ground).await?.as_deref() == Some("tripped"));
        let (status, _) = call(
            ground.murphy.control,
            http::Method::POST,
            &activate,
            Some(json!({})),
        )
        .await?;
        refused += u64::from(status == 409);
        let load = Load::start(&ground, random.draw());
        load.calls(200).await?;
        for worked in load.stop().await {
            calls += worked.used;
            lost += worked.used - worked.exact;
            notes.extend(worked.others.iter().take(2).map(|called| format!("{called:?}")));
        }
        injected += metric(ground.murphy.control, "murphy_faults_injected_total").await? as u64;
        ground.post("/api/v1/kill-switch/rearm", 200).await?;
    }
    // A rearm is kept as well.
    ground.kill_and_restart().await?;
    let armed = state(&ground).await?;
    notes.truncate(4);
    notes.extend(ground.panics());
    let bars = vec![
        Bar::of(
            &format!("{kills} times kill -9 at a random moment after a trip"),
            "tripped after the restart, nothing can be switched on",
            format!("{kept} tripped, {refused} refused; started again within {start_max:.1?}"),
            kept == kills && refused == kills,
        ),
        Bar::of(
            "calls after these restarts",
            "all exact, 0 injections",
            format!("{} of {calls} exact, {injected} injections", calls - lost),
            lost == 0 && injected == 0,
        ),
        Bar::of(
            "kill -9 after a re-arm",
            "armed",
            format!("{armed:?}"),
            armed.as_deref() == Some("armed"),
        ),
        torn_log(&ground)?,
    ];
    Ok(Outcome { bars, notes })
}

async fn state(ground: &Ground) -> Result<Option<String>, Trouble> {
    let (_, switch) = get(ground.murphy.control, "/api/v1/kill-switch").await?;
    Ok(switch.get("state").and_then(Value::as_str).map(str::to_owned))
}

/// What the kills left of the event log: a torn line each, at most.
fn torn_log(ground: &Ground) -> Result<Bar, Trouble> {
    let mut tail = Tail::of(&ground.path().join("events.jsonl"));
    tail.read()?;
    let log = tail.log;
    let lines = log.exchanges.total();
    Ok(Bar::of(
        "the event log after all kills",
        "reads; torn lines are closed",
        format!("{lines} lines, {} torn", log.unreadable),
        lines > 0 && log.unreadable <= KILLS,
    ))
}

/// The event log's disk is full, then the latch's as well.
///
/// # Errors
/// If it cannot be carried out.
pub async fn disk(task: &Task) -> Result<Outcome, Trouble> {
    // A disk of its own that ends with the daemon; where nobody may mount one, files that may not grow.
    let mounts = "mkdir -p full && mount -t tmpfs -o size=256k tmpfs full && exec \"$@\"";
    let capped = "mkdir -p full; trap '' XFSZ; ulimit -f 512; exec \"$@\"";
    let setup = |shell, unshared| Setup {
        events: "file = \"full/events.jsonl\"",
        state_file: Some("full/missing/state.json"),
        shell: Some(shell),
        unshared,
        ..Setup::default()
    };
    let (ground, how) = match Ground::prepare(task, setup(mounts, true)).await {
        Ok(ground) => (ground, "a full tmpfs"),
        Err(_) => (
            Ground::prepare(task, setup(capped, false)).await?,
            "a limit of file sizes (no mount allowed)",
        ),
    };
    let control = ground.murphy.control;
    let load = Load::start(&ground, task.seed);
    let began = Instant::now();
    let mut dropped = 0.0;
    while began.elapsed() < task.budget.min(Duration::from_secs(20)) {
        dropped = metric(control, "murphy_event_log_dropped_total").await?;
        sleep(Duration::from_millis(100)).await;
    }
    let lines = ground.murphy.launch.stderr().lines().count();
    let seconds = began.elapsed().as_secs_f64();
    let held: u64 = fs::read_dir(seen_by(&ground))?
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|file| file.len())
        .sum();
    // The latch cannot be written either.
    ground.post("/api/v1/kill-switch/trip", 200).await?;
    let tripped = state(&ground).await?;
    let told = ground.murphy.launch.stderr().contains("state file");
    load.calls(100).await?;
    let (mut calls, mut lost, mut notes) = (0, 0, ground.panics());
    for worked in load.stop().await {
        calls += worked.used;
        lost += worked.used - worked.exact;
        notes.extend(worked.others.iter().take(2).map(|called| format!("{called:?}")));
    }
    let bars = vec![
        Bar::of(
            &format!("the event log's disk is full ({how})"),
            "every call is served, what is lost is counted",
            format!(
                "{} of {calls} exact; {dropped} exchanges dropped, {held} bytes written",
                calls - lost
            ),
            lost == 0 && calls > 0 && dropped > 0.0,
        ),
        Bar::of(
            "log lines meanwhile",
            "at most one a second",
            format!("{lines} in {seconds:.0} s"),
            lines as f64 <= seconds + 1.0,
        ),
        Bar::of(
            "a trip whose latch cannot be written",
            "holds; the log says that a restart would forget it",
            format!("{tripped:?}; said: {told}"),
            tripped.as_deref() == Some("tripped") && told,
        ),
    ];
    notes.truncate(4);
    Ok(Outcome { bars, notes })
}

/// The folder of the event log as the daemon sees it.
fn seen_by(ground: &Ground) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", ground.murphy.process.pid));
    let folder = ground.path().join("full");
    root.join(folder.strip_prefix("/").unwrap_or(&folder))
}
