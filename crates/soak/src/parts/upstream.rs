//! An upstream that dies in the middle and comes back (B21), and one that is slow.

use std::net::SocketAddr;
use std::time::Duration;

use http::Version;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Trouble;
use crate::ask::Ask;
use crate::client::{Called, Connection, End, quantile};
use crate::content::Kind;
use crate::ground::{CLEAN, FAULTY, Ground, Setup, TWO, Task};
use crate::report::Bar;

use super::Outcome;

const CALLS_OF_A_KIND: u64 = 20;
const SLOW: u64 = 200;
/// How long the slow upstream takes to its head, in milliseconds.
const SLOW_MS: u64 = 1_500;
const HEALTHY_WITHIN: Duration = Duration::from_millis(100);

/// How an upstream's death must look like to the client.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Incomplete,
    BadGateway,
}

/// Kills the upstream while answers are under way, again and again.
///
/// # Errors
/// If it cannot be carried out.
pub async fn crash(task: &Task) -> Result<Outcome, Trouble> {
    let mut ground = Ground::prepare(task, Setup::default()).await?;
    let start = ground.look()?;
    let addr = ground.murphy.proxy;
    let rounds = task.scaled(20, Duration::from_secs(10));
    let (mut calls, mut clean_ends, mut examples) = (0, 0, Vec::new());
    let (mut first_ok, mut firsts, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        let mut under_way = JoinSet::new();
        for number in 0..CALLS_OF_A_KIND {
            for (kind, prefix, version, (ask, wanted)) in kinds(round * 1_000 + number * 10) {
                under_way.spawn(async move {
                    let mut connection = Connection::open(addr, version).await?;
                    let called = connection.ask(addr, prefix, &ask).await;
                    Ok::<_, Trouble>((kind, wanted, called))
                });
            }
        }
        sleep(Duration::from_millis(200)).await; // heads and first pieces are under way
        ground.origin.kill().await?;
        while let Some(ended) = under_way.join_next().await {
            let (kind, wanted, called) = ended??;
            calls += 1;
            if !is_as_wanted(wanted, &called) {
                clean_ends += 1;
                examples.push(format!("{kind}: {:?}", called.end));
            }
        }
        ground.origin.restart().await?;
        for (prefix, version) in [
            (CLEAN, Version::HTTP_11),
            (TWO, Version::HTTP_11),
            (CLEAN, Version::HTTP_2),
        ] {
            let began = Instant::now();
            let ask = Ask::of(1 << 50 | round << 8 | firsts, Kind::Json, 100);
            let end = Connection::open(addr, version)
                .await?
                .ask(addr, prefix, &ask)
                .await
                .end;
            firsts += 1;
            first_ok += u64::from(end == End::Exact);
            slowest = slowest.max(began.elapsed());
        }
    }
    let (in_flight, fds) = ground.settle(start.fds).await?;
    examples.truncate(4);
    let bars = vec![
        Bar::of(
            &format!("{rounds} kills of the upstream mid-answer: an answer without its end"),
            "is never ended cleanly; 502 only before the head",
            format!("{} of {calls} as it must be", calls - clean_ends),
            clean_ends == 0,
        ),
        Bar::of(
            "the first call after its return",
            "answered",
            format!("{first_ok} of {firsts}, the slowest after {slowest:.1?}"),
            first_ok == firsts,
        ),
        super::many::afterwards(start.fds, fds, in_flight),
    ];
    examples.extend(ground.panics());
    Ok(Outcome {
        bars,
        notes: examples,
    })
}

type KindOfCall = (&'static str, &'static str, Version, (Ask, Wanted));

