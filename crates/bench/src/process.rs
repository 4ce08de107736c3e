//! The programs that are compared, as child processes that end with this one.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a program may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How to start a program.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its working folder.
    pub folder: PathBuf,
    /// The core that it is held to, if to one.
    pub core: Option<usize>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// Where it listens, in the order of the words that were waited for.
    pub addrs: Vec<SocketAddr>,
    _child: Child, // killed when it is dropped
}

impl Program {
    /// A program with arguments.
    pub fn new<A: Into<OsString>>(path: &Path, args: impl IntoIterator<Item = A>, folder: &Path) -> Self {
        Self {
            path: path.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            folder: folder.to_owned(),
            core: None,
        }
    }

    /// Held to a core.
    #[must_use]
    pub fn on(self, core: Option<usize>) -> Self {
        Self { core, ..self }
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&self) -> io::Result<Child> {
        let mut command = match self.core {
            None => Command::new(&self.path),
            Some(core) => {
                let mut command = Command::new("taskset"); // it becomes the program: the process is the same
                command.arg("--cpu-list").arg(core.to_string()).arg(&self.path);
                command
            }
        };
        command
            .args(&self.args)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.error(&error.to_string()))
    }

    /// Starts it and waits, for each word, for a line on its stdout that begins with it and ends with
    /// `http://address`.
    ///
    /// # Errors
    /// If it cannot be started, ends, or says nothing of the kind in time.
    pub async fn start(&self, words: &[&str]) -> io::Result<Server> {
        let mut child = self.spawn()?;
        let stdout = child.stdout.take();
        let stdout = stdout.ok_or_else(|| self.error("has no stdout"))?;
        let mut lines = BufReader::new(stdout).lines();
        let listening = async {
            let mut addrs = Vec::new();
            for word in words {
                addrs.push(loop {
                    let line = lines.next_line().await?;
                    let line = line.ok_or_else(|| self.error("ended before it listened"))?;
                    if let Some(addr) = address(&line, word) {
                        break addr;
                    }
                });
            }
            Ok::<_, io::Error>(addrs)
        };
        let addrs = timeout(READY_WITHIN, listening)
            .await
            .map_err(|_| self.error("does not say where it listens"))??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }); // so that it never blocks
        self.server(child, addrs)
    }

    /// A server out of a running program.
    ///
    /// # Errors
    /// If it has ended.
    pub fn server(&self, child: Child, addrs: Vec<SocketAddr>) -> io::Result<Server> {
        let pid = child.id().ok_or_else(|| self.error("has ended"))?;
        Ok(Server {
            pid,
            addrs,
            _child: child,
        })
    }

    /// An error that names the program.
    #[must_use]
    pub fn error(&self, what: &str) -> io::Error {
        io::Error::other(format!("{}: {what}", self.path.display()))
    }
}

impl Server {
    /// Where it listens.
    ///
    /// # Errors
    /// If it was waited for no word.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        let first = self.addrs.first().copied();
        first.ok_or_else(|| io::Error::other("a server without an address"))
    }
}

fn address(line: &str, word: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix(word)?.trim();
    rest.strip_prefix("http://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_its_own_line() {
        let addr = Some(SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(address("proxy   http://127.0.0.1:80", "proxy "), addr);
        assert_eq!(address("control http://127.0.0.1:80", "proxy "), None);
        assert_eq!(address("proxy   somewhere", "proxy "), None);
    }

    #[tokio::test]
    async fn a_program_that_does_not_listen_is_an_error() {
        let start = async |script| {
            let program = Program::new(Path::new("/bin/sh"), ["-c", script], Path::new("/"));
            program.start(&["proxy ", "control "]).await
        };
        let error = start("echo other; echo 'proxy http://127.0.0.1:9'")
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh: ended before it listened");
        let server =
            start("echo 'proxy http://127.0.0.1:9'; echo 'control http://127.0.0.1:8'; read -r _").await;
        let server = server.unwrap();
        assert_eq!((server.addr().unwrap().port(), server.addrs[1].port()), (9, 8));
    }
}
