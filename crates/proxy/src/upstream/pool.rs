//! The connections to one upstream that one worker holds.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::uri::Scheme;
use murphy_core::route::{Protocol, Upstream};
use tokio::time::{Instant, timeout_at};

use super::connect::{Connected, connect};
use super::error::{UpstreamError, UpstreamErrorKind, kind_of};
use super::http1::{self, Http1};
use super::http2::{self, Http2, Lease, Load};
use super::stale_retry::UNREPEATABLE_IDLE_MAX;
use super::tls::Tls;
use super::{UpstreamOptions, UpstreamStats};

/// HTTP/2 connections to one upstream: another is opened when all are full, up to this many.
const HTTP2_CONNECTIONS_MAX: usize = 8;

/// The connections to one upstream.
pub(super) struct Pool {
    upstream: Upstream,
    options: Arc<UpstreamOptions>,
    stats: Arc<UpstreamStats>,
    tls: OnceLock<Result<Option<Tls>, String>>,
    /// Held while a connection is made that others could share.
    connecting: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Idle HTTP/1.1 connections, the one used last at the end.
    idle: Vec<Http1>,
    http2: Vec<Http2>,
    /// ALPN chose HTTP/1.1 the last time.
    speaks_http1: bool,
}

/// What a request needs of a connection.
pub(super) struct Wants<'a> {
    /// Longest time that the connection may have been idle; `None` wants a new one.
    pub(super) idle_max: Option<Duration>,
    /// Not this one: it has just failed.
    pub(super) except: Option<&'a Load>,
    /// How long connecting may take.
    pub(super) connect_timeout: Duration,
}

/// A connection for one request.
pub(super) enum Checkout {
    Http1 {
        connection: Http1,
        reused: bool,
    },
    Http2 {
        connection: Http2,
        lease: Lease,
        reused: bool,
    },
}