fn kinds(id: u64) -> [KindOfCall; 6] {
    let paced = |id, kind, open| {
        let mut ask = Ask::of(id, kind, 1 << 20);
        (ask.open, ask.pace_ms) = (open, 100);
        (ask, Wanted::Incomplete)
    };
    let mut headless = Ask::of(id + 3, Kind::Json, 100);
    headless.head_ms = 60_000;
    [
        ("chunked", CLEAN, Version::HTTP_11, paced(id, Kind::Bytes, true)),
        (
            "sized",
            CLEAN,
            Version::HTTP_11,
            paced(id + 1, Kind::Bytes, false),
        ),
        (
            "events",
            CLEAN,
            Version::HTTP_11,
            paced(id + 2, Kind::Events, true),
        ),
        (
            "before the head",
            CLEAN,
            Version::HTTP_11,
            (headless, Wanted::BadGateway),
        ),
        (
            "HTTP/2 to HTTP/1.1",
            CLEAN,
            Version::HTTP_2,
            paced(id + 4, Kind::Bytes, true),
        ),
        (
            "HTTP/1.1 to HTTP/2",
            TWO,
            Version::HTTP_11,
            paced(id + 5, Kind::Bytes, false),
        ),
    ]
}

fn is_as_wanted(wanted: Wanted, called: &Called) -> bool {
    match &called.end {
        End::Broken(what) => wanted == Wanted::Incomplete && what.starts_with("200, "),
        End::Status(status) => wanted == Wanted::BadGateway && *status == 502,
        End::Exact | End::Wrong(_) => false,
    }
}

/// An upstream that takes its time holds up nobody else, and a route's deadline holds.
///
/// # Errors
/// If it cannot be carried out.
pub async fn slow(task: &Task) -> Result<Outcome, Trouble> {
    let ground = Ground::prepare(task, Setup::default()).await?;
    let config = ground.config.replacen(
        "name = \"faulty\"\n",
        "name = \"faulty\"\ntimeouts = { first_byte = \"1s\" }\n",
        1,
    );
    crate::ground::write(ground.path(), "murphy.toml", &config)?;
    ground.post("/api/v1/reload", 200).await?;
    let addr = ground.murphy.proxy;
    let mut under_way = JoinSet::new();
    for id in 0..2 * SLOW {
        let mut ask = Ask::of(id, Kind::Json, 100);
        ask.head_ms = SLOW_MS;
        let prefix = if id < SLOW { CLEAN } else { FAULTY };
        under_way.spawn(async move {
            let mut connection = Connection::open(addr, Version::HTTP_11).await?;
            Ok::<_, Trouble>((prefix, connection.ask(addr, prefix, &ask).await))
        });
    }
    sleep(Duration::from_millis(100)).await; // they wait by now
    let (healthy, wrong) = quick_calls(addr).await?;
    let (mut answered, mut in_time) = (0, 0);
    while let Some(ended) = under_way.join_next().await {
        let (prefix, called) = ended??;
        if prefix == CLEAN {
            answered += u64::from(called.end == End::Exact);
        } else {
            let on_time =
                called.took >= Duration::from_secs(1) && called.took < Duration::from_millis(SLOW_MS);
            in_time += u64::from(called.end == End::Status(504) && on_time);
        }
    }
    let p99 = quantile(&healthy, 0.99);
    let bars = vec![
        Bar::of(
            &format!("{SLOW} calls of an upstream that takes {SLOW_MS} ms, without a deadline"),
            "all answered",
            answered.to_string(),
            answered == SLOW,
        ),
        Bar::of(
            "the same with first_byte = 1s",
            "504, not before 1 s and not after 1.5 s",
            in_time.to_string(),
            in_time == SLOW,
        ),
        Bar::of(
            "quick calls meanwhile",
            "all answered, p99 below 100 ms",
            format!(
                "{} of {}, p99 {p99:.1?}",
                healthy.len() as u64 - wrong,
                healthy.len()
            ),
            wrong == 0 && p99 < HEALTHY_WITHIN,
        ),
    ];
    Ok(Outcome {
        bars,
        notes: ground.panics(),
    })
}

/// Calls one after the other while the slow ones wait: how long each took, sorted, and how many were not answered.
async fn quick_calls(addr: SocketAddr) -> Result<(Vec<Duration>, u64), Trouble> {
    let (mut healthy, mut wrong) = (Vec::new(), 0);
    let mut connection = Connection::open(addr, Version::HTTP_11).await?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(700) {
        let ask = Ask::of(1 << 50 | healthy.len() as u64, Kind::Json, 100);
        let called = connection.ask(addr, CLEAN, &ask).await;
        wrong += u64::from(called.end != End::Exact);
        healthy.push(called.took);
    }
    healthy.sort_unstable();
    Ok((healthy, wrong))
}
