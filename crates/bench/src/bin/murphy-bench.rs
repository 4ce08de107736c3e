//! Compares `murphy serve` (no rules) with the bare proxy, in interleaved rounds. Exit code 1 if it is slower than
//! asked, 3 if no figure could be had.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use murphy_bench::load::{Load, Measured, Void};
use murphy_bench::process::Server;
use murphy_bench::report::{BARE, Report, Row};
use murphy_bench::threads::Threads;

/// Compares Murphy without rules with a bare hyper proxy.
#[derive(Parser)]
#[command(after_help = "Example: murphy-bench --murphy target/release/murphy --rounds 7 --at-least 0.85")]
struct Options {
    /// The murphy binary; without it, the one beside this program.
    #[arg(long)]
    murphy: Option<PathBuf>,
    /// Keep-alive connections, each with one request at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Milliseconds that each target is measured in a round.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    ms: u64,
    /// Exit with 1 if murphy has less than this share of the best bare proxy's requests per second.
    #[arg(long)]
    at_least: Option<f64>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What is asked for: label, path at the origin, length in bytes.
const BODIES: [(&str, &str, usize); 2] = [("200 B", "/200", 200), ("8 KiB", "/8k", 8 * 1024)];

/// Where Murphy has its route to the origin.
const PREFIX: &str = "/bench";

/// The most requests on one connection in one round.
const REQUESTS_MAX: usize = 100_000;

/// How long each target is warmed up before the first round, at most.
const WARM_UP_MAX: Duration = Duration::from_millis(500);

const MURPHY: &str = "murphy";

struct Target {
    name: String,
    addr: SocketAddr,
    prefix: &'static str,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let report = match measure(&options).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("murphy-bench: {error}");
            return ExitCode::from(3);
        }
    };
    match options.output {
        Output::Text => print!("{report}"),
        Output::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => println!("{json}"),
            Err(error) => eprintln!("murphy-bench: {error}"),
        },
    }
    match (options.at_least, report.worst(MURPHY)) {
        (Some(least), Some(worst)) if worst < least => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    }
}

async fn measure(options: &Options) -> Result<Report, Void> {
    let folder = tempfile::tempdir()?;
    let (servers, targets) = start(options, folder.path()).await?;
    let mut rounds: Vec<Vec<Measured>> = BODIES.iter().flat_map(|_| &targets).map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        let warm_up = round == 0;
        let pairs = BODIES
            .iter()
            .flat_map(|body| targets.iter().map(move |target| (body, target)));
        for ((body, target), kept) in pairs.zip(&mut rounds) {
            let measured = load(options, body, target, warm_up).run().await;
            let measured = measured.map_err(|error| format!("{}: {error}", target.name))?;
            if !warm_up {
                kept.push(measured);
            }
        }
    }
    drop(servers);
    let pairs = BODIES
        .iter()
        .flat_map(|body| targets.iter().map(move |target| (body, target)));
    let rows = pairs
        .zip(&rounds)
        .map(|((body, target), rounds)| Row::of(body.0, &target.name, rounds));
    Ok(Report::new(
        options.connections.into(),
        options.rounds.into(),
        rows.collect(),
    ))
}

fn load(options: &Options, body: &(&str, &str, usize), target: &Target, warm_up: bool) -> Load {
    let (_, path, body_bytes) = *body;
    let measured = Duration::from_millis(options.ms);
    Load {
        addr: target.addr,
        path: format!("{}{path}", target.prefix),
        body_bytes,
        connections: options.connections.into(),
        duration: if warm_up {
            measured.min(WARM_UP_MAX)
        } else {
            measured
        },
        requests_max: REQUESTS_MAX,
    }
}

async fn start(options: &Options, folder: &Path) -> io::Result<(Vec<Server>, Vec<Target>)> {
    let here = std::env::current_exe()?;
    let beside = |name: &str| here.with_file_name(name);
    let any = ["--listen", "127.0.0.1:0"];
    let origin = Server::start(&beside("bench-origin"), any, folder, "origin ").await?;
    let upstream = origin.addr.to_string();
    let target = |name: &str, addr, prefix| Target {
        name: name.to_owned(),
        addr,
        prefix,
    };
    let mut targets = vec![target("origin direct", origin.addr, "")];
    let mut servers = vec![origin];
    for threads in [Threads::Multi, Threads::PerCore] {
        let args = [&any[..], &["--upstream", &upstream, "--threads", threads.name()]].concat();
        let bare = Server::start(&beside("bare-proxy"), args, folder, "proxy ").await?;
        targets.push(target(&format!("{BARE} {}", threads.name()), bare.addr, ""));
        servers.push(bare);
    }
    let program = match &options.murphy {
        Some(path) => path.canonicalize()?,
        None => beside("murphy"),
    };
    std::fs::write(folder.join("murphy.toml"), configuration(&upstream))?;
    std::fs::create_dir(folder.join("scenarios"))?;
    let murphy = Server::start(&program, ["serve", "--config", "murphy.toml"], folder, "proxy ").await?;
    targets.push(target(MURPHY, murphy.addr, PREFIX));
    servers.push(murphy);
    Ok((servers, targets))
}

fn configuration(upstream: &str) -> String {
    format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\n\n[control]\nlisten = \"127.0.0.1:0\"\n\n\
         [scenarios]\ndir = \"scenarios\"\n\n\
         [[routes]]\nname = \"bench\"\npath = \"{PREFIX}\"\nupstream = \"http://{upstream}\"\n"
    )
}
