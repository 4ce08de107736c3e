//! `[proxy]`: the data path and its limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use murphy_core::span::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The data path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxySettings {
    /// Where agents connect.
    #[serde(deserialize_with = "super::proxy::address")]
    pub listen: SocketAddr,
    /// Put "x-murphy-fault: scenario/rule" on every response that was touched, so that chaos is labelled.
    pub mark: bool,
    /// Bodies up to this size are read whole where a rule must see or edit them; larger ones pass untouched.
    pub max_body_inspect: Size,
    /// At most this many calls are held by injected faults at once.
    #[schemars(range(min = 1))]
    pub max_active_faults: usize,
    /// At most this many connections at once.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// At most this many connections at once from one address.
    #[schemars(extend("examples" = [256]))]
    pub max_connections_per_peer: Option<usize>,
    /// A request's head must be complete within this time.
    pub header_timeout: Span,
    /// A connection without a request is closed after this time.
    pub idle_timeout: Span,
    /// TLS handshake, and the first bytes of a connection, must be there within this time.
    pub handshake_timeout: Span,
    /// The largest head of a request.
    pub max_header_bytes: Size,
    /// The most header fields of a request.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_headers: usize,
    /// On SIGTERM: go on accepting for this long while not ready, so that load balancers notice.
    pub drain_delay: Span,
    /// On SIGTERM: calls in flight may go on for this long.
    pub drain_timeout: Span,
    /// Worker threads; 0 is one for each core.
    #[schemars(range(max = 1_024))]
    pub workers: usize,
    /// Host names, besides loopback ones, by which agents may name a loopback listener (against DNS
    /// rebinding). "*" allows every name.
    #[schemars(extend("examples" = [["murphy.local"]]))]
    pub allowed_hosts: Vec<String>,
    /// Serve TLS (HTTP/2 and HTTP/1.1 by ALPN) with this certificate.
    #[schemars(extend("examples" = [{ "cert": "cert.pem", "key": "key.pem" }]))]
    pub tls: Option<Tls>,
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            mark: true,
            max_body_inspect: Size(8 << 20),
            max_active_faults: 1_000,
            max_connections: 10_000,
            max_connections_per_peer: None,
            header_timeout: Span(Duration::from_secs(10)),
            idle_timeout: Span(Duration::from_secs(120)),
            handshake_timeout: Span(Duration::from_secs(5)),
            max_header_bytes: Size(64 << 10),
            max_headers: 100,
            drain_delay: Span(Duration::ZERO),
            drain_timeout: Span(Duration::from_secs(30)),
            workers: 0,
            allowed_hosts: Vec::new(),
            tls: None,
        }
    }
}

/// Reads an address, and says what one looks like if it is none.
pub(super) fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format_args!(
            "{text:?} is not an address and port such as 127.0.0.1:7070 or [::1]:7070"
        ))
    })
}
