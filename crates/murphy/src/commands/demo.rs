//! `murphy demo`: the tour, with a private daemon and real traffic.

mod agent;

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use murphy_control::client::{Client, ExchangeFilter};
use murphy_director::view::{ActivateRequest, KillSwitchView, SwitchState};

use self::agent::Agent;
use super::{Verb, switch, tail};
use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{DIM, HEAD, Output, printable, styled};
use crate::wiring::{self, Running, ServeOptions};

/// How long the tour may take.
const TOUR_MAX: Duration = Duration::from_secs(20);
/// How long a call may take to become an exchange.
const RECORD_MAX: Duration = Duration::from_secs(2);
/// How often that is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a chapter can be read on a terminal before the next begins.
const READ_FOR: Duration = Duration::from_millis(2_500);
/// Calls until the kill switch must have tripped.
const CALLS_MAX: usize = 40;

const CONFIG: &str = "
[proxy]
listen = \"127.0.0.1:0\"
[control]
listen = \"127.0.0.1:0\"
[kill_switch]
count_window = 10
[log]
level = \"error\"
[[routes]]
name = \"sim\"
path = \"/sim\"
upstream = \"sim\"
";

const FLAKY: &str = "description: One call in three is told to slow down, one in four gets broken JSON
rules:
  - name: third
    often: { every: 3 }
    fault: { error: { kind: rate_limited, retry_after: 2s } }
  - name: fourth
    often: { every: 4 }
    fault: { truncate: { after: inside_json } }
";

const OUTAGE: &str = "description: Every call fails, a little later
rules:
  - name: slow-to-fail
    fault: { delay: 100ms }
  - name: down
    fault: { error: { kind: overloaded } }
";

/// A tour with real traffic, in under 20 seconds.
///
/// Calls, faults, the kill switch, and back to normal, with a daemon of its own on free ports.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  murphy demo")]
pub(crate) struct Arguments {}

impl Verb for Arguments {
    fn run(self, shared: &Shared) -> Result<ExitCode, Failure> {
        let dir = tempfile::tempdir().map_err(Failure::failed)?;
        let config = prepare(dir.path()).map_err(Failure::failed)?;
        let running = wiring::start(ServeOptions {
            config: Some(config),
            ..ServeOptions::default()
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::failed)?;
        let tour = runtime.block_on(async {
            tokio::time::timeout(TOUR_MAX, Tour::new(shared.output(), &running)?.run())
                .await
                .map_err(|_| Failure::failed("the tour took longer than 20 seconds"))?
        });
        running.stop();
        tour.map(|()| Exit::Done.into())
    }
}

/// Writes the private daemon's files: its latch and its scenarios must not touch the user's.
fn prepare(dir: &Path) -> std::io::Result<std::path::PathBuf> {
    let scenarios = dir.join("scenarios");
    fs::create_dir(&scenarios)?;
    fs::write(scenarios.join("flaky.yaml"), FLAKY)?;
    fs::write(scenarios.join("outage.yaml"), OUTAGE)?;
    let quoted = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
    let text = CONFIG
        .replace(
            "[kill_switch]",
            &format!("[kill_switch]\nstate_file = {}", quoted(&dir.join("state.json"))),
        )
        .replace(
            "[log]",
            &format!("[scenarios]\ndir = {}\n[log]", quoted(&scenarios)),
        );
    let config = dir.join("murphy.toml");
    fs::write(&config, text)?;
    Ok(config)
}

struct Tour {
    out: Output,
    client: Client,
    agent: Agent,
    proxy: String,
    shown: u64,
}

impl Tour {
    fn new(out: Output, running: &Running) -> Result<Self, Failure> {
        Ok(Self {
            out,
            client: Client::new(&format!("http://{}", running.control))?.with_who("murphy demo")?,
            agent: Agent::new(running.proxy),
            proxy: format!("http://{}", running.proxy),
            shown: 0,
        })
    }

