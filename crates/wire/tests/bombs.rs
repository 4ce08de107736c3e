//! Decompression bombs are refused quickly and in flat memory. Alone in its file: it reads the process's peak.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of a test

use std::io::{self, Read, Write};

use murphy_core::plan::Skip;
use murphy_wire::coding::{Caps, Coding, decode};

const CAPS: Caps = Caps {
    bytes_max: 8 << 20,
    ratio_max: 100,
};
/// Far more than memory may grow by, so that unpacking without a bound is noticed.
const UNPACKED_BYTES: u64 = 256 << 20;
const GROWTH_BYTES_MAX: u64 = 48 << 20;

fn zeros() -> impl Read {
    io::repeat(0).take(UNPACKED_BYTES)
}

fn gzip() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    io::copy(&mut zeros(), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn brotli() -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, 1, 22);
    io::copy(&mut zeros(), &mut encoder).unwrap();
    encoder.flush().unwrap();
    drop(encoder);
    packed
}

fn zstd() -> Vec<u8> {
    zstd::stream::encode_all(zeros(), 1).unwrap()
}

/// The most memory that the process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn bombs_are_refused_in_flat_memory() {
    let bombs = [
        (Coding::Gzip, gzip()),
        (Coding::Brotli, brotli()),
        (Coding::Zstd, zstd()),
    ];
    let before = peak();
    for (coding, bomb) in &bombs {
        assert!(
            (bomb.len() as u64) < UNPACKED_BYTES / 200,
            "{coding:?}: {} bytes are no bomb",
            bomb.len()
        );
        assert_eq!(decode(*coding, bomb, CAPS), Err(Skip::TooLarge), "{coding:?}");
    }
    let growth = peak() - before;
    assert!(growth < GROWTH_BYTES_MAX, "memory grew by {growth} bytes");
}
