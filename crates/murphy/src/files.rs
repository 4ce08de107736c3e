//! File descriptors: as many as the system grants, and some kept back for the control API.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the control API, files, and what the libraries open.
const RESERVED: u64 = 64;
/// A proxied connection is two: the agent's and the upstream's.
const PER_CONNECTION: u64 = 2;
/// Fewer connections than this are no service.
const CONNECTIONS_MIN: usize = 8;

/// Raises the soft limit to the hard one; returns the limit in force (`None`: without a limit).
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// How many connections the proxy may take so that the control API always finds a descriptor: `wanted`, or fewer.
pub(crate) fn connections_max(wanted: usize) -> usize {
    let Some(limit) = raise() else { return wanted };
    let fits = usize::try_from(limit.saturating_sub(RESERVED) / PER_CONNECTION).unwrap_or(usize::MAX);
    let granted = wanted.min(fits.max(CONNECTIONS_MIN));
    if granted < wanted {
        tracing::warn!(
            granted,
            wanted,
            limit,
            "proxy.max_connections is lowered to what the limit of open files allows"
        );
    }
    granted
}
