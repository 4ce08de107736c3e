//! Calls to upstreams: a pool of connections per upstream, deadlines, and one more try when a pooled connection
//! turns out to be dead.
//!
//! hyper-util's client is not used: it cannot tell whether a connection was used before, and it spawns a task for
//! each request. Each worker owns one [`Upstreams`], so that connections stay on their core.

mod connect;
mod error;
mod evidence;
mod http1;
mod http2;
mod outgoing;
mod pool;
mod stale_retry;
mod stats;
mod timeouts;
mod tls;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState; // upstreams come from the configuration
use http::header::{HOST, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, request};
use http_body::Body;
use hyper::body::Incoming;
use murphy_core::route::{Route, Upstream};

pub use error::{BoxError, UpstreamError, UpstreamErrorKind};
pub use http2::Lease;
pub use outgoing::REPLAY_BYTES_MAX;
pub use stale_retry::UNREPEATABLE_IDLE_MAX;
pub use stats::{UpstreamCounts, UpstreamStats};
pub use tls::Roots;

use http1::Failed;
use outgoing::{Outgoing, Upload};
use pool::{Checkout, Pool, Wants};
use stale_retry::{Attempt, is_idempotent, sends_again};

/// Upstreams whose pools are kept although they are empty.
const EMPTY_POOLS_MAX: usize = 64;

/// How connections to upstreams are held.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Idle HTTP/1.1 connections that are kept for each upstream.
    pub idle_connections_max: usize,
    /// How long an HTTP/1.1 connection may be idle. Below the 5 s after which Node, Apache and uvicorn close
    /// theirs, so that it is us who close first.
    pub idle_timeout: Duration,
    /// Fields of a response's head (HTTP/1.1).
    pub fields_max: usize,
    /// Bytes of a response's head.
    pub head_bytes_max: usize,
    /// Bytes that hyper buffers for a connection in each direction; at least 8 KiB.
    pub buffer_bytes_max: usize,
    /// The certificates that are trusted.
    pub roots: Roots,
    /// Addresses that are never connected to, whatever name leads there: Murphy's own listeners.
    pub never: Vec<SocketAddr>,
}

impl UpstreamOptions {
    /// The defaults, with these roots.
    #[must_use]
    pub fn new(roots: Roots) -> Self {
        Self {
            idle_connections_max: 256,
            idle_timeout: Duration::from_secs(3),
            fields_max: 100,
            head_bytes_max: 64 * 1024,
            buffer_bytes_max: 256 * 1024,
            roots,
            never: Vec::new(),
        }
    }
}

/// The connections of one worker to all upstreams.
pub struct Upstreams {
    options: Arc<UpstreamOptions>,
    stats: Arc<UpstreamStats>,
    pools: Mutex<HashMap<Upstream, Arc<Pool>, FixedState>>,
    /// The pool that was used last.
    latest: Mutex<Option<Arc<Pool>>>,
}

/// An answer's head, with its body still to come.
#[derive(Debug)]
pub struct Sent {
    /// The response. Its body ends with an error if the upstream's connection breaks; dropping it before its end
    /// cancels the call. `hyper::upgrade::on` works on it after a 101.
    pub response: Response<Incoming>,
    /// How it was had.
    pub facts: SentFacts,
    /// To be kept until the body has ended.
    pub lease: Lease,
}

/// How an answer was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFacts {
    /// The upstream's address.
    pub peer: SocketAddr,
    /// Whether the connection had served other requests.
    pub reused: bool,
    /// Whether the request was sent again because a reused connection turned out to be dead.
    pub retried: bool,
    /// Whether it went over HTTP/2.
    pub http2: bool,
}

/// One call on its way.
struct Outbound<'a> {
    route: &'a Route,
    /// The head; taken by a try after which there is no other, but for one that gives it back.
    parts: Option<request::Parts>,
    upload: Option<Upload>,
    repeatable: bool,
}

/// A request that failed and may be sent once more.
struct Again {
    /// The HTTP/2 connection on which it failed.
    load: Option<Arc<http2::Load>>,
    reused: bool,
    failed: Box<Failed>,
}

impl Upstreams {
    /// No connections yet.
    #[must_use]
    pub fn new(options: UpstreamOptions) -> Self {
        Self::with_stats(options, Arc::default())
    }

