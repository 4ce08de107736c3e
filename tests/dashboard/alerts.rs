//! The alert rules: promtool takes them and their tests, each has a case in which it fires and one in which it does
//! not, says what to do, and asks for nothing that Murphy does not expose.

use std::process::Command;

use murphy_tests::promql::selectors;
use serde_json::Value;

use super::rules::unknown_metrics;
use super::{metrics, read, root, yaml};

/// What promtool says when it is content, run where the documentation runs it. Without it the test is skipped, loudly,
/// but never in CI.
fn promtool(arguments: &str) -> Option<String> {
    let spawned = Command::new("promtool")
        .args(arguments.split(' '))
        .current_dir(root())
        .output();
    let Ok(output) = spawned else {
        let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!ci, "CI needs promtool (Debian: prometheus)");
        eprintln!("SKIPPED, NOT PASSED: promtool is not installed (Debian: prometheus)");
        return None;
    };
    let (said, complained) = (&output.stdout, &output.stderr);
    let [said, complained] = [said, complained].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(
        output.status.success(),
        "promtool {arguments}:\n{said}{complained}"
    );
    Some(said)
}

/// promtool is content, and says what the documentation shows.
fn documented(arguments: &str) {
    if let Some(said) = promtool(arguments) {
        let shown = format!("$ promtool {arguments}\n{}\n", said.trim_end());
        assert!(
            read("docs/monitoring.md").contains(&shown),
            "docs/monitoring.md does not show\n{shown}"
        );
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The alert rules.
fn alerts() -> Vec<Value> {
    let file = yaml("deploy/prometheus/alerts.yml");
    let groups = list(&file["groups"]).iter();
    let rules: Vec<Value> = groups.flat_map(|group| list(&group["rules"]).to_vec()).collect();
    assert!(rules.len() >= 10, "{}: are they still found?", rules.len());
    rules
}

#[test]
fn promtool_takes_the_configuration_and_the_rules() {
    documented("check config deploy/prometheus/prometheus.yml");
    promtool("check rules deploy/prometheus/alerts.yml");
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    documented("test rules deploy/prometheus/alerts_test.yml");
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let file = yaml("deploy/prometheus/alerts_test.yml");
    let cases: Vec<&Value> = list(&file["tests"])
        .iter()
        .flat_map(|test| list(&test["alert_rule_test"]))
        .collect();
    for alert in alerts() {
        let name = &alert["alert"];
        let expected = || {
            let of_alert = cases.iter().filter(|case| case["alertname"] == *name);
            of_alert.map(|case| list(&case["exp_alerts"]).len())
        };
        assert!(expected().any(|alerts| alerts > 0), "{name} never fires");
        assert!(expected().any(|alerts| alerts == 0), "{name} always fires");
    }
}

#[test]
fn every_alert_says_what_it_is_and_where_to_read_on() {
    let page = read("docs/monitoring.md");
    for alert in alerts() {
        let name = text(&alert["alert"]);
        let annotations = &alert["annotations"];
        assert!(!text(&annotations["summary"]).is_empty(), "{name}");
        assert!(!text(&annotations["description"]).is_empty(), "{name}");
        let severity = text(&alert["labels"]["severity"]);
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity:?}"
        );
        let (_, anchor) = text(&annotations["runbook_url"])
            .split_once("docs/monitoring.md#")
            .unwrap();
        assert_eq!(anchor, name.to_lowercase());
        assert!(page.contains(&format!("\n### {name}\n")), "{name} has no section");
    }
}

#[test]
fn every_alert_asks_for_what_murphy_exposes() {
    let metrics = metrics();
    for alert in alerts() {
        let expression = text(&alert["expr"]);
        let found = selectors(expression).unwrap();
        assert!(!found.is_empty(), "{expression}");
        assert_eq!(
            unknown_metrics(expression, &metrics),
            Vec::<String>::new(),
            "{expression}"
        );
    }
    let unknown = unknown_metrics("murphy_up == 0 and murphy_requests_total{path=\"/\"}", &metrics);
    assert_eq!(unknown.len(), 2, "what is not exposed is noticed: {unknown:?}");
}
