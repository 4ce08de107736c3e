//! Streams of events: time to the first one, the delay of each at a pace, and how many pass at full speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Aim, Counter, SentTimes, Window, all};
use crate::Void;
use crate::client::Connection;
use crate::clock;

/// The time from asking to the first event, in nanoseconds, sorted: `count` streams of one event, one after another.
///
/// # Errors
/// If an answer is not complete.
pub async fn first_events(aim: &Aim, count: usize) -> Result<Vec<u64>, Void> {
    let request = aim.get("/paced/1/1000");
    let mut connection = Connection::open_large(aim.addr).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let (sent, mut first) = (clock::now(), None);
        let answer = connection.exchange(&request, |_| {
            first.get_or_insert_with(clock::now);
        });
        let answer = answer.await?;
        answer.expect(answer.length)?;
        times.push(first.ok_or("a stream without an event")? - sent);
    }
    times.sort_unstable();
    Ok(times)
}

/// Streams at a pace.
#[derive(Debug, Clone)]
pub struct Paced {
    /// Who is asked.
    pub aim: Aim,
    /// Streams at once.
    pub streams: usize,
    /// Events of each.
    pub events: usize,
    /// How far apart they are.
    pub interval: Duration,
}

impl Paced {
    /// Asks for the streams and gives the delay of each event, from its sending to its arrival, in nanoseconds,
    /// sorted. The streams begin spread over an interval, so that their events do not come all at once. Meanwhile
    /// `watch` runs, with the number of events that have arrived.
    ///
    /// # Errors
    /// If an event is missing.
    pub async fn run<T>(
        &self,
        watch: impl AsyncFnOnce(&AtomicU64) -> Result<T, Void>,
    ) -> Result<(Vec<u64>, T), Void> {
        let mut connections = Vec::with_capacity(self.streams);
        for _ in 0..self.streams {
            connections.push(Connection::open(self.aim.addr).await?);
        }
        let request = self
            .aim
            .get(&format!("/paced/{}/{}", self.events, self.interval.as_micros()));
        let arrived = Arc::new(AtomicU64::new(0));
        let (mut tasks, streams) = (JoinSet::new(), u32::try_from(self.streams)?);
        for (nth, connection) in (0..streams).zip(connections) {
            let begin = self.interval * nth / streams;
            let (request, events, arrived) = (request.clone(), self.events, Arc::clone(&arrived));
            tasks.spawn(async move {
                tokio::time::sleep(begin).await;
                delays(connection, request, events, &arrived).await
            });
        }
        let seen = watch(&arrived).await?;
        let events = u32::try_from(self.events)?;
        let mut delays: Vec<u64> = all(tasks, self.interval * events).await?.concat();
        delays.sort_unstable();
        Ok((delays, seen))
    }
}

async fn delays(
    mut connection: Connection,
    request: Vec<u8>,
    events: usize,
    count: &AtomicU64,
) -> Result<Vec<u64>, Void> {
    let (mut delays, mut times, mut wrong) = (Vec::with_capacity(events), SentTimes::default(), Ok(()));
    let exchange = connection.exchange(&request, |bytes| {
        let arrived = clock::now();
        let fed = times.feed(bytes, |sent| {
            delays.push(arrived.saturating_sub(sent));
            count.fetch_add(1, Ordering::Relaxed);
        });
        if fed.is_err() {
            wrong = fed;
        }
    });
    exchange.await?;
    wrong?;
    if delays.len() != events {
        return Err(format!("{} of {events} events arrived", delays.len()).into());
    }
    Ok(delays)
}

/// Streams at full speed.
#[derive(Debug, Clone)]
pub struct Full {
    /// Who is asked.
    pub aim: Aim,
    /// Streams at once; each is asked for again when it ends.
    pub streams: usize,
    /// Events of each.
    pub events: usize,
    /// How many events the origin writes at once.
    pub batch: usize,
    /// How long it runs before it is measured.
    pub warm_up: Duration,
    /// How long it is measured.
    pub length: Duration,
}

impl Full {
    /// Puts the load on; what is counted are events.
    ///
    /// # Errors
    /// If an event is missing.
    pub async fn run(&self) -> Result<Window, Void> {
        let counter = Arc::new(Counter::default());
        let mut tasks = JoinSet::new();
        for _ in 0..self.streams {
            let connection = Connection::open_large(self.aim.addr).await?;
            let request = self.aim.get(&format!("/events/{}/{}", self.events, self.batch));
            tasks.spawn(full(connection, request, self.events, Arc::clone(&counter)));
        }
        let window = counter
            .window(self.warm_up, self.length, &self.aim.processes)
            .await?;
        all(tasks, self.length).await?;
        Ok(window)
    }
}

async fn full(
    mut connection: Connection,
    request: Vec<u8>,
    events: usize,
    counter: Arc<Counter>,
) -> Result<(), Void> {
    while !counter.is_stopped() {
        let mut arrived = 0;
        let exchange = connection.exchange(&request, |bytes| {
            let ends = memchr::memchr_iter(b'}', bytes).count(); // there is one in each event
            arrived += ends;
            counter.add(ends, bytes.len());
        });
        exchange.await?;
        if arrived != events {
            return Err(format!("{arrived} of {events} events arrived").into());
        }
    }
    Ok(())
}
