//! The built `murphy` binary as a process: started in a folder of its own, ready when it says so, killed on drop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::capture::{Capture, Captured};

/// The largest answer of the control API.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Prepares a daemon. Listen addresses (free ports), the scenarios' folder and the latch are set by environment
/// variables, so that the configuration's text is the test's alone.
#[derive(Debug)]
pub struct DaemonBuilder {
    folder: TempDir,
    config: bool,
    env: Vec<(String, String)>,
    args: Vec<String>,
    binary: Option<PathBuf>,
}

impl Default for DaemonBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl DaemonBuilder {
    /// A daemon without a configuration file: the built-in routes.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("scenarios")).expect("a folder");
        Self::in_folder(folder)
    }

    /// A daemon in the folder of an earlier one.
    #[must_use]
    pub fn in_folder(folder: TempDir) -> Self {
        Self {
            config: folder.path().join("murphy.toml").exists(),
            folder,
            env: Vec::new(),
            args: Vec::new(),
            binary: None,
        }
    }

    /// With this configuration (TOML), as `murphy.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config = true;
        self.file("murphy.toml", toml)
    }

    /// With this scenario (YAML), as `scenarios/<name>.yaml`.
    #[must_use]
    pub fn scenario(self, name: &str, yaml: &str) -> Self {
        self.file(&format!("scenarios/{name}.yaml"), yaml)
    }

    /// With this file in its folder.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(path), content).expect("a writable folder");
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this further argument of `murphy serve`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// With this executable instead of [`binary`].
    #[must_use]
    pub fn executable(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command.arg("serve");
        if self.config {
            command
                .arg("--config")
                .arg(self.folder.path().join("murphy.toml"));
        }
        command
            .args(&self.args)
            .current_dir(self.folder.path())
            .env("MURPHY__PROXY__LISTEN", "127.0.0.1:0")
            .env("MURPHY__CONTROL__LISTEN", "127.0.0.1:0")
            .env("MURPHY__SCENARIOS__DIR", self.folder.path().join("scenarios"))
            .env(
                "MURPHY__KILL_SWITCH__STATE_FILE",
                self.folder.path().join("state.json"),
            )
            .env("NO_COLOR", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// If it ends before, with what it wrote.
    pub async fn start(self) -> Daemon {
        match self.try_start().await {
            Ok(daemon) => daemon,
            Err(failed) => panic!("murphy serve ended before it was ready: {failed:#?}"),
        }
    }

    /// Starts it and waits until it is ready or has ended.
    ///
    /// # Errors
    /// What it wrote, if it ended before it was ready.
    ///
    /// # Panics
    /// If it cannot be started at all.
    pub async fn try_start(self) -> Result<Daemon, Finished> {
        let binary = self.binary.clone().unwrap_or_else(binary);
        let mut child = self.command(&binary).spawn().expect("murphy starts");
        let stdout = Capture::of(child.stdout.take().expect("a pipe"));
        let stderr = Capture::of(child.stderr.take().expect("a pipe"));
        let mut output = stdout.seen.subscribe();
        let ready = output
            .wait_for(|output| addresses(output).is_some() || output.ended)
            .await;
        let listening = addresses(&ready.expect("the sender lives"));
        match listening {
            Some((proxy, control)) => Ok(Daemon {
                child,
                binary,
                folder: self.folder,
                proxy,
                control,
                stdout,
                stderr,
            }),
            None => Err(finish(child, stdout, stderr).await),
        }
    }
}

/// Both addresses, if both lines were written (`proxy   http://…`, `control http://…`).
fn addresses(output: &Captured) -> Option<(SocketAddr, SocketAddr)> {
    let text = output.text();
    let find = |word: &str| {
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let mut lines = complete.lines();
        let rest = lines.find_map(|line| line.strip_prefix(word)?.trim_start().split_once("://"));
        rest.and_then(|(_, addr)| addr.trim().parse().ok())
    };
    Some((find("proxy ")?, find("control ")?))
}

/// A running daemon. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    binary: PathBuf,
    folder: TempDir,
    proxy: SocketAddr,
    control: SocketAddr,
    stdout: Capture,
    stderr: Capture,
}

