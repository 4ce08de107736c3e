//! `deploy/grafana` and `deploy/prometheus`: the dashboard keeps the rules of Grafana's linter, the alert rules hold
//! what they promise, and all files name only what there is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)] // a test fails loudly

mod alerts;
mod mutations;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use murphy_observe::{Observer, ObserverOptions, RuleSeries, WindowOptions};
use murphy_testkit::daemon::run;
use serde_json::Value;

use mutations::MUTATIONS;
use rules::{Board, Metrics, RULES, lint};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/dashboards/murphy.json")).unwrap()
}

/// All metrics of a Murphy that has a route, a rule and every trigger, with their labels; and `up`.
fn metrics() -> Metrics {
    let observer = Observer::new(ObserverOptions {
        routes: vec!["r".into()],
        ring_exchanges_max: 1,
        jsonl: None,
        window: WindowOptions::default(),
        series_max: 2_000,
        version: String::new(),
    })
    .unwrap();
    let exposed = observer.metrics();
    exposed.set_rules(&[RuleSeries {
        scenario: "s".into(),
        rule: "r".into(),
        fault: "delay",
        routes: vec!["r".into()],
    }]);
    exposed.trip("manual");
    let (_, text) = exposed.render(None);
    let mut metrics = BTreeMap::from([("up".to_owned(), BTreeSet::new())]);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known: &mut BTreeSet<String> = metrics.entry(name.to_owned()).or_default();
        let pairs = labels.trim_end_matches('}').split("\",");
        known.extend(pairs.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
    }
    metrics
}

#[test]
fn the_dashboard_keeps_every_rule() {
    let (json, metrics) = (dashboard(), metrics());
    let board = Board {
        json: &json,
        metrics: &metrics,
    };
    assert_eq!(lint(board), []);
    assert!(metrics.len() >= 25, "{metrics:?}");
}

#[test]
fn every_rule_notices_what_breaks_it() {
    let (sound, metrics) = (dashboard(), metrics());
    for (rule, what, mutate) in MUTATIONS {
        let mut json = sound.clone();
        mutate(&mut json);
        let found = lint(Board {
            json: &json,
            metrics: &metrics,
        });
        assert!(
            found.iter().any(|(found, _)| found == rule),
            "{rule}: {what}: {found:#?}"
        );
    }
    let broken: BTreeSet<&str> = MUTATIONS.iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(broken, all, "each rule has a dashboard that breaks it");
}

#[test]
fn every_metric_is_shown_somewhere() {
    let text = read("deploy/grafana/dashboards/murphy.json");
    let of_histogram = ["_bucket", "_sum", "_count"];
    let family = |name: &String| {
        let ending = of_histogram.iter().find_map(|ending| name.strip_suffix(ending));
        ending.unwrap_or(name).to_owned()
    };
    let families: BTreeSet<String> = metrics().keys().map(family).collect();
    let missing: Vec<&String> = families
        .iter()
        .filter(|name| !text.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[tokio::test]
async fn the_command_prints_the_dashboard_that_is_provisioned() {
    let here = tempfile::tempdir().unwrap();
    let printed = run(here.path(), &["dashboard"]).await;
    assert_eq!(printed.code(), Some(0), "{printed:#?}");
    assert_eq!(printed.stdout, read("deploy/grafana/dashboards/murphy.json"));
}

#[test]
fn grafana_is_told_where_everything_is() {
    let sources = yaml("deploy/grafana/provisioning/datasources/prometheus.yaml");
    let source = &sources["datasources"][0];
    let scrape = yaml("deploy/prometheus/prometheus.yml");
    assert_eq!(sources["apiVersion"], 1);
    assert_eq!(source["type"], "prometheus");
    assert_eq!(
        source["jsonData"]["timeInterval"], scrape["global"]["scrape_interval"],
        "$__rate_interval is derived from it"
    );
    let providers = yaml("deploy/grafana/provisioning/dashboards/murphy.yaml");
    assert_eq!(providers["apiVersion"], 1);
    assert_eq!(providers["providers"][0]["type"], "file");
    assert_eq!(
        providers["providers"][0]["options"]["path"],
        "/var/lib/grafana/dashboards"
    );
}
