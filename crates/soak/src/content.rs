//! Contents that both ends can compute from a seed, at any offset: so every byte is checked and none is kept.

use bytes::Bytes;

/// A generator of numbers by SplitMix64: the same seed gives the same plan.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator of its own for each pair of seed and number.
    #[must_use]
    pub fn of(seed: u64, number: u64) -> Self {
        Self(mix(seed ^ mix(number)))
    }

    /// Draws the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw().checked_rem(end).unwrap_or_default()
    }

    /// A number from `min` to `max`.
    pub fn within(&mut self, min: u64, max: u64) -> u64 {
        min + self.below(max.saturating_sub(min) + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a content looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of any value.
    Bytes,
    /// A JSON object with one string.
    Json,
    /// Server-sent events, each [`EVENT_BYTES`] long.
    Events,
}

impl Kind {
    /// Its name in a query.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Json => "json",
            Self::Events => "events",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Bytes, Self::Json, Self::Events]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Bytes => "application/octet-stream",
            Self::Json => "application/json",
            Self::Events => "text/event-stream",
        }
    }
}

/// How long one event is, its empty line included.
pub const EVENT_BYTES: u64 = 50;
const JSON_OPEN: &[u8] = b"{\"v\":\"";
const JSON_CLOSE: &[u8] = b"\"}";

/// A content: its kind, seed and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// What it looks like.
    pub kind: Kind,
    /// What its bytes follow from.
    pub seed: u64,
    /// How many bytes; for events a multiple of [`EVENT_BYTES`], for JSON 8 at least.
    pub length: u64,
}

impl Content {
    /// Its bytes from `at`, at most `max` of them.
    #[must_use]
    pub fn bytes(&self, at: u64, max: usize) -> Bytes {
        let length = usize::try_from(self.length.saturating_sub(at))
            .unwrap_or(max)
            .min(max);
        let mut buffer = vec![0; length];
        self.fill(at, &mut buffer);
        buffer.into()
    }

    fn fill(&self, at: u64, buffer: &mut [u8]) {
        match self.kind {
            Kind::Events => self.fill_events(at, buffer),
            Kind::Bytes => self.fill_words(at, buffer),
            Kind::Json => {
                self.fill_words(at, buffer);
                let close_at = self.length.saturating_sub(JSON_CLOSE.len() as u64);
                for (place, byte) in (at..).zip(buffer.iter_mut()) {
                    let open = usize::try_from(place).ok().and_then(|place| JSON_OPEN.get(place));
                    let close = place
                        .checked_sub(close_at)
                        .and_then(|place| usize::try_from(place).ok());
                    let close = close.and_then(|place| JSON_CLOSE.get(place));
                    *byte = *open.or(close).unwrap_or(&(b'a' + (*byte & 15)));
                }
            }
        }
    }

    fn fill_words(&self, at: u64, buffer: &mut [u8]) {
        let mut word = at / 8;
        let lead = usize::try_from(at % 8).unwrap_or_default();
        let mut rest = buffer;
        if lead > 0 {
            let bytes = self.word(word).to_le_bytes();
            let (_, bytes) = bytes.split_at(lead);
            let (now, later) = rest.split_at_mut(bytes.len().min(rest.len()));
            now.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            rest = later;
            word += 1;
        }
        for chunk in rest.chunks_mut(8) {
            let bytes = self.word(word).to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            word += 1;
        }
    }

    fn fill_events(&self, at: u64, buffer: &mut [u8]) {
        let mut number = at / EVENT_BYTES;
        let mut skipped = usize::try_from(at % EVENT_BYTES).unwrap_or_default();
        let mut rest = buffer;
        while !rest.is_empty() {
            let event = format!(
                "data: {{\"n\":{number:010},\"v\":\"{:016x}\"}}   \n\n",
                self.word(number)
            );
            let bytes = event.as_bytes().get(skipped..).unwrap_or_default();
            let (now, later) = rest.split_at_mut(bytes.len().min(rest.len()));
            now.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            rest = later;
            number += 1;
            skipped = 0;
        }
    }

