//! How many connections there may be: in all, and from one address. Shared by all workers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts connections against their limits.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    max: usize,
    per_peer_max: Option<usize>,
    /// Connections per address; as many entries as there are connections at most.
    peers: Mutex<HashMap<IpAddr, usize>>,
    emptied: Notify,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    InAll,
    ForThisPeer,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    pub(super) fn new(max: usize, per_peer_max: Option<usize>) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            max,
            per_peer_max,
            peers: Mutex::default(),
            emptied: Notify::new(),
        }
    }

    /// Takes a place for a connection from this address.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Full> {
        if let Some(max) = self.per_peer_max {
            let mut peers = self.peers();
            let held = peers.entry(peer).or_default();
            if *held >= max {
                return Err(Full::ForThisPeer);
            }
            *held += 1;
        }
        let place = Place {
            places: Arc::clone(self),
            peer,
        };
        // From here on the drop of `place` undoes what was counted.
        if self.taken.fetch_add(1, Ordering::AcqRel) >= self.max {
            return Err(Full::InAll);
        }
        Ok(place)
    }

    /// Connections that are there now.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Returns once there is no connection.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.taken() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places;
        if places.per_peer_max.is_some() {
            let mut peers = places.peers();
            if let Some(held) = peers.get_mut(&self.peer) {
                *held = held.saturating_sub(1);
                if *held == 0 {
                    peers.remove(&self.peer);
                }
            }
        }
        if places.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            places.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn the_limits_hold_and_places_come_back() {
        let places = Arc::new(Places::new(3, Some(2)));
        let first = places.take(HERE).unwrap();
        let _second = places.take(HERE).unwrap();
        assert_eq!(places.take(HERE).unwrap_err(), Full::ForThisPeer);
        let _third = places.take(THERE).unwrap();
        assert_eq!(places.take(THERE).unwrap_err(), Full::InAll);
        assert_eq!(places.taken(), 3);
        drop(first);
        assert!(places.take(THERE).is_ok());
        assert_eq!(places.peers().get(&HERE), Some(&1));
    }

    #[tokio::test]
    async fn it_tells_when_all_are_gone() {
        let places = Arc::new(Places::new(1, None));
        let place = places.take(HERE).unwrap();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(place);
        waiting.await.unwrap();
    }
}
