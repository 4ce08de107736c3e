//! The proxy is no way around the control API's guard (T1's own-port part): no route leads to it.

use std::net::{Ipv4Addr, TcpListener};

use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::raw::RawClient;
use serde_json::json;

use super::support::{NEVER, SIM, daemon, raw_get, switch};

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// T1's own-port part and finding 9: a route to the control API is refused, however it is written, or the control
/// API refuses what comes that way.
#[tokio::test]
async fn the_proxy_does_not_lead_to_the_control_api() {
    let port = free_port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost.",
        "127.1",
        "2130706433",
        "127.0.0.2",
    ];
    for host in hosts {
        for preserve in [false, true] {
            let route = format!(
                "{NEVER}\n[[routes]]\nname = \"in\"\npath = \"/in\"\nupstream = \"http://{host}:{port}\"\n\
                 preserve_host = {preserve}\n"
            );
            let builder = DaemonBuilder::new()
                .config(&route)
                .env("MURPHY__CONTROL__LISTEN", &format!("127.0.0.1:{port}"));
            match builder.try_start().await {
                Err(failed) => assert!(failed.stderr.contains("upstream"), "{host}: {}", failed.stderr),
                Ok(daemon) => {
                    try_to_trip(&daemon, host).await;
                    drop(daemon.kill().await); // the next one listens on the same port
                }
            }
        }
    }
}

/// The same for a port that was free to choose, and a route that comes by a reload.
#[tokio::test]
async fn a_reload_does_not_open_the_way_to_the_control_api() {
    let daemon = daemon(NEVER).start().await;
    let port = daemon.control().port();
    let config = daemon.folder().join("murphy.toml");
    let route = format!(
        "{NEVER}\n{SIM}\n[[routes]]\nname = \"in\"\npath = \"/in\"\nupstream = \"http://127.0.0.1:{port}\"\n"
    );
    std::fs::write(config, route).unwrap();
    daemon.control_post("/api/v1/reload", json!({})).await;
    try_to_trip(&daemon, "127.0.0.1").await;
}

async fn try_to_trip(daemon: &Daemon, host: &str) {
    let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
    let status = raw_get(&mut raw, daemon, "/in/api/v1/status", "").await;
    assert!(
        status.status() >= 400,
        "{host}: the proxy shows the control API: {}",
        status.body.text()
    );
    let request = format!(
        "POST /in/api/v1/kill-switch/trip HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\n\r\n{{}}",
        daemon.proxy()
    );
    raw.send(request).await.unwrap();
    assert!(
        raw.response("POST").await.status() >= 400,
        "{host}: the proxy changes the control API"
    );
    assert_eq!(switch(daemon).await["state"], "armed", "{host}");
}
