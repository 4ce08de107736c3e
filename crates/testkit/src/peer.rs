//! A raw server that follows a script on each connection, keeps what it got, and re-raises its failures.

use std::any::Any;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::line::{End, Line};
use crate::message::{self, Body, Head};
use crate::script::Step;
pub use crate::script::{Script, Scripts, Signal};

/// A request that a peer read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// Its head.
    pub head: Head,
    /// Its body, if the script read it.
    pub body: Option<Body>,
}

/// What a peer saw of one connection.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The requests.
    pub requests: Vec<SeenRequest>,
    /// All bytes (below TLS: in the clear).
    pub bytes: Vec<u8>,
    /// How the client left, if that was seen.
    pub end: Option<End>,
    /// Why TLS failed, if it did.
    pub tls_error: Option<String>,
}

/// What the tasks of a peer share.
#[derive(Debug, Default)]
struct Log {
    seen: Mutex<Vec<Arc<Record>>>,
    failure: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Debug, Default)]
struct Record {
    seen: Mutex<Seen>,
    tape: Arc<Mutex<Vec<u8>>>,
}

/// A scripted server. It stops when it is dropped, and raises what failed in a script then, if [`Peer::join`] or
/// [`Peer::stop`] have not.
#[derive(Debug)]
pub struct Peer {
    addr: SocketAddr,
    log: Arc<Log>,
    no_more: Signal,
    task: JoinHandle<()>,
}

impl Peer {
    /// Runs the same script on each connection.
    #[must_use]
    pub fn each(script: Script) -> Self {
        Self::start(None, Scripts::Each(script))
    }

    /// Runs one script after the other, each on its connection.
    #[must_use]
    pub fn in_order(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::start(None, Scripts::InOrder(scripts.into_iter().collect()))
    }

    /// The same over TLS.
    #[must_use]
    pub fn tls(config: Arc<ServerConfig>, scripts: Scripts) -> Self {
        Self::start(Some(config), scripts)
    }

    fn start(tls: Option<Arc<ServerConfig>>, scripts: Scripts) -> Self {
        let (listener, addr) = listen();
        let log = Arc::<Log>::default();
        let no_more = Signal::new();
        let task = tokio::spawn(accept(
            listener,
            tls.map(TlsAcceptor::from),
            scripts,
            Arc::clone(&log),
            no_more.clone(),
        ));
        Self {
            addr,
            log,
            no_more,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it saw so far, by connection in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let records = self.log.seen.lock().unwrap();
        let seen = records.iter().map(|record| Seen {
            bytes: record.tape.lock().unwrap().clone(),
            ..record.seen.lock().unwrap().clone()
        });
        seen.collect()
    }

    /// All requests so far, by connection in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.seen().into_iter().flat_map(|seen| seen.requests).collect()
    }

    /// Whether a script has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.log.failure.lock().unwrap().is_some()
    }

    /// Accepts no more, waits until the scripts on all connections are through, and returns what was seen.
    ///
    /// # Panics
    /// With the panic of a script that failed.
    pub async fn join(mut self) -> Vec<Seen> {
        self.no_more.fire();
        let result = (&mut self.task).await;
        self.raise();
        raise(result);
        self.seen()
    }

    /// Ends all connections now and returns what was seen.
    ///
    /// # Panics
    /// With the panic of a script that failed before.
    pub async fn stop(mut self) -> Vec<Seen> {
        self.task.abort();
        let result = (&mut self.task).await;
        self.raise();
        raise(result);
        self.seen()
    }

    fn raise(&self) {
        let failure = self.log.failure.lock().unwrap().take();
        if let Some(failure) = failure {
            resume_unwind(failure);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            self.raise();
        }
    }
}

fn raise(result: Result<(), JoinError>) {
    if let Err(error) = result
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}

/// A free port of the loopback interface.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let addr = listener.local_addr().expect("a bound socket");
    (TcpListener::from_std(listener).expect("a runtime"), addr)
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    scripts: Scripts,
    log: Arc<Log>,
    no_more: Signal,
) {
    let mut running = JoinSet::new();
    let mut came = 0;
    loop {
        tokio::select! {
            biased; // who is in the queue when the peer is joined is still served
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                let script = match &scripts {
                    Scripts::Each(script) => Some(script.clone()),
                    Scripts::InOrder(scripts) => scripts.get(came).cloned(),
                };
                came += 1;
                let record = Arc::<Record>::default();
                log.seen.lock().unwrap().push(Arc::clone(&record));
                running.spawn(connection(stream, tls.clone(), script, record));
            }
            Some(ended) = running.join_next() => note(&log, ended),
            () = no_more.wait() => break,
        }
    }
    drop(listener);
    while let Some(ended) = running.join_next().await {
        note(&log, ended);
    }
    if let Scripts::InOrder(scripts) = scripts {
        assert!(
            came >= scripts.len(),
            "{} connections expected, {came} came",
            scripts.len()
        );
    }
}

fn note(log: &Log, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        log.failure.lock().unwrap().get_or_insert(error.into_panic());
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    script: Option<Script>,
    record: Arc<Record>,
) {
    let script = script.expect("no more connections than scripts");
    stream.set_nodelay(true).ok(); // fails only if the client has left, which the script will see
    let mut line = match tls {
        None => Line::tcp(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Line::tls(stream.into()),
            Err(error) => {
                record.seen.lock().unwrap().tls_error = Some(error.to_string());
                return;
            }
        },
    };
    line.tape = Some(Arc::clone(&record.tape));
    loop {
        match run(&script, line, &record).await {
            Some(again) => line = again,
            None => return,
        }
        if line.buffer.is_empty()
            && let Err(end) = line.fill().await
        {
            record.seen.lock().unwrap().end = Some(end);
            return;
        }
    }
}

/// Runs the steps once. Gives the connection back if they are to run again.
async fn run(script: &Script, mut line: Line, record: &Record) -> Option<Line> {
    for step in &script.steps {
        match step {
            Step::ReadHead => {
                let head = expect_head(&mut line).await;
                let request = SeenRequest { head, body: None };
                record.seen.lock().unwrap().requests.push(request);
            }
            Step::ReadRequest => {
                let head = expect_head(&mut line).await;
                let body = message::read_body(&mut line, head.request_framing()).await;
                assert!(
                    body.is_complete(),
                    "the client left within a body: {:?}",
                    body.end
                );
                let request = SeenRequest {
                    head,
                    body: Some(body),
                };
                record.seen.lock().unwrap().requests.push(request);
            }
            Step::Send(bytes) => line.send(bytes).await.unwrap_or_default(),
            Step::Sleep(duration) => tokio::time::sleep(*duration).await,
            Step::Wait(signal) => signal.wait().await,
            Step::Tell(signal) => signal.fire(),
            Step::ReadUntilLeft => {
                let end = loop {
                    if let Err(end) = line.fill().await {
                        break end;
                    }
                };
                record.seen.lock().unwrap().end = Some(end);
            }
            Step::HalfClose => line.half_close().await.unwrap_or_default(),
            Step::Reset => {
                line.reset();
                return None;
            }
            Step::Hold => pending().await,
            Step::Again => return Some(line),
        }
    }
    line.close().await;
    None
}

async fn expect_head(line: &mut Line) -> Head {
    match message::read_head(line).await {
        Ok(head) => head,
        Err((end, bytes)) => panic!(
            "a request was expected, the client left ({end:?}) after {:?}",
            String::from_utf8_lossy(&bytes)
        ),
    }
}
