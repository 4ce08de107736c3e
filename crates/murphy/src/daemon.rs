//! `murphy serve` from start to end: log, signals, reload, drain.

use std::io::Write as _;
use std::process::ExitCode;

use murphy_director::Handle;
use murphy_director::view::Trigger;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};
use crate::logging;
use crate::systemd;
use crate::wiring::{self, Running, ServeOptions, in_words};

/// Runs the daemon until it is told to end.
///
/// # Errors
/// Why it cannot run.
pub(crate) fn run(options: ServeOptions) -> Result<ExitCode, Failure> {
    // Read for the log alone; `start` reads everything once more, with the simulator's address.
    let settings = murphy_director::load(&options.sources(None))
        .map_err(|problems| Failure::no(in_words(&problems)))?
        .settings;
    logging::start(settings.log.format, &settings.log.level).map_err(Failure::usage)?;
    let mut running = wiring::start(options)?;
    let signals = {
        let _entered = running.runtime.enter();
        Signals::install().map_err(Failure::failed)?
    };
    announce(&running).map_err(Failure::failed)?; // who reads it may signal at once
    systemd::ready(&running.director.status());
    let runtime = running.runtime.handle().clone();
    let pulses = std::mem::take(&mut running.pulses);
    runtime.spawn(systemd::watchdog(running.director.clone(), pulses));
    runtime.block_on(until_told_to_end(signals, &running));
    tracing::info!("ended");
    running.finish();
    Ok(Exit::Done.into())
}

/// Prints where the listeners are: on standard output, for people and for programs.
fn announce(running: &Running) -> std::io::Result<()> {
    let status = running.director.status();
    let mut out = anstream::stdout().lock();
    writeln!(out, "proxy   {}", status.listeners.proxy)?;
    writeln!(out, "control {}", status.listeners.control)?;
    out.flush()?;
    tracing::info!(
        proxy = %status.listeners.proxy,
        control = %status.listeners.control,
        routes = status.routes,
        scenarios = status.scenarios,
        "serving"
    );
    Ok(())
}

/// The signals that the daemon answers to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    trip: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            trip: signal(SignalKind::user_defined1())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn until_told_to_end(mut signals: Signals, running: &Running) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => reload(&running.director).await,
            _ = signals.trip.recv() => trip(&running.director).await,
        }
    }
    systemd::stopping();
    running.readiness.set_draining();
    tracing::info!("draining; a second signal ends it now");
    tokio::select! {
        () = drain(running) => {}
        () = signals.end() => {
            tracing::warn!("a second signal: what is in flight is cut");
            running.listening.abort();
        }
    }
}

/// Not ready at once; injected waits released first; then what is in flight may end, up to the deadline.
async fn drain(running: &Running) {
    if let Err(refusal) = running.director.drain().await {
        tracing::warn!(%refusal, "injected waits were not released");
    }
    let proxy = &running.settings.proxy;
    tokio::time::sleep(proxy.drain_delay.0).await;
    let cut = running.listening.drain(proxy.drain_timeout.0).await;
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "the drain deadline passed: connections were cut"
        );
    }
}

async fn reload(director: &Handle) {
    systemd::reloading();
    match director.reload().await {
        Ok(report) => tracing::info!(?report, "reload asked for by SIGHUP"),
        Err(refusal) => tracing::warn!(%refusal, "reload failed"),
    }
    systemd::ready(&director.status());
}

async fn trip(director: &Handle) {
    if let Err(refusal) = director.trip(Trigger::Signal, "SIGUSR1", "signal").await {
        tracing::error!(%refusal, "the kill switch could not be tripped");
    }
}
