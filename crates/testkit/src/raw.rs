//! A raw-socket client: it sends what it is told and shows what came back, byte for byte.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use crate::line::End;
use crate::line::Line;
use crate::message::{self, Body};
pub use crate::message::{BodyEnd, Framing, Head};

/// A client on one connection.
#[derive(Debug)]
pub struct RawClient {
    line: Line,
}

/// A response as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawResponse {
    /// Heads of informational responses (1xx) that came before.
    pub informational: Vec<Head>,
    /// The final head.
    pub head: Head,
    /// The body.
    pub body: Body,
}

impl RawResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status()
    }
}

impl RawClient {
    /// Connects over TCP.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            line: Line::tcp(stream),
        })
    }

    /// Connects over TLS to `name`.
    ///
    /// # Errors
    /// If nobody listens there or the handshake fails.
    ///
    /// # Panics
    /// If `name` is neither a DNS name nor an address.
    pub async fn connect_tls(addr: SocketAddr, config: Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Self {
            line: Line::tls(stream.into()),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the server has left.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.line.send(bytes.as_ref()).await
    }

    /// Sends a request without a body and reads its response.
    ///
    /// # Panics
    /// If the server has left, or leaves before a head.
    pub async fn get(&mut self, target: &str) -> RawResponse {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.send(request).await.expect("the server takes the request");
        self.response("GET").await
    }

    /// Reads one head.
    ///
    /// # Errors
    /// How the server left before the head was complete, and what had come.
    pub async fn read_head(&mut self) -> Result<Head, (End, Vec<u8>)> {
        message::read_head(&mut self.line).await
    }

    /// Reads the body of a response to `method` that has this head.
    pub async fn read_body(&mut self, head: &Head, method: &str) -> Body {
        message::read_body(&mut self.line, head.response_framing(method)).await
    }

    /// Reads one response to `method`.
    ///
    /// # Errors
    /// How the server left before the head was complete, and what had come.
    pub async fn read_response(&mut self, method: &str) -> Result<RawResponse, (End, Vec<u8>)> {
        let mut informational = Vec::new();
        loop {
            let head = self.read_head().await?;
            let status = head.status();
            if (100..200).contains(&status) && status != 101 {
                informational.push(head);
                continue;
            }
            let body = self.read_body(&head, method).await;
            return Ok(RawResponse {
                informational,
                head,
                body,
            });
        }
    }

    /// Reads one response to `method`.
    ///
    /// # Panics
    /// If the server leaves before a head.
    pub async fn response(&mut self, method: &str) -> RawResponse {
        match self.read_response(method).await {
            Ok(response) => response,
            Err((end, bytes)) => panic!("no response: {end:?} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }

    /// Reads the next bytes, as many as come at once (at least one).
    ///
    /// # Errors
    /// How the server left.
    pub async fn read_some(&mut self) -> Result<Vec<u8>, End> {
        if self.line.buffer.is_empty() {
            self.line.fill().await?;
        }
        Ok(std::mem::take(&mut self.line.buffer))
    }

    /// Reads exactly `length` bytes.
    ///
    /// # Errors
    /// How the server left before that.
    pub async fn read_exact(&mut self, length: usize) -> Result<Vec<u8>, End> {
        while self.line.buffer.len() < length {
            self.line.fill().await?;
        }
        Ok(self.line.buffer.drain(..length).collect())
    }

    /// Reads until the server leaves; says what came and how it left.
    pub async fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.line.fill().await {
                return (std::mem::take(&mut self.line.buffer), end);
            }
        }
    }

    /// Closes the writing half and goes on reading.
    ///
    /// # Errors
    /// If the server has left.
    pub async fn half_close(&mut self) -> io::Result<()> {
        self.line.half_close().await
    }

    /// Leaves in an orderly way.
    pub async fn close(self) {
        self.line.close().await;
    }

    /// Leaves with a RST.
    pub fn reset(self) {
        self.line.reset();
    }

    /// The protocol that TLS agreed on, if any.
    #[must_use]
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.line.alpn()
    }
}
