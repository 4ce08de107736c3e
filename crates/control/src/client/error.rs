//! Why a request to the control API did not succeed.

use http::StatusCode;

use crate::problem::ProblemDetails;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none that this client can use.
    #[error("{url:?} is not a control URL: wanted http://HOST:PORT")]
    BadUrl {
        /// The URL as it was given.
        url: String,
    },
    /// The name or the token cannot stand in a header.
    #[error("the token or the name of who asks cannot stand in a header")]
    BadHeader,
    /// Nobody answers there.
    #[error("cannot reach Murphy's control API at {url}: {reason} (is `murphy serve` running there?)")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It began and did not end well.
    #[error("the answer of {url} broke off: {reason}")]
    Broken {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("{url} did not answer in time")]
    TimedOut {
        /// Where.
        url: String,
    },
    /// Murphy said no.
    #[error("{0}")]
    Refused(Box<ProblemDetails>),
    /// The answer is none of Murphy's.
    #[error("{url} answered {status}, which is not what Murphy answers: is this its control address?")]
    NotMurphy {
        /// Where.
        url: String,
        /// The status.
        status: StatusCode,
    },
}

impl ClientError {
    /// Murphy's own words, if it said no.
    #[must_use]
    pub fn problem(&self) -> Option<&ProblemDetails> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}