    fn word(&self, index: u64) -> u64 {
        mix(self.seed.wrapping_add(index.wrapping_mul(GOLDEN)))
    }
}

/// Compares what arrives with what a content should be, piece by piece.
#[derive(Debug)]
pub struct Comparison {
    content: Content,
    at: u64,
    wrong_at: Option<u64>,
    buffer: Vec<u8>,
}

/// How much is compared at once.
const PIECE: usize = 16 * 1024;

impl Comparison {
    /// Nothing has arrived yet.
    #[must_use]
    pub fn with(content: Content) -> Self {
        Self {
            content,
            at: 0,
            wrong_at: None,
            buffer: Vec::new(),
        }
    }

    /// These bytes arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.buffer.resize(piece.len(), 0);
            self.content.fill(self.at, &mut self.buffer);
            if self.wrong_at.is_none() && piece != self.buffer {
                let same = piece.iter().zip(&self.buffer).take_while(|(a, b)| a == b).count();
                self.wrong_at = Some(self.at + same as u64);
            }
            self.at += piece.len() as u64;
        }
    }

    /// How many bytes arrived.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.at
    }

    /// What is wrong with a message that ended here; nothing if it is the content, whole.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Content { length, .. } = self.content;
        match self.wrong_at {
            Some(place) if place < length => Some(format!("byte {place} of {length} is another one")),
            _ if self.at != length => Some(format!("{} bytes instead of {length}", self.at)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(kind: Kind, length: u64) -> Content {
        Content {
            kind,
            seed: 7,
            length,
        }
    }

    #[test]
    fn any_cut_gives_the_same_bytes() {
        for kind in [Kind::Bytes, Kind::Json, Kind::Events] {
            let content = content(kind, 10 * EVENT_BYTES);
            let whole = content.bytes(0, usize::MAX);
            assert_eq!(whole.len(), 500);
            for size in [1, 3, 7, 64, 499] {
                let cut: Vec<u8> = (0..500)
                    .step_by(size)
                    .flat_map(|at| content.bytes(at, size))
                    .collect();
                assert_eq!(cut, whole, "{kind:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn events_and_json_are_what_they_claim() {
        let events = content(Kind::Events, 2 * EVENT_BYTES).bytes(0, usize::MAX);
        let text = String::from_utf8(events.to_vec()).unwrap();
        assert_eq!(text.matches("\n\n").count(), 2, "{text:?}");
        let json = content(Kind::Json, 40).bytes(0, usize::MAX);
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["v"].as_str().unwrap().len(), 40 - 8);
    }

    #[test]
    fn every_difference_is_seen() {
        let content = content(Kind::Bytes, 40_000);
        let whole = content.bytes(0, usize::MAX);
        let fault_of = |bytes: &[u8]| {
            let mut comparison = Comparison::with(content);
            bytes.chunks(999).for_each(|chunk| comparison.feed(chunk));
            comparison.fault()
        };
        assert_eq!(fault_of(&whole), None);
        assert_eq!(
            fault_of(&whole[..39_999]).unwrap(),
            "39999 bytes instead of 40000"
        );
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(fault_of(&longer).unwrap(), "40001 bytes instead of 40000");
        let mut flipped = whole.to_vec();
        flipped[30_000] ^= 1;
        assert_eq!(fault_of(&flipped).unwrap(), "byte 30000 of 40000 is another one");
        let shifted = [&whole[1..], b"x"].concat();
        assert!(fault_of(&shifted).is_some());
    }

    #[test]
    fn a_seed_fixes_the_numbers() {
        let numbers = |seed, n| {
            let mut random = Random::of(seed, n);
            [random.draw(), random.below(10), random.within(5, 6)]
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }
}
