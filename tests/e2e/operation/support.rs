//! What the tests of operation share: polling with a deadline, metrics by series, small HTTP clients.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::raw::{RawClient, RawResponse};
use serde_json::Value;
use tokio::time::Instant;

/// Whatever is expected to happen soon happens within this time, even on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The route to the built-in simulator.
pub(crate) const SIM: &str = "
[[routes]]
name = \"sim\"
path = \"/sim\"
upstream = \"sim\"
";

/// A kill switch that no test trips by accident.
pub(crate) const NEVER: &str = "
[kill_switch]
error_rate = 1.0
unresponsive_after = \"0s\"
";

/// Every call fails at once, without the upstream.
pub(crate) const OUTAGE: &str = "
description: Every call fails
rules:
  - name: down
    fault: { status: 503 }
";

/// Looks until there is something, and fails if there is nothing soon.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(SOON, what, look).await
}

/// Looks until there is something, and fails if there is nothing within this time.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A daemon with the route `sim` and these further settings, which begin with a table.
pub(crate) fn daemon(settings: &str) -> DaemonBuilder {
    DaemonBuilder::new().config(&format!("{settings}\n{SIM}"))
}

/// A client that keeps connections alive.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// What came back from the proxy.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) mark: Option<String>,
    pub(crate) body: String,
}

/// A call of the proxy.
pub(crate) async fn call(client: &reqwest::Client, daemon: &Daemon, path: &str) -> Seen {
    call_url(client, &daemon.proxy_url(path)).await
}

/// A call of a URL.
pub(crate) async fn call_url(client: &reqwest::Client, url: &str) -> Seen {
    let response = client.get(url).send().await.unwrap();
    let status = response.status();
    let mark = response
        .headers()
        .get("x-murphy-fault")
        .map(|mark| mark.to_str().unwrap().to_owned());
    let body = response.text().await.unwrap();
    Seen { status, mark, body }
}

/// A GET of the proxy on a raw connection, with the Host that the proxy wants.
pub(crate) async fn raw_get(raw: &mut RawClient, daemon: &Daemon, path: &str, headers: &str) -> RawResponse {
    send_get(raw, daemon, path, headers).await;
    raw.response("GET").await
}

/// Sends a GET to the proxy on a raw connection. `headers` are whole lines.
pub(crate) async fn send_get(raw: &mut RawClient, daemon: &Daemon, path: &str, headers: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", daemon.proxy());
    raw.send(head).await.unwrap();
}

/// Sends a request to the control listener as it stands, and reads the answer. `head` has no Host and no final
/// empty line.
pub(crate) async fn raw_control(daemon: &Daemon, head: &str, body: &str) -> RawResponse {
    let mut raw = RawClient::connect(daemon.control()).await.unwrap();
    raw.send(format!("{head}\r\n\r\n{body}")).await.unwrap();
    raw.response(head.split(' ').next().unwrap()).await
}

/// Switches a scenario on.
pub(crate) async fn activate(daemon: &Daemon, name: &str) -> Value {
    let path = format!("/api/v1/scenarios/{name}/activate");
    let (status, answer) = daemon.control_post(&path, serde_json::json!({})).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    answer
}

/// The state of the kill switch.
pub(crate) async fn switch(daemon: &Daemon) -> Value {
    let (status, switch) = daemon.control_get("/api/v1/kill-switch").await;
    assert_eq!(status, StatusCode::OK, "{switch:#}");
    switch
}

/// Waits until the kill switch is tripped; how it is then.
pub(crate) async fn tripped(daemon: &Daemon) -> Value {
    eventually("the kill switch trips", async || {
        Some(switch(daemon).await).filter(|switch| switch["state"] == "tripped")
    })
    .await
}

/// Returns when all calls that finished before have been judged. The Director serves verdicts before events, so an
/// event that changes nothing is a barrier.
pub(crate) async fn judged(daemon: &Daemon, calls: usize) {
    recorded(daemon, calls).await;
    let (status, answer) = daemon
        .control_post("/api/v1/kill-switch/unlock", serde_json::json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
}

/// Waits until so many calls are recorded; the last thousand exchanges.
pub(crate) async fn recorded(daemon: &Daemon, calls: usize) -> Vec<Value> {
    eventually(&format!("{calls} calls are recorded"), async || {
        let exchanges = exchanges(daemon).await;
        let last = exchanges
            .last()
            .map_or(0, |exchange| exchange["id"].as_u64().unwrap());
        Some(exchanges).filter(|_| last >= calls as u64)
    })
    .await
}

/// The last thousand exchanges, oldest first.
pub(crate) async fn exchanges(daemon: &Daemon) -> Vec<Value> {
    let (status, exchanges) = daemon.control_get("/api/v1/exchanges?limit=1000").await;
    assert_eq!(status, StatusCode::OK, "{exchanges:#}");
    exchanges.as_array().unwrap().clone()
}

/// The metrics in the text format, by series.
#[derive(Debug)]
pub(crate) struct Metrics(pub(crate) BTreeMap<String, f64>);

impl Metrics {
    /// Reads them.
    pub(crate) async fn of(daemon: &Daemon) -> Self {
        let (status, text) = daemon.control_get("/metrics").await;
        assert_eq!(status, StatusCode::OK);
        let text = text.as_str().unwrap().to_owned();
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let pair = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        };
        Self(samples.map(pair).collect())
    }

    /// The value of one series, written as in the text.
    pub(crate) fn get(&self, series: &str) -> f64 {
        let found = self.0.get(series);
        *found.unwrap_or_else(|| panic!("no series {series} in {:#?}", self.0.keys()))
    }

    /// The sum of all series of a family.
    pub(crate) fn sum(&self, family: &str) -> f64 {
        let of_family = |series: &str| series.split('{').next() == Some(family);
        self.0
            .iter()
            .filter(|(series, _)| of_family(series))
            .map(|(_, value)| value)
            .sum()
    }
}

/// A figure of the process from `/proc/PID/status`, in KiB: `VmRSS`, `VmHWM`.
pub(crate) fn memory_kib(daemon: &Daemon, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// Whether the large sizes of the bar are asked for.
pub(crate) fn full() -> bool {
    std::env::var_os("MURPHY_FULL").is_some_and(|value| value == "1")
}
