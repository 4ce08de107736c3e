//! No file descriptor is left: nothing ends, nothing spins, the control API answers, and it passes (B22).

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use murphy_testkit::daemon::{DaemonBuilder, binary};
use murphy_testkit::peer::{Peer, Script};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::process::{open_files, ticks};
use super::setup::{OK, client, route, start, within};

const FILES_MAX: usize = 128;
const CONNECTIONS: usize = 400;
/// How long the processor time of the exhausted daemon is looked at.
const LOOK: Duration = Duration::from_secs(2);

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
    let get = format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n");

    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        // The kernel accepts more than the daemon does, up to the listener's queue.
        match tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => held.push(stream),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    assert!(
        held.len() > FILES_MAX,
        "only {} connections could be made",
        held.len()
    );
    // Murphy keeps some descriptors back for the control API: fewer connections are served than fit.
    super::setup::until("as many connections as it takes", || {
        open_files(daemon.pid()) >= FILES_MAX / 3
    })
    .await;

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

    drop(held);
    let relieved = Instant::now();
    let mut after = client(addr).await;
    after.send(&get).await.unwrap();
    let response = within("an answer after the relief", after.response("GET")).await;
    println!("served {:?} after the relief", relieved.elapsed());
    assert_eq!(response.status(), 200);
    assert!(
        relieved.elapsed() < Duration::from_secs(3),
        "{:?}",
        relieved.elapsed()
    );
    super::setup::until("descriptors free again", || {
        open_files(daemon.pid()) < FILES_MAX / 2
    })
    .await;
}
