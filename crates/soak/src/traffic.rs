//! Clients of every kind that go on until they are told to stop, and check all that they get.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Version;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::Trouble;
use crate::ask::Ask;
use crate::client::{ANSWER_WITHIN, Called, Connection, End};
use crate::content::{Kind, Random};
use crate::ground::{CLEAN, FAULTY, TWO};
use crate::judge::Worked;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Small calls on one connection, on the route without rules.
    Plain,
    /// The same, each on a connection of its own.
    Closing,
    /// Small calls on the route with rules.
    Faulted,
    /// Event streams.
    Events,
    /// Bodies of some MiB, up and down.
    Big,
    /// Eight calls at once on one HTTP/2 connection, on all routes.
    Two,
    /// WebSocket tunnels.
    Socket,
}

/// How many calls an HTTP/2 client makes at once.
const AT_ONCE: usize = 8;
/// How many messages go through one tunnel.
const MESSAGES: u64 = 20;

/// What all clients share.
#[derive(Debug)]
pub struct Shared {
    /// The daemon.
    pub proxy: SocketAddr,
    /// Fixes what each asks.
    pub seed: u64,
    /// Set to end them.
    pub stop: AtomicBool,
    /// Calls that ended.
    pub done: AtomicU64,
    /// Odd while the upstream is dead on purpose.
    kills: AtomicU64,
}

impl Shared {
    /// For clients of this daemon.
    #[must_use]
    pub fn of(proxy: SocketAddr, seed: u64) -> Self {
        Self {
            proxy,
            seed,
            stop: AtomicBool::new(false),
            done: AtomicU64::new(0),
            kills: AtomicU64::new(0),
        }
    }

    /// The upstream is about to be killed, or is ready again.
    pub fn kill_or_return(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
    }

    fn kills(&self) -> u64 {
        self.kills.load(Ordering::SeqCst)
    }

    /// Whether an outage overlaps with a call that began at that count.
    fn was_killed_since(&self, kills: u64) -> bool {
        kills % 2 == 1 || self.kills() != kills
    }
}

/// Works until it is told to stop.
pub async fn work(role: Role, worker: u64, shared: &Shared) -> Worked {
    let mut random = Random::of(shared.seed, worker);
    let mut worked = Worked {
        worker,
        ..Worked::default()
    };
    let mut held = None;
    while !shared.stop.load(Ordering::Relaxed) {
        match role {
            Role::Socket => tunnel(&mut worked, &mut random, shared).await,
            Role::Two => several(&mut held, &mut worked, &mut random, shared).await,
            _ => {
                let (prefix, ask) = question(role, worked.next_id(), &mut random);
                one(&mut held, &mut worked, prefix, &ask, shared).await;
                if role == Role::Closing {
                    held = None;
                }
            }
        }
    }
    worked
}

fn question(role: Role, id: u64, random: &mut Random) -> (&'static str, Ask) {
    match role {
        Role::Events => {
            let mut ask = Ask::of(id, Kind::Events, 50 * random.within(1, 40));
            ask.pace_ms = random.within(0, 10);
            (if random.percent(30) { FAULTY } else { CLEAN }, ask)
        }
        Role::Big => {
            let length = random.within(1 << 20, 4 << 20);
            let ask = if random.percent(50) {
                Ask::of(id, Kind::Bytes, length)
            } else {
                Ask::of(id, Kind::Json, 100).uploading(Kind::Bytes, length)
            };
            (if random.percent(20) { TWO } else { CLEAN }, ask)
        }
        _ => {
            let kind = if random.percent(70) {
                Kind::Json
            } else {
                Kind::Bytes
            };
            let mut ask = Ask::of(id, kind, random.within(0, 8 << 10));
            ask.open = random.percent(25);
            if random.percent(40) {
                let kind = if random.percent(70) {
                    Kind::Json
                } else {
                    Kind::Bytes
                };
                ask = ask.uploading(kind, random.within(0, 8 << 10));
            }
            let prefix = match role {
                Role::Faulted => FAULTY,
                Role::Two => *[CLEAN, FAULTY, TWO]
                    .get(random.below(3) as usize)
                    .unwrap_or(&CLEAN),
                _ => CLEAN,
            };
            (prefix, ask)
        }
    }
}

fn sizes(ask: &Ask) -> u64 {
    ask.down.length + ask.up.map_or(0, |up| up.length)
}

