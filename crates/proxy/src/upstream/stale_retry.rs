//! Whether a request may be sent a second time. Pure: evidence in, decision out.
//!
//! An upstream may close an idle connection at the very moment at which it is used again. The request then fails
//! although nothing is wrong, and a direct client would not have seen that (its own pool has its own races, but
//! two pools in a row double them). So such a request is sent once more on a *fresh* connection, when it is safe:
//!
//! * **Unsent**: no byte of it was written. Right before the first write to a connection that was idle, the
//!   socket is looked at; if the upstream's end has arrived, nothing is written. Always safe, on a new connection
//!   too (the upstream gave it up before we came to use it); everything else is for reused connections only.
//! * **Closed before**: the upstream's FIN came, and then a reset in answer to our bytes (`SO_ERROR` is `EPIPE`,
//!   which Linux sets when a reset arrives after a FIN). An orderly close with unread bytes sends no FIN, so at
//!   the time of the close at least the end of the request had not arrived: the upstream closed an idle
//!   connection and cannot have handled the request. RFC 9110 §9.2.2 permits the repetition ("some means to
//!   detect that the original request was never applied").
//! * **Silent**: anything else without a byte of an answer. The upstream may have handled the request, so only
//!   idempotent methods are repeated (RFC 9110 §9.2.2), or those of a route that says `retry_unsafe`.
//! * **Answered**: a byte of an answer came. Never repeated.
//!
//! To keep the silent case rare for requests that may not be repeated, such requests do not take a connection
//! in the clear that was idle for more than [`UNREPEATABLE_IDLE_MAX`]: a new one costs one round trip. Over TLS
//! a new one costs a handshake, so there they do.

use std::time::Duration;

use http::Method;

/// How long a cleartext connection may have been idle for a request that may not be repeated.
pub const UNREPEATABLE_IDLE_MAX: Duration = Duration::from_millis(20);

/// What is known about a request that failed before the head of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// No byte of it was written, or the upstream says that it was not processed (HTTP/2 `REFUSED_STREAM`, or
    /// `GOAWAY` with a lower last stream).
    Unsent,
    /// The upstream had closed the connection before the whole request arrived.
    ClosedBefore,
    /// Bytes were written and nothing came back.
    Silent,
    /// A part of an answer came.
    Answered,
}

/// What is known about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Whether the connection had served a request before.
    pub(super) reused: bool,
    /// Whether doing it twice is the same as doing it once.
    pub(super) repeatable: bool,
    /// Whether its body can be sent again.
    pub(super) replayable: bool,
}

/// Whether the request is sent once more. It never is twice.
#[must_use]
pub(super) fn sends_again(attempt: Attempt, evidence: Evidence) -> bool {
    attempt.replayable
        && match evidence {
            Evidence::Unsent => true,
            Evidence::ClosedBefore => attempt.reused,
            Evidence::Silent => attempt.reused && attempt.repeatable,
            Evidence::Answered => false,
        }
}

/// Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2).
#[must_use]
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_decisions() {
        use Evidence::{Answered, ClosedBefore, Silent, Unsent};
        let attempt = |reused, repeatable, replayable| Attempt {
            reused,
            repeatable,
            replayable,
        };
        let cases = [
            (attempt(true, false, true), Unsent, true),
            (attempt(true, false, true), ClosedBefore, true),
            (attempt(true, false, true), Silent, false),
            (attempt(true, true, true), Silent, true),
            (attempt(true, true, true), Answered, false),
            (attempt(true, true, false), Unsent, false),
            (attempt(true, true, false), Silent, false),
            (attempt(false, false, true), Unsent, true),
            (attempt(false, true, true), ClosedBefore, false),
            (attempt(false, true, true), Silent, false),
        ];
        for (attempt, evidence, expected) in cases {
            assert_eq!(
                sends_again(attempt, evidence),
                expected,
                "{attempt:?} {evidence:?}"
            );
        }
    }

    #[test]
    fn idempotent_methods() {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert!(is_idempotent(&method.parse().unwrap()), "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "PROPFIND", "get"] {
            assert!(!is_idempotent(&method.parse().unwrap()), "{method}");
        }
    }
}
