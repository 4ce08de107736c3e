//! Compares Murphy with bare proxies and nginx, in interleaved rounds; `scale` measures how cost grows. Exit code 1
//! if `--check` is given and a figure does not hold, 3 if no figure could be had.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use murphy_bench::Void;
use murphy_bench::measure::{self, Part, Plan};
use murphy_bench::report::{Form, Report};
use murphy_bench::results::median;
use murphy_bench::scale;
use murphy_bench::targets::{Lab, about, find, hold_this_process};
use murphy_bench::verdict::verdict;

/// Compares Murphy with bare hyper proxies and, where it is installed, nginx.
#[derive(Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  murphy-bench --rounds 9 --output markdown\n  \
                  murphy-bench --only throughput --targets bare,murphy --pin\n  murphy-bench scale --docs docs"
)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: Compare,
}

#[derive(Subcommand)]
enum Command {
    /// Measures how cost grows with rules, routes, connections, body size and streams.
    Scale(Scale),
}

#[derive(Args)]
struct Common {
    /// The murphy binary; without it, the one beside this program.
    #[arg(long)]
    murphy: Option<PathBuf>,
    /// Hold proxies to core 0, and load and origin to core 1: figures of one core. Needs `taskset`.
    #[arg(long)]
    pin: bool,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Milliseconds of a slice: what one target is measured for one kind of work in a round.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    ms: u64,
    /// Do not say on stderr how far it is.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args)]
struct Compare {
    #[command(flatten)]
    common: Common,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::value_variants().to_vec())]
    only: Vec<Part>,
    /// Only targets whose name contains one of these; the origin is always asked.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Keep-alive connections, each with one request at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Requests per second where latency is measured.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Idle connections where memory is measured.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..=8_000))]
    idle: u16,
    /// Leave nginx out.
    #[arg(long)]
    no_nginx: bool,
    /// Exit with 1 if a figure does not hold.
    #[arg(long)]
    check: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Args)]
struct Scale {
    #[command(flatten)]
    common: Common,
    /// Only these curves.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = scale::Curve::value_variants().to_vec())]
    only: Vec<scale::Curve>,
    /// The largest value of each curve; for a quick look.
    #[arg(long)]
    up_to: Option<u64>,
    /// Write the tables into `scale.md` of this folder, between its markers, and a plot of each into `plots/`.
    #[arg(long)]
    docs: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Markdown,
    Json,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("murphy-bench: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(options: Options) -> Result<ExitCode, Void> {
    let common = match &options.command {
        Some(Command::Scale(scale)) => &scale.common,
        None => &options.compare.common,
    };
    if common.pin {
        hold_this_process(1)?; // before there are other threads
    }
    let folder = tempfile::tempdir()?;
    let nginx = find("nginx").filter(|_| options.command.is_none() && !options.compare.no_nginx);
    let lab = lab(common, nginx, folder.path().to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match &options.command {
            Some(Command::Scale(scale)) => grow(&lab, scale).await,
            None => compare(&lab, &options.compare).await,
        }
    })
}

fn lab(common: &Common, nginx: Option<PathBuf>, folder: PathBuf) -> io::Result<Lab> {
    let here = std::env::current_exe()?;
    let programs = here.parent().unwrap_or(&here).to_owned();
    let murphy = match &common.murphy {
        Some(path) => path
            .canonicalize()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
        None => programs.join("murphy"),
    };
    Ok(Lab {
        programs,
        murphy,
        nginx,
        pin: common.pin,
        folder,
    })
}

async fn compare(lab: &Lab, options: &Compare) -> Result<ExitCode, Void> {
    let common = &options.common;
    let plan = Plan {
        parts: options.only.clone(),
        rounds: common.rounds.into(),
        slice: Duration::from_millis(common.ms),
        connections: options.connections.into(),
        rate: options.rate,
        idle: options.idle.into(),
        only: options.targets.clone(),
    };
    let results = measure::run(lab, &plan, |line| tell(common, line)).await?;
    let mut lines = about(lab);
    lines.push(format!(
        "{} rounds of {} ms slices; {} connections; latency at {} requests/s; {} idle connections",
        plan.rounds, common.ms, plan.connections, plan.rate, plan.idle
    ));
    if !results.others.is_empty() {
        let percent = median(results.others.clone()) * 100.0;
        lines.push(format!(
            "while rates were measured, others took {percent:.0} % of the cores' time (the more, the less the rates say)"
        ));
    }
    let verdict = verdict(&results);
    let report = Report {
        about: lines,
        results,
        verdict,
    };
    match options.output {
        Output::Text => print!("{report}"),
        Output::Markdown => print!("{}", report.write(Form::Markdown)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    let fails = report.verdict.iter().any(|bar| !bar.ok);
    Ok(if options.check && fails {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

async fn grow(lab: &Lab, options: &Scale) -> Result<ExitCode, Void> {
    let common = &options.common;
    let plan = scale::Plan {
        curves: options.only.clone(),
        rounds: common.rounds.into(),
        slice: Duration::from_millis(common.ms),
        up_to: options.up_to.unwrap_or(u64::MAX),
    };
    let graphs = scale::run(lab, &plan, |line| tell(common, line)).await?;
    let mut lines = about(lab);
    lines.push(format!("{} rounds of {} ms slices", plan.rounds, common.ms));
    print!("{}", scale::docs::write(&lines, &graphs));
    if let Some(docs) = &options.docs {
        scale::docs::save(docs, &lines, &graphs)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(common: &Common, line: &str) {
    if !common.quiet {
        eprintln!("{line}");
    }
}
