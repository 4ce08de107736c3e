//! What the kernel knows of a process.

use std::fs;

/// Bytes of a mebibyte.
pub(super) const MIB: u64 = 1 << 20;

/// The most memory that a process ever had resident, in bytes (`VmHWM`).
pub(super) fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("VmHWM");
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .expect("a number")
        * 1024
}

/// The processor time that a process has used, in clock ticks (a hundredth of a second on Linux).
pub(super) fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let (_, behind_name) = stat.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// How many file descriptors a process has open.
pub(super) fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("a running process")
        .count()
}
