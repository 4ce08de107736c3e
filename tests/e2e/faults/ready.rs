//! The scenarios of the repository: each is switched on by its name and called until all its rules struck.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use murphy_core::exchange::Exchange;
use murphy_testkit::Sim;
use murphy_testkit::raw::{BodyEnd, End, RawResponse};
use serde_json::Value;

use super::harness::{Bench, Setup, http, repository, request, sim};

/// The most calls until all rules of a scenario must have struck.
const CALLS_MAX: usize = 600;

/// The same for those whose probability only begins to rise.
const RAMPING_CALLS_MAX: usize = 40_000;

/// How long the agent of these tests waits for an answer.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the agent saw of a call.
enum Saw {
    Answer(RawResponse),
    /// The connection ended without a head.
    Ended(End),
    /// Nothing complete within its patience.
    Nothing,
}

impl Saw {
    fn status(&self) -> u16 {
        match self {
            Self::Answer(response) => response.status(),
            Self::Ended(_) | Self::Nothing => 0,
        }
    }

    /// A complete answer of 200 that is no JSON.
    fn malformed(&self) -> bool {
        let Self::Answer(response) = self else {
            return false;
        };
        let json = serde_json::from_slice::<Value>(&response.body.content).is_ok();
        response.status() == 200 && response.body.is_complete() && !json
    }

    fn cut(&self, end: End) -> bool {
        matches!(self, Self::Answer(response) if response.body.end == BodyEnd::Cut(end))
    }

    fn has(&self, name: &str) -> bool {
        matches!(self, Self::Answer(response) if response.head.header(name).is_some())
    }
}

/// How a scenario shows: each of these must have been seen.
type Signs = &'static [fn(&Saw) -> bool];

const SIGNS: &[(&str, Signs)] = &[
    ("black-hole", &[|saw| matches!(saw, Saw::Nothing)]),
    ("brownout", &[|saw| saw.status() == 503]),
    ("content-filter", &[|saw| saw.status() == 400]),
    ("context-window-exceeded", &[|saw| saw.status() == 400]),
    ("corrupt-json", &[Saw::malformed]),
    (
        "dropped-connections",
        &[
            |saw| matches!(saw, Saw::Ended(End::Rst)),
            |saw| matches!(saw, Saw::Ended(End::Fin)),
            |saw| saw.cut(End::Rst),
        ],
    ),
    ("duplicate-request", &[|saw| saw.status() == 200]), // only the upstream can tell: see below
    (
        "flaky-5xx",
        &[
            |saw| saw.status() == 500,
            |saw| saw.status() == 502,
            |saw| saw.status() == 503 && saw.has("retry-after"),
            |saw| saw.status() == 504,
        ],
    ),
    ("gateway-html", &[|saw| saw.status() == 502, Saw::malformed]),
    (
        "lost-answer",
        &[
            |saw| matches!(saw, Saw::Ended(End::Rst)),
            |saw| saw.status() == 502,
        ],
    ),
    ("model-retired", &[|saw| saw.status() == 404]),
    ("overloaded", &[|saw| saw.status() == 503]),
    ("quota-exhausted", &[|saw| saw.status() == 402]),
    (
        "rate-limited",
        &[
            |saw| saw.status() == 429 && saw.has("x-ratelimit-reset"),
            |saw| saw.status() == 429 && !saw.has("x-ratelimit-reset"),
        ],
    ),
    (
        "redirect-loop",
        &[|saw| saw.status() == 302, |saw| saw.status() == 307],
    ),
    ("revoked-key", &[|saw| saw.status() == 401]),
    ("slow", &[|saw| matches!(saw, Saw::Nothing)]),
    ("slow-stream", &[|saw| matches!(saw, Saw::Nothing)]),
    ("stale-data", &[|saw| saw.has(super::harness::MARK)]),
    ("stalled-body", &[|saw| matches!(saw, Saw::Nothing)]),
    ("truncated-json", &[Saw::malformed]),
    ("very-slow-tail", &[|saw| matches!(saw, Saw::Nothing)]),
    ("wrong-length", &[|saw| saw.cut(End::Fin), Saw::malformed]),
];

/// The scenarios of the repository: by name, their rules with the kind of each.
fn scenarios() -> BTreeMap<String, BTreeMap<String, String>> {
    let folder = std::fs::read_dir(repository().join("scenarios/faults")).expect("the ready scenarios");
    let paths = folder.map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    yaml.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, rules(&std::fs::read_to_string(path).unwrap()))
    })
    .collect()
}

fn rules(text: &str) -> BTreeMap<String, String> {
    let scenario: Value = serde_saphyr::from_str(text).expect("YAML");
    let rules = scenario["rules"].as_array().expect("rules");
    let kind = |rule: &Value| rule["fault"].as_object().unwrap().keys().next().unwrap().clone();
    rules
        .iter()
        .map(|rule| (rule["name"].as_str().unwrap().to_owned(), kind(rule)))
        .collect()
}

