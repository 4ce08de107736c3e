//! How the parts are put together: the simulator, the Director, the observer, the proxy's workers, the control
//! server.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use murphy_control::auth::{Guard, Token};
use murphy_control::{ControlState, Readiness};
use murphy_core::agent::Salt;
use murphy_core::clock::{SystemClock, WallClock};
use murphy_director::settings::{LogFormat, Settings};
use murphy_director::view::{ListenersView, Located, Trigger};
use murphy_director::{Director, Handle, Override, Sources, Startup};
use murphy_observe::{JsonlOptions, Observer, ObserverOptions};
use murphy_proxy::effects::memory::Memory;
use murphy_proxy::effects::wait::Gate;
use murphy_proxy::gatekeeper::Gatekeeper;
use murphy_proxy::listen::{ListenOptions, Listening, accept, server_config};
use murphy_proxy::pipeline::{Proxy, Worker};
use murphy_proxy::timer::Timer;
use murphy_proxy::upstream::{Roots, UpstreamOptions, UpstreamStats, Upstreams};
use murphy_sim::Sim;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::exit::Failure;
use crate::post::Poster;
use crate::runtime;
use crate::sockets::Sockets;
use crate::systemd::Pulses;

/// What `murphy serve` was told; each flag stands above the file and the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServeOptions {
    /// The configuration file, if one was named or found.
    pub(crate) config: Option<PathBuf>,
    /// Where the proxy listens.
    pub(crate) listen: Option<String>,
    /// Where the control API listens.
    pub(crate) control_listen: Option<String>,
    /// The folder of the scenarios.
    pub(crate) scenarios: Option<PathBuf>,
    /// Scenarios that are switched on at the start.
    pub(crate) activate: Vec<String>,
    /// The seed of activations that name none.
    pub(crate) seed: Option<u64>,
    /// How the log is written.
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged.
    pub(crate) log_level: Option<String>,
}

impl ServeOptions {
    /// The flags as the layer above all others.
    fn overrides(&self) -> Vec<Override> {
        let path = |path: &PathBuf| path.display().to_string();
        let format = |format: LogFormat| format!("{format:?}").to_lowercase();
        let activate = (!self.activate.is_empty()).then(|| self.activate.join(","));
        let flags = [
            ("proxy.listen", "--listen", self.listen.clone()),
            ("control.listen", "--control-listen", self.control_listen.clone()),
            ("scenarios.dir", "--scenarios", self.scenarios.as_ref().map(path)),
            ("scenarios.active", "--activate", activate),
            ("seed", "--seed", self.seed.map(|seed| seed.to_string())),
            ("log.format", "--log-format", self.log_format.map(format)),
            ("log.level", "--log-level", self.log_level.clone()),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(key, from, value)| Some((key, from, value?)));
        given
            .map(|(key, from, value)| Override {
                key: key.to_owned(),
                value,
                from: from.to_owned(),
            })
            .collect()
    }

    /// All the layers. `sim` is where the simulator listens.
    pub(crate) fn sources(&self, sim: Option<SocketAddr>) -> Sources {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Sources {
            config_file: self.config.clone(),
            env: env.collect(),
            overrides: self.overrides(),
            sim,
        }
    }
}

/// A daemon that runs in this process.
pub(crate) struct Running {
    /// Where its proxy listens.
    pub(crate) proxy: SocketAddr,
    /// Where its control API listens.
    pub(crate) control: SocketAddr,
    /// What it was started with.
    pub(crate) settings: Settings,
    /// Talks to the Director.
    pub(crate) director: Handle,
    /// What it says on `/readyz`.
    pub(crate) readiness: Arc<Readiness>,
    /// What its listeners share: to drain.
    pub(crate) listening: Arc<Listening>,
    /// The runtime of Director and control API.
    pub(crate) runtime: Runtime,
    /// Asks the workers of the data path whether they turn.
    pub(crate) pulses: Pulses,
    observer: Arc<Observer>,
    control_end: Option<oneshot::Sender<()>>,
    control_task: Option<tokio::task::JoinHandle<()>>,
    _sim: SimThread,
}

/// How long the event log may take to reach the disk at the end.
const FLUSH_MAX: Duration = Duration::from_secs(2);
/// How long the control API may take to end.
const CONTROL_END_MAX: Duration = Duration::from_secs(6);

impl Running {
    /// Ends it at once.
    pub(crate) fn stop(self) {
        self.listening.abort();
        self.finish();
    }

