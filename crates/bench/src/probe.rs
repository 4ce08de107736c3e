//! What processes use: processor time and memory, from `/proc`.

use std::fs;

use crate::Void;

/// The processes of one server.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    pids: Vec<u32>,
}

impl Processes {
    /// A process and its children (nginx has its workers).
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn of(pid: u32) -> Result<Self, Void> {
        let mut pids = vec![pid];
        for entry in fs::read_dir("/proc")? {
            let Some(other) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if parent(other) == Some(pid) {
                pids.push(other);
            }
        }
        Ok(Self { pids })
    }

    /// A process without its children.
    #[must_use]
    pub fn only(pid: u32) -> Self {
        Self { pids: vec![pid] }
    }

    /// Processor time that they have used (user and system), in seconds.
    ///
    /// # Errors
    /// If one of them is gone.
    pub fn processor_seconds(&self) -> Result<f64, Void> {
        self.pids.iter().map(|pid| used(*pid)).sum()
    }

    /// Memory in bytes: resident; of several processes the proportional share, since they share pages.
    ///
    /// # Errors
    /// If one of them is gone.
    pub fn memory_bytes(&self) -> Result<f64, Void> {
        match self.pids.as_slice() {
            [pid] => field(&format!("/proc/{pid}/status"), "VmRSS:"),
            pids => {
                let each = pids
                    .iter()
                    .map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:"));
                each.sum()
            }
        }
    }

    /// The most memory that was resident at once, in bytes, summed over the processes.
    ///
    /// # Errors
    /// If one of them is gone.
    pub fn peak_bytes(&self) -> Result<f64, Void> {
        let each = self.pids.iter();
        each.map(|pid| field(&format!("/proc/{pid}/status"), "VmHWM:"))
            .sum()
    }
}

/// How the time of all cores was spent since the machine started, in clock ticks.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    busy: f64,
    stolen: f64,
    all: f64,
}

/// Clock ticks of a second, as `/proc` counts them on every Linux.
const TICKS: f64 = 100.0;

impl Machine {
    /// Looks.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read.
    pub fn now() -> Result<Self, Void> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().ok_or("an empty /proc/stat")?;
        let ticks: Vec<f64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let [user, nice, system, idle, waiting, irq, softirq, stolen, ..] = ticks.as_slice() else {
            return Err("/proc/stat has too few fields".into());
        };
        let busy = user + nice + system + irq + softirq;
        Ok(Self {
            busy,
            stolen: *stolen,
            all: busy + idle + waiting + stolen,
        })
    }

    /// The share of the cores' time that since an earlier look went neither to what took `own_seconds` of processor
    /// time nor to waiting: what others took, on this machine or on the one below it.
    #[must_use]
    pub fn taken_by_others(self, earlier: Self, own_seconds: f64) -> f64 {
        let taken = self.busy - earlier.busy + self.stolen - earlier.stolen - own_seconds * TICKS;
        (taken / (self.all - earlier.all)).max(0.0)
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit(')').next()?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// `schedstat` is the same as user and system time of `stat`, in nanoseconds instead of clock ticks.
fn used(pid: u32) -> Result<f64, Void> {
    let mut nanos = 0.0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path().join("schedstat");
        let text = fs::read_to_string(path)?;
        let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
        nanos += first.parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}

/// A line of kibibytes.
fn field(path: &str, name: &str) -> Result<f64, Void> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: f64 = value.ok_or_else(|| format!("{path} has no {name}"))?.parse()?;
    Ok(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_take_is_what_is_left() {
        let (earlier, later) = (
            Machine {
                busy: 100.0,
                stolen: 0.0,
                all: 1_000.0,
            },
            Machine {
                busy: 250.0,
                stolen: 10.0,
                all: 1_200.0,
            },
        );
        assert_eq!(later.taken_by_others(earlier, 1.0), 0.3);
        assert_eq!(later.taken_by_others(earlier, 2.0), 0.0);
        assert!(Machine::now().unwrap().all > 0.0);
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let this = Processes::of(std::process::id()).unwrap();
        let before = this.processor_seconds().unwrap();
        let sum: u64 = (0..5_000_000_u64).map(std::hint::black_box).sum();
        assert!(this.processor_seconds().unwrap() > before, "{sum}");
        let memory = this.memory_bytes().unwrap();
        assert!(memory > 100_000.0 && this.peak_bytes().unwrap() > 100_000.0);
        assert!(Processes { pids: vec![u32::MAX] }.processor_seconds().is_err());
    }
}
