//! Who is compared: the origin itself, two bare proxies, nginx, and Murphy with different rules; each a process of
//! its own.

use std::io;
use std::path::{Path, PathBuf};

use crate::Void;
use crate::load::Aim;
use crate::probe::Processes;
use crate::process::{Program, Server};
use crate::threads::Threads;

pub mod murphy;
pub mod nginx;

use murphy::Setup;

/// What stands before each path where a proxy has a route to the origin.
pub const PREFIX: &str = "/bench";

/// The name of the origin, asked without a proxy.
pub const DIRECT: &str = "direct";
/// How the names of bare proxies begin.
pub const BARE: &str = "bare";
/// nginx.
pub const NGINX: &str = "nginx";
/// Murphy without a rule.
pub const MURPHY: &str = "murphy";
/// Murphy with rules that name the route and do not match.
pub const MURPHY_RULES: &str = "murphy, 50 rules";
/// Murphy with rules that name another route.
pub const MURPHY_ELSEWHERE: &str = "murphy, 50 elsewhere";
/// Murphy with a rule of probability 0.
pub const MURPHY_NEVER: &str = "murphy, probability 0";

/// The order in which they are shown.
pub const ORDER: [&str; 8] = [
    DIRECT,
    "bare multi",
    "bare per-core",
    NGINX,
    MURPHY,
    MURPHY_RULES,
    MURPHY_ELSEWHERE,
    MURPHY_NEVER,
];

/// How many rules are loaded and do not match.
const IDLE_RULES: usize = 50;

/// Someone who is asked.
#[derive(Debug)]
pub struct Target {
    /// As it is shown.
    pub name: String,
    /// Where and how it is asked.
    pub aim: Aim,
    /// Its server; it runs as long as this lives.
    pub server: Server,
}

/// Where the programs are, and how they are started.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The folder with `bare-proxy` and `bench-origin`.
    pub programs: PathBuf,
    /// The murphy binary.
    pub murphy: PathBuf,
    /// nginx, if it is installed.
    pub nginx: Option<PathBuf>,
    /// Hold proxies to core 0, and all else to core 1.
    pub pin: bool,
    /// For configurations; removed at the end.
    pub folder: PathBuf,
}

impl Lab {
    /// Starts the origin.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn origin(&self) -> Result<Target, Void> {
        let args = ["--listen", "127.0.0.1:0", "--threads", "single"];
        let program = Program::new(&self.programs.join("bench-origin"), args, &self.folder);
        let server = program.on(self.pin.then_some(1)).start(&["origin "]).await?;
        target(DIRECT, "", server)
    }

    /// Starts a bare proxy.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn bare(&self, threads: Threads, origin: &Target) -> Result<Target, Void> {
        let upstream = origin.aim.addr.to_string();
        let listen = ["--listen", "127.0.0.1:0"];
        let args = [
            &listen[..],
            &["--upstream", &upstream, "--threads", threads.name()],
        ]
        .concat();
        let program = Program::new(&self.programs.join("bare-proxy"), args, &self.folder);
        let server = program.on(self.core()).start(&["proxy "]).await?;
        target(&format!("{BARE} {}", threads.name()), PREFIX, server)
    }

    /// Starts nginx, if it is installed.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn nginx(&self, origin: &Target) -> Result<Option<Target>, Void> {
        let Some(path) = &self.nginx else {
            return Ok(None);
        };
        let workers = if self.pin { 1 } else { crate::threads::cores()? };
        let folder = tempfile::tempdir_in(&self.folder)?.keep();
        let server = nginx::start(path, &folder, workers, self.core(), origin.aim.addr).await?;
        target(NGINX, PREFIX, server).map(Some)
    }

    /// Starts Murphy.
    ///
    /// # Errors
    /// If it does not start, or does not have in force what it was given.
    pub async fn murphy(&self, name: &str, setup: &Setup, origin: &Target) -> Result<Target, Void> {
        let folder = tempfile::tempdir_in(&self.folder)?.keep();
        setup.write(&folder, origin.aim.addr)?;
        let program = Program::new(&self.murphy, ["serve", "--config", "murphy.toml"], &folder);
        let server = program.on(self.core()).start(&["proxy ", "control "]).await?;
        setup.verify(&server).await?;
        target(name, PREFIX, server)
    }

    /// The core of proxies, if they are held to one.
    fn core(&self) -> Option<usize> {
        self.pin.then_some(0)
    }

    /// Starts all that are compared; the origin first.
    ///
    /// # Errors
    /// If one does not start.
    pub async fn all(&self) -> Result<Vec<Target>, Void> {
        let origin = self.origin().await?;
        let mut targets = Vec::new();
        for threads in [Threads::Multi, Threads::PerCore] {
            targets.push(self.bare(threads, &origin).await?);
        }
        targets.extend(self.nginx(&origin).await?);
        let setups = [
            (MURPHY, Setup::default()),
            (MURPHY_RULES, Setup::idle_rules(murphy::ROUTE, IDLE_RULES)),
            (MURPHY_ELSEWHERE, Setup::idle_rules(murphy::OTHER, IDLE_RULES)),
            (MURPHY_NEVER, Setup::never()),
        ];
        for (name, setup) in setups {
            targets.push(self.murphy(name, &setup, &origin).await?);
        }
        targets.insert(0, origin);
        Ok(targets)
    }
}

fn target(name: &str, prefix: &str, server: Server) -> Result<Target, Void> {
    Ok(Target {
        name: name.to_owned(),
        aim: Aim {
            addr: server.addr()?,
            prefix: prefix.to_owned(),
            processes: Processes::of(server.pid)?,
        },
        server,
    })
}

/// Looks for a program in the folders of `PATH`, and in `/usr/sbin`, where it may be without standing there.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Holds this process to a core; threads that it has already stay where they are.
///
/// # Errors
/// If `taskset` is not installed or refuses.
pub fn hold_this_process(core: usize) -> io::Result<()> {
    let pid = std::process::id().to_string();
    let mut command = std::process::Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &pid]);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "taskset: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

/// The first line that a program says to an argument, for the description of the machine.
#[must_use]
pub fn version(program: &Path, argument: &str) -> Option<String> {
    let output = std::process::Command::new(program).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    text.lines().next().map(str::to_owned)
}

/// Where a measurement was taken, line by line.
#[must_use]
pub fn about(lab: &Lab) -> Vec<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model).to_owned();
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let virtual_machine = if cpuinfo.contains("hypervisor") {
        ", a virtual machine"
    } else {
        ""
    };
    let kernel = read("/proc/sys/kernel/osrelease");
    let pinned = if lab.pin {
        "; proxies held to core 0, load and origin to core 1"
    } else {
        "; load, origin and proxies share the cores"
    };
    let mut lines = vec![format!(
        "Machine: {cores} cores of {model}{virtual_machine}; Linux {}{pinned}",
        kernel.trim().split('-').next().unwrap_or_default()
    )];
    lines.extend(version(&lab.murphy, "--version"));
    lines.extend(lab.nginx.as_ref().and_then(|nginx| version(nginx, "-v")));
    lines
}