    /// Ends what is left once the data path is drained.
    pub(crate) fn finish(mut self) {
        drop(self.control_end.take());
        if let Some(task) = self.control_task.take() {
            let ending = async { tokio::time::timeout(CONTROL_END_MAX, task).await };
            if self.runtime.block_on(ending).is_err() {
                tracing::warn!("the control API did not end in time");
            }
        }
        self.observer.flush(FLUSH_MAX);
        self.runtime.shutdown_background();
    }
}

/// Starts a daemon beside the caller, without signals and without a log of its own; returns once it is ready.
///
/// # Errors
/// Why it cannot run, in words.
pub(crate) fn start(options: ServeOptions) -> Result<Running, Failure> {
    let sim = SimThread::start()
        .map_err(|error| Failure::failed(format!("the simulator cannot start: {error}")))?;
    let sources = options.sources(Some(sim.addr));
    let loaded = murphy_director::load(&sources).map_err(|problems| Failure::no(in_words(&problems)))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let settings = loaded.settings;
    let listening = Listening::new(listen_options(&settings).map_err(Failure::no)?);
    let sockets = Sockets::open(settings.proxy.listen, settings.control.listen).map_err(Failure::failed)?;
    let addresses = Addresses::of(&sockets, settings.proxy.tls.is_some()).map_err(Failure::failed)?;
    let guard = guard(&settings, addresses.control).map_err(Failure::no)?;
    let observer = observer(&settings, &loaded.routes).map_err(Failure::failed)?;

    let runtime = runtime::control().map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let entered = runtime.enter();
    let started = Instant::now();
    let roots = Roots::system();
    let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
    let (director, _ends_with_its_handles) = Director::start(Startup {
        sources,
        settings: settings.clone(),
        observer: Arc::clone(&observer),
        clock: Arc::clone(&clock),
        started,
        post: Arc::new(Poster::new(roots.clone())),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listeners: addresses.view(),
    })
    .map_err(|problems| Failure::no(in_words(&problems)))?;

    let alarm = director.clone();
    let proxy = Arc::new(Proxy {
        gate: Gate {
            live: director.live(),
            timer: Timer::fine(),
        },
        observer: Arc::clone(&observer),
        gatekeeper: Gatekeeper::new(settings.proxy.allowed_hosts.iter().cloned()),
        salt: salt(),
        clock,
        started,
        memory: Memory::default(),
        alarm: Box::new(move |what| alarm.trip_soon(Trigger::Internal, what, "murphy")),
    });
    let pulses = spawn_workers(&settings, &proxy, &listening, &sockets.proxy, roots, &addresses)
        .map_err(|error| Failure::failed(format!("no worker: {error}")))?;

    let readiness = Arc::new(Readiness::default());
    let state = ControlState::new(
        director.clone(),
        Arc::clone(&observer),
        guard,
        Arc::clone(&readiness),
    );
    let (control_end, ended) = oneshot::channel::<()>();
    let control = tokio::net::TcpListener::from_std(sockets.control).map_err(Failure::failed)?;
    let control_task = tokio::spawn(async move {
        let end = async move { ended.await.map_or((), |()| ()) };
        if let Err(error) = murphy_control::serve(control, state, end).await {
            tracing::error!(%error, "the control API ended");
        }
    });
    readiness.set_listening();
    drop(entered);
    Ok(Running {
        proxy: addresses.proxy,
        control: addresses.control,
        settings,
        director,
        readiness,
        listening,
        runtime,
        pulses,
        observer,
        control_end: Some(control_end),
        control_task: Some(control_task),
        _sim: sim,
    })
}

/// One thread for each worker, all accepting from the same socket.
fn spawn_workers(
    settings: &Settings,
    proxy: &Arc<Proxy>,
    listening: &Arc<Listening>,
    socket: &std::net::TcpListener,
    roots: Roots,
    addresses: &Addresses,
) -> std::io::Result<Pulses> {
    let mut pulses = Pulses::default();
    let stats = Arc::new(UpstreamStats::default());
    for nth in 0..runtime::workers(settings.proxy.workers) {
        let (socket, listening, proxy) = (socket.try_clone()?, Arc::clone(listening), Arc::clone(proxy));
        let (roots, stats, own) = (
            roots.clone(),
            Arc::clone(&stats),
            vec![addresses.proxy, addresses.control],
        );
        let pulse = pulses.add();
        runtime::thread(&format!("murphy-proxy-{nth}"), move || async move {
            tokio::spawn(pulse.answer());
            let options = UpstreamOptions {
                never: own,
                ..UpstreamOptions::new(roots)
            };
            let upstreams = Arc::new(Upstreams::with_stats(options, stats));
            if let Err(error) = accept(socket, Arc::clone(&listening), Worker { proxy, upstreams }).await {
                tracing::error!(%error, "a worker cannot accept");
            }
            // Accepting ends when the drain begins; the connections are tasks of this runtime.
            listening.ended().await;
        })?;
    }
    Ok(pulses)
}

