//! What the daemon tells systemd, read from a socket as systemd's, and the sockets that systemd hands over.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use murphy_testkit::daemon::{Daemon, DaemonBuilder, Signal, binary};

/// Whatever is expected comes within this time, even on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// How often systemd wants a beat; a real unit says 30 s.
const WATCHDOG_USEC: &str = "2000000";

/// The end of systemd. Messages are those of one process, in order.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    /// The next message that has this line; what came before it is passed over.
    fn wait_for(&self, line: &str) -> Vec<String> {
        let mut passed = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let length = match self.0.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("{error}: no {line:?} after {passed:#?}"),
            };
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            let lines: Vec<String> = message.lines().map(str::to_owned).collect();
            if lines.iter().any(|found| found == line) {
                return lines;
            }
            passed.push(lines);
        }
    }
}

async fn started() -> (Daemon, Manager) {
    let builder =
        DaemonBuilder::new().config("[[routes]]\nname = \"sim\"\npath = \"/sim\"\nupstream = \"sim\"\n");
    let manager = Manager::listen(builder.folder());
    let socket = builder.folder().join("notify").display().to_string();
    let builder = builder
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", WATCHDOG_USEC);
    (builder.start().await, manager)
}

fn status(lines: &[String]) -> &str {
    let found = lines.iter().find_map(|line| line.strip_prefix("STATUS="));
    found.unwrap_or_else(|| panic!("no status in {lines:#?}"))
}

#[tokio::test]
async fn it_tells_that_it_is_ready_alive_reloading_and_stopping() {
    let (daemon, manager) = started().await;
    let ready = manager.wait_for("READY=1");
    let said = status(&ready);
    assert!(
        said.contains(&daemon.proxy().to_string()) && said.contains("kill switch armed"),
        "{said}"
    );
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    daemon.signal(Signal::HUP);
    let reloading = manager.wait_for("RELOADING=1");
    let time = reloading
        .iter()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let time: f64 = time.expect("the time in the same message").parse().unwrap();
    assert!(
        time >= (uptime - 1.0) * 1e6,
        "{time} is before the signal ({uptime} s)"
    );
    assert!(status(&manager.wait_for("READY=1")).ends_with("kill switch armed"));

    daemon.signal(Signal::TERM);
    manager.wait_for("STOPPING=1");
    assert_eq!(daemon.finished().await.0.code(), Some(0));
}

/// A refused reload ends too, and what runs goes on running; a trip stands in the status with the next beat.
#[tokio::test]
async fn a_refused_reload_and_a_trip_stand_in_the_status() {
    let (daemon, manager) = started().await;
    manager.wait_for("READY=1");
    std::fs::write(daemon.folder().join("murphy.toml"), "[proxy]\nmakr = false\n").unwrap();
    daemon.signal(Signal::HUP);
    manager.wait_for("RELOADING=1");
    let said = manager.wait_for("READY=1");
    assert!(status(&said).ends_with("the last reload was refused"), "{said:?}");
    daemon.signal(Signal::USR1);
    // Not the next beat alone: one may have been under way.
    while !status(&manager.wait_for("WATCHDOG=1")).contains("kill switch tripped") {}
}

#[tokio::test]
async fn without_a_watchdog_there_are_no_beats_and_without_systemd_nothing_is_told() {
    let builder = DaemonBuilder::new();
    let manager = Manager::listen(builder.folder());
    let socket = builder.folder().join("notify").display().to_string();
    let daemon = builder.env("NOTIFY_SOCKET", &socket).start().await;
    manager.wait_for("READY=1");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.finished().await.0.code(), Some(0));
    let mut seen = Vec::new();
    manager.0.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    while let Ok(length) = manager.0.recv(&mut buffer) {
        seen.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(seen[0].starts_with("STOPPING=1") && seen.len() == 1, "{seen:#?}");
}

/// As `murphy.socket` does it: two listening sockets from descriptor 3 on, blocking ones, the process told by
/// `LISTEN_PID`. They stand above the addresses in the configuration, which are taken.
#[tokio::test]
async fn it_serves_on_the_sockets_that_it_is_handed() {
    let [proxy, control] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [proxy_addr, control_addr] = [&proxy, &control].map(|listener| listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let script = "exec 3<&0 4<&2 0</dev/null 2>stderr; export LISTEN_FDS=2 LISTEN_PID=$$; exec \"$0\" serve";
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", script])
        .arg(binary())
        .current_dir(folder.path())
        .env("MURPHY__PROXY__LISTEN", proxy_addr.to_string())
        .env("MURPHY__CONTROL__LISTEN", control_addr.to_string())
        .stdin(Stdio::from(OwnedFd::from(proxy)))
        .stderr(Stdio::from(OwnedFd::from(control)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // The sockets listen already: the calls wait until Murphy accepts them.
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(SOON)
        .build()
        .unwrap();
    for url in [
        format!("http://{proxy_addr}/sim/echo"),
        format!("http://{control_addr}/readyz"),
    ] {
        let answer = client.get(&url).send().await;
        let log = std::fs::read_to_string(folder.path().join("stderr")).unwrap_or_default();
        assert_eq!(answer.expect(&log).status(), 200, "{url}");
    }
    child.start_kill().unwrap();
    child.wait().await.unwrap();
}
