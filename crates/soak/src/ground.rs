//! Where a part takes place: a folder with a configuration, an origin, a daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::Trouble;
use crate::control::{metric, post};
use crate::process::{Launch, Look, Murphy, Origin, look};

/// What every part is told.
#[derive(Debug, Clone)]
pub struct Task {
    /// The binary to drive.
    pub murphy: PathBuf,
    /// Fixes the plan.
    pub seed: u64,
    /// About how long it may take.
    pub budget: Duration,
    /// How many descriptors a process may have open.
    pub files: u64,
}

impl Task {
    /// So many where there is time for all of them (a minute or more of this part), fewer in a short run.
    #[must_use]
    pub fn scaled(&self, full: u64, needs: Duration) -> u64 {
        let share = (self.budget.as_secs_f64() / needs.as_secs_f64()).min(1.0);
        ((full as f64 * share) as u64).max(full / 20).max(1)
    }
}

/// How the daemon is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup<'a> {
    /// Lines of `[proxy]`.
    pub proxy: &'a str,
    /// Lines of `[events]`.
    pub events: &'a str,
    /// What stands behind the routes to the origin: further tables.
    pub tables: &'a str,
    /// Scenarios, by name.
    pub scenarios: &'a [(&'a str, String)],
    /// Where the latch is kept, if not in the folder.
    pub state_file: Option<&'a str>,
    /// See [`Launch::shell`].
    pub shell: Option<&'a str>,
    /// See [`Launch::unshared`].
    pub unshared: bool,
}

/// The running whole. What it holds ends with it.
#[derive(Debug)]
pub struct Ground {
    folder: TempDir,
    /// The upstream.
    pub origin: Origin,
    /// The daemon.
    pub murphy: Murphy,
    /// The configuration as it was written first.
    pub config: String,
}

/// The prefix of the route that no rule names.
pub const CLEAN: &str = "/clean";
/// The prefix of the route that rules name.
pub const FAULTY: &str = "/faulty";
/// The prefix of the route whose upstream is spoken to in HTTP/2.
pub const TWO: &str = "/two";

impl Ground {
    /// Starts all of it.
    ///
    /// # Errors
    /// If something does not come up.
    pub async fn prepare(task: &Task, setup: Setup<'_>) -> Result<Self, Trouble> {
        let folder = tempfile::Builder::new().prefix("murphy-soak-").tempdir()?;
        let origin = Origin::start(&folder.path().join("ledger")).await?;
        let config = configuration(&setup, &origin);
        fs::write(folder.path().join("murphy.toml"), &config)?;
        fs::create_dir(folder.path().join("scenarios"))?;
        for (name, text) in setup.scenarios {
            write(folder.path(), &format!("scenarios/{name}.yaml"), text)?;
        }
        let launch = Launch {
            murphy: task.murphy.clone(),
            folder: folder.path().to_owned(),
            shell: setup.shell.map(str::to_owned),
            unshared: setup.unshared,
        };
        let murphy = Murphy::start(launch).await?;
        Ok(Self {
            folder,
            origin,
            murphy,
            config,
        })
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The origin's ledger.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path().join("ledger")
    }

    /// Looks at the daemon.
    ///
    /// # Errors
    /// If it is gone.
    pub fn look(&self) -> Result<Look, Trouble> {
        look(self.murphy.process.pid).map_err(|error| format!("murphy is gone: {error}").into())
    }

    /// Calls the control API: a `POST` that must be answered with this status.
    ///
    /// # Errors
    /// If it is not.
    pub async fn post(&self, path: &str, wanted: u16) -> Result<serde_json::Value, Trouble> {
        post(self.murphy.control, path, json!({}), wanted).await
    }

    /// Kills the daemon without notice and starts it again as it was.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn kill_and_restart(&mut self) -> Result<(), Trouble> {
        self.murphy.process.kill().await?;
        self.murphy = Murphy::start(self.murphy.launch.clone()).await?;
        Ok(())
    }

    /// Waits until no call is in flight and no more descriptors are open than `fds`; what there is in the end.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub async fn settle(&self, fds: usize) -> Result<(f64, usize), Trouble> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            let in_flight = metric(self.murphy.control, "murphy_in_flight_requests").await?;
            let open = self.look()?.fds;
            if (in_flight == 0.0 && open <= fds) || Instant::now() > deadline {
                return Ok((in_flight, open));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Panics that the daemon reported.
    #[must_use]
    pub fn panics(&self) -> Vec<String> {
        let stderr = self.murphy.launch.stderr();
        let lines = stderr.lines().filter(|line| line.contains("panicked"));
        lines.map(str::to_owned).collect()
    }
}

/// HTTP/2 connections to the upstream are kept for half a minute.
const SETTLE_WITHIN: Duration = Duration::from_secs(45);

/// Writes a file as an editor does: nobody reads half of it.
///
/// # Errors
/// If it cannot be written.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<(), Trouble> {
    let temporary = folder.join(".soak.tmp");
    fs::write(&temporary, text)?;
    Ok(fs::rename(&temporary, folder.join(name))?)
}

fn configuration(setup: &Setup<'_>, origin: &Origin) -> String {
    let route = |prefix: &str, more: &str| {
        let name = prefix.trim_start_matches('/');
        let upstream = origin.addr;
        format!(
            "[[routes]]\nname = \"{name}\"\npath = \"{prefix}\"\nupstream = \"http://{upstream}\"\n{more}\n"
        )
    };
    let routes = [
        route(CLEAN, ""),
        route(FAULTY, ""),
        route(TWO, "protocol = \"http2\"\n"),
    ]
    .concat();
    let state_file = setup.state_file.unwrap_or("state.json");
    format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\n{}\n\n[control]\nlisten = \"127.0.0.1:0\"\n\n\
         [scenarios]\ndir = \"scenarios\"\n\n\
         [kill_switch]\nerror_rate = 1.0\nunresponsive_after = \"0s\"\nstate_file = \"{state_file}\"\n\n\
         [log]\nlevel = \"warn\"\nformat = \"json\"\n\n[events]\n{}\n\n{routes}\n{}\n",
        setup.proxy, setup.events, setup.tables
    )
}
