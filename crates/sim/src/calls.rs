//! How many calls each path had.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State as Shared};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::server::State;

/// Paths that are counted apart; calls of further ones are counted as [`OTHER`].
const PATHS_MAX: usize = 4_096;

/// The longest path that is counted apart, in bytes.
const PATH_BYTES_MAX: usize = 256;

/// Where calls are counted whose path has no place of its own.
const OTHER: &str = "_other";

/// The path that tells the counts and is not counted.
const PATH: &str = "/calls";

/// Calls by path.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    by_path: Mutex<BTreeMap<String, u64>>,
}

impl Calls {
    /// Calls of this path so far.
    pub(crate) fn of(&self, path: &str) -> u64 {
        self.lock().get(path).copied().unwrap_or(0)
    }

    fn count(&self, path: &str) {
        let mut by_path = self.lock();
        if let Some(count) = by_path.get_mut(path) {
            *count += 1;
            return;
        }
        let fits = by_path.len() < PATHS_MAX && path.len() <= PATH_BYTES_MAX;
        let path = if fits { path } else { OTHER };
        *by_path.entry(path.to_owned()).or_insert(0) += 1;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.by_path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts each call when its head has arrived.
pub(crate) async fn count(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    if request.uri().path() != PATH {
        state.calls.count(request.uri().path());
    }
    next.run(request).await
}

#[derive(Serialize)]
struct Counts<'a> {
    total: u64,
    paths: &'a BTreeMap<String, u64>,
}

/// `GET /calls`.
pub(crate) async fn show(Shared(state): Shared<State>) -> Response {
    let paths = state.calls.lock();
    let total = paths.values().sum();
    axum::Json(Counts { total, paths: &paths }).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_share_one_place() {
        let calls = Calls::default();
        for n in 0..PATHS_MAX + 10 {
            calls.count(&format!("/{n}"));
        }
        calls.count("/0");
        calls.count(&"/x".repeat(PATH_BYTES_MAX));
        assert_eq!(calls.of("/0"), 2);
        assert_eq!(calls.of(OTHER), 11);
        assert_eq!(calls.lock().len(), PATHS_MAX + 1);
    }
}
