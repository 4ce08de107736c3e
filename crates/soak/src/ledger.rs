//! What arrived at the origin: one number for each request, appended to a file so that killing the origin loses none.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Set in a number whose request's body was complete and not what it should be.
const WRONG: u64 = 1 << 63;
/// So many low bits of an id count a worker's requests; those above name the worker.
const SEQUENCE_BITS: u32 = 40;

/// The id of a worker's request.
#[must_use]
pub fn id(worker: u64, sequence: u64) -> u64 {
    (worker << SEQUENCE_BITS) | sequence
}

/// The origin's side: appends.
#[derive(Debug)]
pub struct Ledger(File);

impl Ledger {
    /// Opens it, or goes on with the one that is there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// A request arrived. In one write, which a kill does not tear.
    pub fn arrived(&self, id: u64) {
        (&self.0).write_all(&id.to_le_bytes()).ok(); // what is missing here is noticed as lost
    }

    /// Its body was not what it should be.
    pub fn was_wrong(&self, id: u64) {
        self.arrived(id | WRONG);
    }
}

/// How often each id was seen.
#[derive(Debug, Default)]
pub struct Seen {
    workers: HashMap<u64, Vec<u8>>,
    /// Requests whose body was wrong.
    pub wrong: Vec<u64>,
}

impl Seen {
    /// Reads a ledger.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut seen = Self::default();
        for entry in std::fs::read(path)?.chunks_exact(8) {
            let entry = u64::from_le_bytes(entry.try_into().unwrap_or_default());
            if entry & WRONG == 0 {
                seen.add(entry);
            } else {
                seen.wrong.push(entry & !WRONG);
            }
        }
        Ok(seen)
    }

    /// Once more.
    pub fn add(&mut self, id: u64) {
        let (worker, place) = split(id);
        let counts = self.workers.entry(worker).or_default();
        if counts.len() <= place {
            counts.resize(place + 1, 0);
        }
        if let Some(count) = counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// How often this one.
    #[must_use]
    pub fn times(&self, id: u64) -> u8 {
        let (worker, place) = split(id);
        let counts = self.workers.get(&worker);
        counts
            .and_then(|counts| counts.get(place))
            .copied()
            .unwrap_or_default()
    }

    /// How many there are, each counted as often as it was seen.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.workers
            .values()
            .flatten()
            .map(|count| u64::from(*count))
            .sum()
    }
}

fn split(id: u64) -> (u64, usize) {
    let place = id & ((1 << SEQUENCE_BITS) - 1);
    (id >> SEQUENCE_BITS, usize::try_from(place).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (once, twice) = (id(3, 0), id(4, 9));
        Ledger::open(&path).unwrap().arrived(once);
        let again = Ledger::open(&path).unwrap();
        again.arrived(twice);
        again.arrived(twice);
        again.was_wrong(twice);
        let seen = Seen::read(&path).unwrap();
        assert_eq!(
            (seen.times(once), seen.times(twice), seen.times(id(4, 8))),
            (1, 2, 0)
        );
        assert_eq!((seen.total(), seen.wrong), (3, vec![twice]));
    }
}
