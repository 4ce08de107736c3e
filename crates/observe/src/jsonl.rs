//! The event log on disk: one exchange a line, rotated by size, written by a thread of its own.
//!
//! The data path only puts exchanges into a bounded queue. If the disk is full, fails or hangs, exchanges are
//! dropped and counted, and nobody waits. Lines are written whole, so a process that is killed loses at most
//! the end of the last line; the next start closes such a torn line, and readers skip it.

mod rotate;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use murphy_core::exchange::Exchange;
use prometheus_client::metrics::counter::Counter;

pub(crate) use rotate::Rotating;

/// How many exchanges may wait for the disk; beyond, they are dropped.
pub const QUEUED_EXCHANGES_MAX: usize = 8_192;
/// How many bytes of whole lines are handed to the disk at once (a single longer line goes alone).
const BATCH_BYTES_MAX: usize = 64 << 10;

/// Where the event log is written, and how large it may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonlOptions {
    /// The file that is written; older ones are `path.1` (the youngest), `path.2`, …
    pub path: PathBuf,
    /// A file is not written beyond this size (unless a single line is longer).
    pub bytes_max: u64,
    /// How many files are kept, the one that is written included; at least 1.
    pub files_max: usize,
}

/// The queue to the thread that writes.
#[derive(Debug)]
pub(crate) struct Jsonl {
    queue: SyncSender<Message>,
    dropped: Counter,
}

#[derive(Debug)]
enum Message {
    Line(Arc<Exchange>),
    Flush(SyncSender<()>),
}

impl Jsonl {
    /// Opens the file and starts the thread. `dropped` counts the exchanges that did not reach the disk.
    ///
    /// # Errors
    /// If the file cannot be opened for appending, or the thread cannot be started.
    pub(crate) fn open(options: JsonlOptions, dropped: Counter) -> io::Result<Self> {
        let batch_max = usize::try_from(options.bytes_max).unwrap_or(usize::MAX);
        let mut file = Rotating::open(options)?;
        Self::spawn(
            move |lines| file.write(lines),
            BATCH_BYTES_MAX.min(batch_max),
            QUEUED_EXCHANGES_MAX,
            dropped,
        )
    }

    fn spawn(
        write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
        batch_bytes_max: usize,
        queued_max: usize,
        dropped: Counter,
    ) -> io::Result<Self> {
        let (queue, messages) = sync_channel(queued_max);
        let writer = Writer {
            write,
            batch: Vec::new(),
            batched: 0,
            batch_bytes_max,
            dropped: dropped.clone(),
            failing: false,
        };
        std::thread::Builder::new()
            .name("murphy-events".to_owned())
            .spawn(move || writer.run(&messages))?;
        Ok(Self { queue, dropped })
    }

    /// Queues an exchange; never waits.
    pub(crate) fn append(&self, exchange: Arc<Exchange>) {
        if self.queue.try_send(Message::Line(exchange)).is_err() {
            self.dropped.inc();
        }
    }

    /// Waits until all that was queued has been handed to the operating system. Returns false if that took
    /// longer than `within`, or the queue is full.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let (done, is_done) = sync_channel(1);
        self.queue.try_send(Message::Flush(done)).is_ok() && is_done.recv_timeout(within).is_ok()
    }
}

/// The state of the thread that writes.
struct Writer<W> {
    write: W,
    batch: Vec<u8>,
    batched: u64,
    batch_bytes_max: usize,
    dropped: Counter,
    failing: bool,
}

impl<W: FnMut(&[u8]) -> io::Result<()>> Writer<W> {
    /// Runs until the other end of the queue is gone.
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            self.take(first);
            while let Ok(next) = messages.try_recv() {
                self.take(next);
            }
            self.write_batch();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Line(exchange) => self.add(&exchange),
            Message::Flush(done) => {
                self.write_batch();
                done.try_send(()).ok(); // whoever asked may have stopped waiting
            }
        }
    }

    fn add(&mut self, exchange: &Exchange) {
        let Ok(mut line) = serde_json::to_vec(exchange) else {
            self.dropped.inc();
            return;
        };
        line.push(b'\n');
        if self.batch.len() + line.len() > self.batch_bytes_max {
            self.write_batch();
        }
        self.batch.append(&mut line);
        self.batched += 1;
    }

    fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        match (self.write)(&self.batch) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(dropped = self.dropped.get(), "the event log is written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.dropped.inc_by(self.batched);
                if !self.failing {
                    self.failing = true;
                    tracing::error!(%error, "the event log cannot be written; exchanges are dropped");
                }
            }
        }
        self.batch.clear();
        self.batched = 0;
    }
}

#[cfg(test)]
mod tests;
