//! One daemon with a route for each dialect before the simulated APIs, and the scripts that call them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use murphy_testkit::Sim;
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// More than the calls of a whole test.
const RING: usize = 10_000;

/// Exchanges of one page of the control API.
const PAGE: usize = 1000;

/// The packages of Python that the script imports.
const PYTHON_PACKAGES: [&str; 5] = ["openai", "anthropic", "google.genai", "mistralai", "boto3"];

/// The packages of Node that the script imports.
const NODE_PACKAGES: [&str; 5] = [
    "openai",
    "@anthropic-ai/sdk",
    "@google/genai",
    "ai",
    "@ai-sdk/openai",
];

/// One call of an SDK, as the scripts read it.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// The SDK by the scripts' name for it.
    pub sdk: String,
    /// The dialect, which is the route's name too.
    pub dialect: String,
    /// The name of the caller: the exchanges of this call bear it.
    pub agent: String,
    /// The value of the header `x-case`, by which rules match.
    pub case: String,
    /// Whether retries are asked for, where an SDK has none by itself.
    pub retries: bool,
    /// Whether a stream is asked for.
    pub stream: bool,
}

/// What the application saw of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    /// The answer's text, if it was one.
    pub text: Option<String>,
    /// The class of the error.
    pub raises: Option<String>,
    /// The status that the error has.
    pub status: Option<u16>,
    /// The code that the error has.
    pub code: Option<String>,
    /// The request id that the error has.
    pub request_id: Option<String>,
    /// Its text.
    pub message: Option<String>,
}

/// One arrival of a call at Murphy.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// Milliseconds of the day, by Murphy's clock.
    pub at_ms: i64,
    /// The dialect that the call was taken for.
    pub dialect: String,
    /// The status that was answered.
    pub status: Option<u64>,
}

/// Both interpreters, with the packages.
pub(super) struct Interpreters {
    python: PathBuf,
    node: PathBuf,
}

/// A daemon, and the simulated APIs behind it.
pub(super) struct Bench {
    daemon: Daemon,
    _sim: Sim,
}

/// The repository's root.
pub(super) fn repository() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a parent").to_owned()
}

impl Interpreters {
    /// Both, if they are there with their packages. Else the test is skipped, loudly, but never in CI.
    pub(super) async fn found() -> Option<Self> {
        let python = std::env::var_os("MURPHY_PYTHON")
            .map_or_else(|| repository().join("target/venv/bin/python"), PathBuf::from);
        let node = std::env::var_os("MURPHY_NODE").map(PathBuf::from).or_else(|| {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            let mut nodes = std::env::split_paths(&folders).map(|folder| folder.join("node"));
            nodes.find(|path| path.is_file())
        });
        let modules = repository().join("tests/sdk/node_modules");
        let lacks = if !has_python_packages(&python).await {
            Some(
                "the Python SDKs: python3 -m venv target/venv && target/venv/bin/pip install -r tests/sdk/requirements.txt",
            )
        } else if node.is_none() {
            Some("Node 20 or later")
        } else if NODE_PACKAGES.iter().any(|name| !modules.join(name).is_dir()) {
            Some("the Node SDKs: npm ci --prefix tests/sdk")
        } else {
            None
        };
        if let Some(lacks) = lacks {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "CI needs {lacks}");
            eprintln!("SKIPPED, NOT PASSED: this needs {lacks}");
            return None;
        }
        node.map(|node| Self { python, node })
    }

    /// What the Python SDKs make of these calls, in their order.
    pub(super) async fn python(&self, asks: Vec<Value>) -> Vec<Seen> {
        script(&self.python, "providers.py", asks).await
    }

    /// What the Node SDKs make of these calls, in their order.
    pub(super) async fn node(&self, asks: Vec<Value>) -> Vec<Seen> {
        script(&self.node, "providers.mjs", asks).await
    }
}

async fn has_python_packages(python: &Path) -> bool {
    let look =
        "import importlib.util, sys; sys.exit(any(not importlib.util.find_spec(n) for n in sys.argv[1:]))";
    let found = Command::new(python)
        .args(["-c", look])
        .args(PYTHON_PACKAGES)
        .stderr(Stdio::null())
        .status()
        .await;
    found.is_ok_and(|status| status.success())
}

