//! Why a request got no answer from its upstream, in a form that tells whose fault it is and what to answer.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use http::StatusCode;
use murphy_core::outcome::Cause;
use murphy_core::route::{Route, Upstream};

/// Any error, as bodies and connections hand it over.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamErrorKind {
    /// The host's name has no address.
    Resolve,
    /// Nothing listens at the address.
    Refused,
    /// The address cannot be reached, or no socket could be had.
    Unreachable,
    /// Connection and TLS handshake took longer than the route's `connect` timeout.
    ConnectTimeout,
    /// The TLS handshake failed: no common version, a certificate that is not trusted, not TLS at all.
    Tls,
    /// The connection, or the HTTP/2 stream, was reset before the answer's head.
    Reset,
    /// The connection was closed in an orderly way before the answer's head was complete.
    Closed,
    /// What came is not a response.
    BadResponse,
    /// The answer's head took longer than the route's `first_byte` timeout.
    FirstByteTimeout,
    /// The answer's head did not come within the route's `total` timeout.
    TotalTimeout,
    /// The request's own body failed: the agent left or sent something malformed while it was uploaded.
    RequestBody,
    /// The request cannot be sent to this upstream at all (a URI that HTTP/2 cannot express).
    BadRequest,
}

impl UpstreamErrorKind {
    /// A few words, without any detail.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Resolve => "the upstream's name could not be resolved",
            Self::Refused => "the upstream refused the connection",
            Self::Unreachable => "the upstream could not be reached",
            Self::ConnectTimeout => "connecting to the upstream took too long",
            Self::Tls => "the TLS handshake with the upstream failed",
            Self::Reset => "the upstream reset the connection before it answered",
            Self::Closed => "the upstream closed the connection before it answered",
            Self::BadResponse => "the upstream's answer is not valid HTTP",
            Self::FirstByteTimeout => "the upstream did not begin to answer in time",
            Self::TotalTimeout => "the upstream did not answer within the route's total timeout",
            Self::RequestBody => "the request's body broke off",
            Self::BadRequest => "the request cannot be sent to this upstream",
        }
    }
}

/// A request got no answer from its upstream. Displays without credentials: of the URL only the scheme and the
/// authority are kept.
#[derive(Debug)]
pub struct UpstreamError {
    kind: UpstreamErrorKind,
    target: String,
    source: Option<BoxError>,
}

impl UpstreamError {
    /// An error of this kind at this upstream.
    #[must_use]
    pub fn new(kind: UpstreamErrorKind, upstream: &Upstream, source: Option<BoxError>) -> Self {
        let authority = upstream.authority.as_str();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Self {
            kind,
            target: format!("{}://{host}", upstream.scheme),
            source,
        }
    }

    /// An error of this kind at this route's upstream.
    #[must_use]
    pub fn of(kind: UpstreamErrorKind, route: &Route) -> Self {
        Self::new(kind, &route.upstream, None)
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> UpstreamErrorKind {
        self.kind
    }

    /// Scheme and authority of the upstream.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The status that a gateway answers with: 504 for what took too long, 400 for a body that the agent broke
    /// off, else 502 (RFC 9110 §15.6.3, §15.6.5).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind {
            UpstreamErrorKind::ConnectTimeout
            | UpstreamErrorKind::FirstByteTimeout
            | UpstreamErrorKind::TotalTimeout => StatusCode::GATEWAY_TIMEOUT,
            UpstreamErrorKind::RequestBody => StatusCode::BAD_REQUEST,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.kind {
            UpstreamErrorKind::RequestBody => Cause::Agent,
            _ => Cause::Upstream,
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind.describe(), self.target)?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for UpstreamError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The kind of a failure of an established connection before the answer's head.
pub(super) fn kind_of(error: &hyper::Error) -> UpstreamErrorKind {
    if error.is_user() {
        return UpstreamErrorKind::RequestBody;
    }
    if error.is_parse() {
        return UpstreamErrorKind::BadResponse;
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => UpstreamErrorKind::Reset,
                io::ErrorKind::InvalidData => UpstreamErrorKind::Tls,
                _ => UpstreamErrorKind::Closed,
            };
        }
        if let Some(h2) = inner.downcast_ref::<h2::Error>()
            && !h2.is_io()
        {
            return UpstreamErrorKind::Reset;
        }
        source = inner.source();
    }
    UpstreamErrorKind::Closed
}

#[cfg(test)]
mod tests {
    use http::uri::{Authority, Scheme};
    use murphy_core::route::Protocol;

    use super::*;

    #[test]
    fn it_displays_without_credentials_and_with_its_causes() {
        let upstream = Upstream {
            scheme: Scheme::HTTPS,
            authority: Authority::from_static("user:secret@api.example:8443"),
            base_path: "/v1?key=secret".to_owned(),
            protocol: Protocol::Auto,
            extra_roots: None,
            insecure: false,
        };
        let error = UpstreamError::new(
            UpstreamErrorKind::Refused,
            &upstream,
            Some(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused))),
        );
        assert_eq!(
            error.to_string(),
            "the upstream refused the connection (https://api.example:8443): connection refused"
        );
        assert_eq!(
            (error.status(), error.cause()),
            (StatusCode::BAD_GATEWAY, Cause::Upstream)
        );
    }
}
