//! The yardstick measures what it says it does. No figure is judged here: they depend on the machine.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)] // helpers of tests fail loudly

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use murphy_bench::load::closed::Closed;
use murphy_bench::load::open::Open;
use murphy_bench::load::sse::{Full, Paced, first_events};
use murphy_bench::load::{Aim, idle};
use murphy_bench::probe::Processes;
use murphy_bench::{bare, origin};
use murphy_testkit::daemon::binary;
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;
use tokio::net::TcpListener;

async fn bare_proxy_to(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(bare::serve(listener, upstream.to_string().parse().unwrap()));
    addr
}

async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(origin::serve(listener));
    addr
}

/// A bare proxy before an origin, in this process.
async fn proxied() -> Aim {
    Aim {
        addr: bare_proxy_to(origin().await).await,
        prefix: "/bench".to_owned(),
        processes: Processes::of(std::process::id()).unwrap(),
    }
}

fn closed(aim: &Aim, path: &str, body_bytes: usize) -> Closed {
    Closed {
        aim: aim.clone(),
        request: aim.get(path),
        body_bytes,
        connections: 4,
        at_once: 2,
        warm_up: Duration::from_millis(10),
        length: Duration::from_millis(50),
    }
}

#[tokio::test]
async fn each_size_passes_the_bare_proxy_whole() {
    let aim = proxied().await;
    let paths = origin::SIZES.map(|(name, bytes)| (format!("/{name}"), bytes));
    let more = [0, 1, 300_000].map(|bytes| (format!("/bytes/{bytes}"), bytes));
    for (path, bytes) in paths.into_iter().chain(more) {
        closed(&aim, &path, bytes).run().await.unwrap();
    }
    let mut post = closed(&aim, "", origin::MCP_RESULT.len());
    post.request = aim.post("/mcp", r#"{"jsonrpc":"2.0","id":17,"method":"tools/call"}"#);
    post.run().await.unwrap();
}

#[tokio::test]
async fn a_window_counts_answers_bytes_and_processor_time() {
    let load = closed(&proxied().await, "/8k", 8192);
    let mut length = load.length;
    let window = loop {
        let window = Closed {
            length,
            ..load.clone()
        }
        .run()
        .await
        .unwrap();
        if window.count > 0.0 {
            break window; // a busy machine may give none in a short window
        }
        length *= 2;
    };
    assert!(window.per_second() > 0.0 && window.processor_seconds > 0.0);
    assert!((window.bytes / 8192.0 - window.count).abs() <= 4.0, "{window:?}");
}

#[tokio::test]
async fn a_wrong_answer_voids_the_measurement() {
    let aim = proxied().await;
    let error = closed(&aim, "/200", 199).run().await.unwrap_err().to_string();
    assert_eq!(error, "200 with 200 bytes instead of 200 with 199");
    let error = closed(&aim, "/nothing", 0).run().await.unwrap_err().to_string();
    assert_eq!(error, "404 with 0 bytes instead of 200 with 0");
    let script = Script::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
    let cut = Aim {
        addr: Peer::each(script).addr(),
        ..aim
    };
    let error = closed(&cut, "/", 9).run().await.unwrap_err().to_string();
    assert!(
        error.contains("closed before") || error.contains("reset"),
        "{error}"
    );
}

/// An upstream that answers nothing for a while is charged for all requests that were due meanwhile.
#[tokio::test]
async fn a_stall_is_counted_from_when_requests_were_due() {
    let open = Open {
        aim: proxied().await,
        request: Vec::new(),
        body_bytes: 0,
        connections: 1,
        rate: 1_000,
        length: Duration::from_millis(200),
    };
    // One connection, and each answer takes 20 ms: of 50 requests the last is due at 50 ms and done after 1,000.
    let slow = Open {
        request: open.aim.get("/paced/2/20000"),
        body_bytes: 0,
        length: Duration::from_millis(50),
        ..open.clone()
    };
    let error = slow.run().await.unwrap_err().to_string();
    assert!(error.starts_with("200 with "), "{error}"); // a stream is not of that length
    let length: usize = error.split(' ').nth(2).unwrap().parse().unwrap();
    let slow = Open {
        body_bytes: length,
        ..slow
    };
    let times = slow.run().await.unwrap();
    assert_eq!((times.from_due.len(), times.from_sent.len()), (50, 50));
    assert!(times.sent_ms(0.0) >= 20.0, "{:?}", times.from_sent);
    assert!(times.due_ms(1.0) >= 50.0 * 20.0 - 50.0, "{:?}", times.from_due);
}

#[tokio::test]
async fn events_are_counted_timed_and_missed() {
    let aim = proxied().await;
    assert_eq!(first_events(&aim, 3).await.unwrap().len(), 3);
    let paced = Paced {
        aim: aim.clone(),
        streams: 3,
        events: 10,
        interval: Duration::from_millis(1),
    };
    let (delays, seen) = paced.run(async |_| Ok("open")).await.unwrap();
    assert_eq!((delays.len(), seen), (30, "open"));
    let full = Full {
        aim,
        streams: 2,
        events: 1_000,
        batch: 7,
        warm_up: Duration::ZERO,
        length: Duration::from_millis(50),
    };
    full.run().await.unwrap();
    let short =
        Script::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n");
    let peer = Peer::each(short);
    let missing = Full {
        aim: Aim {
            addr: peer.addr(),
            ..full.aim.clone()
        },
        streams: 1,
        ..full
    };
    let error = missing.run().await.unwrap_err().to_string();
    assert_eq!(error, "1 of 1000 events arrived");
}

#[tokio::test]
async fn idle_connections_stay_open() {
    let open = idle::open(&proxied().await, 50, "/200", 200).await.unwrap();
    assert_eq!(open.len(), 50);
}

#[tokio::test]
async fn the_bare_proxy_names_the_upstream() {
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

async fn command(arguments: &[&str]) -> std::process::Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_murphy-bench"));
    command.args(arguments).kill_on_drop(true).output().await.unwrap()
}

/// The arguments of a run that is as short as can be.
fn short<'a>(murphy: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let least = ["--quiet", "--murphy", murphy, "--rounds", "1", "--ms", "40"];
    [&least[..], more].concat()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn the_command_compares_all_targets() {
    let murphy = binary().display().to_string();
    let quick = [
        "--connections",
        "4",
        "--idle",
        "20",
        "--rate",
        "200",
        "--output",
        "json",
    ];
    let run = command(&short(&murphy, &quick)).await;
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let series = report["results"]["series"].as_array().unwrap();
    let has = |work: &str, target: &str, metric: &str| {
        series
            .iter()
            .any(|one| one["work"] == work && one["target"] == target && one["metric"] == metric)
    };
    for target in [
        "direct",
        "bare multi",
        "bare per-core",
        "murphy",
        "murphy, 50 rules",
        "murphy, 50 elsewhere",
        "murphy, probability 0",
    ] {
        for (work, metric) in [
            ("200 B", "per_second"),
            ("8 KiB", "cpu_micros"),
            ("JSON-RPC POST", "per_second"),
            ("1 MiB", "mib_per_second"),
            ("latency", "p999"),
            ("sse", "first_event"),
            ("sse", "delayed"),
            ("sse, 1 in a write", "events_per_second"),
            ("sse, 8 in a write", "cpu_micros_per_event"),
        ] {
            assert!(has(work, target, metric), "{work} {target} {metric}");
        }
    }
    assert!(
        has("memory", "murphy", "kib_per_connection") && has("delay", "murphy, delay 100 ms", "late_p99")
    );
    let shortest = series.iter().find(|one| one["metric"] == "late_min").unwrap();
    assert!(
        shortest["rounds"][0].as_f64().unwrap() >= 0.0,
        "an injected delay ended early"
    );
    assert!(report["verdict"].as_array().unwrap().len() >= 20);
}

#[tokio::test]
async fn the_command_judges_only_when_asked() {
    let murphy = binary().display().to_string();
    let part = [
        "--only",
        "memory",
        "--targets",
        "murphy",
        "--idle",
        "20",
        "--output",
        "markdown",
    ];
    let run = command(&short(&murphy, &part)).await;
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let report = text(&run.stdout);
    assert!(
        report.contains("### Memory") && report.contains("### Verdict"),
        "{report}"
    );
    assert!(!report.contains("### 200 B"), "{report}");
    let holds = !report.contains("| NOT |");
    let judged = command(&short(&murphy, &[&part[..], &["--check"]].concat())).await;
    let holds_again = !text(&judged.stdout).contains("| NOT |");
    assert_eq!(
        judged.status.code(),
        Some(if holds_again { 0 } else { 1 }),
        "{holds}"
    );
}

#[tokio::test]
async fn the_command_draws_how_cost_grows() {
    let docs = tempfile::tempdir().unwrap();
    let names = [
        "machine",
        "rules",
        "routes",
        "connections",
        "body-size",
        "streams",
    ];
    let page = names.map(|name| format!("<!-- measured: {name} -->\n<!-- /measured: {name} -->\n"));
    std::fs::write(docs.path().join("scale.md"), page.concat()).unwrap();
    let murphy = binary().display().to_string();
    let folder = docs.path().display().to_string();
    let mut arguments = vec!["scale"];
    arguments.extend(short(&murphy, &["--up-to", "10", "--docs", &folder]));
    let run = command(&arguments).await;
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let page = std::fs::read_to_string(docs.path().join("scale.md")).unwrap();
    for name in &names[1..] {
        assert!(page.contains(&format!("](plots/{name}.svg)")), "{page}");
        let plot = std::fs::read_to_string(docs.path().join(format!("plots/{name}.svg"))).unwrap();
        assert!(plot.contains("<polyline"), "{name}");
    }
}

#[tokio::test]
async fn without_murphy_there_are_no_figures() {
    let none = command(&["--murphy", "/nowhere/murphy"]).await;
    assert_eq!((none.status.code(), none.stdout.len()), (Some(3), 0));
    assert!(
        text(&none.stderr).contains("/nowhere/murphy"),
        "{}",
        text(&none.stderr)
    );
    assert!(!Path::new("/nowhere").exists());
}
