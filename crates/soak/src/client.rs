//! Calls through the daemon, each checked to the last byte.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::Trouble;
use crate::ask::Ask;
use crate::content::{Comparison, Kind};
use crate::origin::{Generated, TRAILER_NAME};

/// What Murphy puts on a response that it touched.
const MARK: &str = "x-murphy-fault";
/// On requests whose connection no other call shares: a reset of it by a rule hits only this one.
pub const ALONE: &str = "x-soak-alone";
/// Longer than this is no answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The whole answer, and no byte of it another one.
    Exact,
    /// A complete message that is not the answer: the worst there is.
    Wrong(String),
    /// An answer with another status, complete.
    Status(u16),
    /// No complete answer.
    Broken(String),
}

/// A call that was made.
#[derive(Debug, Clone)]
pub struct Called {
    /// Which one.
    pub id: u64,
    /// How it ended.
    pub end: End,
    /// Whether Murphy says on the response that it touched it.
    pub marked: bool,
    /// Whether the upstream was killed, on purpose, while it was in flight.
    pub in_outage: bool,
    /// How long it took.
    pub took: Duration,
    /// What came before it on its connection.
    pub before: String,
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    before: String,
}

#[derive(Debug)]
enum Sender {
    One(http1::SendRequest<Generated>),
    Two(http2::SendRequest<Generated>),
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn open(addr: SocketAddr, version: Version) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        if version == Version::HTTP_2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection); // it ends with its senders; its errors are theirs too
            return Ok(Self::with(Sender::Two(sender)));
        }
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Self::with(Sender::One(sender)))
    }

    fn with(sender: Sender) -> Self {
        let before = "nothing".to_owned();
        Self { sender, before }
    }

    /// Whether it can take another call: it was not closed meanwhile, as its peer may have announced.
    pub async fn is_usable(&mut self) -> bool {
        match &mut self.sender {
            Sender::One(sender) => sender.ready().await.is_ok(),
            Sender::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    /// A second handle on the same connection, if it is HTTP/2.
    #[must_use]
    pub fn another(&self) -> Option<Self> {
        match &self.sender {
            Sender::One(_) => None,
            Sender::Two(sender) => Some(Self::with(Sender::Two(sender.clone()))),
        }
    }

    async fn send(&mut self, request: Request<Generated>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Asks on this connection, by way of the route with this prefix.
    pub async fn ask(&mut self, addr: SocketAddr, prefix: &str, ask: &Ask) -> Called {
        let begun = Instant::now();
        let (marked, end) = match self.request(addr, prefix, ask) {
            Err(error) => (false, End::Broken(error.to_string())),
            Ok(request) => match timeout(ANSWER_WITHIN, self.exchange(request, ask)).await {
                Ok(end) => end,
                Err(_) => (false, End::Broken(format!("no end within {ANSWER_WITHIN:?}"))),
            },
        };
        let now = format!("{end:?}");
        Called {
            id: ask.id,
            end,
            marked,
            in_outage: false,
            took: begun.elapsed(),
            before: std::mem::replace(&mut self.before, now),
        }
    }

    /// The same without a deadline, for bodies that take their time.
    pub async fn ask_unhurried(&mut self, addr: SocketAddr, prefix: &str, ask: &Ask) -> End {
        match self.request(addr, prefix, ask) {
            Ok(request) => self.exchange(request, ask).await.1,
            Err(error) => End::Broken(error.to_string()),
        }
    }

    fn request(&self, addr: SocketAddr, prefix: &str, ask: &Ask) -> Result<Request<Generated>, http::Error> {
        let target = format!("{prefix}{}", ask.target());
        let method = if ask.up.is_some() { "POST" } else { "GET" };
        let request = Request::builder().method(method).header("te", "trailers");
        let request = match &self.sender {
            Sender::One(_) => request
                .uri(target)
                .header("host", addr.to_string())
                .header(ALONE, "yes"),
            Sender::Two(_) => request.uri(format!("http://{addr}{target}")),
        };
        let body = ask.up.map_or_else(Generated::empty, |up| {
            Generated::content(up, up.kind == Kind::Bytes && ask.id.is_multiple_of(2)) // every second one in chunks
        });
        request.body(body)
    }

    async fn exchange(&mut self, request: Request<Generated>, ask: &Ask) -> (bool, End) {
        let response = match self.send(request).await {
            Ok(response) => response,
            Err(error) => return (false, End::Broken(words(&error))),
        };
        let marked = response.headers().contains_key(MARK);
        let status = response.status().as_u16();
        let mut comparison = Comparison::with(ask.down);
        let mut trailers = HeaderMap::new();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Err(error) => {
                    let arrived = comparison.arrived();
                    return (
                        marked,
                        End::Broken(format!("{status}, {arrived} bytes, then {}", words(&error))),
                    );
                }
                Ok(Ok(data)) => comparison.feed(&data),
                Ok(Err(frame)) => trailers.extend(frame.into_trailers().into_iter().flatten()),
            }
        }
        (marked, judged(status, &comparison, &trailers, ask))
    }
}

fn judged(status: u16, comparison: &Comparison, trailers: &HeaderMap, ask: &Ask) -> End {
    if status != 200 {
        return End::Status(status);
    }
    let trailer = trailers.get(TRAILER_NAME).and_then(|value| value.to_str().ok());
    let wanted = ask.open.then(|| ask.id.to_string());
    match comparison.fault() {
        Some(fault) => End::Wrong(fault),
        None if trailer != wanted.as_deref() => End::Wrong(format!("the trailer is {trailer:?}")),
        None => End::Exact,
    }
}

/// An error with its causes.
fn words(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The value below which this share of the sorted values lies.
#[must_use]
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_answer_is_exact() {
        let mut ask = Ask::of(9, Kind::Bytes, 100);
        let whole = ask.down.bytes(0, 100);
        let judge = |ask: &Ask, bytes: &[u8], status, trailers: &HeaderMap| {
            let mut comparison = Comparison::with(ask.down);
            comparison.feed(bytes);
            judged(status, &comparison, trailers, ask)
        };
        let none = HeaderMap::new();
        assert_eq!(judge(&ask, &whole, 200, &none), End::Exact);
        assert_eq!(judge(&ask, &whole, 502, &none), End::Status(502));
        assert!(matches!(judge(&ask, &whole[1..], 200, &none), End::Wrong(_)));
        ask.open = true;
        assert!(
            matches!(judge(&ask, &whole, 200, &none), End::Wrong(_)),
            "its trailer is missing"
        );
        let mut trailers = HeaderMap::new();
        trailers.insert(TRAILER_NAME, 9.into());
        assert_eq!(judge(&ask, &whole, 200, &trailers), End::Exact);
    }
}