fn listen_options(settings: &Settings) -> Result<ListenOptions, String> {
    let proxy = &settings.proxy;
    let bytes = |size: murphy_core::span::Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).map_err(|error| format!("proxy.tls: {}: {error}", file.display()))
    };
    let tls = match &proxy.tls {
        Some(tls) => {
            let config = server_config(&read(&tls.cert)?, &read(&tls.key)?);
            Some(config.map_err(|error| format!("proxy.tls: {error}"))?)
        }
        None => None,
    };
    Ok(ListenOptions {
        tls,
        connections_max: crate::files::connections_max(proxy.max_connections),
        connections_per_peer_max: proxy.max_connections_per_peer,
        head_bytes_max: bytes(proxy.max_header_bytes),
        fields_max: proxy.max_headers,
        header_timeout: proxy.header_timeout.0,
        idle_timeout: proxy.idle_timeout.0,
        handshake_timeout: proxy.handshake_timeout.0,
    })
}

fn observer(settings: &Settings, routes: &[Arc<murphy_core::route::Route>]) -> Result<Arc<Observer>, String> {
    let events = &settings.events;
    let jsonl = events.file.clone().map(|path| JsonlOptions {
        path,
        bytes_max: events.max_size.0,
        files_max: events.max_files,
    });
    Observer::new(ObserverOptions {
        routes: routes.iter().map(|route| Arc::clone(&route.name)).collect(),
        ring_exchanges_max: events.ring,
        jsonl,
        window: murphy_director::director::window(&settings.kill_switch),
        series_max: settings.metrics.max_series,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
    .map_err(|error| format!("events.file: {error}"))
}

/// The guard of the control API, for the address that was bound (systemd may have chosen another).
fn guard(settings: &Settings, bound: SocketAddr) -> Result<Guard, String> {
    let control = &settings.control;
    let token = control
        .token_file
        .as_deref()
        .map(Token::read)
        .transpose()
        .map_err(|error| error.to_string())?;
    Guard::new(bound, token, &control.allowed_hosts).map_err(|error| error.to_string())
}

/// The salt of this process.
fn salt() -> Salt {
    let random = || RandomState::new().build_hasher().finish();
    Salt(random(), random())
}

/// All problems, one under the other.
pub(crate) fn in_words(problems: &[Located]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("the configuration is not valid\n{}", lines.join("\n"))
}

/// Where the daemon listens.
struct Addresses {
    proxy: SocketAddr,
    control: SocketAddr,
    tls: bool,
}

impl Addresses {
    fn of(sockets: &Sockets, tls: bool) -> Result<Self, String> {
        let address = |socket: &std::net::TcpListener| socket.local_addr().map_err(|error| error.to_string());
        Ok(Self {
            proxy: address(&sockets.proxy)?,
            control: address(&sockets.control)?,
            tls,
        })
    }

    fn view(&self) -> ListenersView {
        let scheme = if self.tls { "https" } else { "http" };
        ListenersView {
            proxy: format!("{scheme}://{}", self.proxy),
            control: format!("http://{}", self.control),
        }
    }
}

/// The simulator on a thread of its own; it ends with this value.
struct SimThread {
    addr: SocketAddr,
    _end: oneshot::Sender<()>,
}

impl SimThread {
    fn start() -> std::io::Result<Self> {
        let (end, ended) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        runtime::thread("murphy-sim", move || async move {
            let sim = Sim::start(SocketAddr::from(([127, 0, 0, 1], 0)));
            let running = sim.is_ok();
            // The receiver waits for exactly this.
            let _told = tell.send(
                sim.as_ref()
                    .map(Sim::addr)
                    .map_err(|error| std::io::Error::new(error.kind(), error.to_string())),
            );
            if running {
                let _ended = ended.await;
            }
        })?;
        let addr = told.recv().map_err(std::io::Error::other)??;
        Ok(Self { addr, _end: end })
    }
}
