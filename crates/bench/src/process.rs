//! The programs that are compared, as child processes that end with this one.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a program may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    _child: Child, // killed when it is dropped
}

impl Server {
    /// Starts `program` and waits for a line on its stdout that begins with `word` and ends with `http://address`.
    ///
    /// # Errors
    /// If it cannot be started, ends, or says nothing of the kind in time.
    pub async fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        folder: &Path,
        word: &str,
    ) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| named(program, &error.to_string()))?;
        let stdout = child.stdout.take();
        let stdout = stdout.ok_or_else(|| named(program, "has no stdout"))?;
        let mut lines = BufReader::new(stdout).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(addr) = address(&line, word) {
                    return Ok(addr);
                }
            }
            Err(named(program, "ended before it listened"))
        };
        let addr = timeout(READY_WITHIN, listening)
            .await
            .map_err(|_| named(program, "does not say where it listens"))??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }); // so that it never blocks
        Ok(Self { addr, _child: child })
    }
}

fn address(line: &str, word: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix(word)?.trim();
    rest.strip_prefix("http://")?.parse().ok()
}

fn named(program: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{}: {what}", program.display()))
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
        let start = |script| Server::start(Path::new("/bin/sh"), ["-c", script], Path::new("/"), "proxy ");
        let error = start("echo other").await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh: ended before it listened");
        let server = start("echo 'proxy http://127.0.0.1:9'; read -r _").await;
        assert_eq!(server.unwrap().addr.port(), 9);
    }
}
