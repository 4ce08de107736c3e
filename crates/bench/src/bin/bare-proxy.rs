//! The bare proxy as a program.
#![allow(clippy::print_stdout)]

use std::io;
use std::net::SocketAddr;

use clap::Parser;
use hyper::http::uri::Authority;
use murphy_bench::bare;
use murphy_bench::threads::{Threads, run};

/// A bare hyper reverse proxy, the yardstick.
#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:7080")]
    listen: SocketAddr,
    /// Where to forward, as host:port.
    #[arg(long)]
    upstream: Authority,
    /// How to use the cores.
    #[arg(long, value_enum, default_value = "multi")]
    threads: Threads,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let upstream = options.upstream;
    run(
        options.listen,
        options.threads,
        |addr| println!("proxy http://{addr}"),
        move |listener| bare::serve(listener, upstream.clone()),
    )
}
