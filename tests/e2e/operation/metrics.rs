//! The metrics endpoint: the contract's names, all there from the start at 0, in both formats.

use std::process::Stdio;

use murphy_testkit::daemon::Daemon;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::support::{Metrics, NEVER, OUTAGE, activate, call, client, daemon, recorded};

/// The names of DESIGN.md §7 and the type of each.
const NAMES: [(&str, &str); 21] = [
    ("murphy_requests_total", "counter"),
    ("murphy_request_duration_seconds", "histogram"),
    ("murphy_time_to_first_byte_seconds", "histogram"),
    ("murphy_overhead_seconds", "histogram"),
    ("murphy_faults_injected_total", "counter"),
    ("murphy_faults_skipped_total", "counter"),
    ("murphy_injected_delay_seconds_total", "counter"),
    ("murphy_in_flight_requests", "gauge"),
    ("murphy_observed_error_ratio", "gauge"),
    ("murphy_observed_error_ratio_limit", "gauge"),
    ("murphy_observed_samples_min", "gauge"),
    ("murphy_observed_samples", "gauge"),
    ("murphy_kill_switch_tripped", "gauge"),
    ("murphy_kill_switch_trips_total", "counter"),
    ("murphy_scenario_active", "gauge"),
    ("murphy_config_reloads_total", "counter"),
    ("murphy_config_last_reload_successful", "gauge"),
    ("murphy_config_last_reload_success_timestamp_seconds", "gauge"),
    ("murphy_config_generation", "gauge"),
    ("murphy_build_info", "gauge"),
    ("murphy_series_overflow_total", "counter"),
];

async fn scrape(daemon: &Daemon, accept: &str) -> (String, String) {
    let response = client()
        .get(daemon.control_url("/metrics"))
        .header("accept", accept)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, response.text().await.unwrap())
}

#[tokio::test]
async fn every_series_that_is_known_is_there_from_the_start() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let (content_type, text) = scrape(&daemon, "*/*").await;
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    for (name, kind) in &NAMES[..18] {
        assert!(
            text.contains(&format!("# TYPE {name} {kind}\n")),
            "{name} {kind}:\n{text}"
        );
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    let metrics = Metrics::of(&daemon).await;
    for outcome in [
        "ok",
        "client_error",
        "rate_limited",
        "server_error",
        "dropped",
        "timeout",
        "malformed",
        "tool_error",
    ] {
        for cause in ["upstream", "murphy", "agent"] {
            for route in ["sim", "-"] {
                let series = format!(
                    "murphy_requests_total{{route=\"{route}\",outcome=\"{outcome}\",cause=\"{cause}\"}}"
                );
                assert_eq!(metrics.get(&series), 0.0);
            }
        }
    }
    let triggers = [
        "error_rate",
        "consecutive_errors",
        "slow_rate",
        "unresponsive",
        "health",
        "manual",
        "signal",
        "alarm",
        "internal",
    ];
    for trigger in triggers {
        assert_eq!(
            metrics.get(&format!(
                "murphy_kill_switch_trips_total{{trigger=\"{trigger}\"}}"
            )),
            0.0
        );
    }
    for series in [
        "murphy_faults_injected_total{route=\"sim\",scenario=\"outage\",rule=\"down\",fault=\"status\"}",
        "murphy_faults_skipped_total{reason=\"limit\"}",
        "murphy_scenario_active{scenario=\"outage\"}",
        "murphy_injected_delay_seconds_total{route=\"sim\"}",
        "murphy_in_flight_requests{route=\"sim\"}",
        "murphy_request_duration_seconds_count{route=\"sim\"}",
        "murphy_config_reloads_total{result=\"failure\"}",
        "murphy_kill_switch_tripped",
        "murphy_observed_error_ratio",
    ] {
        assert_eq!(metrics.get(series), 0.0, "{series}");
    }
    assert_eq!(
        metrics.get("murphy_config_last_reload_successful"),
        1.0,
        "the start is a load"
    );
    assert!(metrics.get("murphy_config_last_reload_success_timestamp_seconds") > 1.7e9);
    let build = format!("murphy_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(metrics.get(&build), 1.0);
}

#[tokio::test]
async fn calls_are_counted_by_what_came_of_them() {
    let delayed = "rules:\n  - name: wait\n    when: { path: /slow }\n    fault: { delay: 200ms }\n";
    let daemon = daemon(NEVER).scenario("delayed", delayed).start().await;
    activate(&daemon, "delayed").await;
    let client = client();
    for path in [
        "/sim/echo",
        "/sim/slow?ms=0",
        "/sim/status/404",
        "/sim/status/429",
        "/sim/status/500",
        "/nowhere",
    ] {
        call(&client, &daemon, path).await;
    }
    recorded(&daemon, 6).await;
    let metrics = Metrics::of(&daemon).await;
    let requests = |route: &str, outcome: &str, cause: &str| {
        metrics.get(&format!(
            "murphy_requests_total{{route=\"{route}\",outcome=\"{outcome}\",cause=\"{cause}\"}}"
        ))
    };
    assert_eq!(requests("sim", "ok", "upstream"), 2.0);
    assert_eq!(requests("sim", "client_error", "upstream"), 1.0);
    assert_eq!(requests("sim", "rate_limited", "upstream"), 1.0);
    assert_eq!(requests("sim", "server_error", "upstream"), 1.0);
    assert_eq!(requests("-", "client_error", "agent"), 1.0);
    assert_eq!(metrics.sum("murphy_requests_total"), 6.0);
    assert_eq!(
        metrics.get("murphy_request_duration_seconds_count{route=\"sim\"}"),
        5.0
    );
    let delay = metrics.get("murphy_injected_delay_seconds_total{route=\"sim\"}");
    assert!((0.2..1.0).contains(&delay), "{delay}");
    let overhead = metrics.get("murphy_overhead_seconds_sum{route=\"sim\"}");
    assert!(
        overhead < 0.2,
        "the injected wait is not Murphy's own share: {overhead}"
    );
    assert_eq!(metrics.get("murphy_in_flight_requests{route=\"sim\"}"), 0.0);
}

#[tokio::test]
async fn open_metrics_are_given_to_who_asks() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    call(&client(), &daemon, "/sim/echo").await;
    recorded(&daemon, 1).await;
    let (content_type, text) = scrape(&daemon, "application/openmetrics-text; version=1.0.0").await;
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# TYPE murphy_requests counter\n"), "{text}");
    assert!(
        text.contains("# {exchange=\"1\"}"),
        "an exemplar names its exchange: {text}"
    );
    let (_, plain) = scrape(&daemon, "text/plain").await;
    assert!(
        !plain.contains("# EOF") && !plain.contains("# {"),
        "neither is of the text format"
    );
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
    let daemon = daemon(NEVER).scenario("outage", OUTAGE).start().await;
    let (_, text) = scrape(&daemon, "text/plain").await;
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .await
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
