//! The control API, its OpenAPI document, the metrics endpoint, the status page and the API client.
//!
//! [`serve`] is the server, [`client::Client`] its caller. The routes and the OpenAPI document are both made from
//! the one table in `routes.rs`, so that no route can be undocumented. What the API shows are the types of
//! [`murphy_director::view`] and [`murphy_core::exchange`].

mod api;
pub mod auth;
pub mod client;
mod input;
pub mod openapi;
mod operation;
pub mod problem;
mod routes;
mod serve;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use murphy_director::Handle;
use murphy_observe::Observer;
use tokio::sync::{Mutex, Semaphore};

pub use api::exchanges::Missed;
pub use api::hooks::{AlarmAnswer, AlertmanagerWebhook, WebhookAlert};
pub use api::kill_switch::ReasonRequest;
pub use serve::serve;

/// Streams of exchanges at once.
const STREAMS_MAX: usize = 64;

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
pub struct ControlState {
    director: Handle,
    observer: Arc<Observer>,
    guard: Arc<auth::Guard>,
    readiness: Arc<Readiness>,
    /// Places for streams.
    streams: Arc<Semaphore>,
    /// Held while a scenario is put or deleted.
    writes: Arc<Mutex<()>>,
}

impl ControlState {
    /// A server of this Director and this observer, behind this guard.
    #[must_use]
    pub fn new(
        director: Handle,
        observer: Arc<Observer>,
        guard: auth::Guard,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self {
            director,
            observer,
            guard: Arc::new(guard),
            readiness,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            writes: Arc::default(),
        }
    }
}

/// Whether the process can do its work, for `/readyz`. The configuration is loaded before this server starts.
#[derive(Debug, Default)]
pub struct Readiness {
    listening: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// The proxy's listeners are bound.
    pub fn set_listening(&self) {
        self.listening.store(true, Ordering::Release);
    }

    /// The process is to end: not ready any more.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    fn checks(&self) -> [(&'static str, bool); 2] {
        [
            ("listening", self.listening.load(Ordering::Acquire)),
            ("not-draining", !self.draining.load(Ordering::Acquire)),
        ]
    }
}

#[cfg(test)]
mod tests;
