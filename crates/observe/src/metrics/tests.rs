//! What a scrape shows.

use super::*;
use murphy_core::outcome::{Cause, Outcome};
use murphy_core::plan::ActivationId;
use std::time::Duration;

const OPEN_METRICS: Option<&str> = Some("application/openmetrics-text;version=1.0.0");

fn names(routes: &[&str]) -> Vec<Name> {
    routes.iter().map(|route| Name::from(*route)).collect()
}

fn rule(scenario: &str, rule: &str, routes: &[&str]) -> RuleSeries {
    RuleSeries {
        scenario: scenario.into(),
        rule: rule.into(),
        fault: "delay",
        routes: names(routes),
    }
}

fn fired(scenario: &str, rule: &str) -> RuleRef {
    RuleRef {
        scenario: scenario.into(),
        rule: rule.into(),
        fault: "delay",
        activation: ActivationId(1),
    }
}

fn text(metrics: &Metrics) -> String {
    metrics.render(None).1
}

/// The lines that are series, without their values.
fn series(body: &str) -> Vec<&str> {
    body.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect()
}

fn timings() -> Timings {
    Timings {
        duration: Duration::from_millis(30),
        first_byte: None,
        overhead: Duration::ZERO,
        injected: Duration::ZERO,
    }
}

#[test]
fn every_name_of_the_contract_is_there_from_the_start() {
    let metrics = Metrics::new("1.2.3", 2_000);
    metrics.set_routes(&names(&["llm"]));
    metrics.set_rules(&[rule("storm", "slow", &["llm"])]);
    metrics.set_triggers(&["manual", "error_rate"]);
    let body = text(&metrics);
    for line in [
        r#"murphy_requests_total{route="llm",outcome="server_error",cause="upstream"} 0"#,
        r#"murphy_requests_total{route="-",outcome="client_error",cause="agent"} 0"#,
        r#"murphy_request_duration_seconds_bucket{route="llm",le="600"} 0"#,
        r#"murphy_time_to_first_byte_seconds_count{route="llm"} 0"#,
        r#"murphy_overhead_seconds_sum{route="llm"} 0.0"#,
        r#"murphy_faults_injected_total{route="llm",scenario="storm",rule="slow",fault="delay"} 0"#,
        r#"murphy_faults_skipped_total{reason="too_large"} 0"#,
        r#"murphy_injected_delay_seconds_total{route="llm"} 0.0"#,
        r#"murphy_in_flight_requests{route="llm"} 0"#,
        "murphy_observed_error_ratio 0.0",
        "murphy_observed_error_ratio_limit 0.0",
        "murphy_observed_samples_min 0",
        "murphy_observed_samples 0",
        "murphy_kill_switch_tripped 0",
        r#"murphy_kill_switch_trips_total{trigger="manual"} 0"#,
        r#"murphy_scenario_active{scenario="storm"} 0"#,
        r#"murphy_config_reloads_total{result="success"} 0"#,
        r#"murphy_config_reloads_total{result="failure"} 0"#,
        "murphy_config_last_reload_successful 0",
        "murphy_config_last_reload_success_timestamp_seconds 0.0",
        "murphy_config_generation 0",
        "murphy_event_log_dropped_total 0",
        "murphy_series_overflow_total 0",
        r#"murphy_build_info{version="1.2.3"} 1"#,
    ] {
        assert!(
            body.lines().any(|found| found == line),
            "no line {line:?} in:\n{body}"
        );
    }
}

#[test]
fn the_order_of_handles_is_the_order_of_labels() {
    let metrics = Metrics::new("1", 2_000);
    metrics.set_routes(&names(&["llm"]));
    for outcome in Outcome::ALL {
        for cause in Cause::ALL {
            metrics.route("llm").finished(1, outcome, cause, timings());
            let line =
                format!("murphy_requests_total{{route=\"llm\",outcome=\"{outcome}\",cause=\"{cause}\"}} 1");
            assert!(text(&metrics).lines().any(|found| found == line), "no {line}");
        }
    }
}

