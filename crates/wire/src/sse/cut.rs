//! Where to cut a frame: legal places that careless readers stumble over, and places within what it carries.

use std::ops::Range;

use super::{Extent, Frame};
use crate::json_span::string_at;

/// Places where a stream may be cut into chunks, and seldom is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Between two bytes of one UTF-8 character.
    InCharacter,
    /// Between two characters of one line.
    InLine,
    /// Between CR and LF.
    InLineEnd,
}

/// One such place in the bytes of a frame or of several, chosen by `bits`: that many bytes are before the cut.
/// Nothing if there is none.
pub fn place(bytes: &[u8], place: Place, bits: u64) -> Option<usize> {
    match place {
        Place::InCharacter => choose(|| in_characters(bytes), bits),
        Place::InLine => choose(
            || pairs(bytes, |before, after| !is_end(before) && starts(after)),
            bits,
        ),
        Place::InLineEnd => choose(
            || pairs(bytes, |before, after| before == b'\r' && after == b'\n'),
            bits,
        ),
    }
}

/// Walks twice instead of keeping a list.
fn choose<I: Iterator<Item = usize>>(places: impl Fn() -> I, bits: u64) -> Option<usize> {
    let nth = bits.checked_rem(places().count() as u64)?;
    places().nth(nth as usize)
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Whether the byte goes on with a line, and begins a character.
fn starts(byte: u8) -> bool {
    !is_end(byte) && byte & 0xC0 != 0x80
}

/// The places between two such bytes.
fn pairs(bytes: &[u8], wanted: impl Fn(u8, u8) -> bool) -> impl Iterator<Item = usize> {
    let both = bytes.iter().zip(bytes.iter().skip(1));
    let places = both.enumerate();
    places.filter_map(move |(at, (before, after))| wanted(*before, *after).then_some(at + 1))
}

/// The places within a character. Bytes that are no UTF-8 have none.
fn in_characters(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut start = 0;
    let chunks = bytes.utf8_chunks().map(move |chunk| {
        let at = start;
        start += chunk.valid().len() + chunk.invalid().len();
        (at, chunk.valid())
    });
    chunks.flat_map(|(chunk, text)| {
        let characters = text.char_indices();
        characters.flat_map(move |(at, character)| {
            let start = chunk + at;
            start + 1..start + character.len_utf8()
        })
    })
}

impl Frame {
    /// Where in the frame's bytes the content of a JSON string stands, between its quotes and with its escapes: the
    /// string that `pointer` (RFC 6901) names in the data. Nothing if the data is not JSON or has no string there.
    pub fn string_range(&self, pointer: &str) -> Option<Range<usize>> {
        if matches!(self.extent, Extent::Piece { .. }) {
            return None;
        }
        let mut lines = self.lines().filter_map(|line| line.data());
        let (start, first) = lines.next()?;
        if lines.next().is_none() {
            let range = string_at(first, pointer)?;
            return Some(start + range.start..start + range.end);
        }
        let range = string_at(self.view()?.data.as_deref()?, pointer)?;
        let mut joined = 0;
        for (start, line) in self.lines().filter_map(|line| line.data()) {
            // A string of JSON has no line end in it, so it stands in one line.
            if joined <= range.start && range.end <= joined + line.len() {
                return Some(start + range.start - joined..start + range.end - joined);
            }
            joined += line.len() + 1;
        }
        None
    }
}
