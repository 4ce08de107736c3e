//! Loads: closed loop, open loop, streams of events, idle connections. Each checks every answer; one that is wrong
//! makes the measurement void.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Void;
use crate::clock;
use crate::probe::Processes;

pub mod closed;
pub mod idle;
pub mod open;
pub mod sse;

/// How long a load may take beyond its own time before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is loaded.
#[derive(Debug, Clone)]
pub struct Aim {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What stands before each path.
    pub prefix: String,
    /// Its processes.
    pub processes: Processes,
}

impl Aim {
    /// A `GET` of a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Vec<u8> {
        let (prefix, addr) = (&self.prefix, self.addr); // a loopback listener takes no other name than its own
        format!(
            "GET {prefix}{path} HTTP/1.1\r\nhost: {addr}\r\nuser-agent: murphy-bench\r\naccept: */*\r\n\r\n"
        )
        .into_bytes()
    }

    /// A `POST` of JSON to a path.
    #[must_use]
    pub fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let (prefix, addr, length) = (&self.prefix, self.addr, body.len());
        format!(
            "POST {prefix}{path} HTTP/1.1\r\nhost: {addr}\r\nuser-agent: murphy-bench\r\n\
             accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// What was done in a window of time.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Answers that were completed, or events that arrived.
    pub count: f64,
    /// Bytes of content that arrived.
    pub bytes: f64,
    /// How long it really was, in seconds.
    pub seconds: f64,
    /// Processor time that the processes under load used, in seconds.
    pub processor_seconds: f64,
}

impl Window {
    /// Answers or events per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.count / self.seconds
    }

    /// Mebibytes per second.
    #[must_use]
    pub fn mib_per_second(&self) -> f64 {
        self.mib() / self.seconds
    }

    /// Microseconds of processor time for an answer or event.
    #[must_use]
    pub fn micros_each(&self) -> f64 {
        self.processor_seconds * 1e6 / self.count
    }

    /// Microseconds of processor time for a mebibyte.
    #[must_use]
    pub fn micros_per_mib(&self) -> f64 {
        self.processor_seconds * 1e6 / self.mib()
    }

    fn mib(&self) -> f64 {
        self.bytes / f64::from(1 << 20)
    }
}

/// What the tasks of a load count, and whether they are to end.
#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    bytes: AtomicU64,
    stop: AtomicBool,
}

impl Counter {
    fn add(&self, count: usize, bytes: usize) {
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Lets the load run for a while, measures it for another, and ends it.
    async fn window(&self, warm_up: Duration, length: Duration, of: &Processes) -> Result<Window, Void> {
        tokio::time::sleep(warm_up).await;
        let before = self.sample(of)?;
        tokio::time::sleep(length).await;
        let after = self.sample(of)?;
        self.stop.store(true, Ordering::Relaxed);
        Ok(Window {
            count: after.count - before.count,
            bytes: after.bytes - before.bytes,
            seconds: after.seconds - before.seconds,
            processor_seconds: after.processor_seconds - before.processor_seconds,
        })
    }

    fn sample(&self, of: &Processes) -> Result<Window, Void> {
        Ok(Window {
            count: self.count.load(Ordering::Relaxed) as f64,
            bytes: self.bytes.load(Ordering::Relaxed) as f64,
            seconds: clock::now() as f64 / 1e9,
            processor_seconds: of.processor_seconds()?,
        })
    }
}

/// Waits for all tasks; the first error ends them all.
async fn all<T: 'static>(mut tasks: JoinSet<Result<T, Void>>, within: Duration) -> Result<Vec<T>, Void> {
    let gathered = async {
        let mut results = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            results.push(ended??);
        }
        Ok(results)
    };
    bounded("a load", within, gathered).await
}

/// Ends what hangs.
async fn bounded<T>(
    what: &str,
    within: Duration,
    work: impl Future<Output = Result<T, Void>>,
) -> Result<T, Void> {
    let limit = within + PATIENCE;
    timeout(limit, work)
        .await
        .map_err(|_| format!("{what} hangs: it takes longer than {limit:?}"))?
}

/// The value below which this share of the sorted values lies; 0 of none.
#[must_use]
pub fn quantile(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// What a `GET` of the path answers, if it is 200; for looking at control endpoints.
///
/// # Errors
/// If it is something else.
pub async fn fetch(addr: SocketAddr, path: &str) -> Result<Vec<u8>, Void> {
    let aim = Aim {
        addr,
        prefix: String::new(),
        processes: Processes::default(),
    };
    let mut content = Vec::new();
    let mut connection = crate::client::Connection::open(addr).await?;
    let asked = aim.get(path);
    let exchange = connection.exchange(&asked, |bytes| content.extend_from_slice(bytes));
    let answer = bounded("a look", Duration::ZERO, exchange).await?;
    answer.expect(content.len())?;
    Ok(content)
}

/// An event's time of sending, out of a stream that is cut anywhere.
#[derive(Debug, Default)]
struct SentTimes {
    text: Vec<u8>,
}

impl SentTimes {
    const BEFORE: &[u8] = b"data: {\"sent\":";

    /// Takes bytes of the stream and calls `each` with the time in each complete event.
    fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(u64)) -> Result<(), Void> {
        self.text.extend_from_slice(bytes);
        while let Some(end) = memchr::memmem::find(&self.text, b"\n\n") {
            let event = self.text.get(..end).unwrap_or_default();
            let number = event
                .strip_prefix(Self::BEFORE)
                .and_then(|rest| rest.strip_suffix(b"}"));
            let number = number.ok_or("an event that was not sent")?;
            each(std::str::from_utf8(number)?.parse()?);
            self.text.drain(..end + 2);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_sorted_values() {
        let values: Vec<u64> = (0..=100).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99)), (50, 99));
        assert_eq!((quantile(&values, 2.0), quantile(&[], 0.5)), (100, 0));
    }

    #[test]
    fn times_are_found_wherever_the_stream_is_cut() {
        let stream = b"data: {\"sent\":12}\n\ndata: {\"sent\":345}\n\n";
        for cut in 0..stream.len() {
            let (mut times, mut found) = (SentTimes::default(), Vec::new());
            let (first, second) = stream.split_at(cut);
            for part in [first, second] {
                times.feed(part, |time| found.push(time)).unwrap();
            }
            assert_eq!(found, [12, 345], "cut at {cut}");
        }
        assert!(SentTimes::default().feed(b"data: x\n\n", |_| ()).is_err());
    }
}
