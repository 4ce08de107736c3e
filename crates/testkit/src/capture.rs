//! Keeps what a process writes, and lets a test wait for it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much of a stream is kept.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a stream of a process wrote, followed in the background.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) seen: watch::Sender<Captured>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Captured {
    bytes: Vec<u8>,
    pub(crate) ended: bool,
}

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Capture {
    pub(crate) fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let seen = watch::Sender::new(Captured::default());
        let reader = tokio::spawn(follow(stream, seen.clone()));
        Self { seen, reader }
    }

    pub(crate) async fn all(self) -> String {
        self.reader.await.expect("the reader ends with the stream");
        self.seen.borrow().text()
    }
}

async fn follow(mut stream: impl AsyncRead + Unpin, seen: watch::Sender<Captured>) {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let read: io::Result<usize> = stream.read(&mut chunk).await;
        let n = read.unwrap_or(0);
        seen.send_modify(|seen| {
            let room = OUTPUT_BYTES_MAX.saturating_sub(seen.bytes.len());
            seen.bytes.extend_from_slice(&chunk[..n.min(room)]);
            seen.ended = n == 0;
        });
        if n == 0 {
            return;
        }
    }
}
