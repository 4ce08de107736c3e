//! The yardstick measures what it says it does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)] // helpers of tests fail loudly

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use murphy_bench::load::Load;
use murphy_bench::{bare, origin};
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;
use tokio::net::TcpListener;

async fn bare_proxy_to(upstream: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(bare::serve(listener, upstream.to_string().parse().unwrap()));
    addr
}

async fn origin() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(origin::serve(listener));
    addr
}

fn load(addr: std::net::SocketAddr, path: &str, body_bytes: usize) -> Load {
    Load {
        addr,
        path: path.to_owned(),
        body_bytes,
        connections: 4,
        duration: Duration::from_secs(60),
        requests_max: 25,
    }
}

#[tokio::test]
async fn each_size_passes_the_bare_proxy() {
    let proxy = bare_proxy_to(origin().await).await;
    for (name, bytes) in origin::SIZES {
        let measured = load(proxy, &format!("/{name}"), bytes).run().await.unwrap();
        let requests = measured.per_second() * measured.took.as_secs_f64();
        assert_eq!(requests.round(), 100.0);
        assert!(measured.quantile(0.0) > Duration::ZERO);
        assert!(measured.quantile(0.5) <= measured.quantile(0.99));
    }
}

#[tokio::test]
async fn a_wrong_answer_voids_the_measurement() {
    let proxy = bare_proxy_to(origin().await).await;
    let error = load(proxy, "/200", 199).run().await.unwrap_err().to_string();
    assert_eq!(error, "200 OK with 200 bytes instead of 200 with 199");
    let error = load(proxy, "/nothing", 0).run().await.unwrap_err().to_string();
    assert_eq!(error, "404 Not Found with 0 bytes instead of 200 with 0");
}

#[tokio::test]
async fn the_bare_proxy_passes_events_and_names_the_upstream() {
    let mut client = RawClient::connect(bare_proxy_to(origin().await).await)
        .await
        .unwrap();
    let events = client.get("/sse").await;
    assert_eq!(events.head.header("content-type"), Some("text/event-stream"));
    assert!(events.body.text().ends_with("data: {\"n\":99}\n\n"));

    let peer = Peer::each(Script::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = RawClient::connect(bare_proxy_to(peer.addr()).await)
        .await
        .unwrap();
    assert_eq!(client.get("/a?b").await.status(), 200);
    let request = peer.requests().remove(0);
    assert_eq!(
        (request.head.target(), request.head.header("host")),
        ("/a?b", Some(&*peer.addr().to_string()))
    );
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_a_bad_gateway() {
    let peer = Peer::in_order([]);
    let gone = peer.addr();
    peer.join().await;
    let mut client = RawClient::connect(bare_proxy_to(gone).await).await.unwrap();
    assert_eq!(client.get("/").await.status(), 502);
}

#[tokio::test]
async fn the_command_compares_and_judges() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = folder.path().join("murphy");
    let script = format!(
        "#!/bin/sh\nupstream=$(sed -n 's|^upstream = \"http://\\(.*\\)\"|\\1|p' \"$3\")\n\
         exec {} --listen 127.0.0.1:0 --upstream \"$upstream\"\n",
        env!("CARGO_BIN_EXE_bare-proxy")
    );
    std::fs::write(&stand_in, script).unwrap();
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o700)).unwrap();
    let compare = async |murphy: &Path, more: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_murphy-bench"));
        command.arg("--murphy").arg(murphy);
        command
            .args(["--connections", "4", "--rounds", "2", "--ms", "20"])
            .args(more);
        command.output().await.unwrap()
    };
    let text = compare(&stand_in, &[]).await;
    assert_eq!(
        text.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&text.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&text.stdout).matches("murphy ").count(),
        2
    );

    let json = compare(&stand_in, &["--output", "json", "--at-least", "100"]).await;
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let targets: Vec<&str> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["target"].as_str().unwrap())
        .collect();
    assert_eq!(
        targets[..4],
        ["origin direct", "bare multi", "bare per-core", "murphy"]
    );
    assert_eq!(targets.len(), 8);

    let none = compare(Path::new("/nowhere/murphy"), &[]).await;
    assert_eq!((none.status.code(), none.stdout.len()), (Some(3), 0));
}
