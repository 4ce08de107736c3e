//! What the service knows of, and can do to, the connection that a request came on.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use http::header::UPGRADE;
use http::{Method, Request, Response, StatusCode};
use murphy_core::Name;
use murphy_core::agent::AgentId;
use murphy_wire::http1::Violation;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Listening;
use super::drain::Stage;
use super::limits::Place;

/// A client's connection.
#[derive(Debug)]
pub struct Conn {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    tls: bool,
    http2: AtomicBool,
    violated: AtomicBool,
    violation: Mutex<Option<Violation>>,
    /// The agent that it is without any other sign of who calls.
    agent: OnceLock<AgentId>,
    /// The host that the latest request named: mostly the same one.
    host: Mutex<Option<Name>>,
    /// More of the latest request's body is to come (HTTP/1.1).
    in_body: AtomicBool,
    reset: AtomicBool,
    cut: Notify,
    switch: AtomicU8,
    asks: AtomicBool,
    flushes: AtomicU64,
    waits_for_flush: AtomicBool,
    flush_wakers: Mutex<Vec<Waker>>,
    in_flight: AtomicUsize,
    /// An exchange has ended and its last bytes were not flushed yet.
    flush_due: AtomicBool,
    served: AtomicBool,
    quiet_since: Mutex<Instant>,
    listening: Arc<Listening>,
    _place: Place,
}

/// The answer to a request that asked for another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    Undecided,
    Yes,
    No,
}

/// The path of the request that stands in for a refused one. Unguessable, so that no client can send it.
static STAND_IN_PATH: LazyLock<String> = LazyLock::new(|| {
    let random = || RandomState::new().build_hasher().finish();
    format!("/{:016x}{:016x}", random(), random())
});

/// The request that hyper sees in the place of a refused one, so that the answer comes after those of the
/// requests before it.
pub(super) fn stand_in() -> String {
    format!(
        "GET {} HTTP/1.1\r\nhost: murphy.invalid\r\nconnection: close\r\n\r\n",
        *STAND_IN_PATH
    )
}

impl Conn {
    pub(super) fn new(
        id: u64,
        (peer, local): (SocketAddr, SocketAddr),
        listening: Arc<Listening>,
        place: Place,
    ) -> Self {
        Self {
            id,
            peer,
            local,
            tls: listening.options.tls.is_some(),
            http2: AtomicBool::new(false),
            violated: AtomicBool::new(false),
            violation: Mutex::default(),
            agent: OnceLock::new(),
            host: Mutex::default(),
            in_body: AtomicBool::new(false),
            reset: AtomicBool::new(false),
            cut: Notify::new(),
            switch: AtomicU8::new(Switch::Undecided as u8),
            asks: AtomicBool::new(false),
            flushes: AtomicU64::new(0),
            waits_for_flush: AtomicBool::new(false),
            flush_wakers: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            flush_due: AtomicBool::new(false),
            served: AtomicBool::new(false),
            quiet_since: Mutex::new(Instant::now()),
            listening,
            _place: place,
        }
    }

