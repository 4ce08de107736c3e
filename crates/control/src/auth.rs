//! Who may talk to the control API: token, `Host`, `Origin`, and what a web page cannot send.
//!
//! Four checks, each sufficient against its own attack:
//!
//! * **Token** (somebody who can reach the port): with a token set, every path that is not declared open in the
//!   route table needs `Authorization: Bearer …`, unknown paths included.
//! * **`Host`** (DNS rebinding): a loopback name with this server's port, a configured name, or the very
//!   address that the connection was made to. A rebinding page always carries its own name here.
//! * **`Origin`** (a foreign web page): if it is sent, its authority must pass the same list. `null` does not.
//! * **Media type** (a foreign form, which needs no permission to post): a write is `application/json` (a
//!   `PUT` may also be `application/yaml`), for which a browser asks first and is never allowed. A write without a
//!   body may leave the type out only if neither `Origin` nor `Sec-Fetch-Site` is there: every browser sends at
//!   least one of them with a write, so what remains is `curl -X POST`.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use axum::body::HttpBody;
use axum::extract::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

use crate::problem::{ProblemDetails, ProblemType};

/// The most bytes that are read from a token file.
const TOKEN_BYTES_MAX: usize = 4096;
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A bearer token. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in this text, without white space around it.
    ///
    /// # Errors
    /// If it is empty, too long, or holds what cannot stand in a header.
    pub fn new(text: &str) -> Result<Self, GuardError> {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= TOKEN_BYTES_MAX;
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GuardError::BadToken)
        }
    }

    /// The token that this file holds.
    ///
    /// # Errors
    /// If it cannot be read, or as [`Token::new`].
    pub fn read(path: &Path) -> Result<Self, GuardError> {
        let text = std::fs::read_to_string(path).map_err(|source| GuardError::TokenFile {
            path: path.display().to_string(),
            source,
        })?;
        Self::new(&text)
    }

    /// The value of an `authorization` header that shows this token.
    #[must_use]
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    fn matches(&self, shown: &[u8]) -> bool {
        bool::from(self.0.as_bytes().ct_eq(shown))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why the control API must not start like this.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Others than this machine could reach it and nothing would stop them.
    #[error(
        "the control API would listen on {0}, which is not loopback, without a token: set control.token_file"
    )]
    Exposed(SocketAddr),
    /// The token is empty or not printable ASCII.
    #[error(
        "the control API's token must be 1 to {TOKEN_BYTES_MAX} printable ASCII characters without spaces"
    )]
    BadToken,
    /// The file with the token cannot be read.
    #[error("cannot read the control API's token from {path}: {source}")]
    TokenFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The checks that each request passes first.
#[derive(Debug)]
pub struct Guard {
    token: Option<Token>,
    /// Names that go with the port that was connected to.
    names: Vec<String>,
    /// Names that are taken as they stand.
    authorities: Vec<String>,
}

impl Guard {
    /// For a server that is bound to `bound`. An entry of `allowed_hosts` with a port is taken as it stands; one
    /// without is taken with no port (a proxy in front that ends TLS) and with the server's.
    ///
    /// # Errors
    /// If `bound` is not loopback and there is no token.
    pub fn new(
        bound: SocketAddr,
        token: Option<Token>,
        allowed_hosts: &[String],
    ) -> Result<Self, GuardError> {
        let authorities: Vec<String> = allowed_hosts
            .iter()
            .map(|host| host.trim().to_ascii_lowercase())
            .filter(|host| !host.is_empty())
            .collect();
        let loopback = LOOPBACK_NAMES.iter().map(ToString::to_string);
        let without_port = authorities.iter().filter(|host| !has_port(host)).cloned();
        let guard = Self {
            token,
            names: loopback.chain(without_port).collect(),
            authorities,
        };
        guard.check_exposure(bound)?;
        Ok(guard)
    }

    /// Whether a server with this guard may be bound to `bound`.
    pub(crate) fn check_exposure(&self, bound: SocketAddr) -> Result<(), GuardError> {
        if self.token.is_none() && !bound.ip().to_canonical().is_loopback() {
            return Err(GuardError::Exposed(bound));
        }
        Ok(())
    }