    async fn run(mut self) -> Result<(), Failure> {
        self.title("1. Murphy stands between an agent and an API, and is invisible")
            .await?;
        self.note(&format!("POST {}/sim/v1/chat/completions", self.proxy))?;
        self.calls(3).await?;

        self.title("2. A scenario is switched on: `murphy on flaky`")
            .await?;
        self.on("flaky").await?;
        self.calls(6).await?;
        self.note("each answer with a fault says so: x-murphy-fault: flaky/third")?;
        self.client.deactivate("flaky").await?;

        self.title("3. Too much goes wrong: `murphy on outage`, and the kill switch trips by itself")
            .await?;
        self.on("outage").await?;
        let tripped = self.call_until_tripped().await?;
        self.say(&switch::text(&tripped))?;

        self.title("4. Nothing is injected any more: the calls are as before")
            .await?;
        self.calls(3).await?;
        self.metrics().await?;

        self.title("5. A person re-arms it: `murphy rearm`").await?;
        let switch = self.client.rearm(Some("end of the tour".to_owned())).await?;
        self.say(&switch::text(&switch))?;
        self.say("\nYour turn: `murphy serve`, then `murphy scenarios`")
    }

    async fn on(&self, scenario: &str) -> Result<(), Failure> {
        let request = ActivateRequest {
            seed: Some(7),
            ..ActivateRequest::default()
        };
        let activated = self.client.activate(scenario, &request).await?;
        for warning in &activated.warnings {
            self.note(&format!("Murphy warns: {}", printable(warning)))?;
        }
        Ok(())
    }

    /// Makes calls, and prints what Murphy says of each.
    async fn calls(&mut self, count: usize) -> Result<(), Failure> {
        for _ in 0..count {
            let seen = self.agent.call().await.map_err(Failure::failed)?;
            let line = self.recorded().await?;
            self.say(&format!("  {line}  {}", styled(DIM, format_args!("→ {seen}"))))?;
        }
        Ok(())
    }

    /// The line of the last call, once it is recorded: that is after the agent has its answer.
    async fn recorded(&mut self) -> Result<String, Failure> {
        let filter = ExchangeFilter {
            after: Some(self.shown),
            limit: Some(1),
            ..ExchangeFilter::default()
        };
        let looking = async {
            loop {
                if let Some(exchange) = self.client.exchanges(&filter).await?.pop() {
                    return Ok(exchange);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let exchange = tokio::time::timeout(RECORD_MAX, looking)
            .await
            .map_err(|_| Failure::failed("a call was not recorded"))?
            .map_err(|error: murphy_control::client::ClientError| Failure::from(error))?;
        self.shown = exchange.id;
        Ok(tail::line(&exchange))
    }

    async fn call_until_tripped(&mut self) -> Result<KillSwitchView, Failure> {
        for _ in 0..CALLS_MAX {
            self.calls(1).await?;
            let switch = self.client.kill_switch().await?;
            if switch.state == SwitchState::Tripped {
                return Ok(switch);
            }
        }
        Err(Failure::failed("the kill switch did not trip"))
    }

    async fn metrics(&mut self) -> Result<(), Failure> {
        let text = self.client.metrics().await?;
        let told = ["murphy_faults_injected_total{", "murphy_kill_switch_tripped "];
        let lines = text
            .lines()
            .filter(|line| told.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0"));
        for line in lines {
            self.note(&printable(line))?;
        }
        Ok(())
    }

    /// Begins a chapter; on a terminal, once the one before could be read.
    async fn title(&self, text: &str) -> Result<(), Failure> {
        if self.shown > 0 && std::io::stdout().is_terminal() {
            tokio::time::sleep(READ_FOR).await;
        }
        self.say(&format!("\n{}", styled(HEAD, text)))
    }

    fn note(&self, text: &str) -> Result<(), Failure> {
        self.say(&styled(DIM, format_args!("  {text}")))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        self.out.line(text)
    }
}
