//! Large bodies need no more memory than small ones (B12).

use std::time::Duration;

use http::Version;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep};

use crate::Trouble;
use crate::ask::Ask;
use crate::client::{Connection, End};
use crate::content::{Comparison, Kind};
use crate::ground::{CLEAN, Ground, Setup, Task};
use crate::report::Bar;

use super::Outcome;

const MIB: u64 = 1 << 20;
/// Time for one GiB up and one down, in a debug build.
const NEEDS: Duration = Duration::from_secs(18);
const STALL: Duration = Duration::from_secs(5);
const STALLED: u64 = 256;
const PEAK_MAX_KIB: u64 = 32 * 1024;

/// A large body down, one up, and one down to a reader that stops in the middle.
///
/// # Errors
/// If it cannot be carried out.
pub async fn bodies(task: &Task) -> Result<Outcome, Trouble> {
    let mib = task.scaled(1024, NEEDS);
    let mut bars = Vec::new();
    let down = Ask::of(0, Kind::Bytes, mib * MIB);
    let up = Ask::of(1, Kind::Json, 100).uploading(Kind::Bytes, mib * MIB);
    for (what, ask) in [("down", down), ("up", up)] {
        let ground = Ground::prepare(task, Setup::default()).await?;
        let addr = ground.murphy.proxy;
        let start = ground.look()?;
        let began = Instant::now();
        let mut connection = Connection::open(addr, Version::HTTP_11).await?;
        let end = connection.ask_unhurried(addr, CLEAN, &ask).await;
        let rate = mib as f64 / began.elapsed().as_secs_f64();
        bars.push(bar(
            &format!("{mib} MiB {what}"),
            &ground,
            start.rss_kib,
            end == End::Exact,
            format!("{end:?}, {rate:.0} MiB/s"),
        )?);
    }
    let ground = Ground::prepare(task, Setup::default()).await?;
    let start = ground.look()?;
    let fault = stalled(&ground, STALLED * MIB).await?;
    let shown = fault.as_ref().map_or_else(|| "Exact".to_owned(), Clone::clone);
    bars.push(bar(
        &format!("{STALLED} MiB down, the reader stops for {} s", STALL.as_secs()),
        &ground,
        start.rss_kib,
        fault.is_none(),
        shown,
    )?);
    Ok(Outcome {
        bars,
        notes: Vec::new(),
    })
}

fn bar(what: &str, ground: &Ground, start_kib: u64, exact: bool, shown: String) -> Result<Bar, Trouble> {
    let peak = ground.look()?.peak_kib;
    Ok(Bar::of(
        what,
        "every byte; peak below 32 MiB",
        format!(
            "{shown}; {:.1} MiB before, peak {:.1} MiB",
            start_kib as f64 / 1024.0,
            peak as f64 / 1024.0
        ),
        exact && peak < PEAK_MAX_KIB,
    ))
}

/// Reads a part, stops, and reads the rest; what is wrong with it.
async fn stalled(ground: &Ground, length: u64) -> Result<Option<String>, Trouble> {
    let addr = ground.murphy.proxy;
    let ask = Ask::of(2, Kind::Bytes, length);
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(64 * 1024)?;
    let mut stream = socket.connect(addr).await?;
    let head = format!(
        "GET {CLEAN}{} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n",
        ask.target()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut buffer = vec![0; 64 * 1024];
    let mut head = Vec::new();
    let mut comparison = Comparison::with(ask.down);
    let mut in_body = false;
    let mut stop_at = Some(length / 4);
    loop {
        let read = stream.read(&mut buffer).await?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if read == 0 {
            return Ok(comparison.fault());
        }
        if in_body {
            comparison.feed(bytes);
        } else {
            head.extend_from_slice(bytes);
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                in_body = true;
                comparison.feed(head.get(end + 4..).unwrap_or_default());
            }
        }
        if stop_at.is_some_and(|at| comparison.arrived() >= at) {
            stop_at = None;
            sleep(STALL).await; // this is what the reader does
        }
    }
}