#[test]
fn open_metrics_has_an_exemplar_and_an_end_and_plain_text_has_neither() {
    let metrics = Metrics::new("1", 2_000);
    metrics.set_routes(&names(&["llm"]));
    metrics
        .route("llm")
        .finished(49, Outcome::Ok, Cause::Upstream, timings());
    let (content_type, body) = metrics.render(OPEN_METRICS);
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(body.contains(r#"{exchange="49"} 0.03"#), "{body}");
    assert!(body.ends_with("# EOF\n"));
    let (content_type, body) = metrics.render(None);
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(!body.contains("exchange=") && !body.contains("# EOF"));
}

#[test]
fn switch_scenarios_and_reloads_are_shown() {
    let metrics = Metrics::new("1", 2_000);
    let storm = rule("storm", "slow", &["llm"]);
    metrics.set_rules(std::slice::from_ref(&storm));
    metrics.scenario_active(&storm.scenario, true);
    metrics.kill_switch(true);
    metrics.trip("error_rate");
    metrics.reload(true, 3, SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
    metrics.reload(false, 3, SystemTime::UNIX_EPOCH + Duration::from_secs(9));
    let body = text(&metrics);
    for line in [
        r#"murphy_scenario_active{scenario="storm"} 1"#,
        "murphy_kill_switch_tripped 1",
        r#"murphy_kill_switch_trips_total{trigger="error_rate"} 1"#,
        r#"murphy_config_reloads_total{result="success"} 1"#,
        r#"murphy_config_reloads_total{result="failure"} 1"#,
        "murphy_config_last_reload_successful 0",
        "murphy_config_last_reload_success_timestamp_seconds 1.5",
        "murphy_config_generation 3",
    ] {
        assert!(body.lines().any(|found| found == line), "no {line:?}");
    }
    metrics.scenario_active(&storm.scenario, false);
    assert!(text(&metrics).contains("murphy_scenario_active{scenario=\"storm\"} 0\n"));
}

#[test]
fn series_of_what_is_gone_are_shown_once_more_and_then_end() {
    let metrics = Metrics::new("1", 2_000);
    metrics.set_routes(&names(&["old", "kept"]));
    metrics.set_rules(&[rule("gone", "r", &["kept"]), rule("kept", "r", &["kept"])]);
    metrics.fault_fired(&"kept".into(), &fired("gone", "r"));
    metrics.fault_fired(&"kept".into(), &fired("kept", "r"));
    let held = metrics.route("old");
    metrics.set_routes(&names(&["kept", "new"]));
    metrics.set_rules(&[rule("kept", "r", &["kept", "new"])]);
    held.finished(1, Outcome::Ok, Cause::Upstream, timings()); // a call that was in flight

    let last = text(&metrics);
    assert!(last.contains("{route=\"old\",outcome=\"ok\",cause=\"upstream\"} 1\n"));
    assert!(last.contains("scenario=\"gone\",rule=\"r\",fault=\"delay\"} 1\n"));
    let after = text(&metrics);
    assert!(!after.contains("route=\"old\"") && !after.contains("scenario=\"gone\""));
    assert!(after.contains("route=\"new\",scenario=\"kept\""));
    assert!(after.contains("scenario=\"kept\",rule=\"r\",fault=\"delay\"} 1\n"));
}

#[test]
fn what_comes_back_before_a_scrape_goes_on_counting() {
    let metrics = Metrics::new("1", 2_000);
    metrics.set_routes(&names(&["llm"]));
    metrics
        .route("llm")
        .finished(1, Outcome::Ok, Cause::Upstream, timings());
    metrics.set_routes(&[]);
    metrics.set_routes(&names(&["llm"]));
    metrics
        .route("llm")
        .finished(2, Outcome::Ok, Cause::Upstream, timings());
    for _ in 0..2 {
        assert!(text(&metrics).contains("{route=\"llm\",outcome=\"ok\",cause=\"upstream\"} 2\n"));
    }
}

#[test]
fn the_cap_folds_the_rest_into_overflow_and_room_is_used_again() {
    let metrics = Metrics::new("1", 300);
    let many: Vec<Name> = (0..500).map(|nth| format!("route-{nth}").into()).collect();
    metrics.set_routes(&many);
    for (nth, route) in many.iter().enumerate() {
        metrics.fault_fired(route, &fired("s", &format!("rule-{nth}")));
        metrics
            .route(route)
            .finished(1, Outcome::Ok, Cause::Upstream, timings());
    }
    let body = text(&metrics);
    // the cap, what is not configured, and one set of overflow series
    let most = 300 + 30 + 100;
    assert!(series(&body).len() <= most, "{} series", series(&body).len());
    assert!(body.contains("route=\"route-0\""));
    assert!(body.contains("route=\"_overflow\",outcome=\"ok\",cause=\"upstream\"}"));
    let counted: f64 = body
        .lines()
        .filter(|line| line.starts_with("murphy_requests_total"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    assert_eq!(counted, 500.0, "no call is lost");

    metrics.set_routes(&[]);
    metrics.set_rules(&[]);
    let _ = text(&metrics);
    metrics.set_routes(&names(&["fresh"]));
    assert!(text(&metrics).contains("murphy_in_flight_requests{route=\"fresh\"} 0\n"));
}

#[test]
fn traffic_makes_no_series() {
    let metrics = Metrics::new("1", 2_000);
    metrics.set_routes(&names(&["llm"]));
    let before = series(&text(&metrics)).len();
    for nth in 0..10_000 {
        let route = metrics.route(&format!("invented-{nth}"));
        route.finished(nth, Outcome::Ok, Cause::Upstream, timings());
    }
    assert_eq!(series(&text(&metrics)).len(), before);
}
