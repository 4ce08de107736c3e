//! The server from outside: a real Director, a real socket, requests as bytes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use murphy_core::clock::{Offset, SystemClock};
use murphy_core::exchange::{AppliedFault, Exchange};
use murphy_director::director::window;
use murphy_director::settings::{Lifetime, Settings};
use murphy_director::view::{ActivateRequest, ListenersView, SwitchState};
use murphy_director::{Director, Outgoing, Override, Post, Sending, Sources, Startup, load};
use murphy_observe::{Finished, Observer, ObserverOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::auth::{Guard, Token};
use crate::client::{Client, ClientError, ExchangeFilter, Streamed};
use crate::problem::{PROBLEM_JSON, ProblemType};

mod document;
mod use_cases;

const TOKEN: &str = "correct-horse-battery";
const SLOW: &str = "description: Slow\nrules:\n  - name: wait\n    fault: { delay: 1s }\n";

/// Nobody is alerted here.
struct NoPost;

impl Post for NoPost {
    fn send(&self, _: Outgoing) -> Sending<'_> {
        Box::pin(async { Ok(204) })
    }
}

/// A running control server.
struct Server {
    addr: SocketAddr,
    director: Handle,
    observer: Arc<Observer>,
    readiness: Arc<Readiness>,
    scenarios: TempDir,
    end: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(token: Option<&str>) -> Self {
        let scenarios = tempfile::tempdir().unwrap();
        std::fs::write(scenarios.path().join("slow.yaml"), SLOW).unwrap();
        let sources = sources(scenarios.path());
        let settings: Settings = load(&sources).unwrap().settings;
        let observer = Observer::new(ObserverOptions {
            routes: vec!["sim".into()],
            ring_exchanges_max: 100,
            jsonl: None,
            window: window(&settings.kill_switch),
            series_max: 100,
            version: "0".to_owned(),
        })
        .unwrap();
        let (director, _) = Director::start(Startup {
            sources,
            settings,
            observer: Arc::clone(&observer),
            clock: Arc::new(SystemClock),
            started: tokio::time::Instant::now(),
            post: Arc::new(NoPost),
            version: "0".to_owned(),
            listeners: ListenersView::default(),
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let token = token.map(|token| Token::new(token).unwrap());
        let guard = Guard::new(addr, token, &[]).unwrap();
        let readiness = Arc::new(Readiness::default());
        let state = ControlState::new(
            director.clone(),
            Arc::clone(&observer),
            guard,
            Arc::clone(&readiness),
        );
        let (end, ended) = oneshot::channel();
        let served = tokio::spawn(serve(listener, state, async {
            ended.await.ok();
        }));
        Self {
            addr,
            director,
            observer,
            readiness,
            scenarios,
            end,
            served,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.addr.to_string()).unwrap()
    }

    /// Sends a request as it stands, with the right `Host`; gives the answer up to the end of its head and what
    /// came with it, or the whole if it has a length.
    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let fields: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{fields}{length}\r\n",
            self.addr
        );
        stream.write_all((head + body).as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }
}

fn sources(scenarios: &Path) -> Sources {
    let set = |key: &str, value: String| Override {
        key: key.to_owned(),
        value,
        from: "the test".to_owned(),
    };
    let state = scenarios.join("state.json");
    Sources {
        overrides: vec![
            set("scenarios.dir", scenarios.display().to_string()),
            set("kill_switch.state_file", state.display().to_string()),
        ],
        sim: Some(([127, 0, 0, 1], 9).into()),
        ..Sources::default()
    }
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    return Self {
                        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
                        body: body.to_owned(),
                        head,
                    };
                }
            }
            let mut chunk = [0; 4096];
            let reading = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut chunk));
            let read = reading.await.expect("an answer in time").unwrap();
            assert_ne!(read, 0, "the connection ended within an answer: {text:?}");
            bytes.extend_from_slice(&chunk[..read]);
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn field(head: &str, name: &str) -> Option<String> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
}

/// Lets the observer see a call.
fn happen(observer: &Observer, injected: bool) {
    let ticket = observer.start(1, &"sim".into(), Offset::default());
    let fault = AppliedFault {
        scenario: "s".to_owned(),
        rule: "r".to_owned(),
        fault: "status".to_owned(),
        effects: Vec::new(),
        skipped: None,
        draw: None,
    };
    let exchange: Exchange = serde_json::from_value(json!({
        "id": 0, "at": "1970-01-01T00:00:00Z", "agent": "a", "operation": "op-0", "attempt": 1, "route": "sim", "dialect": "plain",
        "method": "GET", "path": "/", "stream": false, "faults": [], "outcome": "ok", "cause": "upstream",
        "status": 200, "bytes_in": 0, "bytes_out": 0, "duration_ms": 1.0, "injected_ms": 0.0, "generation": 1
    }))
    .unwrap();
    observer.finish(Finished {
        ticket,
        exchange: Exchange {
            faults: injected.then_some(fault).into_iter().collect(),
            ..exchange
        },
        offset: Offset::default(),
        arrived: std::time::UNIX_EPOCH,
        fired: Vec::new(),
        skipped: Vec::new(),
        ttfb: None,
        duration: Duration::from_millis(1),
        injected: Duration::ZERO,
        upstream: None,
        overhead: Duration::ZERO,
    });
}