/// Runs a script that reads calls and prints what came of them. Its environment is empty but for `PATH`: SDKs read
/// keys, addresses and proxies from it.
async fn script(program: &Path, name: &str, asks: Vec<Value>) -> Vec<Seen> {
    let count = asks.len();
    let mut child = Command::new(program)
        .arg(repository().join("tests/sdk").join(name))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(json!(asks).to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{name}: {}", output.status);
    let seen: Vec<Seen> = serde_json::from_slice(&output.stdout).expect("what was seen");
    assert_eq!(seen.len(), count, "{name}");
    seen
}

impl Bench {
    /// A daemon with a route for each of these dialects and this scenario.
    pub(super) async fn start<'a>(dialects: impl Iterator<Item = &'a String>, scenario: &str) -> Self {
        let sim = Sim::start(([127, 0, 0, 1], 0).into()).expect("a free port");
        let mut config = format!(
            "[scenarios]\nactive = [{{ name = \"case\", for = \"forever\", seed = 7 }}]\n\
             [kill_switch]\nerror_rate = 1.0\n[events]\nring = {RING}\n"
        );
        for dialect in dialects {
            config += &format!(
                "[[routes]]\nname = \"{dialect}\"\npath = \"/{dialect}\"\ndialect = \"{dialect}\"\nupstream = \"http://{}\"\n",
                sim.addr()
            );
        }
        let builder = DaemonBuilder::new().config(&config).scenario("case", scenario);
        Self {
            daemon: builder.start().await,
            _sim: sim,
        }
    }

    /// A call as the scripts read it.
    pub(super) fn ask(&self, ask: &Ask) -> Value {
        json!({
            "sdk": ask.sdk,
            "url": self.daemon.proxy_url(&format!("/{}", ask.dialect)),
            "agent": ask.agent,
            "case": ask.case,
            "retries": ask.retries,
            "stream": ask.stream,
        })
    }

    /// Every arrival, by the caller's name, in the order of arrival.
    pub(super) async fn arrivals(&self) -> BTreeMap<String, Vec<Arrival>> {
        let mut all: BTreeMap<String, Vec<Arrival>> = BTreeMap::new();
        let mut after = 0;
        loop {
            let path = format!("/api/v1/exchanges?after={after}&limit={PAGE}");
            let (status, page) = self.daemon.control_get(&path).await;
            assert_eq!(status, 200, "{page}");
            let page = page.as_array().expect("exchanges");
            for exchange in page {
                let agent = exchange["agent"].as_str().expect("an agent").to_owned();
                all.entry(agent).or_default().push(arrival(exchange));
            }
            match page.last() {
                Some(last) => after = last["id"].as_u64().expect("a number"),
                None => break,
            }
        }
        for arrivals in all.values_mut() {
            arrivals.sort_by_key(|arrival| arrival.at_ms);
        }
        all
    }
}

fn arrival(exchange: &Value) -> Arrival {
    let at = exchange["at"].as_str().expect("a moment");
    Arrival {
        at_ms: millisecond_of_day(at),
        dialect: exchange["dialect"].as_str().expect("a dialect").to_owned(),
        status: exchange["status"].as_u64(),
    }
}

/// `2026-01-02T03:04:05.678Z` → milliseconds since midnight.
fn millisecond_of_day(moment: &str) -> i64 {
    let time = moment.split_once('T').expect("a time").1.trim_end_matches('Z');
    let (seconds, millis) = time.split_once('.').expect("milliseconds");
    let seconds = seconds
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"));
    seconds * 1000 + millis.parse::<i64>().expect("a number")
}

/// The waits between arrivals, in milliseconds; a test may run past midnight.
pub(super) fn gaps(arrivals: &[Arrival]) -> Vec<i64> {
    let pairs = arrivals.windows(2);
    pairs
        .map(|pair| (pair[1].at_ms - pair[0].at_ms).rem_euclid(86_400_000))
        .collect()
}