    /// What is wrong with this request, if anything. `open`: its path needs no token. `local`: the address that
    /// the connection was made to.
    pub(crate) fn refuse(&self, request: &Request, open: bool, local: SocketAddr) -> Option<ProblemDetails> {
        self.check_host(request, local)
            .and_then(|()| self.check_origin(request.headers(), local))
            .and_then(|()| self.check_token(request.headers(), open))
            .and_then(|()| check_write(request))
            .err()
    }

    fn check_host(&self, request: &Request, local: SocketAddr) -> Result<(), ProblemDetails> {
        let mut hosts = request.headers().get_all(HOST).iter();
        // RFC 9112 §3.2.2: an absolute-form target takes the place of the Host header; both must pass here.
        let target = request.uri().authority();
        let allowed = match (hosts.next(), hosts.next(), target) {
            (Some(host), None, _) => host.to_str().is_ok_and(|host| self.knows(host, local)),
            _ => false,
        };
        if allowed && target.is_none_or(|target| self.knows(target.as_str(), local)) {
            return Ok(());
        }
        Err(ProblemDetails::new(
            ProblemType::ForbiddenHost,
            "the Host header must name this server once, by a loopback name and its port or as control.allowed_hosts lists it",
        ))
    }

    fn check_origin(&self, headers: &HeaderMap, local: SocketAddr) -> Result<(), ProblemDetails> {
        let foreign = headers.get_all(ORIGIN).iter().any(|origin| {
            let authority = origin.to_str().ok().and_then(|origin| {
                origin
                    .strip_prefix("http://")
                    .or_else(|| origin.strip_prefix("https://"))
            });
            !authority.is_some_and(|authority| self.knows(authority, local))
        });
        if foreign {
            return Err(ProblemDetails::new(
                ProblemType::ForbiddenOrigin,
                "a web page of another origin may not use the control API",
            ));
        }
        Ok(())
    }

    fn check_token(&self, headers: &HeaderMap, open: bool) -> Result<(), ProblemDetails> {
        let Some(token) = self.token.as_ref().filter(|_| !open) else {
            return Ok(());
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let shown = match (values.next(), values.next()) {
            (Some(value), None) => bearer(value.as_bytes()),
            _ => None,
        };
        if shown.is_some_and(|shown| token.matches(shown)) {
            return Ok(());
        }
        Err(ProblemDetails::new(
            ProblemType::Unauthorized,
            "send `Authorization: Bearer TOKEN` with the token of control.token_file",
        ))
    }

    /// Whether a host with or without port means this server.
    fn knows(&self, authority: &str, local: SocketAddr) -> bool {
        let authority = authority.to_ascii_lowercase();
        let own = SocketAddr::new(local.ip().to_canonical(), local.port());
        // RFC 9110 §4.2.1: the default port is left out.
        let name = match authority.strip_suffix(&format!(":{}", local.port())) {
            Some(name) => name,
            None if local.port() == 80 => &authority,
            None => "",
        };
        self.names.iter().any(|known| known == name)
            || self.authorities.contains(&authority)
            || own.to_string() == authority
    }
}

/// The credential after `Bearer ` (the scheme's name is case-insensitive, RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, credential) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| credential.trim_ascii())
}

/// Whether an authority ends in a port; the colons inside the brackets of an IPv6 address are none.
fn has_port(authority: &str) -> bool {
    let after_address = authority.rsplit(']').next().unwrap_or(authority);
    after_address.contains(':')
}

/// What a web page cannot send without asking first.
fn check_write(request: &Request) -> Result<(), ProblemDetails> {
    if request.method().is_safe() {
        return Ok(());
    }
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(ProblemDetails::new(
            ProblemType::ForbiddenOrigin,
            "a web page of another site may not use the control API",
        ));
    }
    let bare = site.is_none() && !headers.contains_key(ORIGIN) && request.body().is_end_stream();
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let fits = match (types.next(), types.next()) {
        (None, _) => bare,
        (Some(media_type), None) => media_type
            .to_str()
            .is_ok_and(|media_type| is_accepted(media_type, request.method())),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(ProblemDetails::new(
        ProblemType::UnsupportedMediaType,
        "a write needs `Content-Type: application/json`",
    ))
}

fn is_accepted(media_type: &str, method: &Method) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (method == Method::PUT && essence.eq_ignore_ascii_case("application/yaml"))
}

#[cfg(test)]
mod tests;
