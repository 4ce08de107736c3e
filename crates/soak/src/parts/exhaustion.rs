//! No descriptor is left for more clients (B22): nothing ends, nothing spins, the control API answers, and it passes.

use std::net::SocketAddr;
use std::time::Duration;

use http::Version;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::Trouble;
use crate::ask::Ask;
use crate::client::{Connection, End};
use crate::content::Kind;
use crate::control::get;
use crate::ground::{CLEAN, Ground, Setup, Task};
use crate::report::Bar;

use super::Outcome;

const CONNECTIONS: usize = 400;
const ROUNDS: usize = 3;
const LOOK: Duration = Duration::from_secs(2);
/// Longer than this is not served.
const SERVED_WITHIN: Duration = Duration::from_millis(500);
const RELIEF_NEVER: Duration = Duration::from_secs(20);

/// The worst of all rounds.
#[derive(Debug, Default)]
struct Worst {
    exhausted: usize,
    early_served: usize,
    busy: f64,
    control: Duration,
    relief: Duration,
}

/// Three times too many connections, and the relief.
///
/// # Errors
/// If it cannot be carried out.
pub async fn exhaustion(task: &Task) -> Result<Outcome, Trouble> {
    let setup = Setup {
        shell: Some("ulimit -n 128; exec \"$@\""),
        ..Setup::default()
    };
    let mut ground = Ground::prepare(task, setup).await?;
    let start = ground.look()?;
    let mut early = Connection::open(ground.murphy.proxy, Version::HTTP_11).await?;
    let mut worst = Worst::default();
    for round in 0..ROUNDS {
        exhaust(&ground, &mut early, (round as u64) << 32, &mut worst).await?;
    }
    drop(early);
    let alive = ground.murphy.process.is_alive();
    let (in_flight, fds) = ground.settle(start.fds).await?;
    let Worst {
        exhausted,
        early_served,
        busy,
        control,
        relief,
    } = worst;
    let second = Duration::from_secs(1);
    let bars = vec![
        Bar::of(
            &format!("{ROUNDS} times {CONNECTIONS} connections with 128 descriptors"),
            "nothing ends; who is in is served",
            format!("out of descriptors {exhausted} times; the early one served {early_served} times"),
            alive && exhausted == ROUNDS && early_served == ROUNDS,
        ),
        Bar::of(
            "processor time meanwhile",
            "below 10 %",
            format!("{:.1} %", busy * 100.0),
            busy < 0.1,
        ),
        Bar::of(
            "control API meanwhile",
            "answers within 1 s",
            format!("{control:.1?}"),
            control < second,
        ),
        Bar::of(
            "a newcomer is served after the relief",
            "within 1 s",
            format!("{relief:.1?}"),
            relief < second,
        ),
        super::many::afterwards(start.fds, fds, in_flight),
    ];
    Ok(Outcome {
        bars,
        notes: ground.panics(),
    })
}

async fn exhaust(
    ground: &Ground,
    early: &mut Connection,
    first: u64,
    worst: &mut Worst,
) -> Result<(), Trouble> {
    let addr = ground.murphy.proxy;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        if let Ok(Ok(stream)) = timeout(SERVED_WITHIN, TcpStream::connect(addr)).await {
            held.push(stream);
        }
    }
    worst.exhausted += usize::from(!newcomer_is_served(addr, first).await);
    let used = ground.look()?.ticks;
    let began = Instant::now();
    sleep(LOOK).await; // the processor time of this span is what is measured
    let share = (ground.look()?.ticks - used) as f64 / 100.0 / began.elapsed().as_secs_f64();
    worst.busy = worst.busy.max(share);
    let began = Instant::now();
    let (status, _) = get(ground.murphy.control, "/api/v1/status").await?;
    let control = if status == 200 {
        began.elapsed()
    } else {
        Duration::MAX
    };
    worst.control = worst.control.max(control);
    let served = early.ask(addr, CLEAN, &question(first + 1)).await.end == End::Exact;
    worst.early_served += usize::from(served);
    drop(held);
    let began = Instant::now();
    let mut id = first + 2;
    while !newcomer_is_served(addr, id).await {
        id += 1;
        if began.elapsed() > RELIEF_NEVER {
            return Err("nobody is served after the relief".into());
        }
    }
    worst.relief = worst.relief.max(began.elapsed());
    Ok(())
}

fn question(id: u64) -> Ask {
    Ask::of(id, Kind::Json, 100)
}

async fn newcomer_is_served(addr: SocketAddr, id: u64) -> bool {
    let exchange = async {
        let mut connection = Connection::open(addr, Version::HTTP_11).await.ok()?;
        Some(connection.ask(addr, CLEAN, &question(id)).await.end)
    };
    matches!(timeout(SERVED_WITHIN, exchange).await, Ok(Some(End::Exact)))
}