async fn one(held: &mut Option<Connection>, worked: &mut Worked, prefix: &str, ask: &Ask, shared: &Shared) {
    let kills = shared.kills();
    let mut called = match reuse(held, shared.proxy, Version::HTTP_11).await {
        Ok(connection) => connection.ask(shared.proxy, prefix, ask).await,
        Err(trouble) => unconnected(ask.id, &trouble),
    };
    called.in_outage = shared.was_killed_since(kills);
    if matches!(called.end, End::Broken(_)) {
        *held = None;
    }
    worked.ended(called, sizes(ask));
    shared.done.fetch_add(1, Ordering::Relaxed);
}

async fn several(held: &mut Option<Connection>, worked: &mut Worked, random: &mut Random, shared: &Shared) {
    let asks: Vec<(&str, Ask)> = (0..AT_ONCE)
        .map(|_| question(Role::Two, worked.next_id(), random))
        .collect();
    let kills = shared.kills();
    let called: Vec<Called> = match reuse(held, shared.proxy, Version::HTTP_2).await {
        Ok(connection) => {
            let calls = asks.iter().map(|(prefix, ask)| {
                let mut connection = connection.another();
                async move {
                    match &mut connection {
                        Some(connection) => connection.ask(shared.proxy, prefix, ask).await,
                        None => unconnected(ask.id, &"it is not HTTP/2".into()),
                    }
                }
            });
            join_all(calls).await
        }
        Err(trouble) => asks
            .iter()
            .map(|(_, ask)| unconnected(ask.id, &trouble))
            .collect(),
    };
    let in_outage = shared.was_killed_since(kills);
    for (mut called, (_, ask)) in called.into_iter().zip(&asks) {
        called.in_outage = in_outage;
        worked.ended(called, sizes(ask));
        shared.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// The connection that is held, if it can still be used, else a new one.
async fn reuse(
    held: &mut Option<Connection>,
    proxy: SocketAddr,
    version: Version,
) -> Result<&mut Connection, Trouble> {
    let usable = match held {
        Some(connection) => connection.is_usable().await,
        None => false,
    };
    if !usable {
        *held = Some(Connection::open(proxy, version).await?);
    }
    held.as_mut().ok_or_else(|| "no connection".into())
}

fn unconnected(id: u64, trouble: &Trouble) -> Called {
    Called {
        id,
        end: End::Broken(format!("cannot connect: {trouble}")),
        marked: false,
        in_outage: false,
        took: Duration::ZERO,
        before: String::new(),
    }
}

async fn tunnel(worked: &mut Worked, random: &mut Random, shared: &Shared) {
    let id = worked.next_id();
    let (kills, begun) = (shared.kills(), Instant::now());
    let ended = timeout(ANSWER_WITHIN, converse(id, random, shared.proxy)).await;
    let (end, bytes) = match ended {
        Ok(Ok(bytes)) => (End::Exact, bytes),
        Ok(Err(Conversation::Wrong(what))) => (End::Wrong(what), 0),
        Ok(Err(Conversation::Broken(what))) => (End::Broken(what), 0),
        Err(_) => (End::Broken("the tunnel stands still".to_owned()), 0),
    };
    let called = Called {
        id,
        end,
        marked: false,
        in_outage: shared.was_killed_since(kills),
        took: begun.elapsed(),
        before: String::new(),
    };
    worked.ended(called, bytes);
    shared.done.fetch_add(1, Ordering::Relaxed);
}

enum Conversation {
    Wrong(String),
    Broken(String),
}

fn broken(error: impl std::fmt::Display) -> Conversation {
    Conversation::Broken(error.to_string())
}

/// Sends messages through a tunnel that must each come back; how many bytes it was.
async fn converse(id: u64, random: &mut Random, proxy: SocketAddr) -> Result<u64, Conversation> {
    let stream = TcpStream::connect(proxy).await.map_err(broken)?;
    let url = format!("ws://{proxy}{CLEAN}{}", Ask::of(id, Kind::Bytes, 0).target());
    let (mut socket, _) = client_async(url, stream).await.map_err(broken)?;
    let mut bytes = 0;
    for number in 0..MESSAGES {
        let content = Ask::of(id ^ (number << 32), Kind::Bytes, random.within(0, 4 << 10)).down;
        let message = Message::binary(content.bytes(0, usize::MAX));
        bytes += 2 * content.length;
        socket.send(message.clone()).await.map_err(broken)?;
        match socket.next().await {
            Some(Ok(echo)) if echo == message => {}
            Some(Ok(_)) => {
                return Err(Conversation::Wrong(format!(
                    "message {number} came back as another one"
                )));
            }
            Some(Err(error)) => return Err(broken(error)),
            None => return Err(broken("the tunnel ended")),
        }
    }
    socket.close(None).await.map_err(broken)?;
    while let Some(message) = socket.next().await {
        message.map_err(broken)?;
    }
    Ok(bytes)
}
