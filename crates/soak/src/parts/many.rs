//! Very many at once: idle connections that each make calls, and event streams (B11).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Version;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Trouble;
use crate::ask::Ask;
use crate::client::{Connection, End, quantile};
use crate::content::{EVENT_BYTES, Kind};
use crate::control::get;
use crate::ground::{CLEAN, Ground, Setup, Task};
use crate::ledger::Seen;
use crate::process::Look;
use crate::report::Bar;

use super::Outcome;

const CONNECTIONS: u64 = 10_000;
const STREAMS: u64 = 9_000;
/// Places that are kept free. The daemon counts two descriptors for each connection and keeps some back.
const FREE: u64 = 50;
/// Connections that are being opened, or make a call, at once.
const AT_ONCE: usize = 64;
const STREAM_SECONDS: u64 = 15;
const KIB_OF_A_STREAM_MAX: f64 = 40.0;
const CONTROL_MAX: Duration = Duration::from_millis(100);

/// Many keep-alive connections: a call on each, then all idle, then another call on each.
///
/// # Errors
/// If it cannot be carried out.
pub async fn connections(task: &Task) -> Result<Outcome, Trouble> {
    let count = task
        .scaled(CONNECTIONS, Duration::from_secs(10))
        .min((task.files / 2).saturating_sub(FREE));
    let proxy = format!("max_connections = {}\nidle_timeout = \"10m\"", count + FREE);
    let setup = Setup {
        proxy: &proxy,
        ..Setup::default()
    };
    let ground = Ground::prepare(task, setup).await?;
    let start = ground.look()?;
    let mut opened: Vec<Option<Connection>> = (0..count).map(|_| None).collect();
    let (mut rounds, mut notes) = (Vec::new(), Vec::new());
    let mut idle = start;
    for round in 0..2 {
        let began = Instant::now();
        opened = call_on_each(ground.murphy.proxy, opened, round * count, &mut notes).await?;
        rounds.push((opened.len() as u64, began.elapsed()));
        if round == 0 {
            idle = ground.look()?;
        }
    }
    let slowest = control_latencies(&ground, 50).await?;
    let kib = (idle.rss_kib as f64 - start.rss_kib as f64) / count as f64;
    let arrived = Seen::read(&ground.ledger())?.total();
    drop(opened);
    let (in_flight, fds) = ground.settle(start.fds).await?;
    notes.truncate(4);
    let shown: Vec<String> = rounds
        .iter()
        .map(|(exact, took)| format!("{exact} in {:.1} s", took.as_secs_f64()))
        .collect();
    let bars = vec![
        Bar::of(
            &format!("{count} connections at once, two calls on each"),
            "all exact, each arrives once",
            format!("{}; {arrived} arrived", shown.join(", then ")),
            rounds.iter().all(|(exact, _)| *exact == count)
                && arrived == 2 * count
                && idle.fds as u64 >= count,
        ),
        Bar::told("memory of one that was used and is idle", format!("{kib:.1} KiB")),
        control_bar(&slowest),
        afterwards(start.fds, fds, in_flight),
    ];
    Ok(Outcome { bars, notes })
}

/// A call on each connection, which is opened first where there is none; those on which it was answered.
async fn call_on_each(
    addr: SocketAddr,
    connections: Vec<Option<Connection>>,
    first: u64,
    notes: &mut Vec<String>,
) -> Result<Vec<Option<Connection>>, Trouble> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut calls = JoinSet::new();
    for (number, held) in (first..).zip(connections) {
        let permits = Arc::clone(&permits);
        let ask = Ask::of(number, Kind::Json, 500);
        calls.spawn(async move {
            let _permit = permits.acquire().await?;
            let mut connection = match held {
                Some(connection) => connection,
                None => Connection::open(addr, Version::HTTP_11).await?,
            };
            let called = connection.ask(addr, CLEAN, &ask).await;
            Ok::<_, Trouble>((connection, called.end))
        });
    }
    let mut answered = Vec::new();
    while let Some(ended) = calls.join_next().await {
        match ended? {
            Ok((connection, End::Exact)) => answered.push(Some(connection)),
            Ok((_, end)) => notes.push(format!("{end:?}")),
            Err(trouble) => notes.push(trouble.to_string()),
        }
    }
    Ok(answered)
}

