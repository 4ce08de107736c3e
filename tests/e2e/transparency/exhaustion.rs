//! No file descriptor is left for more clients: nothing ends, nothing spins, those that are in are served, the
//! control API answers, and it passes (B22).

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use murphy_testkit::daemon::{DaemonBuilder, binary};
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::process::{open_files, ticks};
use super::setup::{OK, client, route, start, until, within};

const FILES_MAX: usize = 128;
const CONNECTIONS: usize = 400;
/// How long the processor time of the exhausted daemon is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// The bar says one second; the rest is for a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// Whether a request on this connection is answered.
async fn is_served(connection: &mut RawClient, addr: SocketAddr) -> bool {
    let get = format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    let exchange = async {
        connection.send(get).await.ok()?;
        connection.read_response("GET").await.ok()
    };
    let answer = timeout(Duration::from_millis(500), exchange).await;
    answer.is_ok_and(|answer| answer.is_some_and(|answer| answer.status() == 200))
}

#[tokio::test]
async fn running_out_of_file_descriptors_passes() {
    let peer = Peer::each(Script::answering(OK));
    let limited = format!(
        "#!/bin/sh\nulimit -n {FILES_MAX}\nexec {} \"$@\"\n",
        binary().display()
    );
    let builder = DaemonBuilder::new()
        .config(&route("all", "/", &peer.url(), ""))
        .file("limited", limited);
    let path = builder.folder().join("limited");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let daemon = start(builder.executable(path)).await;
    let addr = daemon.proxy();
    let mut early = client(addr).await;
    assert!(is_served(&mut early, addr).await);

    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        // The kernel may accept more than the daemon does, up to the listener's queue.
        match timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => held.push(stream),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    let mut late = client(addr).await;
    assert!(
        !is_served(&mut late, addr).await,
        "{} connections exhaust nothing",
        held.len()
    );

    let used = ticks(daemon.pid());
    let begun = Instant::now();
    tokio::time::sleep(LOOK).await; // the processor time of this span is what is measured
    let busy = (ticks(daemon.pid()) - used) as f64 / 100.0 / begun.elapsed().as_secs_f64();
    println!(
        "{} connections, {} descriptors, {:.1} % of a processor",
        held.len(),
        open_files(daemon.pid()),
        busy * 100.0
    );
    assert!(busy < 0.10, "it spins: {busy}");

    let begun = Instant::now();
    let (status, _) = within("the control API", daemon.control_get("/api/v1/status")).await;
    println!("the control API answered after {:?}", begun.elapsed());
    assert_eq!(status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(
        is_served(&mut early, addr).await,
        "who is in goes on being served"
    );

    drop(held);
    let relieved = Instant::now();
    while !is_served(&mut client(addr).await, addr).await {
        assert!(relieved.elapsed() < SOON, "nobody is served after the relief");
    }
    println!("served {:?} after the relief", relieved.elapsed());
    until("descriptors free again", || {
        open_files(daemon.pid()) < FILES_MAX / 2
    })
    .await;
}
