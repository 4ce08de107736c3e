//! Log injection (T18): whatever clients send, each line of the log is one JSON object without anything that a
//! terminal acts on, and traffic never makes a series.

use murphy_testkit::daemon::Daemon;
use murphy_testkit::raw::RawClient;
use serde_json::{Value, json};

use super::support::{Metrics, NEVER, OUTAGE, activate, client, daemon, recorded};

/// An escape sequence, a bell, a line end, a C1 control, and a change of direction.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\n{\"level\":\"ERROR\"}\u{9b}31m\u{202e}\u{2066}";

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

fn check_log(log: &str) {
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(
            event.is_object() && event["timestamp"].is_string() && event["target"].is_string(),
            "{line:?}"
        );
    }
    let harmful = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = log.chars().filter(|c| harmful(*c)).collect();
    assert!(found.is_empty(), "{found:?}");
}

async fn send(daemon: &Daemon, path: &str, header: &str) {
    let mut raw = RawClient::connect(daemon.proxy()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\n{header}\r\nConnection: close\r\n\r\n",
        daemon.proxy()
    );
    raw.send(head).await.unwrap();
    raw.read_to_end().await;
}

#[tokio::test]
async fn each_line_of_the_log_is_one_harmless_object() {
    let dead = "[[routes]]\nname = \"dead\"\npath = \"/dead\"\nupstream = \"http://127.0.0.1:1\"\n";
    let daemon = daemon(&format!("{NEVER}\n{dead}"))
        .scenario("outage", OUTAGE)
        .env("MURPHY_LOG", "trace")
        .start()
        .await;
    let encoded = percent_encoded(HOSTILE);
    let line = HOSTILE.replace('\n', "");
    let unicode = "\u{9b}31m\u{202e}\u{2066}";
    for prefix in ["/sim/echo", "/dead", "/nowhere"] {
        for path in [
            format!("{prefix}/{encoded}"),
            format!("{prefix}?{encoded}"),
            format!("{prefix}/{line}"),
            format!("{prefix}/{unicode}"),
        ] {
            send(&daemon, &path, "Accept: */*").await;
        }
        for name in ["User-Agent", "x-murphy-agent", "x-request-id", "Host-x"] {
            for value in [&line, &encoded, unicode] {
                send(&daemon, prefix, &format!("{name}: {value}")).await;
            }
        }
    }
    daemon
        .control_post("/api/v1/kill-switch/trip", json!({ "reason": HOSTILE }))
        .await;
    daemon
        .control_post("/api/v1/kill-switch/rearm", json!({ "reason": HOSTILE }))
        .await;
    let alarm = json!({ "version": "4", "alerts": [{
        "status": "firing", "labels": { "murphy_action": "trip", "alertname": HOSTILE }, "annotations": { "summary": HOSTILE },
    }]});
    daemon.control_post("/api/v1/hooks/alertmanager", alarm).await;
    for who in [encoded.as_str(), unicode] {
        let url = daemon.control_url("/api/v1/kill-switch/lock");
        client()
            .post(url)
            .header("x-murphy-who", who.as_bytes())
            .json(&json!({}))
            .send()
            .await
            .unwrap();
    }
    std::fs::write(
        daemon.folder().join("scenarios/bad.yaml"),
        format!("rules: \"{}\"\n", unicode.repeat(3)),
    )
    .unwrap();
    daemon.control_post("/api/v1/reload", json!({})).await;

    let log = daemon.stderr();
    assert!(
        log.contains("kill switch tripped") && log.contains("bad.yaml"),
        "what is hostile was logged"
    );
    check_log(&log);
    for verb in [
        ["tail", "--after", "0", "-n", "10"].as_slice(),
        &["status"],
        &["status", "-o", "json"],
    ] {
        let shown = daemon.murphy(verb).await.stdout;
        let harmful = shown
            .chars()
            .filter(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{2069}').contains(c));
        let harmful: Vec<char> = harmful
            .filter(|c| !('\u{2030}'..'\u{2066}').contains(c))
            .collect();
        assert!(harmful.is_empty(), "murphy {verb:?}: {harmful:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_never_makes_a_series() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    activate(&daemon, "outage").await;
    let client = client();
    let before = Metrics::of(&daemon).await;
    let series = |metrics: &Metrics| metrics.0.keys().cloned().collect::<Vec<_>>();
    for n in 0..2_000_u32 {
        let route = ["sim", "nowhere"][usize::from(n % 4 == 0)];
        let url = daemon.proxy_url(&format!("/{route}/path-{n}?q={n}"));
        let method = ["GET", "POST", "PROPFIND"][(n % 3) as usize].parse().unwrap();
        let request = client
            .request(method, url)
            .header("x-murphy-agent", format!("agent-{n}"))
            .header("user-agent", format!("ua-{n}"))
            .body(json!({ "model": format!("model-{n}") }).to_string());
        request.send().await.unwrap().bytes().await.unwrap();
    }
    recorded(&daemon, 2_000).await;
    let after = Metrics::of(&daemon).await;
    assert_eq!(
        series(&after),
        series(&before),
        "2,000 paths, agents, user agents and models"
    );
    assert_eq!(after.sum("murphy_requests_total"), 2_000.0);
    assert_eq!(after.sum("murphy_series_overflow"), 0.0);
}
