//! Broken requests by the ten thousand (B6): nothing panics, hangs or leaks, and what arrives is well formed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::Trouble;
use crate::content::Random;
use crate::ground::{Ground, Setup, Task};
use crate::report::Bar;
use crate::strict::objection;

use super::Outcome;

/// Over ten minutes; what a shorter run makes in the same proportion is asked for.
const MUTANTS: f64 = 200_000.0;
const MUTANTS_FOR: f64 = 600.0;
const CLIENTS: u64 = 16;
/// Longer than this is a hang.
const HANG: Duration = Duration::from_secs(10);
const EXAMPLES_MAX: usize = 6;
const ARRIVAL_BYTES_MAX: usize = 1 << 20;

/// What is mutated, with `@` for the daemon's address: heads and bodies that two servers could read in two ways, and ordinary ones.
const SEEDS: &[&str] = &[
    "GET /m/a HTTP/1.1\r\nHost: @\r\n\r\n",
    "GET /m/a?b=c%20d HTTP/1.1\r\nHost: @\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n",
    "HEAD /m/a HTTP/1.0\r\nHost: @\r\n\r\n",
    "OPTIONS /m/* HTTP/1.1\r\nHost: @\r\nMax-Forwards: 0\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\n\r\nhello",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /m/b HTTP/1.1\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nContent-Length: 5, 5\r\n\r\nhello",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST /m/a HTTP/1.1\r\nHost: @\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    "GET /m/a HTTP/1.1\r\nHost: @\r\nX-Folded: a\r\n b\r\n\r\n",
    "GET /m/a HTTP/1.1\r\nHost: @\r\nHost: other\r\n\r\n",
    "GET http://@/m/a HTTP/1.1\r\nHost: @\r\n\r\n",
    "GET /m/a HTTP/1.1\nHost: @\n\n",
    "GET /m/a HTTP/1.1\r\nHost: @\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "GET /m/a HTTP/1.1\r\nHost: @\r\nConnection: close, te, x-a\r\nTE: trailers\r\nX-A: 1\r\n\r\n",
    "GET /m/a HTTP/1.1\r\nHost: @\r\n\r\nGET /m/b HTTP/1.1\r\nHost: @\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\x05\0\0\0\x01\u{2}\u{4}\u{6}\u{7}\u{1}",
    "CONNECT @ HTTP/1.1\r\nHost: @\r\n\r\n",
];

/// What is put in.
const TOKENS: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "\x0b",
    "\x7f",
    "0",
    "-1",
    "+5",
    "0x5",
    "5 ",
    "chunked",
    "CHUNKED",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Host: @\r\n",
    "HTTP/1.0",
    "HTTP/9.9",
    "%00",
    "%0d%0a",
    "/../",
    "//",
    "#",
    "?",
    "\r\n\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "Expect: 100-continue\r\n",
];

