//! Follows the daemon's event log while it is written and rotated: what it says of each id.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use crate::ledger::Seen;

const READ_BYTES: usize = 1 << 20;

/// What the log says of a call that a fault touched.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When the call arrived.
    pub at: Timestamp,
    /// The rules that did something, and what.
    pub rules: String,
}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Log {
    /// How many exchanges there are of each id.
    pub exchanges: Seen,
    /// The faults, by id.
    pub faults: HashMap<u64, Fault>,
    /// Calls for which rules fired and nothing could be done: they may be marked, and must be whole.
    pub idle: HashSet<u64>,
    /// Lines that could not be read.
    pub unreadable: u64,
}

impl Log {
    fn line(&mut self, line: &[u8]) {
        let Some(id) = id_in(line) else {
            self.unreadable += u64::from(!line.starts_with(b"{") || !line.ends_with(b"}"));
            return;
        };
        self.exchanges.add(id);
        if find(line, b"\"faults\":[]").is_some() {
            return;
        }
        match fault_in(line) {
            Some(fault) if fault.rules.is_empty() => drop(self.idle.insert(id)),
            Some(fault) => drop(self.faults.insert(id, fault)),
            None => self.unreadable += 1,
        }
    }
}

fn id_in(line: &[u8]) -> Option<u64> {
    const BEFORE: &[u8] = b"\"path\":\"/r/";
    let digits = line.get(find(line, BEFORE)? + BEFORE.len()..)?;
    let digits = digits.get(..digits.iter().position(|byte| *byte == b'"')?)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn find(line: &[u8], part: &[u8]) -> Option<usize> {
    line.windows(part.len()).position(|window| window == part)
}

fn fault_in(line: &[u8]) -> Option<Fault> {
    let exchange: Value = serde_json::from_slice(line).ok()?;
    let mut rules = Vec::new();
    for fault in exchange.get("faults")?.as_array()? {
        let text = |name: &str| fault.get(name)?.as_str();
        let effects = fault.get("effects")?.as_array()?;
        if !effects.is_empty() {
            rules.push(format!("{}/{} {effects:?}", text("scenario")?, text("rule")?));
        }
    }
    Some(Fault {
        at: exchange.get("at")?.as_str()?.parse().ok()?,
        rules: rules.join(", "),
    })
}

/// Reads the log, and goes over to the new file when it was rotated.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    torn: Vec<u8>,
    /// What was read.
    pub log: Log,
}

impl Tail {
    /// Follows this file, which need not be there yet.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            torn: Vec::new(),
            log: Log::default(),
        }
    }

    /// Reads all that is there now. To be called more often than the log is rotated.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&mut self) -> io::Result<()> {
        loop {
            self.read_file()?;
            let current = fs::metadata(&self.path).map(|file| file.ino());
            let ours = self
                .file
                .as_ref()
                .map(|file| file.metadata().map(|file| file.ino()));
            match (current, ours.transpose()?) {
                (Err(_), _) => return Ok(()), // not there yet, or just being rotated
                (Ok(current), Some(ours)) if current == ours => return Ok(()),
                (Ok(_), ours) => {
                    if ours.is_some() {
                        self.read_file()?; // what came between the last read and the rotation
                    }
                    self.file = Some(File::open(&self.path)?);
                }
            }
        }
    }

    fn read_file(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.torn
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
            let complete = self
                .torn
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |last| last + 1);
            let rest = self.torn.split_off(complete);
            for line in self
                .torn
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                self.log.line(line);
            }
            self.torn = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn line(id: u64, faults: &str) -> String {
        format!(
            "{{\"id\":1,\"at\":\"2030-01-02T03:04:05.678Z\",\"path\":\"/r/{id}\",\"faults\":[{faults}]}}\n"
        )
    }

    #[test]
    fn it_follows_over_a_rotation_and_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut tail = Tail::of(&path);
        tail.read().unwrap();
        let (one, two) = (
            line(1, ""),
            line(2, "{\"scenario\":\"s\",\"rule\":\"r\",\"effects\":[\"e\"]}"),
        );
        let (half, rest) = two.split_at(20);
        fs::write(&path, one.clone() + half).unwrap();
        tail.read().unwrap();
        assert_eq!((tail.log.exchanges.total(), tail.log.faults.len()), (1, 0));
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(rest.as_bytes())
            .unwrap();
        fs::rename(&path, folder.path().join("log.1")).unwrap();
        let idle = line(3, "{\"scenario\":\"s\",\"rule\":\"r\",\"effects\":[]}");
        fs::write(&path, one + &idle + "{torn\n").unwrap();
        tail.read().unwrap();
        assert_eq!((tail.log.exchanges.times(1), tail.log.exchanges.times(2)), (2, 1));
        assert_eq!(tail.log.faults[&2].rules, "s/r [String(\"e\")]");
        assert_eq!(
            (tail.log.faults.len(), tail.log.idle.len(), tail.log.unreadable),
            (1, 1, 1)
        );
    }
}
