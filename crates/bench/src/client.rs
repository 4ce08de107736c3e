//! A client's connection that costs little: a raw socket, one buffer, one request at a time.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Void;
use crate::http1::{Chunked, Framing, response_head};

/// Enough for a head and 8 KiB at once.
const BUFFER_BYTES: usize = 16 << 10;
/// For large bodies and streams.
const LARGE_BUFFER_BYTES: usize = 256 << 10;

/// A keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// How many bytes its body had.
    pub length: usize,
}

impl Answer {
    /// Void unless it is 200 and has so many bytes: a figure with errors in it says nothing.
    ///
    /// # Errors
    /// If it is not.
    pub fn expect(self, length: usize) -> Result<(), Void> {
        if (self.status, self.length) == (200, length) {
            return Ok(());
        }
        let found = format!("{} with {} bytes", self.status, self.length);
        Err(format!("{found} instead of 200 with {length}").into())
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens or no descriptor is left.
    pub async fn open(addr: SocketAddr) -> Result<Self, Void> {
        Self::with_buffer(addr, BUFFER_BYTES).await
    }

    /// Connects, for large bodies and streams.
    ///
    /// # Errors
    /// If nobody listens or no descriptor is left.
    pub async fn open_large(addr: SocketAddr) -> Result<Self, Void> {
        Self::with_buffer(addr, LARGE_BUFFER_BYTES).await
    }

    async fn with_buffer(addr: SocketAddr, bytes: usize) -> Result<Self, Void> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; bytes],
            start: 0,
            end: 0,
        })
    }

    /// Sends a request and reads its answer to the end; `sink` gets the content as it arrives.
    ///
    /// # Errors
    /// If the answer is not complete.
    pub async fn exchange(&mut self, request: &[u8], mut sink: impl FnMut(&[u8])) -> Result<Answer, Void> {
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = response_head(self.unread())? {
                break head;
            }
            self.fill().await?;
        };
        self.start += head.bytes;
        let length = match head.framing {
            Framing::Sized(length) => self.sized(length, &mut sink).await?,
            Framing::Chunked => self.chunked(&mut sink).await?,
        };
        Ok(Answer {
            status: head.status,
            length,
        })
    }

    async fn sized(&mut self, length: usize, sink: &mut impl FnMut(&[u8])) -> Result<usize, Void> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end {
                self.fill().await?;
            }
            let unread = self.unread();
            let content = unread.get(..left.min(unread.len())).unwrap_or_default();
            sink(content);
            let taken = content.len();
            self.start += taken;
            left -= taken;
        }
        Ok(length)
    }

    async fn chunked(&mut self, sink: &mut impl FnMut(&[u8])) -> Result<usize, Void> {
        let (mut chunked, mut length) = (Chunked::default(), 0);
        loop {
            let taken = chunked.feed(self.unread(), |content| {
                length += content.len();
                sink(content);
            })?;
            self.start += taken;
            if chunked.is_done() {
                return Ok(length);
            }
            self.fill().await?;
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads once more.
    async fn fill(&mut self) -> Result<(), Void> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        if free.is_empty() {
            return Err("a head that is larger than the buffer".into());
        }
        match self.stream.read(free).await? {
            0 => Err("closed before the answer was complete".into()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}