/// One call by an agent of limited patience. Every other call is a write.
async fn call(bench: &Bench, n: usize) -> Saw {
    let mut client = bench.client().await;
    // A new agent now and then, so that what is limited by agent leaves calls for the other rules.
    let agent = format!("agent-{}", n / 30);
    let headers = [
        ("x-murphy-agent", agent.as_str()),
        ("content-type", "application/json"),
    ];
    let bytes = match n % 2 {
        0 => request("GET", "/json", &headers, b""),
        _ => request("POST", "/echo", &headers, br#"{"order":1}"#),
    };
    client.send(bytes).await.ok(); // it may be reset already
    let method = if n.is_multiple_of(2) { "GET" } else { "POST" };
    match tokio::time::timeout(PATIENCE, client.read_response(method)).await {
        Ok(Ok(response)) => Saw::Answer(response),
        Ok(Err((end, _))) => Saw::Ended(end),
        Err(_) => {
            client.reset();
            Saw::Nothing
        }
    }
}

/// Adds the rules that struck since, and returns the cursor.
async fn note(bench: &Bench, after: u64, struck: &mut BTreeMap<String, String>) -> u64 {
    let path = format!("/api/v1/exchanges?after={after}&limit=1000");
    let (_, page) = bench.daemon.control_get(&path).await;
    let exchanges: Vec<Exchange> = serde_json::from_value(page).expect("exchanges");
    for fault in exchanges.iter().flat_map(|exchange| &exchange.faults) {
        if !fault.effects.is_empty() {
            struck.insert(fault.rule.clone(), fault.fault.clone());
        }
    }
    exchanges.last().map_or(after, |last| last.id)
}

/// Calls until all rules of the scenario struck and all its signs were seen.
async fn exercise(bench: &Bench, name: &str, rules: &BTreeMap<String, String>) -> usize {
    let (_, signs) = SIGNS
        .iter()
        .find(|(scenario, _)| *scenario == name)
        .unwrap_or_else(|| panic!("no signs of {name}"));
    bench.activate(name).await;
    let max = if name == "brownout" {
        RAMPING_CALLS_MAX
    } else {
        CALLS_MAX
    };
    let (mut seen, mut struck, mut after) = (vec![false; signs.len()], BTreeMap::new(), 0);
    for n in 0..max {
        let saw = call(bench, n).await;
        for (seen, sign) in seen.iter_mut().zip(*signs) {
            *seen |= sign(&saw);
        }
        if n % 10 == 9 {
            after = note(bench, after, &mut struck).await;
            if struck == *rules && seen.iter().all(|seen| *seen) {
                return n + 1;
            }
        }
    }
    panic!("{name}: of {rules:?} struck {struck:?}, of its signs were seen {seen:?}");
}

async fn run(names: &[&str]) {
    let all = scenarios();
    for name in names {
        let sim: Sim = sim();
        let bench = Setup::new(http(&sim)).start_with_ready_scenarios().await;
        let calls = exercise(&bench, name, &all[*name]).await as u64;
        let arrived = sim.calls("/json") + sim.calls("/echo");
        match *name {
            "duplicate-request" => assert!(arrived > calls, "{arrived} of {calls}"),
            "lost-answer" => assert_eq!(arrived, calls, "the upstream does the work"),
            "stale-data" | "overloaded" | "redirect-loop" => assert!(arrived < calls, "{arrived} of {calls}"),
            _ => {}
        }
        bench.deactivate(name).await;
        assert!(
            matches!(call(&bench, 0).await, Saw::Answer(response) if response.status() == 200),
            "{name}"
        );
    }
}

#[test]
fn every_ready_scenario_is_exercised_here() {
    let exercised: BTreeSet<&str> = SIGNS.iter().map(|(name, _)| *name).collect();
    let all = scenarios();
    assert_eq!(exercised, all.keys().map(String::as_str).collect());
    assert!(all.len() >= 13);
}

#[tokio::test]
async fn those_that_answer() {
    run(&[
        "flaky-5xx",
        "gateway-html",
        "overloaded",
        "rate-limited",
        "redirect-loop",
        "stale-data",
    ])
    .await;
}

#[tokio::test]
async fn those_that_break_connections_and_bodies() {
    run(&[
        "dropped-connections",
        "lost-answer",
        "duplicate-request",
        "corrupt-json",
        "truncated-json",
        "wrong-length",
    ])
    .await;
}

#[tokio::test]
async fn those_that_take_time() {
    run(&[
        "black-hole",
        "slow",
        "slow-stream",
        "stalled-body",
        "very-slow-tail",
    ])
    .await;
}

#[tokio::test]
async fn the_one_that_gets_worse() {
    run(&["brownout"]).await;
}
