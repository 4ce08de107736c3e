//! Mixed traffic while everything changes (B8), and a storm of reloads (B9): every answer is checked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::Trouble;
use crate::churn::{Done, FIVE, Pace, churn, scenarios};
use crate::control::metric;
use crate::events::{Log, Tail};
use crate::ground::{Ground, Setup, Task};
use crate::judge::{Evidence, Verdict, Worked, judge};
use crate::ledger::Seen;
use crate::process::{Look, look};
use crate::report::{Bar, slope};
use crate::traffic::{Role, Shared, work};

use super::Outcome;

const EVENTS: &str = "file = \"events.jsonl\"\nmax_files = 3";
const MIXED: [(Role, usize); 7] = [
    (Role::Plain, 16),
    (Role::Closing, 2),
    (Role::Faulted, 8),
    (Role::Events, 6),
    (Role::Big, 2),
    (Role::Two, 2),
    (Role::Socket, 2),
];
const STORM: [(Role, usize); 3] = [(Role::Plain, 8), (Role::Closing, 4), (Role::Events, 4)];
const RELOADS: u64 = 1_000;
/// How long the daemon may still grow: pools fill, allocators settle.
const WARM_UP_SHARE: f64 = 0.3;
/// A slope is only told from noise over this many requests.
const SLOPE_NEEDS: f64 = 1e6;
const SLOPE_MAX: f64 = 1.0;
/// What fewer requests may seem to add.
const GROWTH_MAX_MIB: f64 = 8.0;

/// All that was collected of a run.
struct Run {
    verdict: Verdict,
    done: Done,
    samples: Vec<(f64, Look)>,
    start: Look,
    settled: (f64, usize),
    dropped: f64,
    unreadable: u64,
    idle: usize,
    bytes: u64,
    took: Duration,
    panics: Vec<String>,
}

/// Traffic of all kinds, with faults, reloads, toggles, trips and kills of the upstream.
///
/// # Errors
/// If it cannot be carried out.
pub async fn mixed(task: &Task) -> Result<Outcome, Trouble> {
    let kill_every = (task.budget / 6).clamp(Duration::from_secs(4), Duration::from_secs(30));
    let pace = Pace {
        every: Duration::from_millis(500),
        kill_every: Some(kill_every),
        reloads_only: None,
    };
    let run = run(task, &MIXED, pace).await?;
    let mut outcome = answers(&run);
    let done = &run.done;
    outcome.bars.push(Bar::of(
        "faults after a trip's answer and before the re-arm",
        "0",
        format!(
            "{} in {} trips",
            run.verdict.count(&["injected while tripped"]),
            done.tripped.len()
        ),
        run.verdict.count(&["injected while tripped"]) == 0 && !done.tripped.is_empty(),
    ));
    outcome.bars.push(Bar::told(
        "kills of the upstream",
        format!(
            "{}; {} calls in flight at one, {} of them repeated",
            done.kills, run.verdict.in_outage, run.verdict.repeated_in_outage
        ),
    ));
    outcome.bars.push(memory(&run));
    outcome.bars.extend(leaks(&run));
    Ok(outcome)
}

/// A thousand reloads back to back, half of them refused.
///
/// # Errors
/// If it cannot be carried out.
pub async fn storm(task: &Task) -> Result<Outcome, Trouble> {
    let pace = Pace {
        every: Duration::ZERO,
        kill_every: None,
        reloads_only: Some(task.scaled(RELOADS, Duration::from_secs(13))),
    };
    let run = run(task, &STORM, pace).await?;
    let mut outcome = answers(&run);
    outcome.bars.extend(leaks(&run));
    Ok(outcome)
}

async fn run(task: &Task, roles: &[(Role, usize)], pace: Pace) -> Result<Run, Trouble> {
    let scenarios = scenarios(task.seed);
    let setup = Setup {
        events: EVENTS,
        scenarios: &scenarios,
        ..Setup::default()
    };
    let mut ground = Ground::prepare(task, setup).await?;
    ground
        .post(&format!("/api/v1/scenarios/{FIVE}/activate"), 200)
        .await?;
    let start = ground.look()?;
    let began = Instant::now();
    let shared = Arc::new(Shared::of(ground.murphy.proxy, task.seed));
    let mut clients = JoinSet::new();
    let each = roles
        .iter()
        .flat_map(|(role, count)| std::iter::repeat_n(*role, *count));
    for (worker, role) in (1..).zip(each) {
        let shared = Arc::clone(&shared);
        clients.spawn(async move { work(role, worker, &shared).await });
    }
    let tail = tokio::spawn(follow(
        Tail::of(&ground.path().join("events.jsonl")),
        Arc::clone(&shared),
    ));
    let samples = tokio::spawn(sample(ground.murphy.process.pid, Arc::clone(&shared)));
    let done = churn(&mut ground, &shared, pace, began + task.budget).await;
    shared.stop.store(true, Ordering::Relaxed);
    let workers: Vec<Worked> = clients.join_all().await;
    let took = began.elapsed();
    let settled = ground.settle(start.fds + 1).await?;
    let dropped = metric(ground.murphy.control, "murphy_event_log_dropped_total").await?;
    let calls: u64 = workers.iter().map(|worked| worked.used).sum();
    let log = all(tail.await??, calls).await?;
    let done = done?;
    let verdict = judge(&Evidence {
        workers: &workers,
        arrived: &Seen::read(&ground.ledger())?,
        log: &log,
        tripped: &done.tripped,
    });
    Ok(Run {
        verdict,
        done,
        samples: samples.await?,
        start,
        settled,
        dropped,
        unreadable: log.unreadable,
        idle: log.idle.len(),
        bytes: workers.iter().map(|worked| worked.bytes).sum(),
        took,
        panics: ground.panics(),
    })
}

