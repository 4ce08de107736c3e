//! Open loop: requests are due at a fixed rate, whether or not earlier ones were answered, and the time of each is
//! counted from when it was due. Who stalls is charged for all that was due meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Aim, all, quantile};
use crate::Void;
use crate::client::Connection;
use crate::clock::{self, Ticker};

/// What is asked, and how often.
#[derive(Debug, Clone)]
pub struct Open {
    /// Who is asked.
    pub aim: Aim,
    /// The request.
    pub request: Vec<u8>,
    /// How long the body of each answer must be, in bytes.
    pub body_bytes: usize,
    /// Connections that take the requests.
    pub connections: usize,
    /// Requests per second.
    pub rate: u32,
    /// How long.
    pub length: Duration,
}

/// The times of the requests, in nanoseconds, sorted.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// From when each was due to the end of its answer.
    pub from_due: Vec<u64>,
    /// From when each was sent to the end of its answer.
    pub from_sent: Vec<u64>,
}

impl Times {
    /// A quantile of the time from when a request was due, in milliseconds.
    #[must_use]
    pub fn due_ms(&self, share: f64) -> f64 {
        clock::milliseconds(quantile(&self.from_due, share))
    }

    /// A quantile of the time from when a request was sent, in milliseconds.
    #[must_use]
    pub fn sent_ms(&self, share: f64) -> f64 {
        clock::milliseconds(quantile(&self.from_sent, share))
    }
}

/// Requests that are due and not yet sent. Bounded by rate and length.
#[derive(Debug)]
struct Due {
    times: Mutex<VecDeque<u64>>,
    waiting: Semaphore,
}

impl Due {
    fn push(&self, time: u64) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.push_back(time);
        self.waiting.add_permits(1);
    }

    /// The next; none at the end.
    async fn next(&self) -> Option<u64> {
        self.waiting.acquire().await.ok()?.forget();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.pop_front()
    }

    /// Lets every connection end once nothing is due.
    fn end(&self, connections: usize) {
        self.waiting.add_permits(connections);
    }
}

impl Open {
    /// Puts the load on.
    ///
    /// # Errors
    /// At the first answer that is not complete, not 200 or not as long as it should be.
    pub async fn run(&self) -> Result<Times, Void> {
        let due = Arc::new(Due {
            times: Mutex::default(),
            waiting: Semaphore::new(0),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..self.connections {
            let mut connection = Connection::open(self.aim.addr).await?;
            let first = connection.exchange(&self.request, |_| ()).await?;
            first.expect(self.body_bytes)?; // so that connecting is not measured
            tasks.spawn(answer(
                connection,
                self.request.clone(),
                self.body_bytes,
                Arc::clone(&due),
            ));
        }
        self.schedule(&due).await?;
        due.end(self.connections);
        let mut times = Times::default();
        for part in all(tasks, self.length).await? {
            times.from_due.extend(part.from_due);
            times.from_sent.extend(part.from_sent);
        }
        times.from_due.sort_unstable();
        times.from_sent.sort_unstable();
        Ok(times)
    }

    async fn schedule(&self, due: &Due) -> Result<(), Void> {
        let interval = Duration::from_secs(1) / self.rate.max(1);
        let nanos = u64::try_from(interval.as_nanos())?;
        let count = u64::from(self.rate) * u64::try_from(self.length.as_millis())? / 1_000;
        let mut ticker = Ticker::every(interval)?;
        let mut scheduled = 0;
        while scheduled < count {
            for _ in 0..ticker.tick().await?.min(count - scheduled) {
                scheduled += 1;
                due.push(ticker.started + scheduled * nanos);
            }
        }
        Ok(())
    }
}

async fn answer(
    mut connection: Connection,
    request: Vec<u8>,
    body_bytes: usize,
    due: Arc<Due>,
) -> Result<Times, Void> {
    let mut times = Times::default();
    while let Some(time) = due.next().await {
        let sent = clock::now();
        let answer = connection.exchange(&request, |_| ()).await?;
        let done = clock::now();
        answer.expect(body_bytes)?;
        times.from_due.push(done.saturating_sub(time));
        times.from_sent.push(done - sent);
    }
    Ok(times)
}
