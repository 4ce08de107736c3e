//! One daemon between a test and an upstream that reports, and what the daemon tells about a call.

use std::fmt::Display;
use std::path::PathBuf;

use http::Method;
use murphy_core::exchange::{AppliedFault, Exchange};
use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::Sim;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::raw::{RawClient, RawResponse};
use murphy_testkit::tls::TestCa;
use serde_json::{Value, json};

/// The header that marks a response which a fault touched.
pub(super) const MARK: &str = "x-murphy-fault";

/// The seed of the scenarios that are on from the start.
pub(super) const SEED: u64 = 7;

/// The one scenario of most tests.
pub(super) const CASE: &str = "case";

/// A daemon with the route `/up` to an upstream.
pub(super) struct Bench {
    pub daemon: Daemon,
}

/// The document that the simulator's `/json` answers with.
pub(super) const DOCUMENT: &[u8] = murphy_sim::DOCUMENT.as_bytes();

/// A scenario of one rule `r` with this fault (flow YAML) that hits every call.
pub(super) fn fault(fault: &str) -> String {
    rule(&format!("fault: {{ {fault} }}"))
}

/// A scenario of one rule `r` with these keys (flow YAML).
pub(super) fn rule(keys: &str) -> String {
    rules(&[&format!("name: r, {keys}")])
}

/// A scenario of these rules (flow YAML).
pub(super) fn rules<S: Display>(rules: &[S]) -> String {
    let lines: Vec<String> = rules.iter().map(|rule| format!("  - {{ {rule} }}")).collect();
    format!("rules:\n{}\n", lines.join("\n"))
}

/// A simulator on a free port.
pub(super) fn sim() -> Sim {
    Sim::start(([127, 0, 0, 1], 0).into()).expect("a free port")
}

/// How a daemon is set up.
pub(super) struct Setup {
    builder: DaemonBuilder,
    proxy: String,
    routes: String,
    rest: String,
    active: Vec<String>,
}

impl Setup {
    /// The route `up` to this upstream, nothing active. The kill switch is out of the way: it trips above an
    /// error rate of 1, that is never.
    pub(super) fn new(upstream: impl Display) -> Self {
        Self {
            builder: DaemonBuilder::new(),
            proxy: String::new(),
            routes: route("up", upstream, ""),
            rest: String::new(),
            active: Vec::new(),
        }
    }

    /// The simulator behind it, and this scenario active.
    pub(super) fn sim(sim: &Sim, scenario: &str) -> Self {
        Self::new(http(sim)).on(CASE, scenario)
    }

    /// With a scenario that is on.
    pub(super) fn on(mut self, name: &str, scenario: &str) -> Self {
        self.active.push(format!(
            "{{ name = \"{name}\", for = \"forever\", seed = {SEED} }}"
        ));
        self.off(name, scenario)
    }

    /// With a scenario that is off.
    pub(super) fn off(mut self, name: &str, scenario: &str) -> Self {
        self.builder = self.builder.scenario(name, scenario);
        self
    }

    /// With a line below `[proxy]`.
    pub(super) fn proxy(mut self, line: &str) -> Self {
        self.proxy += line;
        self.proxy += "\n";
        self
    }

    /// With one more route.
    pub(super) fn route(mut self, name: &str, upstream: impl Display, more: &str) -> Self {
        self.routes += &route(name, upstream, more);
        self
    }

    /// With further sections.
    pub(super) fn section(mut self, toml: &str) -> Self {
        self.rest += toml;
        self.rest += "\n";
        self
    }

    /// With a file beside the scenarios.
    pub(super) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.builder = self.builder.file(path, content);
        self
    }

    /// With TLS on the client's side.
    pub(super) fn tls(self, ca: &TestCa) -> Self {
        let leaf = ca.leaf(&["localhost", "127.0.0.1"]);
        let folder = self.builder.folder().to_owned();
        let line = format!(
            "tls = {{ cert = {:?}, key = {:?} }}",
            folder.join("cert.pem"),
            folder.join("key.pem")
        );
        self.file("cert.pem", &leaf.cert_pem)
            .file("key.pem", &leaf.key_pem)
            .proxy(&line)
    }

    pub(super) async fn start(self) -> Bench {
        let config = format!(
            "[proxy]\nallowed_hosts = [\"localhost\"]\n{}\n[scenarios]\nactive = [{}]\n[kill_switch]\nerror_rate = 1.0\n{}\n{}",
            self.proxy,
            self.active.join(", "),
            self.rest,
            self.routes
        );
        Bench {
            daemon: self.builder.config(&config).start().await,
        }
    }

    /// The same with the scenarios of the repository instead of one's own.
    pub(super) async fn start_with_ready_scenarios(mut self) -> Bench {
        let folder = repository().join("scenarios/faults");
        let folder = folder.to_str().expect("a path in UTF-8");
        self.builder = self.builder.env("MURPHY__SCENARIOS__DIR", folder);
        self.start().await
    }
}

/// The repository's root.
pub(super) fn repository() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a parent").to_owned()
}

/// A simulator's URL.
pub(super) fn http(sim: &Sim) -> String {
    format!("http://{}", sim.addr())
}

fn route(name: &str, upstream: impl Display, more: &str) -> String {
    format!("[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nupstream = \"{upstream}\"\n{more}\n")
}

