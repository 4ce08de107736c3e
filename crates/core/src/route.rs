//! Where requests go, as data.

use std::time::Duration;

use http::uri::{Authority, Scheme};

use crate::Name;

/// The dialect of a route whose calls tell theirs one by one: by the upstream's host, then by the path.
pub const AUTO: &str = "auto";

/// A route: which requests it takes and where they go. The upstream is fixed by configuration and never
/// derived from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub name: Name,
    /// The host that a request must name, lower case, without port; `None` takes every host.
    pub host: Option<String>,
    /// The path prefix, without a trailing slash; empty takes every path.
    pub prefix: String,
    /// Where requests go.
    pub upstream: Upstream,
    /// What the API speaks; may be [`AUTO`].
    pub dialect: Name,
    /// How long its steps may take.
    pub timeouts: Timeouts,
    /// No rule can touch it.
    pub protected: bool,
    /// Pass the client's `Host` on instead of the upstream's.
    pub preserve_host: bool,
    /// Add `Via` (RFC 9110 §7.6.3) to requests and responses.
    pub via: bool,
    /// Add `X-Forwarded-For`, `-Proto` and `-Host` to requests.
    pub forwarded: bool,
    /// Try once more on a fresh connection when a reused one died before any byte of the answer, even if the
    /// method is not idempotent: at least once instead of at most once.
    pub retry_unsafe: bool,
}

/// An upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// A path that is put before the rest of the request's path, without a trailing slash.
    pub base_path: String,
    /// Which HTTP version is spoken.
    pub protocol: Protocol,
    /// PEM text of certificates that are trusted besides the system's.
    pub extra_roots: Option<Name>,
    /// Do not verify the certificate. Shown in `status`.
    pub insecure: bool,
}

/// Which HTTP version is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// By ALPN over TLS; HTTP/1.1 in the clear.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only (with prior knowledge in the clear).
    Http2,
}

/// How long the steps of a call may take. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Connection and TLS handshake.
    pub connect: Duration,
    /// From the request's end to the response's head.
    pub first_byte: Option<Duration>,
    /// From the request's head to the response's end. Never applied to a stream unless it is set.
    pub total: Option<Duration>,
}
