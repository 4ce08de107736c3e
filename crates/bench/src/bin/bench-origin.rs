//! The origin as a program.
#![allow(clippy::print_stdout)]

use std::io;
use std::net::SocketAddr;

use clap::Parser;
use murphy_bench::origin;
use murphy_bench::threads::{Threads, run};

/// A fast origin: /200, /8k, /1m, /mcp, /bytes/N, /events/N/B and /paced/N/US.
#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:7090")]
    listen: SocketAddr,
    /// How to use the cores.
    #[arg(long, value_enum, default_value = "single")]
    threads: Threads,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    run(
        options.listen,
        options.threads,
        |addr| println!("origin http://{addr}"),
        origin::serve,
    )
}
