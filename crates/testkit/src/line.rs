//! One end of a connection, TCP or TLS, that can read, write and say how the other end left.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// The most bytes that are kept of one connection or body before the test is taken for broken. Read longer ones
/// piece by piece.
pub const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How the other end left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An orderly close (over TLS: with `close_notify`).
    Fin,
    /// A reset.
    Rst,
    /// A TLS connection whose TCP stream closed without `close_notify`: a truncation.
    NoCloseNotify,
}

/// A connection with what was read and not yet used.
#[derive(Debug)]
pub struct Line {
    stream: Stream,
    /// Bytes that were read and not yet taken.
    pub(crate) buffer: Vec<u8>,
    /// Where all that is read is kept too.
    pub(crate) tape: Option<Arc<Mutex<Vec<u8>>>>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        Self::new(Stream::Tcp(stream))
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Stream::Tls(Box::new(stream)))
    }

    fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            tape: None,
        }
    }

    /// Reads more into the buffer; says so if the other end left.
    pub(crate) async fn fill(&mut self) -> Result<(), End> {
        let mut chunk = vec![0; 64 * 1024];
        let read = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut chunk).await,
            Stream::Tls(stream) => stream.read(&mut chunk).await,
        };
        match read {
            Ok(0) => Err(End::Fin),
            Ok(n) => {
                keep(&mut self.buffer, &chunk[..n]);
                if let Some(tape) = &self.tape {
                    keep(&mut tape.lock().unwrap(), &chunk[..n]);
                }
                Ok(())
            }
            Err(error) => Err(end_of(&error)),
        }
    }

    /// Writes all of it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Closes the writing half only.
    pub(crate) async fn half_close(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
        }
    }

    /// Ends the connection in an orderly way.
    pub(crate) async fn close(mut self) {
        self.half_close().await.ok(); // the other end may be gone
    }

    /// Ends the connection with a RST, below TLS and without `close_notify`.
    pub(crate) fn reset(self) {
        let tcp = match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        tcp.set_zero_linger().ok(); // fails only if the connection is gone already
    }

    /// The protocol that TLS agreed on, if any.
    pub(crate) fn alpn(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Tcp(_) => None,
            Stream::Tls(stream) => stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec),
        }
    }
}

/// Appends, up to the bound.
pub(crate) fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    assert!(
        kept.len() + bytes.len() <= KEPT_BYTES_MAX,
        "more than {KEPT_BYTES_MAX} bytes would have to be kept"
    );
    kept.extend_from_slice(bytes);
}

fn end_of(error: &io::Error) -> End {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => End::Rst,
        ErrorKind::UnexpectedEof => End::NoCloseNotify,
        _ => panic!("reading failed: {error:?}"),
    }
}
