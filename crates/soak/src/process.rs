//! The child processes, and what the kernel knows of them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Trouble;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running child, killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its process id.
    pub pid: u32,
}

impl Process {
    async fn start<const N: usize>(
        mut command: Command,
        words: [&str; N],
    ) -> Result<(Self, [SocketAddr; N]), Trouble> {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("it ended at once")?;
        let stdout = child.stdout.take().ok_or("it has no stdout")?;
        let addrs = timeout(READY_WITHIN, addresses(stdout, words)).await;
        let addrs = addrs.map_err(|_| "it does not say where it listens")??;
        Ok((Self { child, pid }, addrs))
    }

    /// Kills it without notice and waits for its end.
    ///
    /// # Errors
    /// If it is gone already.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// The address behind each word, on lines such as `proxy   http://127.0.0.1:7070`.
async fn addresses<const N: usize>(
    stdout: impl AsyncRead + Unpin + Send + 'static,
    words: [&str; N],
) -> Result<[SocketAddr; N], Trouble> {
    let mut lines = BufReader::new(stdout).lines();
    let mut found = [None; N];
    while let Some(line) = lines.next_line().await? {
        for (word, addr) in words.iter().zip(&mut found) {
            let rest = line.strip_prefix(word).map(str::trim_start);
            if let Some(text) = rest.and_then(|rest| rest.strip_prefix("http://")) {
                *addr = text.trim().parse().ok();
            }
        }
        if found.iter().all(Option::is_some) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }); // it never blocks
            return Ok(found.map(|addr| addr.unwrap_or(SocketAddr::from(([0; 4], 0)))));
        }
    }
    Err("it ended before it listened".into())
}

/// The origin: this very program under another verb.
#[derive(Debug)]
pub struct Origin {
    process: Process,
    /// Where it listens.
    pub addr: SocketAddr,
    ledger: PathBuf,
}

impl Origin {
    /// Starts it with this ledger.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(ledger: &Path) -> Result<Self, Trouble> {
        let (process, addr) = start_origin(SocketAddr::from(([127, 0, 0, 1], 0)), ledger).await?;
        let ledger = ledger.to_owned();
        Ok(Self {
            process,
            addr,
            ledger,
        })
    }

    /// Kills it without notice.
    ///
    /// # Errors
    /// If it is gone already.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.process.kill().await
    }

    /// Starts it again where it was, with the ledger that it had.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn restart(&mut self) -> Result<(), Trouble> {
        self.process = start_origin(self.addr, &self.ledger).await?.0;
        Ok(())
    }
}

async fn start_origin(addr: SocketAddr, ledger: &Path) -> Result<(Process, SocketAddr), Trouble> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("origin").arg(addr.to_string()).arg(ledger);
    let (process, [addr]) = Process::start(command, ["origin"]).await?;
    Ok((process, addr))
}

/// How the daemon is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The binary.
    pub murphy: PathBuf,
    /// Its working folder, with `murphy.toml` and `scenarios/`.
    pub folder: PathBuf,
    /// A shell script that ends with running its arguments, such as `ulimit -n 128; exec "$@"`.
    pub shell: Option<String>,
    /// Run by `unshare` in namespaces of its own, so that what the script mounts ends with it.
    pub unshared: bool,
}

impl Launch {
    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if self.unshared {
            words.extend(["unshare", "--mount"].map(OsString::from));
            if !rustix::process::getuid().is_root() {
                words.extend(["--user", "--map-root-user"].map(OsString::from));
            }
        }
        if let Some(script) = &self.shell {
            words.extend(["sh", "-c", script, "sh"].map(OsString::from));
        }
        words.push(self.murphy.clone().into());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(["serve", "--config", "murphy.toml"]);
        command.current_dir(&self.folder);
        command
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .env_remove("MURPHY_LOG");
        command
    }

    /// What the daemon wrote to stderr, over all its starts.
    #[must_use]
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.folder.join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The daemon.
#[derive(Debug)]
pub struct Murphy {
    /// The process.
    pub process: Process,
    /// Where agents connect.
    pub proxy: SocketAddr,
    /// Where the control API is.
    pub control: SocketAddr,
    /// How it was started.
    pub launch: Launch,
}

impl Murphy {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it does not come up, with the end of what it wrote.
    pub async fn start(launch: Launch) -> Result<Self, Trouble> {
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(launch.folder.join("stderr"))?;
        let mut command = launch.command();
        command.stderr(stderr);
        match Process::start(command, ["proxy ", "control "]).await {
            Ok((process, [proxy, control])) => Ok(Self {
                process,
                proxy,
                control,
                launch,
            }),
            Err(trouble) => {
                let text = launch.stderr();
                let last: Vec<&str> = text.lines().rev().take(3).collect();
                Err(format!("murphy: {trouble}: {last:?}").into())
            }
        }
    }
}

/// What one look at a process shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Resident memory, in KiB.
    pub rss_kib: u64,
    /// The most it ever was, in KiB.
    pub peak_kib: u64,
    /// Open file descriptors.
    pub fds: usize,
    /// Threads.
    pub threads: u64,
    /// Processor time, in hundredths of a second.
    pub ticks: u64,
}

/// Looks at a process.
///
/// # Errors
/// If it is gone.
pub fn look(pid: u32) -> io::Result<Look> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = |name: &str| {
        let mut lines = status.lines();
        let rest = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = rest.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_default()
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let spent = behind_name.split_whitespace().skip(11).take(2);
    Ok(Look {
        rss_kib: value("VmRSS"),
        peak_kib: value("VmHWM"),
        threads: value("Threads"),
        fds: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        ticks: spent.filter_map(|field| field.parse::<u64>().ok()).sum(),
    })
}

/// Raises the limit of open files of this process to what is allowed; returns it.
///
/// # Errors
/// If it cannot be set.
pub fn raise_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, wanted)?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
