//! The client's side of `GET exchanges/stream`: server-sent events as this server writes them.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use murphy_core::exchange::Exchange;

use super::ClientError;
use crate::Missed;

/// How long the server may say nothing: it says something every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes of one event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// What a stream gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Streamed {
    /// A call that ended.
    Exchange(Box<Exchange>),
    /// So many were left out, since this reader was too slow.
    Missed(u64),
}

/// Exchanges as they happen. Dropping it closes the connection.
#[derive(Debug)]
pub struct ExchangeStream {
    url: String,
    body: Incoming,
    events: Events,
}

impl ExchangeStream {
    pub(super) fn new(url: String, body: Incoming) -> Self {
        Self {
            url,
            body,
            events: Events::default(),
        }
    }

    /// The next one; `None` when the server ends the stream.
    ///
    /// # Errors
    /// If the connection breaks, is silent for a minute, or sends what is no stream of Murphy's.
    pub async fn next(&mut self) -> Result<Option<Streamed>, ClientError> {
        loop {
            if let Some(event) = self.events.next() {
                match read(&event) {
                    Ok(Some(streamed)) => return Ok(Some(streamed)),
                    Ok(None) => continue,
                    Err(error) => return Err(self.broken(error.to_string())),
                }
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame())
                .await
                .map_err(|_| ClientError::TimedOut {
                    url: self.url.clone(),
                })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| self.broken(error.to_string()))?;
            if let Some(data) = frame.data_ref()
                && !self.events.push(data)
            {
                return Err(self.broken(format!("an event of more than {EVENT_BYTES_MAX} bytes")));
            }
        }
    }

    fn broken(&self, reason: String) -> ClientError {
        ClientError::Broken {
            url: self.url.clone(),
            reason,
        }
    }
}

/// Splits a stream into events at blank lines.
#[derive(Debug, Default)]
struct Events {
    held: Vec<u8>,
}

impl Events {
    /// Takes bytes; `false` if an event grows too large.
    fn push(&mut self, data: &[u8]) -> bool {
        self.held.extend_from_slice(data);
        self.held.len() <= EVENT_BYTES_MAX
    }

    /// The next whole event.
    fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.held.windows(2).position(|pair| pair == b"\n\n")?;
        let rest = self.held.split_off(end + 2);
        Some(std::mem::replace(&mut self.held, rest))
    }
}

/// What an event says; `None` for comments and for kinds that a newer server may send.
fn read(event: &[u8]) -> Result<Option<Streamed>, serde_json::Error> {
    let text = String::from_utf8_lossy(event);
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.strip_prefix(' ').unwrap_or(value))
            .collect::<Vec<&str>>()
            .join("\n")
    };
    match field("event").as_str() {
        "exchange" => serde_json::from_str(&field("data")).map(|exchange| Some(Streamed::Exchange(exchange))),
        "missed" => {
            serde_json::from_str(&field("data")).map(|Missed { missed }| Some(Streamed::Missed(missed)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let stream =
            b": hello\n\nevent: missed\ndata: {\"missed\": 3}\n\nevent: later\ndata: x\n\nevent: mis";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for chunk in stream.chunks(size) {
                assert!(events.push(chunk));
                while let Some(event) = events.next() {
                    found.extend(read(&event).unwrap());
                }
            }
            assert_eq!(found, [Streamed::Missed(3)], "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut events = Events::default();
        assert!(events.push(&vec![b'x'; EVENT_BYTES_MAX]));
        assert!(!events.push(b"x"));
    }
}