/// Sends mutants for the whole budget.
///
/// # Errors
/// If it cannot be carried out.
pub async fn mutants(task: &Task) -> Result<Outcome, Trouble> {
    let arrivals = Arc::new(Arrivals::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let route = format!(
        "[[routes]]\nname = \"m\"\npath = \"/m\"\nupstream = \"http://{}\"\nprotocol = \"http1\"\n",
        listener.local_addr()?
    );
    let recording = tokio::spawn(record(listener, Arc::clone(&arrivals)));
    let setup = Setup {
        proxy: "header_timeout = \"2s\"\nidle_timeout = \"2s\"\nhandshake_timeout = \"2s\"",
        tables: &route,
        ..Setup::default()
    };
    let mut ground = Ground::prepare(task, setup).await?;
    let start = ground.look()?;
    let counts = Arc::new(Counts::default());
    let began = Instant::now();
    let mut clients = JoinSet::new();
    let mut warm = start;
    for client in 0..CLIENTS {
        let random = Random::of(task.seed, client);
        let counts = Arc::clone(&counts);
        clients.spawn(send_mutants(
            ground.murphy.proxy,
            random,
            began + task.budget,
            counts,
        ));
    }
    while !clients.is_empty() {
        if timeout(task.budget / 3, clients.join_next()).await.is_err() && warm == start {
            warm = ground.look()?;
        }
    }
    let (in_flight, fds) = ground.settle(start.fds).await?;
    let end = ground.look()?;
    let alive = ground.murphy.process.is_alive();
    recording.abort();
    let panics = ground.panics();
    let mut bars = verdicts(task, &counts, arrivals.counts(), alive && panics.is_empty());
    let growth = end.rss_kib as f64 / warm.rss_kib.max(1) as f64 - 1.0;
    bars.push(super::many::afterwards(start.fds, fds, in_flight));
    bars.push(Bar::of(
        "memory at the end, against a third of the way",
        "at most 5 % or 4 MiB more",
        format!(
            "{:.1} MiB, then {:.1} MiB",
            warm.rss_kib as f64 / 1024.0,
            end.rss_kib as f64 / 1024.0
        ),
        growth < 0.05 || end.rss_kib < warm.rss_kib + 4096,
    ));
    let mut notes = arrivals.examples();
    notes.extend(counts.hung_examples());
    notes.extend(panics);
    Ok(Outcome { bars, notes })
}

fn verdicts(task: &Task, counts: &Counts, (arrived, dirty): (u64, u64), sound: bool) -> Vec<Bar> {
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (sent, hung) = (of(&counts.sent), of(&counts.hung));
    let wanted = (MUTANTS * task.budget.as_secs_f64() / MUTANTS_FOR) as u64;
    vec![
        Bar::of(
            &format!("{sent} mutated requests"),
            &format!("at least {wanted} (200 k in 10 min)"),
            format!("{} answered, {arrived} arrived", of(&counts.answered)),
            sent >= wanted && arrived > 0,
        ),
        Bar::of(
            "no panic; hangs; requests that arrived and are not well formed",
            "true; 0; 0",
            format!("{sound}; {hung}; {dirty}"),
            sound && hung == 0 && dirty == 0,
        ),
    ]
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
    hung: AtomicU64,
    examples: Mutex<Vec<String>>,
}

impl Counts {
    fn hung_examples(&self) -> Vec<String> {
        self.examples
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn send_mutants(
    addr: SocketAddr,
    mut random: Random,
    deadline: Instant,
    counts: Arc<Counts>,
) -> Result<(), Trouble> {
    let host = addr.to_string();
    while Instant::now() < deadline {
        let mutant = mutant(&mut random, &host);
        let half_close = random.percent(80);
        let mut stream = TcpStream::connect(addr).await?;
        let exchange = async {
            stream.write_all(&mutant).await.ok(); // it may be refused before it is whole
            if half_close {
                stream.shutdown().await.ok();
            }
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok();
            !answer.is_empty()
        };
        counts.sent.fetch_add(1, Ordering::Relaxed);
        // One that stays open must be ended by the daemon's deadlines.
        match timeout(HANG, exchange).await {
            Ok(answered) => drop(counts.answered.fetch_add(u64::from(answered), Ordering::Relaxed)),
            Err(_) => {
                counts.hung.fetch_add(1, Ordering::Relaxed);
                let mut examples = counts.examples.lock().unwrap_or_else(PoisonError::into_inner);
                if examples.len() < EXAMPLES_MAX {
                    examples.push(format!("hangs: {:?}", String::from_utf8_lossy(&mutant)));
                }
            }
        }
    }
    Ok(())
}

fn pick<'a>(random: &mut Random, from: &'a [&'a str]) -> &'a str {
    let index = usize::try_from(random.below(from.len() as u64)).unwrap_or_default();
    from.get(index).copied().unwrap_or_default()
}

fn mutant(random: &mut Random, host: &str) -> Vec<u8> {
    let mut bytes = pick(random, SEEDS).as_bytes().to_vec();
    for _ in 0..random.within(1, 4) {
        mutate(&mut bytes, random);
    }
    // Most of the time the host is a good one: another would end all cases at the same check.
    let host = if random.percent(95) { host } else { "@" };
    let with_host = |byte| {
        if byte == b'@' {
            host.as_bytes().to_vec()
        } else {
            vec![byte]
        }
    };
    bytes.into_iter().flat_map(with_host).collect()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let place = |random: &mut Random, length: usize| {
        usize::try_from(random.below(length as u64 + 1)).unwrap_or_default()
    };
    let at = place(random, bytes.len());
    match random.below(7) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        2 => {
            let end = (at + place(random, 8)).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let end = (at + place(random, 40)).min(bytes.len());
            let part = bytes.get(at..end).unwrap_or_default().to_vec();
            bytes.splice(at..at, part);
        }
        4 | 5 => {
            let token = pick(random, TOKENS);
            bytes.splice(at..at, token.bytes());
        }
        _ => {
            let other = pick(random, SEEDS).as_bytes();
            let cut = place(random, other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(other.get(cut..).unwrap_or_default());
        }
    }
}

/// What reached the upstream.
#[derive(Debug, Default)]
struct Arrivals {
    arrived: AtomicU64,
    dirty: AtomicU64,
    examples: Mutex<Vec<String>>,
}

impl Arrivals {
    fn counts(&self) -> (u64, u64) {
        (
            self.arrived.load(Ordering::Relaxed),
            self.dirty.load(Ordering::Relaxed),
        )
    }

    fn examples(&self) -> Vec<String> {
        self.examples
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn judge(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.arrived.fetch_add(1, Ordering::Relaxed);
        if let Some(objection) = objection(bytes) {
            self.dirty.fetch_add(1, Ordering::Relaxed);
            let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
            if examples.len() < EXAMPLES_MAX {
                examples.push(format!("{objection}: {:?}", String::from_utf8_lossy(bytes)));
            }
        }
    }
}

/// Answers one request a connection as soon as its head is there, and keeps every byte until the end.
async fn record(listener: TcpListener, arrivals: Arc<Arrivals>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let arrivals = Arc::clone(&arrivals);
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            let mut buffer = vec![0; 16 * 1024];
            let mut answered = false;
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
                if bytes.len() > ARRIVAL_BYTES_MAX {
                    break;
                }
                if !answered && crate::strict::is_whole(&bytes) {
                    answered = true;
                    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(answer.as_bytes()).await.ok();
                    stream.shutdown().await.ok();
                }
            }
            if answered {
                arrivals.judge(&bytes); // half a request is one that was broken off: nobody's
            }
        });
    }
}
