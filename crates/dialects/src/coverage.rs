//! What each dialect can show, as a table for the documentation and for checks at load time.

use std::time::SystemTime;

use murphy_core::failure::{Failure, FailureKind, RetryAfterForm};

use crate::dialect::Rendering;
use crate::registry::{NAMES, named};

/// How one failure looks in one dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The dialect.
    pub dialect: &'static str,
    /// The failure.
    pub kind: FailureKind,
    /// The status that it is sent with.
    pub status: u16,
}

/// Every failure in every dialect, by dialect.
pub fn failures() -> impl Iterator<Item = Cell> {
    let dialects = NAMES.iter().filter_map(|name| named(name));
    dialects.flat_map(|dialect| {
        FailureKind::ALL.into_iter().map(move |kind| {
            let failure = Failure {
                kind,
                retry_after: None,
                form: RetryAfterForm::Seconds,
                message: None,
            };
            let at = Rendering {
                now: SystemTime::UNIX_EPOCH,
                limit: None,
                bits: 0,
                path: ordinary_path(dialect.name()),
                model: None,
            };
            Cell {
                dialect: dialect.name(),
                kind,
                status: dialect.render(&failure, &at).status,
            }
        })
    })
}

/// Where an API's ordinary call goes: endpoints of one API may fail with different statuses.
fn ordinary_path(dialect: &str) -> &'static str {
    match dialect {
        "openai" | "openai-compatible" | "mistral" => "/v1/chat/completions",
        "azure-openai" => "/openai/deployments/model/chat/completions",
        "anthropic" => "/v1/messages",
        "gemini" => "/v1beta/models/model:generateContent",
        "bedrock" => "/model/model/converse",
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_shows_every_failure_with_an_error_status() {
        let cells: Vec<_> = failures().collect();
        assert_eq!(cells.len(), NAMES.len() * FailureKind::ALL.len());
        assert!(cells.iter().all(|cell| cell.status >= 400));
        let status = |kind| {
            cells
                .iter()
                .find(|cell| cell.kind == kind)
                .map(|cell| cell.status)
        };
        assert_eq!(status(FailureKind::RateLimited), Some(429));
        assert_eq!(status(FailureKind::QuotaExhausted), Some(402));
    }
}