/// Many event streams at once.
///
/// # Errors
/// If it cannot be carried out.
pub async fn streams(task: &Task) -> Result<Outcome, Trouble> {
    let count = task
        .scaled(STREAMS, Duration::from_secs(20))
        .min((task.files / 2).saturating_sub(FREE));
    let seconds = STREAM_SECONDS.min(task.budget.as_secs()).max(2);
    let proxy = format!("max_connections = {}", count + FREE);
    let setup = Setup {
        proxy: &proxy,
        ..Setup::default()
    };
    let ground = Ground::prepare(task, setup).await?;
    let start = ground.look()?;
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    let reading = async {
        let read = read_streams(ground.murphy.proxy, count, seconds).await;
        stop.store(true, Ordering::Relaxed);
        read
    };
    let (watched, (exact, mut notes)) = tokio::join!(watch(&ground, &stop), reading);
    let took = began.elapsed();
    let (most, latencies) = watched?;
    let peak = ground.look()?.peak_kib;
    let kib = (peak as f64 - start.rss_kib as f64) / count as f64;
    let (in_flight, fds) = ground.settle(start.fds).await?;
    notes.truncate(4);
    let bars = vec![
        Bar::of(
            &format!("{count} event streams at once, an event a second for {seconds} s"),
            "all exact",
            format!(
                "{exact} in {:.1} s; {} descriptors at most",
                took.as_secs_f64(),
                most.fds
            ),
            exact == count,
        ),
        Bar::of(
            "peak memory for a stream",
            "40 KiB at most",
            format!("{kib:.1} KiB"),
            kib <= KIB_OF_A_STREAM_MAX,
        ),
        control_bar(&latencies),
        afterwards(start.fds, fds, in_flight),
    ];
    Ok(Outcome { bars, notes })
}

/// Opens so many streams and reads them to their ends; how many were exact, and what the others were.
async fn read_streams(addr: SocketAddr, count: u64, seconds: u64) -> (u64, Vec<String>) {
    let opening = Arc::new(Semaphore::new(AT_ONCE));
    let mut readers = JoinSet::new();
    for number in 0..count {
        let opening = Arc::clone(&opening);
        readers.spawn(async move {
            let mut connection = {
                let _permit = opening.acquire().await?;
                Connection::open(addr, Version::HTTP_11).await?
            };
            let mut ask = Ask::of(number, Kind::Events, EVENT_BYTES * seconds);
            ask.pace_ms = 1_000;
            Ok::<_, Trouble>(connection.ask(addr, CLEAN, &ask).await.end)
        });
    }
    let (mut exact, mut notes) = (0, Vec::new());
    while let Some(ended) = readers.join_next().await {
        match ended.map_err(Trouble::from).and_then(|ended| ended) {
            Ok(End::Exact) => exact += 1,
            Ok(end) => notes.push(format!("{end:?}")),
            Err(trouble) => notes.push(trouble.to_string()),
        }
    }
    (exact, notes)
}

/// Calls the control API and looks at the daemon until it is told to stop.
async fn watch(ground: &Ground, stop: &AtomicBool) -> Result<(Look, Vec<Duration>), Trouble> {
    let (mut most, mut latencies) = (Look::default(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        latencies.extend(control_latencies(ground, 1).await?);
        let now = ground.look()?;
        if now.fds > most.fds {
            most = now;
        }
        sleep(Duration::from_millis(20)).await;
    }
    latencies.sort_unstable();
    Ok((most, latencies))
}

async fn control_latencies(ground: &Ground, count: usize) -> Result<Vec<Duration>, Trouble> {
    let mut latencies = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let (status, _) = get(ground.murphy.control, "/api/v1/status").await?;
        latencies.push(began.elapsed());
        if status != 200 {
            return Err(format!("the control API answered {status}").into());
        }
    }
    latencies.sort_unstable();
    Ok(latencies)
}

fn control_bar(sorted: &[Duration]) -> Bar {
    let p99 = quantile(sorted, 0.99);
    let shown = format!("{:.1} ms (of {})", p99.as_secs_f64() * 1e3, sorted.len());
    Bar::of(
        "control API meanwhile, p99",
        "below 100 ms",
        shown,
        p99 < CONTROL_MAX,
    )
}

/// Whether nothing is left behind.
pub(super) fn afterwards(before: usize, after: usize, in_flight: f64) -> Bar {
    Bar::of(
        "descriptors and calls in flight afterwards",
        "as before",
        format!("{before} before, {after} after; {in_flight} in flight"),
        after <= before && in_flight == 0.0,
    )
}
