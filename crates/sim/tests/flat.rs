//! Large bodies pass the simulator in constant memory. A test binary of its own: memory is counted per process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests fail loudly

use std::net::{Ipv4Addr, SocketAddr};

use murphy_sim::{Sim, pattern};
use murphy_testkit::raw::RawClient;

const MIB: u64 = 1024 * 1024;
const LENGTH: u64 = 512 * MIB;

/// The most memory that this process has had, in bytes (`VmHWM`, proc(5)).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn large_bodies_pass_in_constant_memory() {
    let sim = Sim::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let mut client = RawClient::connect(sim.addr()).await.unwrap();
    client.get("/bytes/1").await;
    let before = peak();

    let request = format!("GET /bytes/{LENGTH} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(request).await.unwrap();
    client.read_head().await.unwrap();
    let mut read = 0;
    while read < LENGTH {
        read += client.read_some().await.unwrap().len() as u64;
    }
    assert_eq!(read, LENGTH);

    let head = format!("PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
    client.send(head).await.unwrap();
    let mut sent = 0;
    while sent < LENGTH {
        let piece = pattern(sent, LENGTH - sent);
        client.send(&piece).await.unwrap();
        sent += piece.len() as u64;
    }
    let sunk = client.response("PUT").await.body.json();
    assert_eq!(
        (sunk["bytes"].as_u64(), sunk["pattern"].as_bool()),
        (Some(LENGTH), Some(true))
    );
    let grown = peak() - before;
    assert!(grown < 32 * MIB, "{grown} bytes more");
}
