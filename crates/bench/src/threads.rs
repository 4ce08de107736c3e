//! The two ways to spread connections over cores, so that each can be measured.

use std::io;
use std::net::SocketAddr;
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// How a server uses the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Threads {
    /// One runtime whose threads share the connections.
    Multi,
    /// A runtime of one thread for each core; a connection stays where it was accepted.
    PerCore,
    /// One runtime of one thread, for what must not take cores from those that are measured.
    Single,
}

impl Threads {
    /// The name as it is written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Multi => "multi",
            Self::PerCore => "per-core",
            Self::Single => "single",
        }
    }
}

/// Listens, calls `ready` with the address, and runs `serve` until it ends, which servers do not.
///
/// # Errors
/// If it cannot listen or a runtime cannot be built.
pub fn run<S, F>(
    listen: SocketAddr,
    threads: Threads,
    ready: impl FnOnce(SocketAddr),
    serve: S,
) -> io::Result<()>
where
    S: Fn(TcpListener) -> F + Clone + Send + 'static,
    F: Future<Output = ()>,
{
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    ready(listener.local_addr()?);
    match threads {
        Threads::Multi => on_runtime(&mut Builder::new_multi_thread(), listener, serve),
        Threads::PerCore | Threads::Single => {
            let count = if threads == Threads::Single { 1 } else { cores()? };
            let mut running = Vec::new();
            for _ in 0..count {
                let (listener, serve) = (listener.try_clone()?, serve.clone());
                running.push(thread::spawn(move || {
                    on_runtime(&mut Builder::new_current_thread(), listener, serve)
                }));
            }
            for thread in running {
                thread
                    .join()
                    .map_err(|_| io::Error::other("a thread panicked"))??;
            }
            Ok(())
        }
    }
}

/// How many cores this process may use.
///
/// # Errors
/// If the system does not say.
pub fn cores() -> io::Result<usize> {
    Ok(thread::available_parallelism()?.get())
}

fn on_runtime<S, F>(builder: &mut Builder, listener: std::net::TcpListener, serve: S) -> io::Result<()>
where
    S: Fn(TcpListener) -> F,
    F: Future<Output = ()>,
{
    builder.enable_all().build()?.block_on(async {
        serve(TcpListener::from_std(listener)?).await;
        Ok(())
    })
}