    /// Its number in this process, from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address that it came to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether it is under TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether it speaks HTTP/2.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Acquire)
    }

    pub(super) fn set_http2(&self) {
        self.http2.store(true, Ordering::Release);
    }

    /// What was wrong with the request that this one stands in for, if it is such a one. Answer with the
    /// violation's status; the connection closes afterwards.
    pub fn take_violation<B>(&self, request: &Request<B>) -> Option<Violation> {
        if !self.violated.load(Ordering::Acquire) {
            return None;
        }
        let mut violation = lock(&self.violation);
        if violation.is_some() && request.uri().path() == STAND_IN_PATH.as_str() {
            return violation.take();
        }
        None
    }

    pub(super) fn put_violation(&self, found: Violation) {
        *lock(&self.violation) = Some(found);
        self.violated.store(true, Ordering::Release);
    }

    /// Who calls, as far as the address tells.
    #[must_use]
    pub fn peer_agent(&self) -> &AgentId {
        self.agent.get_or_init(|| AgentId::peer(Some(self.peer.ip())))
    }

    /// A host's name, shared by the requests that name the same one in a row.
    #[must_use]
    pub fn host(&self, named: &str) -> Name {
        let mut host = lock(&self.host);
        match &*host {
            Some(host) if **host == *named => Name::clone(host),
            _ => Name::clone(host.insert(named.into())),
        }
    }

    pub(super) fn set_in_body(&self, in_body: bool) {
        self.in_body.store(in_body, Ordering::Release);
    }

    /// Whether an answer that is given now, while nobody reads the request any more, ends the connection: the
    /// rest of the request's body stands between the answer and the next request (RFC 9112 §9.3). Such an answer
    /// should say so.
    #[must_use]
    pub fn ends_with_answer(&self) -> bool {
        !self.is_http2() && self.in_body.load(Ordering::Acquire)
    }

    /// Makes the end of the connection a TCP reset: return an error from the service or from the body next.
    /// Bytes that were flushed before still arrive. On HTTP/2 the whole connection ends at once.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Release);
        if self.is_http2() {
            self.cut.notify_one();
        }
    }

    /// Whether the connection is to end by a reset.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// Returns when an HTTP/2 connection is to end by a reset.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    /// How often everything that was written has been handed to the kernel.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// Ready once everything that was written when [`Conn::flushes`] was `since` has been handed to the kernel.
    pub fn poll_flushed(&self, cx: &mut Context<'_>, since: u64) -> Poll<()> {
        if self.flushes() > since {
            return Poll::Ready(());
        }
        let mut wakers = lock(&self.flush_wakers);
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        self.waits_for_flush.store(true, Ordering::Release);
        // Between the first look and the registration a flush may have come.
        if self.flushes() > since {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    pub(super) fn flushed(&self) {
        self.flushes.fetch_add(1, Ordering::AcqRel);
        if self.in_flight() == 0 {
            self.flush_due.store(false, Ordering::Release);
        }
        if self.waits_for_flush.swap(false, Ordering::AcqRel) {
            for waker in lock(&self.flush_wakers).drain(..) {
                waker.wake();
            }
        }
    }

    /// The request that asked for another protocol gets it: what follows is not HTTP/1.1. A response with 101
    /// (or 2xx to CONNECT) says so by itself.
    pub fn upgraded(&self) {
        self.decide(Switch::Yes);
    }

    /// The request that asked for another protocol does not get it. Any other response says so by itself.
    pub fn not_upgraded(&self) {
        self.decide(Switch::No);
    }

    fn decide(&self, switch: Switch) {
        if self.asks.swap(false, Ordering::AcqRel) {
            self.switch.store(switch as u8, Ordering::Release);
        }
    }

    pub(super) fn switch(&self) -> Switch {
        match self.switch.load(Ordering::Acquire) {
            yes if yes == Switch::Yes as u8 => Switch::Yes,
            no if no == Switch::No as u8 => Switch::No,
            _ => Switch::Undecided,
        }
    }

    /// Returns when everything that is left is cut: the drain deadline passed, or it is to end now. For tunnels,
    /// which no HTTP connection watches over any more.
    pub async fn aborted(&self) {
        self.listening.drain.reached(Stage::Aborting).await;
    }

    /// Whether connections are being drained.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.listening.drain.stage() >= Stage::Draining
    }

    /// A request begins.
    pub(super) fn begin<B>(self: &Arc<Self>, request: &Request<B>) -> InFlight {
        let asks = *request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE);
        self.asks.store(asks, Ordering::Release);
        if asks {
            self.switch.store(Switch::Undecided as u8, Ordering::Release);
        }
        self.served.store(true, Ordering::Release);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight {
            conn: Arc::clone(self),
            connect: *request.method() == Method::CONNECT,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Whether a request is being answered, up to the flush of the answer's last byte.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight() > 0 || self.flush_due.load(Ordering::Acquire)
    }

    /// Since when nothing is in flight; `None` if no request came yet.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        self.served
            .load(Ordering::Acquire)
            .then(|| *lock(&self.quiet_since))
    }
}

/// A request that is being answered; it ends with the response's body.
#[derive(Debug)]
pub(super) struct InFlight {
    conn: Arc<Conn>,
    connect: bool,
}

impl InFlight {
    pub(super) fn answered<B>(&self, response: &Response<B>) {
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS
            || (self.connect && response.status().is_success());
        self.conn.decide(if switches { Switch::Yes } else { Switch::No });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        *lock(&self.conn.quiet_since) = Instant::now();
        self.conn.flush_due.store(true, Ordering::Release);
        self.conn.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
