//! The guard of the fast path: how many allocations a call costs that no rule touches. Counted, not timed, so the
//! number is the same on every machine; a jump of more than a tenth fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use http::uri::Scheme;
use murphy_core::Name;
use murphy_core::agent::Salt;
use murphy_core::clock::SystemClock;
use murphy_core::live::Live;
use murphy_core::route::{Protocol, Route, Timeouts, Upstream};
use murphy_observe::window::WindowOptions;
use murphy_observe::{Observer, ObserverOptions};
use murphy_proxy::effects::memory::Memory;
use murphy_proxy::effects::wait::Gate;
use murphy_proxy::gatekeeper::Gatekeeper;
use murphy_proxy::listen::{ListenOptions, Listening, accept};
use murphy_proxy::pipeline::{Proxy, Worker};
use murphy_proxy::timer::Timer;
use murphy_proxy::upstream::{Roots, UpstreamOptions, Upstreams};
use murphy_rules::ordinals::Counters;
use murphy_rules::snapshot::{Snapshot, SnapshotOptions};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What one call costs now. Lower it when it gets cheaper.
const ALLOCATIONS: f64 = 35.0;
/// More than this share above it is a regression.
const JUMP: f64 = 0.10;

/// Calls before the count, and calls that are counted.
const WARM_UP: usize = 200;
const COUNTED: usize = 1_000;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 25 Nov 2025 00:00:00 GMT\r\n\
                      Content-Length: 16\r\n\r\n{\"ok\": \"indeed\"}";

/// Answers every request on every connection, each on a thread of its own: what it allocates is not counted.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                    if stream.write_all(ANSWER.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

fn route(upstream: SocketAddr) -> Arc<Route> {
    Arc::new(Route {
        name: "bench".into(),
        host: None,
        prefix: "/bench".to_owned(),
        upstream: Upstream {
            scheme: Scheme::HTTP,
            authority: upstream.to_string().parse().unwrap(),
            base_path: String::new(),
            protocol: Protocol::Auto,
            extra_roots: None,
            insecure: false,
        },
        dialect: "plain".into(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            first_byte: None,
            total: None,
        },
        protected: false,
        preserve_host: false,
        via: false,
        forwarded: false,
        retry_unsafe: false,
    })
}

fn worker(upstream: SocketAddr) -> Worker {
    let route = route(upstream);
    let routes: Vec<Name> = vec![Arc::clone(&route.name)];
    let options = SnapshotOptions {
        mark: true,
        max_active_faults: 64,
        body_inspect_bytes_max: 1 << 20,
    };
    let snapshot = Snapshot::build(1, options, &[route], &[], Arc::new(Counters::default()));
    let observer = Observer::new(ObserverOptions {
        routes,
        ring_exchanges_max: 100,
        jsonl: None,
        window: WindowOptions::default(),
        series_max: 2_000,
        version: "0".to_owned(),
    });
    let proxy = Proxy {
        gate: Gate {
            live: Arc::new(Live::new(snapshot)),
            timer: Timer::fine(),
        },
        observer: observer.unwrap(),
        gatekeeper: Gatekeeper::default(),
        salt: Salt(1, 2),
        clock: Arc::new(SystemClock),
        started: Instant::now(),
        memory: Memory::default(),
        alarm: Box::new(|what| panic!("{what}")),
    };
    Worker {
        proxy: Arc::new(proxy),
        upstreams: Arc::new(Upstreams::new(UpstreamOptions::new(Roots::system()))),
    }
}

/// Sends requests one after the other on one connection, from a thread of its own; tells when it is done.
fn client(proxy: SocketAddr, calls: usize) -> oneshot::Receiver<TcpStream> {
    let (done, wait) = oneshot::channel();
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(proxy).unwrap();
        ask(&mut stream, calls);
        done.send(stream).unwrap();
    });
    wait
}

fn ask(stream: &mut TcpStream, calls: usize) {
    let request = format!(
        "GET /bench/v1/things?page=2 HTTP/1.1\r\nHost: {}\r\nUser-Agent: OpenAI/Python 2.8.0\r\n\
         Accept: application/json\r\nAuthorization: Bearer sk-test-0123456789\r\nX-Stainless-Lang: python\r\n\r\n",
        stream.peer_addr().unwrap()
    );
    let mut answer = vec![0; ANSWER.len()];
    for _ in 0..calls {
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert!(
            answer.ends_with(b"\"indeed\"}"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[test]
fn a_call_that_no_rule_touches_costs_no_more_allocations_than_it_did() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let worker = runtime.block_on(async { worker(origin()) });
    let listening = Listening::new(ListenOptions::default());
    runtime.spawn(async move { accept(listener, listening, worker).await.unwrap() });
    let mut stream = runtime.block_on(client(addr, WARM_UP)).unwrap();
    let (done, wait) = oneshot::channel();
    let counted = measure(|| {
        std::thread::spawn(move || {
            ask(&mut stream, COUNTED);
            done.send(()).unwrap();
        });
        runtime.block_on(wait).unwrap();
    });
    let each = |total: u64| total as f64 / COUNTED as f64;
    let allocations = each(counted.count_total);
    println!(
        "{allocations:.2} allocations and {:.0} bytes for a call",
        each(counted.bytes_total)
    );
    assert!(
        allocations <= ALLOCATIONS * (1.0 + JUMP),
        "a call costs {allocations:.2} allocations, and {ALLOCATIONS} are known"
    );
}
