//! Closed loop: so many connections, each with one request at a time, as fast as they are answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Aim, Counter, Window, all, bounded};
use crate::Void;
use crate::client::Connection;

/// From this size on bodies are read with a large buffer.
const LARGE_BYTES: usize = 64 << 10;

/// What is asked, and how much.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Who is asked.
    pub aim: Aim,
    /// The request.
    pub request: Vec<u8>,
    /// How long the body of each answer must be, in bytes.
    pub body_bytes: usize,
    /// Connections that are open.
    pub connections: usize,
    /// How many of them have a request at once; they take turns.
    pub at_once: usize,
    /// How long it runs before it is measured.
    pub warm_up: Duration,
    /// How long it is measured.
    pub length: Duration,
}

impl Closed {
    /// Puts the load on.
    ///
    /// # Errors
    /// At the first answer that is not complete, not 200 or not as long as it should be.
    pub async fn run(&self) -> Result<Window, Void> {
        let opening = self.open();
        let connections = bounded("opening connections", self.length, opening).await?;
        let (window, _) = self.run_on(connections).await?;
        Ok(window)
    }

    /// Puts the load on connections that are open, and gives them back.
    ///
    /// # Errors
    /// At the first answer that is not complete, not 200 or not as long as it should be.
    pub async fn run_on(&self, connections: Vec<Connection>) -> Result<(Window, Vec<Connection>), Void> {
        let counter = Arc::new(Counter::default());
        let mut shares: Vec<Vec<Connection>> = Vec::new();
        shares.resize_with(self.at_once.min(connections.len()), Vec::new);
        let places = shares.len().max(1);
        for (nth, connection) in connections.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(nth % places) {
                share.push(connection);
            }
        }
        let mut tasks = JoinSet::new();
        for share in shares {
            let (request, counter) = (self.request.clone(), Arc::clone(&counter));
            tasks.spawn(drive(share, request, self.body_bytes, counter));
        }
        let processes = &self.aim.processes;
        let window = counter.window(self.warm_up, self.length, processes).await?;
        let connections = all(tasks, self.length).await?;
        Ok((window, connections.into_iter().flatten().collect()))
    }

    async fn open(&self) -> Result<Vec<Connection>, Void> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(if self.body_bytes >= LARGE_BYTES {
                Connection::open_large(self.aim.addr).await?
            } else {
                Connection::open(self.aim.addr).await?
            });
        }
        Ok(connections)
    }
}

async fn drive(
    mut connections: Vec<Connection>,
    request: Vec<u8>,
    body_bytes: usize,
    counter: Arc<Counter>,
) -> Result<Vec<Connection>, Void> {
    loop {
        for connection in &mut connections {
            if counter.is_stopped() {
                return Ok(connections);
            }
            let exchange = connection.exchange(&request, |bytes| counter.add(0, bytes.len()));
            exchange.await?.expect(body_bytes)?;
            counter.add(1, 0);
        }
    }
}