/// A request to the route `up` as it stands on the wire.
pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} /up{path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl Bench {
    /// The simulator behind it, and this scenario active.
    pub(super) async fn with(sim: &Sim, scenario: &str) -> Self {
        Setup::sim(sim, scenario).start().await
    }

    pub(super) async fn client(&self) -> RawClient {
        RawClient::connect(self.daemon.proxy()).await.expect("a listener")
    }

    /// `GET` on a connection of its own.
    pub(super) async fn get(&self, path: &str) -> RawResponse {
        self.client().await.get(&format!("/up{path}")).await
    }

    /// Any request on a connection of its own.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> RawResponse {
        let mut client = self.client().await;
        client
            .send(request(method, path, headers, body))
            .await
            .expect("a listener");
        client.response(method).await
    }

    /// The first `count` exchanges, once so many have ended (at most 1,000). They come in order of completion.
    pub(super) async fn exchanges(&self, count: usize) -> Vec<Exchange> {
        let path = format!("/api/v1/exchanges/stream?after=0&limit={count}");
        let (status, events) = self.daemon.control_get(&path).await;
        assert_eq!(status, 200, "{events}");
        let events = events.as_str().expect("a stream of events").lines();
        let exchanges: Vec<Exchange> = events
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| serde_json::from_str(data.trim()).unwrap_or_else(|e| panic!("{e}: {data}")))
            .collect();
        assert_eq!(exchanges.len(), count);
        exchanges
    }

    /// All exchanges that are remembered, at least `count`.
    pub(super) async fn all_exchanges(&self, count: usize) -> Vec<Exchange> {
        let mut all: Vec<Exchange> = Vec::new();
        while all.len() < count {
            let after = all.last().map_or(0, |last| last.id);
            let path = format!("/api/v1/exchanges?after={after}&limit=1000");
            let (_, page) = self.daemon.control_get(&path).await;
            all.extend(serde_json::from_value::<Vec<Exchange>>(page).expect("exchanges"));
        }
        all
    }

    /// The first exchange.
    pub(super) async fn only(&self) -> Exchange {
        self.exchanges(1).await.remove(0)
    }

    /// Switches a scenario on for ever, with the fixed seed.
    pub(super) async fn activate(&self, name: &str) {
        let body = json!({ "for": "forever", "seed": SEED });
        self.post(&format!("scenarios/{name}/activate"), body).await;
    }

    pub(super) async fn deactivate(&self, name: &str) {
        self.post(&format!("scenarios/{name}/deactivate"), json!({}))
            .await;
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("/api/v1/{path}");
        let (status, answer) = self.daemon.control_call(Method::POST, &path, Some(body)).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// The sum of the samples whose line starts with `name` and has all of `labels` (`reason="limit"`).
    pub(super) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, text) = self.daemon.control_get("/metrics").await;
        let text = text.as_str().expect("text");
        let samples = text.lines().filter(|line| {
            let (found, rest) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
            found == name && labels.iter().all(|label| rest.contains(label))
        });
        samples
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().expect("a number"))
            .sum()
    }

    /// Calls that a rule of a kind hit, by the metric.
    pub(super) async fn injected(&self, labels: &[&str]) -> f64 {
        self.metric("murphy_faults_injected_total", labels).await
    }

    /// Faults that were skipped for this reason, by the metric.
    pub(super) async fn skipped(&self, reason: &str) -> f64 {
        self.metric("murphy_faults_skipped_total", &[&format!("reason=\"{reason}\"")])
            .await
    }

    /// Returns once so many calls of the route `up` are in flight.
    pub(super) async fn in_flight(&self, count: f64) {
        while self.metric("murphy_in_flight_requests", &["route=\"up\""]).await < count {
            tokio::task::yield_now().await;
        }
    }
}

/// The bytes of the value of the mark header, if the response has one.
pub(super) fn marks(response: &RawResponse) -> Vec<&str> {
    response.head.all(MARK)
}

/// What an exchange must tell.
pub(super) struct Told<'a> {
    pub fault: &'a str,
    pub outcome: Outcome,
    pub cause: Cause,
    pub status: Option<u16>,
    /// A part of what was done.
    pub effect: &'a str,
}

/// Asserts that the exchange has one fault, of the scenario `case`, rule `r`, and tells this. Returns it.
pub(super) fn tells<'e>(exchange: &'e Exchange, told: &Told<'_>) -> &'e AppliedFault {
    let [applied] = exchange.faults.as_slice() else {
        panic!("one fault was expected: {exchange:#?}")
    };
    let names = (
        applied.scenario.as_str(),
        applied.rule.as_str(),
        applied.fault.as_str(),
    );
    assert_eq!(names, (CASE, "r", told.fault), "{exchange:#?}");
    assert_eq!(
        (exchange.outcome, exchange.cause, exchange.status),
        (told.outcome, told.cause, told.status),
        "{exchange:#?}"
    );
    let done = applied.effects.join("; ");
    assert!(
        done.contains(told.effect),
        "{:?} is not in {exchange:#?}",
        told.effect
    );
    assert_eq!(applied.skipped, None, "{exchange:#?}");
    assert_eq!(&*exchange.route, "up");
    applied
}

/// Asserts that a call passed: nothing was done to it.
pub(super) fn untouched(exchange: &Exchange) {
    assert_eq!(exchange.faults, [], "{exchange:#?}");
    assert_eq!(exchange.cause, Cause::Upstream, "{exchange:#?}");
}