    /// No connections yet, counting into `stats`, which workers may share.
    #[must_use]
    pub fn with_stats(options: UpstreamOptions, stats: Arc<UpstreamStats>) -> Self {
        Self {
            options: Arc::new(options),
            stats,
            pools: Mutex::default(),
            latest: Mutex::default(),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> UpstreamCounts {
        self.stats.counts()
    }

    /// Connections that are held for an upstream now: idle HTTP/1.1 ones, and HTTP/2 ones.
    #[must_use]
    pub fn held(&self, upstream: &Upstream) -> (usize, usize) {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.get(upstream).map_or((0, 0), |pool| pool.held_now())
    }

    /// Sends a request to the route's upstream and waits for the head of the answer.
    ///
    /// Of the request's URI only path and query are used; they are what the upstream gets. A `Host` field is kept
    /// (as `:authority` on HTTP/2); without one the upstream's authority is used. The caller has removed
    /// connection-specific fields (RFC 9110 §7.6.1), except that `Connection` and `Upgrade` stay on a request
    /// that asks for an upgrade: it gets a connection of its own. A callback set by
    /// `hyper::ext::on_informational` hears 1xx responses (HTTP/1.1).
    ///
    /// Dropping the future cancels the call at the upstream.
    ///
    /// # Errors
    /// If no answer's head came: see [`UpstreamErrorKind`].
    pub async fn send<B>(&self, route: &Route, request: Request<B>) -> Result<Sent, UpstreamError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let pool = self.pool(&route.upstream);
        let (parts, body) = request.into_parts();
        let upgrades = parts.headers.contains_key(UPGRADE);
        let outbound = Outbound {
            route,
            repeatable: route.retry_unsafe || is_idempotent(&parts.method),
            parts: Some(parts),
            upload: Upload::take(body),
        };
        // What is rare is on the heap: the future of an ordinary call is moved, so it should be small.
        if upgrades {
            Box::pin(outbound.send_for_upgrade(&pool)).await
        } else {
            outbound.send(&pool, &self.stats).await
        }
    }

    fn pool(&self, upstream: &Upstream) -> Arc<Pool> {
        // A route's upstream is mostly the one of the last call: to compare costs less than to hash.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some(pool) if pool.is_for(upstream) => Arc::clone(pool),
            _ => Arc::clone(latest.insert(self.pool_by_name(upstream))),
        }
    }

    fn pool_by_name(&self, upstream: &Upstream) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(upstream) {
            return Arc::clone(pool);
        }
        if pools.len() >= EMPTY_POOLS_MAX {
            pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
        }
        let pool = Arc::new(Pool::new(
            upstream.clone(),
            Arc::clone(&self.options),
            Arc::clone(&self.stats),
        ));
        pools.insert(upstream.clone(), Arc::clone(&pool));
        pool
    }
}

