//! `[[routes]]`: how a request is matched and where it goes.

use std::path::PathBuf;
use std::time::Duration;

use murphy_core::span::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The upstream that stands for the built-in simulator.
pub const SIM: &str = "sim";

/// A route as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Its name: letters, digits, `.`, `_` and `-`.
    #[schemars(extend("examples" = ["openai"]))]
    pub name: String,
    /// Take only requests that name this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["openai.murphy.local"]))]
    pub host: Option<String>,
    /// The path prefix, taken off before forwarding. The longest that matches wins.
    #[schemars(extend("examples" = ["/openai"]))]
    pub path: String,
    /// Where requests go: a URL, or "sim" for the built-in simulator.
    #[schemars(extend("examples" = ["https://api.openai.com"]))]
    pub upstream: String,
    /// What the API speaks.
    #[serde(default = "plain")]
    #[schemars(extend("examples" = ["openai"]))]
    pub dialect: String,
    /// How long its steps may take.
    #[serde(default)]
    pub timeouts: RouteTimeouts,
    /// No rule can touch it.
    #[serde(default)]
    pub protected: bool,
    /// Pass the client's Host on instead of the upstream's.
    #[serde(default)]
    pub preserve_host: bool,
    /// Add Via to requests and responses.
    #[serde(default)]
    pub via: bool,
    /// Add X-Forwarded-For, -Proto and -Host to requests.
    #[serde(default)]
    pub forwarded: bool,
    /// Which HTTP version is spoken to the upstream.
    #[serde(default)]
    pub protocol: HttpVersion,
    /// PEM certificates that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["ca.pem"]))]
    pub ca_file: Option<PathBuf>,
    /// Do not verify the upstream's certificate.
    #[serde(default)]
    pub insecure: bool,
    /// Retry a request that died on a reused connection before any answer, even if its method is not
    /// idempotent (at least once instead of at most once).
    #[serde(default)]
    pub retry_unsafe: bool,
}

/// How long the steps of a call may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTimeouts {
    /// Connection and TLS handshake.
    pub connect: Span,
    /// From the request's end to the response's head; without limit if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Span>,
    /// From the request's head to the response's end; without limit if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Span>,
}

impl Default for RouteTimeouts {
    fn default() -> Self {
        Self {
            connect: Span(Duration::from_secs(10)),
            first_byte: None,
            total: None,
        }
    }
}

/// Which HTTP version is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpVersion {
    /// By ALPN over TLS; HTTP/1.1 in the clear.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

fn plain() -> String {
    "plain".to_owned()
}

impl RouteSettings {
    /// A route with defaults for all but these.
    #[must_use]
    pub fn new(name: &str, path: &str, upstream: &str, dialect: &str) -> Self {
        Self {
            name: name.to_owned(),
            host: None,
            path: path.to_owned(),
            upstream: upstream.to_owned(),
            dialect: dialect.to_owned(),
            timeouts: RouteTimeouts::default(),
            protected: false,
            preserve_host: false,
            via: false,
            forwarded: false,
            protocol: HttpVersion::Auto,
            ca_file: None,
            insecure: false,
            retry_unsafe: false,
        }
    }
}

/// The routes that serve when the configuration names none.
#[must_use]
pub fn built_in() -> Vec<RouteSettings> {
    vec![
        RouteSettings::new("sim", "/sim", SIM, "plain"),
        RouteSettings::new("openai", "/openai", "https://api.openai.com", "openai"),
        RouteSettings::new(
            "anthropic",
            "/anthropic",
            "https://api.anthropic.com",
            "anthropic",
        ),
        RouteSettings::new(
            "gemini",
            "/gemini",
            "https://generativelanguage.googleapis.com",
            "gemini",
        ),
    ]
}
