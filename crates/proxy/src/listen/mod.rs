//! STUB by the lead, only so that the rest compiles: the owner of listen/ replaces this file. It shows what the
//! pipeline, the effects and upgrade.rs call on `Conn`; keep these signatures (or tell).

use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use murphy_wire::http1::Violation;

/// One connection of an agent.
pub struct Conn {}

#[allow(missing_docs)]
impl Conn {
    pub fn peer_addr(&self) -> SocketAddr {
        unimplemented!()
    }
    pub fn local_addr(&self) -> SocketAddr {
        unimplemented!()
    }
    pub fn is_tls(&self) -> bool {
        unimplemented!()
    }
    /// The violation for which `request` is the sentinel, if it is one.
    pub fn take_violation<B>(&self, _request: &Request<B>) -> Option<Violation> {
        unimplemented!()
    }
    /// The connection is to end by a TCP reset.
    pub fn reset(&self) {
        unimplemented!()
    }
    pub fn upgraded(&self) {
        unimplemented!()
    }
    /// No-op unless the guard is undecided.
    pub fn not_upgraded(&self) {
        unimplemented!()
    }
    /// How often everything that hyper had buffered was handed to the kernel (counted in `poll_flush`, which
    /// hyper calls on its IO only when its own buffer is empty).
    pub fn flushes(&self) -> u64 {
        unimplemented!()
    }
    /// Ready when a flush came after `since`; registers the waker. Used by `effects/cut.rs`: the bytes before a
    /// cut must be on their way before the connection is broken.
    pub fn poll_flushed(&self, _context: &mut Context<'_>, _since: u64) -> Poll<()> {
        unimplemented!()
    }
}
