//! Clients that are slow on purpose are let go by the configured deadlines, and the others notice nothing (B23).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Version;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::Trouble;
use crate::ask::Ask;
use crate::client::{Connection, End, quantile};
use crate::content::Kind;
use crate::ground::{CLEAN, Ground, Setup, Task};
use crate::report::Bar;

use super::Outcome;

const OF_A_KIND: u64 = 1_000;
const HEADER: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(1);
/// Less is the machine's noise.
const NOTICEABLE: Duration = Duration::from_millis(50);
const BASELINE: Duration = Duration::from_secs(2);

/// A kind of slow client: what it sends, whether it then dribbles, and the deadline that ends it.
struct Slow {
    name: &'static str,
    sends: String,
    dribbles: bool,
    deadline: Duration,
}

fn kinds(addr: SocketAddr) -> Vec<Slow> {
    let slow = |name, sends: &str, deadline| Slow {
        name,
        sends: sends.to_owned(),
        dribbles: false,
        deadline,
    };
    let head = format!(
        "GET {CLEAN}{} HTTP/1.1\r\nHost: {addr}\r\n",
        Ask::of(0, Kind::Json, 10).target()
    );
    let post = format!("POST {CLEAN}/r/1 HTTP/1.1\r\nHost: {addr}\r\n");
    let mut dribbling = slow("dribbled heads", &head, HEADER);
    dribbling.dribbles = true;
    vec![
        slow("no byte", "", HEADER),
        slow("PRI", "PRI", HEADER),
        slow("half a head", &head, HEADER),
        dribbling,
        slow(
            "half a body",
            &format!("{post}Content-Length: 10\r\n\r\nhalf"),
            IDLE,
        ),
        slow(
            "half a chunk",
            &format!("{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhel"),
            IDLE,
        ),
        slow("idle after a call", &format!("{head}\r\n"), IDLE),
    ]
}

/// A thousand of each kind, one kind after the other, beside healthy calls.
///
/// # Errors
/// If it cannot be carried out.
pub async fn slow_clients(task: &Task) -> Result<Outcome, Trouble> {
    let setup = Setup {
        proxy: "header_timeout = \"2s\"\nhandshake_timeout = \"2s\"\nidle_timeout = \"3s\"",
        ..Setup::default()
    };
    let ground = Ground::prepare(task, setup).await?;
    let start = ground.look()?;
    let addr = ground.murphy.proxy;
    let count = task.scaled(OF_A_KIND, Duration::from_secs(24));
    let alone = healthy(addr, 1 << 40, Arc::new(AtomicBool::new(false)), Some(BASELINE)).await?;
    let mut late = Vec::new();
    let stop = Arc::new(AtomicBool::new(false));
    let beside = tokio::spawn(healthy(addr, 1 << 50, Arc::clone(&stop), None));
    let mut latest = Duration::ZERO;
    for Slow {
        name,
        sends,
        dribbles,
        deadline,
    } in kinds(addr)
    {
        let mut clients = JoinSet::new();
        for _ in 0..count {
            clients.spawn(ended_after(addr, sends.clone(), dribbles, deadline + 10 * GRACE));
        }
        let mut over = 0;
        while let Some(ended) = clients.join_next().await {
            let took = ended??;
            latest = latest.max(took.saturating_sub(deadline));
            over += u64::from(took > deadline + GRACE);
        }
        if over > 0 {
            late.push(format!(
                "{name}: {over} of {count} after more than {:?}",
                deadline + GRACE
            ));
        }
    }
    stop.store(true, Ordering::Relaxed);
    let (before, meanwhile) = (quantile(&alone, 0.99), beside.await??);
    let p99 = quantile(&meanwhile, 0.99);
    let (in_flight, fds) = ground.settle(start.fds).await?;
    let bars = vec![
        Bar::of(
            &format!("{count} slow clients of each of {} kinds", kinds(addr).len()),
            "closed within the deadline and 1 s",
            format!(
                "{} kinds late; the latest {latest:.1?} after its deadline",
                late.len()
            ),
            late.is_empty(),
        ),
        Bar::of(
            "healthy calls meanwhile",
            "all exact; p99 at most twice that without, or 50 ms",
            format!("{}; p99 {p99:.1?}, {before:.1?} without", meanwhile.len()),
            p99 <= (2 * before).max(NOTICEABLE),
        ),
        super::many::afterwards(start.fds, fds, in_flight),
    ];
    late.extend(ground.panics());
    Ok(Outcome { bars, notes: late })
}

/// Healthy calls at a steady rate, each on a new connection: how long each took.
async fn healthy(
    addr: SocketAddr,
    first: u64,
    stop: Arc<AtomicBool>,
    limit: Option<Duration>,
) -> Result<Vec<Duration>, Trouble> {
    let began = Instant::now();
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) && limit.is_none_or(|limit| began.elapsed() < limit) {
        let ask = Ask::of(first + latencies.len() as u64, Kind::Json, 200);
        let called_at = Instant::now();
        let end = Connection::open(addr, Version::HTTP_11)
            .await?
            .ask(addr, CLEAN, &ask)
            .await
            .end;
        if end != End::Exact {
            return Err(format!("a healthy call ended as {end:?}").into());
        }
        latencies.push(called_at.elapsed());
        sleep(Duration::from_millis(5)).await; // a steady load
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// Sends this and waits for the end; how long that took.
async fn ended_after(
    addr: SocketAddr,
    sends: String,
    dribbles: bool,
    limit: Duration,
) -> Result<Duration, Trouble> {
    let (mut reading, mut writing) = TcpStream::connect(addr).await?.into_split();
    let began = Instant::now();
    writing.write_all(sends.as_bytes()).await?;
    let dribble = async {
        if dribbles {
            writing.write_all(b"x-slow: ").await.ok();
            while writing.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(100)).await; // this is what the client does
            }
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = timeout(limit, reading.read_to_end(&mut answer)) => {} // an end or a reset: both let it go
        () = dribble => {}
    }
    Ok(began.elapsed())
}
