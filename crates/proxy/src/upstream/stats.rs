//! What calls to upstreams count.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stale_retry::Evidence;

/// Counters that all workers may share.
#[derive(Debug, Default)]
pub struct UpstreamStats {
    opened: AtomicU64,
    reused: AtomicU64,
    again_unsent: AtomicU64,
    again_closed_before: AtomicU64,
    again_silent: AtomicU64,
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpstreamCounts {
    /// Connections that were made.
    pub opened: u64,
    /// Requests that went over a connection that had been used before.
    pub reused: u64,
    /// Requests that were sent again because nothing of them had left.
    pub again_unsent: u64,
    /// Requests that were sent again because the upstream had closed before they arrived.
    pub again_closed_before: u64,
    /// Requests that were sent again although the upstream may have handled them: idempotent ones, and those of
    /// routes that permit it.
    pub again_silent: u64,
}

impl UpstreamStats {
    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> UpstreamCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        UpstreamCounts {
            opened: read(&self.opened),
            reused: read(&self.reused),
            again_unsent: read(&self.again_unsent),
            again_closed_before: read(&self.again_closed_before),
            again_silent: read(&self.again_silent),
        }
    }

    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reused(&self) {
        self.reused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent_again(&self, evidence: Evidence) {
        let counter = match evidence {
            Evidence::Unsent => &self.again_unsent,
            Evidence::ClosedBefore => &self.again_closed_before,
            Evidence::Silent | Evidence::Answered => &self.again_silent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
