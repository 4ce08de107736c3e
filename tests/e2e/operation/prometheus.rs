//! A real Prometheus, with the configuration and the alert rules of `deploy/`, scrapes a daemon under load: every
//! query of the dashboard and every part of every alert has data, and annotations mark what happened.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use murphy_testkit::daemon::Daemon;
use murphy_tests::promql::operands;
use reqwest::Url;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::support::{NEVER, activate, call, client, daemon, within};

/// Half the calls wait a little, and a third of all fail.
const STORMY: &str = "
description: Weather
rules:
  - name: slow
    often: { every: 2 }
    fault: { delay: 5ms }
  - name: down
    often: { probability: 0.3 }
    fault: { status: 503 }
";
/// What stands for Grafana's variables: all jobs, all instances, and intervals that fit the scrapes of the test.
const VARIABLES: [(&str, &str); 5] = [
    ("$__rate_interval", "5s"),
    ("$__interval", "1s"),
    ("$__range", "1m"),
    ("$instance", ".+"),
    ("$job", ".+"),
];
/// The step of annotation queries; `$__interval` above.
const STEP: f64 = 1.0;
const PATIENCE: Duration = Duration::from_secs(60);
const CALLERS: usize = 4;
const CALLS_MAX: usize = 50_000;

fn read(path: &str) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(repository.join(path)).unwrap()
}

/// Replaces what must be there once.
fn replace(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in:\n{text}");
    text.replace(from, to)
}

fn interpolated(expression: &str) -> String {
    let known = VARIABLES.iter();
    let text = known.fold(expression.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    });
    assert!(!text.contains('$'), "a variable without a value: {text}");
    text
}

/// A running Prometheus. Dropping it kills it.
struct Prometheus {
    url: String,
    client: reqwest::Client,
    _process: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes this daemon. Without the program the test is skipped, loudly, but never in CI.
    async fn start(daemon: &Daemon) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let config = read("deploy/prometheus/prometheus.yml");
        let config = replace(&config, "127.0.0.1:7071", &daemon.control().to_string());
        let config = replace(&config, "scrape_interval: 5s", "scrape_interval: 1s");
        let config = replace(&config, "evaluation_interval: 15s", "evaluation_interval: 1s");
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let rules = read("deploy/prometheus/alerts.yml");
        std::fs::write(folder.path().join("alerts.yml"), rules).unwrap();
        let spawned = Command::new("prometheus")
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut process) = spawned else {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "CI needs prometheus (Debian: prometheus)");
            eprintln!("SKIPPED, NOT PASSED: prometheus is not installed (Debian: prometheus)");
            return None;
        };
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("prometheus ended:\n{said}"));
            if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                break address.to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self {
            url: format!("http://{address}"),
            client: client(),
            _process: process,
            _folder: folder,
        })
    }

    /// The data of an answer; none while Prometheus still starts.
    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = Url::parse_with_params(&format!("{}{path}", self.url), parameters).unwrap();
        let response = self.client.get(url).send().await.unwrap();
        if response.status() == http::StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        Some(answer["data"].clone())
    }

    /// The finite values that an expression has now.
    async fn values(&self, expression: &str) -> Vec<f64> {
        let data = self.get("/api/v1/query", &[("query", expression)]).await;
        let data = data.unwrap_or_default();
        let series = data["result"].as_array().cloned().unwrap_or_default();
        let value = |one: &Value| one["value"][1].as_str().unwrap().parse::<f64>().unwrap();
        series
            .iter()
            .map(value)
            .filter(|value| value.is_finite())
            .collect()
    }

    /// The time.
    async fn now(&self) -> f64 {
        self.values("vector(time())").await[0]
    }

    /// Waits until an expression has data.
    async fn has_data(&self, what: &str, expression: &str) {
        within(PATIENCE, &format!("{what} has data: {expression}"), async || {
            Some(self.values(expression).await).filter(|values| !values.is_empty())
        })
        .await;
    }

    /// What Grafana makes of an annotation query from then to now: one window for values above 0 that are not more
    /// than a step apart.
    async fn windows(&self, expression: &str, from: f64) -> Vec<(f64, f64)> {
        let to = self.now().await;
        let [from, to, step] = [from.floor(), to.floor(), STEP].map(|number| number.to_string());
        let parameters = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", &step),
        ];
        let data = self.get("/api/v1/query_range", &parameters).await.unwrap();
        let mut windows = Vec::new();
        for series in data["result"].as_array().unwrap() {
            let mut open: Option<(f64, f64)> = None;
            for point in series["values"].as_array().unwrap() {
                let at = point[0].as_f64().unwrap();
                match &mut open {
                    Some((_, end)) if at <= *end + STEP => *end = at,
                    _ => windows.extend(open.replace((at, at))),
                }
            }
            windows.extend(open);
        }
        windows
    }
}

