//! The upstream closes idle connections just when the proxy uses them again: no error of the proxy's own (B13).

use std::time::Duration;

use murphy_testkit::raw::RawClient;

use super::setup::{is_full, proxy_to, within_time};
use super::upstreams::closing_idle;

const IDLE: Duration = Duration::from_millis(100);
const CLIENTS: usize = 60;

/// Waits around the moment at which the upstream closes: 100 ± 1.5 ms, the same in each run.
fn pause(client: usize, turn: usize) -> Duration {
    let steps = (client * 7 + turn * 13) % 31;
    Duration::from_micros(98_500 + 100 * steps as u64)
}

#[tokio::test]
async fn no_request_fails_because_an_idle_connection_was_closed() {
    let turns = if is_full() { 100 } else { 10 };
    for method in ["GET", "POST"] {
        let (server, asked) = closing_idle(IDLE).await;
        let daemon = proxy_to(&server.url()).await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| tokio::spawn(ask_again_and_again(daemon.proxy(), method, client, turns)))
            .collect();
        let mut failed = Vec::new();
        for client in clients {
            let done = within_time(Duration::from_secs(60 + turns as u64), "all turns", client).await;
            failed.extend(done.unwrap());
        }
        let asked = asked.lock().unwrap();
        let repeated: Vec<_> = asked.iter().filter(|(_, times)| **times != 1).collect();
        println!(
            "{method}: {} requests, {} errors, {} repeated",
            CLIENTS * turns,
            failed.len(),
            repeated.len()
        );
        assert_eq!(failed, Vec::<String>::new(), "{method}");
        assert_eq!(asked.len(), CLIENTS * turns);
        if method == "POST" {
            assert!(
                repeated.is_empty(),
                "a POST was done more than once: {repeated:?}"
            );
        }
    }
}

async fn ask_again_and_again(
    addr: std::net::SocketAddr,
    method: &'static str,
    client: usize,
    turns: usize,
) -> Vec<String> {
    let mut connection = RawClient::connect(addr).await.unwrap();
    let mut failed = Vec::new();
    for turn in 0..turns {
        let target = format!("/{client}-{turn}");
        let body = if method == "POST" {
            "Content-Length: 4\r\n\r\nbody"
        } else {
            "\r\n"
        };
        connection
            .send(format!("{method} {target} HTTP/1.1\r\nHost: {addr}\r\n{body}"))
            .await
            .unwrap();
        let response = connection.response(method).await;
        if response.status() != 200 || response.body.text() != target {
            failed.push(format!(
                "{target}: {} {}",
                response.status(),
                response.body.text()
            ));
        }
        tokio::time::sleep(pause(client, turn)).await; // the race is about time
    }
    failed
}
