//! `murphy-soak`: drives the real daemon for a bounded time, checks every answer, and prints what was asked and what
//! was measured. Exit code 1 if a bar does not hold, 3 if a part could not be carried out.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use murphy_soak::ground::Task;
use murphy_soak::parts::{
    Outcome, bodies, exhaustion, latch, many, mutants, slow_clients, traffic, upstream,
};
use murphy_soak::report::{Bar, Holds, Report};
use murphy_soak::{Trouble, origin, process};
use tokio::time::{Instant, timeout};

/// Drives Murphy for a bounded time and checks every answer.
#[derive(Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example: murphy-soak --murphy target/release/murphy --for 5m"
)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// The murphy binary; without it, the one beside this program.
    #[arg(long)]
    murphy: Option<PathBuf>,
    /// About how long it may take in all, such as 30s, 5m or 15m.
    #[arg(long = "for", default_value = "5m", value_parser = duration)]
    duration: Duration,
    /// Fixes what is asked and done. What comes of it depends on time as well.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these parts, by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// A bar that may fail without failing the run, by a part of `part: what`; can be repeated.
    #[arg(long, value_name = "TEXT")]
    known: Vec<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Subcommand)]
enum Role {
    /// The upstream; this program starts it by itself.
    #[command(hide = true)]
    Origin { addr: SocketAddr, ledger: PathBuf },
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Mixed traffic with faults, reloads, toggles, trips and kills of the upstream.
    Traffic,
    /// A thousand reloads under load.
    Reloads,
    /// Ten thousand keep-alive connections.
    Connections,
    /// Nine thousand event streams.
    Streams,
    /// Bodies of a GiB.
    Bodies,
    /// No descriptor is left.
    Exhaustion,
    /// The upstream is killed in the middle of answers.
    Crash,
    /// The upstream takes its time.
    SlowUpstream,
    /// Thousands of clients that are slow on purpose.
    SlowClients,
    /// Kill -9 after a trip, and the latch.
    Latch,
    /// The event log's disk is full, and the latch cannot be written.
    Disk,
    /// Broken requests.
    Mutants,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Reloads => "reloads",
            Self::Connections => "connections",
            Self::Streams => "streams",
            Self::Bodies => "bodies",
            Self::Exhaustion => "exhaustion",
            Self::Crash => "crash",
            Self::SlowUpstream => "slow-upstream",
            Self::SlowClients => "slow-clients",
            Self::Latch => "latch",
            Self::Disk => "disk",
            Self::Mutants => "mutants",
        }
    }

    /// Its part of the time, in hundredths.
    const fn share(self) -> u32 {
        match self {
            Self::Traffic => 50,
            Self::Reloads => 5,
            Self::Connections => 5,
            Self::Streams => 9,
            Self::Bodies => 7,
            Self::Exhaustion => 3,
            Self::Crash => 4,
            Self::SlowUpstream => 1,
            Self::SlowClients => 9,
            Self::Latch => 5,
            Self::Disk => 3,
            Self::Mutants => 10,
        }
    }

    async fn run(self, task: &Task) -> Result<Outcome, Trouble> {
        match self {
            Self::Traffic => traffic::mixed(task).await,
            Self::Reloads => traffic::storm(task).await,
            Self::Connections => many::connections(task).await,
            Self::Streams => many::streams(task).await,
            Self::Bodies => bodies::bodies(task).await,
            Self::Exhaustion => exhaustion::exhaustion(task).await,
            Self::Crash => upstream::crash(task).await,
            Self::SlowUpstream => upstream::slow(task).await,
            Self::SlowClients => slow_clients::slow_clients(task).await,
            Self::Latch => latch::latch(task).await,
            Self::Disk => latch::disk(task).await,
            Self::Mutants => mutants::mutants(task).await,
        }
    }
}

/// What a part may take beyond its budget, for starts, ends and what is bounded by itself.
const GRACE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.role {
        Some(Role::Origin { addr, ledger }) => serve(*addr, ledger).await,
        None => soak(&options).await,
    };
    result.unwrap_or_else(|trouble| {
        eprintln!("murphy-soak: {trouble}");
        ExitCode::from(3)
    })
}

async fn serve(addr: SocketAddr, ledger: &std::path::Path) -> Result<ExitCode, Trouble> {
    process::raise_files()?;
    origin::run(addr, ledger).await?;
    Ok(ExitCode::SUCCESS)
}

async fn soak(options: &Options) -> Result<ExitCode, Trouble> {
    let murphy = match &options.murphy {
        Some(path) => path.canonicalize()?,
        None => std::env::current_exe()?.with_file_name("murphy"),
    };
    let files = process::raise_files()?;
    let began = Instant::now();
    let mut report = Report {
        seed: options.seed,
        seconds: 0,
        bars: Vec::new(),
        notes: Vec::new(),
    };
    let mut carried_out = true;
    let wanted = |part: &&Part| options.only.is_empty() || options.only.contains(part);
    let parts: Vec<Part> = Part::value_variants().iter().filter(wanted).copied().collect();
    let shares: u32 = parts.iter().map(|part| part.share()).sum();
    for part in parts {
        let budget = options.duration * part.share() / shares.max(1);
        let task = Task {
            murphy: murphy.clone(),
            seed: options.seed,
            budget,
            files,
        };
        eprintln!("{} …", part.name());
        let outcome = match timeout(budget * 2 + GRACE, part.run(&task)).await {
            Ok(outcome) => outcome,
            Err(_) => Err("it does not end".into()),
        };
        match outcome {
            Ok(outcome) => {
                let named = outcome.bars.into_iter().map(|bar| Bar {
                    part: part.name(),
                    ..bar
                });
                report.bars.extend(named);
                report.notes.extend(
                    outcome
                        .notes
                        .into_iter()
                        .map(|note| format!("{}: {note}", part.name())),
                );
            }
            Err(trouble) => {
                carried_out = false;
                report
                    .notes
                    .push(format!("{} could not be carried out: {trouble}", part.name()));
            }
        }
    }
    report.seconds = began.elapsed().as_secs();
    report.tolerate(&options.known);
    print(&report, options.output)?;
    Ok(
        match (
            carried_out,
            report.bars.iter().any(|bar| bar.holds == Holds::Fails),
        ) {
            (_, true) => ExitCode::from(1),
            (false, false) => ExitCode::from(3),
            (true, false) => ExitCode::SUCCESS,
        },
    )
}

fn print(report: &Report, output: Output) -> Result<(), Trouble> {
    match output {
        Output::Text => print!("{}", report.table(false)),
        Output::Markdown => print!("{}", report.table(true)),
        Output::Json => println!("{}", serde_json::to_string_pretty(report)?),
    }
    Ok(())
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text} is no time such as 5m"))?;
    let seconds = match unit {
        "s" => number,
        "m" => number * 60,
        _ => return Err(format!("{text} has no unit: s or m")),
    };
    Ok(Duration::from_secs(seconds).clamp(Duration::from_secs(10), Duration::from_secs(3600)))
}