/// Callers that go on until they are stopped.
struct Load {
    stopped: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(daemon: &Arc<Daemon>) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (daemon, stopped, calls) = (Arc::clone(daemon), Arc::clone(&stopped), Arc::clone(&calls));
            callers.spawn(async move {
                let client = client();
                let mut pace = tokio::time::interval(Duration::from_millis(10));
                while !stopped.load(Ordering::Relaxed) && calls.load(Ordering::Relaxed) < CALLS_MAX {
                    pace.tick().await;
                    call(&client, &daemon, "/sim/echo").await;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self {
            stopped,
            calls,
            callers,
        }
    }

    /// How many calls there were.
    async fn stop(mut self) -> usize {
        self.stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        self.calls.load(Ordering::Relaxed)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/dashboards/murphy.json")).unwrap()
}

/// The alert rules by name.
fn alerts() -> Vec<(String, String)> {
    let file: Value = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yml")).unwrap();
    let groups = list(&file["groups"]).iter();
    let rules = groups.flat_map(|group| list(&group["rules"]).to_vec());
    rules
        .map(|rule| (text(&rule["alert"]).to_owned(), text(&rule["expr"]).to_owned()))
        .collect()
}

async fn every_panel_has_data(prometheus: &Prometheus, dashboard: &Value) {
    let mut seen = 0;
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            let expression = interpolated(text(&target["expr"]));
            prometheus
                .has_data(&format!("the panel {}", panel["title"]), &expression)
                .await;
            seen += 1;
        }
    }
    assert!(seen >= 25, "{seen} queries: are they still found?");
}

/// Asks what Grafana asks for `label_values(selection, label)`.
async fn every_variable_has_values(prometheus: &Prometheus, dashboard: &Value, daemon: &Daemon) {
    let expected = [
        ("job", "murphy".to_owned()),
        ("instance", daemon.control().to_string()),
    ];
    for (name, value) in expected {
        let mut variables = list(&dashboard["templating"]["list"]).iter();
        let variable = variables.find(|one| one["name"] == name).unwrap();
        let query = interpolated(text(&variable["query"]["query"]));
        let inner = query
            .strip_prefix("label_values(")
            .unwrap()
            .strip_suffix(')')
            .unwrap();
        let (selection, label) = inner.rsplit_once(", ").unwrap();
        let path = format!("/api/v1/label/{label}/values");
        let data = prometheus.get(&path, &[("match[]", selection)]).await.unwrap();
        assert_eq!(data, serde_json::json!([value]), "{query}");
    }
}

async fn every_alert_has_data(prometheus: &Prometheus) {
    for (name, condition) in alerts() {
        for operand in operands(&condition).unwrap() {
            prometheus.has_data(&name, &operand).await;
        }
    }
}

/// Prometheus evaluates all rules without an error, and those alerts fire whose time has come.
async fn alerts_fire(prometheus: &Prometheus, expected: &str) {
    let names: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    within(PATIENCE, &format!("{expected} fires"), async || {
        let data = prometheus.get("/api/v1/rules", &[]).await?;
        let groups = list(&data["groups"]).iter();
        let rules: Vec<&Value> = groups.flat_map(|group| list(&group["rules"])).collect();
        let loaded: BTreeSet<String> = rules.iter().map(|rule| text(&rule["name"]).to_owned()).collect();
        assert_eq!(loaded, names);
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{data:#}");
        let firing = rules.iter().filter(|rule| rule["state"] == "firing");
        let firing: Vec<&str> = firing.map(|rule| text(&rule["name"])).collect();
        (firing == [expected]).then_some(())
    })
    .await;
}

/// The windows of an annotation of the dashboard, from then to now.
async fn annotated(prometheus: &Prometheus, dashboard: &Value, name: &str, from: f64) -> Vec<(f64, f64)> {
    let mut all = list(&dashboard["annotations"]["list"]).iter();
    let annotation = all.find(|one| one["name"] == name).unwrap();
    let expression = interpolated(text(&annotation["expr"]));
    prometheus.windows(&expression, from).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_has_data_and_annotations_mark_what_happened() {
    let daemon = Arc::new(daemon(NEVER).scenario("stormy", STORMY).start().await);
    let Some(prometheus) = Prometheus::start(&daemon).await else {
        return;
    };
    let dashboard = dashboard();
    let load = Load::start(&daemon);
    // Prometheus must have seen it off, or the window would have no beginning.
    prometheus
        .has_data("the scenario is off", "murphy_scenario_active == 0")
        .await;
    let switched_on = prometheus.now().await;
    activate(&daemon, "stormy").await;
    every_panel_has_data(&prometheus, &dashboard).await;
    every_variable_has_values(&prometheus, &dashboard, &daemon).await;
    every_alert_has_data(&prometheus).await;
    within(
        PATIENCE,
        "the fault window is wide enough to be seen",
        async || {
            let windows = annotated(&prometheus, &dashboard, "Fault windows", switched_on).await;
            windows.iter().any(|(begin, end)| end > begin).then_some(())
        },
    )
    .await;

    let tripped = prometheus.now().await;
    let killed = daemon.murphy(&["kill", "enough"]).await;
    assert_eq!(killed.code(), Some(0), "{killed:#?}");
    alerts_fire(&prometheus, "MurphyKillSwitchTripped").await;
    prometheus
        .has_data("the scenario is off again", "murphy_scenario_active == 0")
        .await;

    // Marks stand on whole seconds and may be late by a scrape, but none stands before what it marks.
    let trips = within(PATIENCE, "the trip is marked, and lies back", async || {
        let trips = annotated(&prometheus, &dashboard, "Trips", switched_on).await;
        let now = prometheus.now().await;
        let (begin, _) = *trips.first()?;
        (now > begin + 3.0 * STEP).then_some(trips) // a region would have grown by now
    })
    .await;
    assert_eq!(trips.len(), 1, "{trips:?}");
    let (begin, end) = trips[0];
    assert!(
        begin == end && begin >= tripped.floor(),
        "a line, after {tripped}: {trips:?}"
    );
    let windows = annotated(&prometheus, &dashboard, "Fault windows", switched_on - 5.0).await;
    let (first, last) = (windows[0], windows[windows.len() - 1]); // a missed scrape would make a gap
    assert!(first.0 >= switched_on.floor() && first.0 < tripped, "{windows:?}");
    assert!(
        last.1 > first.0 && last.1 < begin,
        "until the trip: {windows:?}, {trips:?}"
    );

    let calls = load.stop().await;
    within(PATIENCE, &format!("{calls} calls are counted"), async || {
        let counted = prometheus.values("sum(murphy_requests_total)").await;
        #[allow(clippy::cast_precision_loss)] // some thousands
        let all = counted == [calls as f64];
        all.then_some(())
    })
    .await;
}
