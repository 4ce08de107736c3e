//! The bytes of which bodies are made.

use std::sync::LazyLock;

use bytes::Bytes;

/// The length after which the pattern repeats: a prime, so that no power of two of bytes can be lost or moved
/// without notice.
const PERIOD: usize = 65_521;

/// Two periods, so that a piece of up to one period can begin anywhere.
static TWO_PERIODS: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut one: Vec<u8> = (0..PERIOD)
        .map(|_| {
            state ^= state << 13; // xorshift64 (Marsaglia)
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    one.extend_from_within(..);
    one.into()
});

/// The longest piece that [`pattern`] gives at once.
pub(crate) const PIECE_MAX: usize = PERIOD;

/// The bytes of the pattern from `offset` on, at most `len` and at most 65,521 of them. Nothing is copied.
#[must_use]
pub fn pattern(offset: u64, len: u64) -> Bytes {
    let begin = (offset % PERIOD as u64) as usize;
    let len = len.min(PIECE_MAX as u64) as usize;
    TWO_PERIODS.slice(begin..begin + len)
}

/// Whether `bytes` are the pattern's from `offset` on.
pub(crate) fn is_pattern(offset: u64, bytes: &[u8]) -> bool {
    let mut offset = offset;
    bytes.chunks(PIECE_MAX).all(|piece| {
        let same = *pattern(offset, piece.len() as u64) == *piece;
        offset += piece.len() as u64;
        same
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fit_together() {
        let whole: Vec<u8> = (0..200_000).map(|n| pattern(n, 1)[0]).collect();
        assert!(is_pattern(0, &whole));
        assert!(is_pattern(777, &whole[777..]));
        assert!(!is_pattern(0, &whole[1..]));
        assert!(!is_pattern(4_096, &whole));
        assert_eq!(pattern(65_520, 1 << 40).len(), PIECE_MAX);
    }
}