impl Pool {
    pub(super) fn new(upstream: Upstream, options: Arc<UpstreamOptions>, stats: Arc<UpstreamStats>) -> Self {
        Self {
            upstream,
            options,
            stats,
            tls: OnceLock::new(),
            connecting: tokio::sync::Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Whether it is the pool of this upstream.
    pub(super) fn is_for(&self, upstream: &Upstream) -> bool {
        self.upstream == *upstream
    }

    /// How long a connection may have been idle for a request that cannot be sent twice.
    pub(super) fn unrepeatable_idle_max(&self) -> Duration {
        if self.is_tls() {
            self.options.idle_timeout
        } else {
            UNREPEATABLE_IDLE_MAX
        }
    }

    /// A connection for one request.
    pub(super) async fn checkout(self: &Arc<Self>, wants: Wants<'_>) -> Result<Checkout, UpstreamError> {
        if let Some(ready) = self.ready(&wants) {
            return Ok(ready);
        }
        if !self.may_share() {
            return self.open(wants.connect_timeout).await;
        }
        // Whoever comes first connects; the others wait and share what it got.
        let deadline = Instant::now() + wants.connect_timeout;
        let Ok(_turn) = timeout_at(deadline, self.connecting.lock()).await else {
            return Err(self.error(UpstreamErrorKind::ConnectTimeout, None));
        };
        if let Some(ready) = self.ready(&wants) {
            return Ok(ready);
        }
        self.open(deadline.saturating_duration_since(Instant::now()))
            .await
    }

    /// A new connection that is used for one request only, which may upgrade it.
    pub(super) async fn dedicated(&self, limit: Duration) -> Result<Http1, UpstreamError> {
        let connected = self.connect(true, limit).await?;
        http1::open(connected, &self.options, None)
            .await
            .map_err(|error| self.error(kind_of(&error), Some(error.into())))
    }

    /// A connection that is held already.
    pub(super) fn ready(&self, wants: &Wants<'_>) -> Option<Checkout> {
        let mut held = self.held();
        let others = |connection: &&Http2| {
            !wants
                .except
                .is_some_and(|except| std::ptr::eq(except, Arc::as_ptr(&connection.load)))
        };
        let open = held
            .http2
            .iter()
            .filter(others)
            .filter(|connection| !connection.is_closed());
        let room = open.clone().find(|connection| connection.has_room());
        let full = (held.http2.len() >= HTTP2_CONNECTIONS_MAX)
            .then(|| open.min_by_key(|connection| connection.load.streams()))
            .flatten();
        if let Some(connection) = room.or(full).cloned() {
            return Some(Checkout::Http2 {
                lease: connection.lease(),
                connection,
                reused: true,
            });
        }
        let idle_max = wants.idle_max?;
        while let Some(connection) = held.idle.pop() {
            if connection.sender.is_closed() {
                continue;
            }
            if idle_max < Duration::MAX {
                let since = connection.line.idle_since()?;
                if Instant::now().duration_since(since) > idle_max {
                    // All others were idle for longer.
                    held.idle.push(connection);
                    return None;
                }
            }
            return Some(Checkout::Http1 {
                connection,
                reused: true,
            });
        }
        None
    }

    async fn open(self: &Arc<Self>, limit: Duration) -> Result<Checkout, UpstreamError> {
        let connected = self.connect(false, limit).await?;
        let http2 = match self.upstream.protocol {
            Protocol::Http2 => true,
            Protocol::Http1 => false,
            Protocol::Auto => connected.alpn_h2,
        };
        let failed = |error: hyper::Error| self.error(kind_of(&error), Some(error.into()));
        let pool = Arc::downgrade(self);
        if http2 {
            let connection = http2::open(connected, &self.options, pool)
                .await
                .map_err(failed)?;
            let lease = connection.lease();
            let mut held = self.held();
            held.speaks_http1 = false;
            held.http2.push(connection.clone());
            return Ok(Checkout::Http2 {
                connection,
                lease,
                reused: false,
            });
        }
        self.held().speaks_http1 = true;
        let connection = http1::open(connected, &self.options, Some(pool))
            .await
            .map_err(failed)?;
        Ok(Checkout::Http1 {
            connection,
            reused: false,
        })
    }

    async fn connect(&self, http1: bool, limit: Duration) -> Result<Connected, UpstreamError> {
        let tls = self.tls.get_or_init(|| {
            self.is_tls()
                .then(|| Tls::new(&self.upstream, &self.options.roots))
                .transpose()
                .map_err(|error| error.to_string())
        });
        let tls = tls
            .as_ref()
            .map_err(|error| self.error(UpstreamErrorKind::Tls, Some(error.clone().into())))?;
        let connected = connect(&self.upstream, tls.as_ref(), http1, limit, &self.options.never)
            .await
            .map_err(|(kind, source)| self.error(kind, Some(source)))?;
        self.stats.opened();
        Ok(connected)
    }

    /// Takes an HTTP/1.1 connection back. Over the bound, the one that was idle longest goes.
    pub(super) fn park(&self, connection: Http1) {
        let mut held = self.held();
        if held.idle.len() >= self.options.idle_connections_max {
            drop(held.idle.drain(..1));
        }
        held.idle.push(connection);
    }

    /// Forgets connections that have ended.
    pub(super) fn sweep(&self) {
        let mut held = self.held();
        held.idle.retain(|connection| !connection.sender.is_closed());
        held.http2.retain(|connection| !connection.is_closed());
    }

    /// Takes an HTTP/2 connection out: no new request uses it.
    pub(super) fn retire(&self, load: &Arc<Load>) {
        self.held()
            .http2
            .retain(|connection| !Arc::ptr_eq(&connection.load, load));
    }

    /// Whether it holds no connection.
    pub(super) fn is_empty(&self) -> bool {
        let held = self.held();
        held.idle.is_empty() && held.http2.is_empty()
    }

    /// Idle HTTP/1.1 connections, and HTTP/2 connections.
    pub(super) fn held_now(&self) -> (usize, usize) {
        let held = self.held();
        (held.idle.len(), held.http2.len())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_tls(&self) -> bool {
        self.upstream.scheme == Scheme::HTTPS
    }

    /// Whether a new connection might speak HTTP/2.
    fn may_share(&self) -> bool {
        match self.upstream.protocol {
            Protocol::Http2 => true,
            Protocol::Http1 => false,
            Protocol::Auto => self.is_tls() && !self.held().speaks_http1,
        }
    }

    fn error(&self, kind: UpstreamErrorKind, source: Option<super::BoxError>) -> UpstreamError {
        UpstreamError::new(kind, &self.upstream, source)
    }
}