impl Outbound<'_> {
    async fn send(mut self, pool: &Arc<Pool>, stats: &UpstreamStats) -> Result<Sent, UpstreamError> {
        let replayable = self.upload.as_ref().is_none_or(Upload::fits);
        let idle_max = if self.repeatable && replayable {
            Duration::MAX
        } else {
            pool.unrepeatable_idle_max()
        };
        let connect_timeout = self.route.timeouts.connect;
        let wants = Wants {
            idle_max: Some(idle_max),
            except: None,
            connect_timeout,
        };
        let checkout = match pool.ready(&wants) {
            Some(ready) => ready,
            None => Box::pin(pool.checkout(wants)).await?,
        };
        let (load, reused) = match &checkout {
            Checkout::Http1 { reused, .. } => (None, *reused),
            Checkout::Http2 {
                connection, reused, ..
            } => (Some(Arc::clone(&connection.load)), *reused),
        };
        if reused {
            stats.reused();
        }
        let body = self.body(reused);
        let failed = match self.exchange(checkout, body).await? {
            Ok(sent) => return Ok(self.settled(sent)),
            Err(failed) => failed,
        };
        let attempt = Again { load, reused, failed };
        Box::pin(self.send_again(attempt, pool, stats)).await
    }

    /// Sends the request once more, on a new connection, if that is safe.
    async fn send_again(
        mut self,
        again: Again,
        pool: &Arc<Pool>,
        stats: &UpstreamStats,
    ) -> Result<Sent, UpstreamError> {
        let Again { load, reused, failed } = again;
        let body = match failed.request {
            Some(request) => {
                let (parts, body) = request.into_parts();
                self.parts.get_or_insert(parts);
                Some(body)
            }
            None => self.body_again(),
        };
        let attempt = Attempt {
            reused,
            repeatable: self.repeatable,
            replayable: body.is_some(),
        };
        let (true, Some(body)) = (sends_again(attempt, failed.evidence), body) else {
            return Err(self.error(failed.error));
        };
        stats.sent_again(failed.evidence);
        tracing::debug!(error = %failed.error, evidence = ?failed.evidence, "sending again on a new connection");
        let wants = Wants {
            idle_max: None,
            except: load.as_deref(),
            connect_timeout: self.route.timeouts.connect,
        };
        match self.exchange(pool.checkout(wants).await?, body).await? {
            Ok(mut sent) => {
                sent.facts.retried = true;
                Ok(self.settled(sent))
            }
            Err(failed) => Err(self.error(failed.error)),
        }
    }

    async fn send_for_upgrade(mut self, pool: &Arc<Pool>) -> Result<Sent, UpstreamError> {
        let connection = pool.dedicated(self.route.timeouts.connect).await?;
        let checkout = Checkout::Http1 {
            connection,
            reused: false,
        };
        let body = self.body(false);
        match self.exchange(checkout, body).await? {
            Ok(sent) => Ok(sent),
            Err(failed) => Err(self.error(failed.error)),
        }
    }

    /// Sends the request on one connection. The outer error is final.
    async fn exchange(
        &mut self,
        checkout: Checkout,
        body: Outgoing,
    ) -> Result<Result<Sent, Box<Failed>>, UpstreamError> {
        let overdue = timeouts::first_byte_overdue(self.route.timeouts.first_byte, self.upload.as_ref());
        let (answer, facts, lease) = match checkout {
            Checkout::Http1 { connection, reused } => {
                let facts = SentFacts {
                    peer: connection.line.peer,
                    reused,
                    retried: false,
                    http2: false,
                };
                // On a fresh connection only a request that comes back unsent is sent again.
                let parts = if facts.reused {
                    self.parts.clone()
                } else {
                    self.parts.take()
                };
                let request = self.request(parts, Version::HTTP_11, body)?;
                // A request that can be sent again needs no look before: if the upstream has closed, it is.
                let look = reused && !self.repeatable;
                let response = connection.send(request, look, look);
                (first(response, overdue).await, facts, Lease::none())
            }
            Checkout::Http2 {
                connection,
                lease,
                reused,
            } => {
                let facts = SentFacts {
                    peer: connection.load.peer,
                    reused,
                    retried: false,
                    http2: true,
                };
                let request = self.request(self.parts.clone(), Version::HTTP_2, body)?;
                (
                    first(Box::pin(connection.send(request)), overdue).await,
                    facts,
                    lease,
                )
            }
        };
        let Some(answer) = answer else {
            return Err(self.failure(UpstreamErrorKind::FirstByteTimeout, None));
        };
        Ok(answer.map(|response| Sent {
            response,
            facts,
            lease,
        }))
    }

    /// The request in the form of this version.
    fn request(
        &self,
        parts: Option<request::Parts>,
        version: Version,
        body: Outgoing,
    ) -> Result<Request<Outgoing>, UpstreamError> {
        let upstream = &self.route.upstream;
        let Some(mut parts) = parts else {
            return Err(self.failure(UpstreamErrorKind::BadRequest, None)); // no try follows one that took it
        };
        parts.version = version;
        let path = parts
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        if version == Version::HTTP_2 {
            let host = parts.headers.remove(HOST);
            let authority = match host.as_ref().map(|host| Authority::try_from(host.as_bytes())) {
                Some(Ok(authority)) => authority,
                _ => bare_authority(upstream),
            };
            let mut uri = http::uri::Parts::default();
            uri.scheme = Some(upstream.scheme.clone());
            uri.authority = Some(authority);
            uri.path_and_query = Some(path);
            parts.uri = Uri::from_parts(uri)
                .map_err(|error| self.failure(UpstreamErrorKind::BadRequest, Some(error.into())))?;
        } else {
            if !parts.headers.contains_key(HOST) {
                let host = HeaderValue::from_str(bare_authority(upstream).as_str())
                    .map_err(|error| self.failure(UpstreamErrorKind::BadRequest, Some(error.into())))?;
                parts.headers.insert(HOST, host);
            }
            parts.uri = Uri::from(path);
        }
        Ok(Request::from_parts(parts, body))
    }

    fn body(&self, keep: bool) -> Outgoing {
        self.upload
            .as_ref()
            .map_or_else(Outgoing::empty, |upload| upload.first(keep))
    }

    fn body_again(&self) -> Option<Outgoing> {
        self.upload
            .as_ref()
            .map_or_else(|| Some(Outgoing::empty()), Upload::again)
    }

    fn settled(&self, sent: Sent) -> Sent {
        if let Some(upload) = &self.upload {
            upload.settle();
        }
        sent
    }

    fn error(&self, error: hyper::Error) -> UpstreamError {
        match self.upload.as_ref().and_then(Upload::failure) {
            Some(failure) => self.failure(UpstreamErrorKind::RequestBody, Some(failure)),
            None => self.failure(error::kind_of(&error), Some(error.into())),
        }
    }

    fn failure(&self, kind: UpstreamErrorKind, source: Option<BoxError>) -> UpstreamError {
        UpstreamError::new(kind, &self.route.upstream, source)
    }
}

/// The upstream's host, with the port unless it is the scheme's own.
fn bare_authority(upstream: &Upstream) -> Authority {
    let own = match upstream.authority.port_u16() {
        Some(80) => upstream.scheme == Scheme::HTTP,
        Some(443) => upstream.scheme == Scheme::HTTPS,
        _ => false,
    };
    let text = upstream.authority.as_str();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let text = if own { upstream.authority.host() } else { text };
    Authority::try_from(text).unwrap_or_else(|_| upstream.authority.clone())
}

/// The answer, or `None` if it is overdue.
async fn first<T>(answer: impl Future<Output = T>, overdue: impl Future<Output = ()>) -> Option<T> {
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = overdue => None,
    }
}
