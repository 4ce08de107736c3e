//! How the parts are put together: the simulator, the Director, the observer, the proxy's workers, the control
//! server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use murphy_director::settings::LogFormat;

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

/// Runs the daemon until it is told to end.
pub(crate) fn run(options: ServeOptions) -> ExitCode {
    let _ = options;
    ExitCode::from(3)
}