async fn follow(mut tail: Tail, shared: Arc<Shared>) -> Result<Tail, Trouble> {
    let mut look = interval(Duration::from_millis(100));
    while !shared.stop.load(Ordering::Relaxed) {
        look.tick().await;
        tail.read()?;
    }
    Ok(tail)
}

/// Reads on until every call is there; what is missing after a while will not come.
async fn all(mut tail: Tail, calls: u64) -> Result<Log, Trouble> {
    for _ in 0..50 {
        tail.read()?;
        if tail.log.exchanges.total() >= calls {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(tail.log)
}

async fn sample(pid: u32, shared: Arc<Shared>) -> Vec<(f64, Look)> {
    let mut samples = Vec::new();
    let mut tick = interval(Duration::from_secs(1));
    while !shared.stop.load(Ordering::Relaxed) {
        tick.tick().await;
        if let Ok(look) = look(pid) {
            samples.push((shared.done.load(Ordering::Relaxed) as f64, look));
        }
    }
    samples
}

fn answers(run: &Run) -> Outcome {
    let Run { verdict, done, .. } = run;
    let seconds = run.took.as_secs_f64();
    let bars = vec![
        Bar::told(
            "calls, each checked to the last byte",
            format!(
                "{} in {seconds:.0} s ({:.0}/s, {:.0} MiB); {} exact and untouched, {} faulted, {} by rules that could do nothing",
                verdict.calls,
                verdict.calls as f64 / seconds,
                run.bytes as f64 / f64::from(1 << 20),
                verdict.exact,
                verdict.faulted,
                run.idle
            ),
        ),
        counted(verdict, "answers or uploads with another byte", &["wrong"]),
        counted(verdict, "calls without an answer and without a fault", &["lost"]),
        counted(
            verdict,
            "calls that reached the origin twice, or that nobody made",
            &["duplicated", "invented"],
        ),
        counted(
            verdict,
            "faults without a mark or a record; calls not recorded once",
            &[
                "unmarked",
                "marked without a record",
                "unrecorded",
                "recorded twice",
            ],
        ),
        counted(
            verdict,
            "connections closed behind an answer that did not say so",
            &["closed without notice"],
        ),
        Bar::of(
            "answers of the control API that are not what they must be",
            "0",
            format!(
                "{} of {} reloads ({} refused), {} toggles, {} trips",
                done.failed.len(),
                done.reloads,
                done.refused,
                done.toggles,
                done.tripped.len()
            ),
            done.failed.is_empty() && done.reloads > 0,
        ),
    ];
    let failed = done.failed.iter().take(5).cloned();
    let notes = verdict
        .examples
        .iter()
        .cloned()
        .chain(failed)
        .chain(run.panics.iter().cloned());
    Outcome {
        bars,
        notes: notes.collect(),
    }
}

fn counted(verdict: &Verdict, what: &str, names: &[&str]) -> Bar {
    let count = verdict.count(names);
    Bar::of(what, "0", count.to_string(), count == 0)
}

/// Memory after the warm-up, over the calls made.
fn memory(run: &Run) -> Bar {
    let skipped = (run.samples.len() as f64 * WARM_UP_SHARE) as usize;
    let kept = run.samples.iter().skip(skipped);
    let points: Vec<(f64, f64)> = kept
        .map(|(done, look)| (*done, look.rss_kib as f64 / 1024.0))
        .collect();
    let of = |point: Option<&(f64, f64)>| point.copied().unwrap_or_default();
    let (first, last) = (of(points.first()), of(points.last()));
    let requests = last.0 - first.0;
    let per_million = slope(&points) * 1e6;
    let growth = slope(&points) * requests;
    let measured = format!(
        "{:.1} MiB at the start, {:.1} after the warm-up, {:.1} at the end; fit {per_million:+.2} MiB per M, \
         {growth:+.2} MiB over {:.2} M requests",
        run.start.rss_kib as f64 / 1024.0,
        first.1,
        last.1,
        requests / 1e6
    );
    if requests < SLOPE_NEEDS {
        return Bar::of(
            "memory",
            "fit below 8 MiB in all (under 1 M requests)",
            measured,
            growth < GROWTH_MAX_MIB,
        );
    }
    Bar::of(
        "memory",
        "fit below 1 MiB per M requests",
        measured,
        per_million < SLOPE_MAX,
    )
}

fn leaks(run: &Run) -> Vec<Bar> {
    let (in_flight, fds) = run.settled;
    let threads: Vec<u64> = run.samples.iter().map(|(_, look)| look.threads).collect();
    let most = threads.iter().max().copied().unwrap_or_default();
    vec![
        Bar::of(
            "descriptors and calls in flight afterwards",
            "as before",
            format!(
                "{} before, {fds} after; {in_flight} in flight; {} threads before, {most} at most",
                run.start.fds, run.start.threads
            ),
            in_flight == 0.0 && fds <= run.start.fds + 1, // the event log's file is opened by the first call
        ),
        Bar::of(
            "panics; exchanges the event log lost; lines of it that do not parse",
            "0",
            format!("{}; {}; {}", run.panics.len(), run.dropped, run.unreadable),
            run.panics.is_empty() && run.dropped == 0.0 && run.unreadable == 0,
        ),
    ]
}