/// A process that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to stdout.
    pub stdout: String,
    /// All that it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// The exit code; none if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl Daemon {
    /// Where the proxy listens.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Where the control API listens.
    #[must_use]
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// The URL of a path on the proxy.
    #[must_use]
    pub fn proxy_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.proxy)
    }

    /// The URL of a path on the control listener.
    #[must_use]
    pub fn control_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.control)
    }

    /// Its folder, with `murphy.toml`, `scenarios/` and `state.json`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running process")
    }

    /// What it wrote to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.seen.borrow().text()
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.seen.borrow().text()
    }

    /// Waits until stderr contains this.
    pub async fn wait_for_stderr(&self, part: &str) {
        let mut seen = self.stderr.seen.subscribe();
        let found = seen
            .wait_for(|output| output.ended || output.text().contains(part))
            .await;
        let text = found.expect("the sender lives").text();
        assert!(
            text.contains(part),
            "murphy ended and never wrote {part:?}:\n{text}"
        );
    }

    /// `GET` of a path on the control listener, such as `/api/v1/status`; the body as JSON, or as a string.
    pub async fn control_get(&self, path: &str) -> (StatusCode, Value) {
        self.control_call(Method::GET, path, None).await
    }

    /// `POST` of JSON to a path on the control listener.
    pub async fn control_post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.control_call(Method::POST, path, Some(body)).await
    }

    /// Any call of the control API.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn control_call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(self.control_url(path));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body)).expect("a request");
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.expect("the control API answers");
        let status = response.status();
        #[allow(clippy::disallowed_methods)] // it is capped
        let body = Limited::new(response.into_body(), CONTROL_BYTES_MAX)
            .collect()
            .await;
        let body = body.expect("a complete answer").to_bytes();
        let value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        (status, value)
    }

    /// Runs `murphy ARGS…` against this daemon, in its folder.
    pub async fn murphy(&self, args: &[&str]) -> Finished {
        let env = [("MURPHY_CONTROL", self.control_url(""))];
        output(&self.binary, self.folder(), &env, args).await
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, signal).expect("a signal");
    }

    /// Waits until it ends by itself.
    pub async fn finished(self) -> (Finished, TempDir) {
        (finish(self.child, self.stdout, self.stderr).await, self.folder)
    }

    /// Kills it without notice (SIGKILL); its folder stays, for a restart with [`DaemonBuilder::in_folder`].
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn kill(mut self) -> (Finished, TempDir) {
        self.child.start_kill().expect("a process to kill");
        self.finished().await
    }
}

/// Runs `murphy ARGS…` with no daemon, in `folder`.
///
/// # Panics
/// If it cannot be started.
pub async fn run(folder: &Path, args: &[&str]) -> Finished {
    output(&binary(), folder, &[], args).await
}

async fn output(binary: &Path, folder: &Path, env: &[(&str, String)], args: &[&str]) -> Finished {
    let output = Command::new(binary)
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("murphy starts");
    Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

async fn finish(mut child: Child, stdout: Capture, stderr: Capture) -> Finished {
    let status = child.wait().await.expect("a child");
    Finished {
        status,
        stdout: stdout.all().await,
        stderr: stderr.all().await,
    }
}

/// The binary: what `MURPHY_BIN` names, else `murphy` beside the folder of the test's executable.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MURPHY_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a path of one's own");
    let mut folders = test.ancestors().skip(1).take(2); // target/debug/deps, target/debug
    let found = folders.find_map(|folder| Some(folder.join("murphy")).filter(|path| path.is_file()));
    found
        .unwrap_or_else(|| panic!("no murphy beside {test:?}: run `cargo build -p murphy` or set MURPHY_BIN"))
}
