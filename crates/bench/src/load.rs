//! A load generator: so many keep-alive connections, each with one request at a time, for so long.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What is asked, and how much.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where.
    pub addr: SocketAddr,
    /// Which path.
    pub path: String,
    /// How long the body of each answer must be, in bytes.
    pub body_bytes: usize,
    /// How many connections.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// The most requests on one connection; its latencies are kept until the end.
    pub requests_max: usize,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How long it really took.
    pub took: Duration,
    /// The time from sending each request to the end of its answer, sorted.
    latencies: Vec<Duration>,
}

/// Why a measurement is void: an answer was wrong or missing.
pub type Void = Box<dyn Error + Send + Sync>;

impl Measured {
    /// Requests per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency below which this share of the requests was answered.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

impl Load {
    /// Puts the load on.
    ///
    /// # Errors
    /// At the first answer that is not complete, not 200 or not as long as it should be: a figure with errors in
    /// it says nothing.
    pub async fn run(&self) -> Result<Measured, Void> {
        let mut opened = Vec::new();
        for _ in 0..self.connections {
            opened.push(open(self.addr).await?);
        }
        let start = Instant::now();
        let until = start + self.duration;
        let mut running = JoinSet::new();
        for sender in opened {
            running.spawn(drive(sender, self.clone(), until));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = running.join_next().await {
            latencies.append(&mut ended??);
        }
        let took = start.elapsed();
        latencies.sort_unstable();
        Ok(Measured { took, latencies })
    }
}

async fn open(addr: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, Void> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection); // it ends with its sender; its errors are the sender's too
    Ok(sender)
}

async fn drive(
    mut sender: SendRequest<Empty<Bytes>>,
    load: Load,
    until: Instant,
) -> Result<Vec<Duration>, Void> {
    let mut latencies = Vec::new();
    while latencies.len() < load.requests_max {
        let sent = Instant::now();
        if sent >= until {
            break;
        }
        let request = Request::get(&load.path)
            .header("host", load.addr.to_string()) // a loopback listener takes no other name
            .body(Empty::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        if status != StatusCode::OK || length != load.body_bytes {
            return Err(format!(
                "{status} with {length} bytes instead of 200 with {}",
                load.body_bytes
            )
            .into());
        }
        latencies.push(sent.elapsed());
        sender.ready().await?;
    }
    Ok(latencies)
}
