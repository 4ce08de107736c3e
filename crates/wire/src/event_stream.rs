//! AWS event streams (`application/vnd.amazon.eventstream`, the Amazon Event Stream Specification of Smithy), taken
//! apart without a loss: the bytes of all frames in order are the bytes that came.
//!
//! A message is: its whole length and the length of its headers (4 bytes each, big-endian as all numbers), the
//! CRC-32 of those 8 bytes, the headers, the payload, the CRC-32 of all before it. A header is the length of its
//! name (1 byte), the name, the type of its value (1 byte), the value.
//!
//! [`Splitter`] cuts a stream into [`Frame`]s, [`Frame::headers`] and [`Frame::payload`] read one,
//! [`Frame::message`] and [`Frame::with_payload`] write one, [`Frame::with_bad_crc`] spoils one.

mod encode;
mod header;
mod splitter;

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

pub use encode::{Crc, Unencodable};
pub use header::{Headers, Value};
pub use splitter::{Frames, Splitter};

/// Two lengths and their checksum.
const PRELUDE: usize = 12;
/// A checksum.
const CRC: usize = 4;
/// What a message has besides headers and payload.
const OVERHEAD: usize = PRELUDE + CRC;
/// The most bytes of headers that boto's decoder takes (`botocore/eventstream.py`).
const MOST_HEADERS: usize = 128 * 1024;
/// The most bytes of payload that boto's decoder takes; older versions take 16 MiB.
const MOST_PAYLOAD: usize = 24 * 1024 * 1024;

/// What a frame is for whoever reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message whose checksums are right and whose headers can be read.
    Message,
    /// A message whose length can be trusted but nothing else: its own checksum is wrong, or its headers cannot be
    /// read. A reader fails here; the messages after it can be told apart.
    Damaged,
    /// What stood after the last message when the stream ended.
    Unfinished,
    /// A piece of a message that is larger than may be kept, or of what follows a prelude that cannot be right: from
    /// there on nothing is known. A piece that has `first` begins such a message or rest.
    Opaque {
        /// Whether a message, or the rest, begins here.
        first: bool,
    },
}

/// A part of a stream, with its bytes as they came or as they are to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    kind: Kind,
    /// Where the headers end. Only of a message.
    headers_end: usize,
}

impl Frame {
    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes, for sending.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// What the frame is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The headers in order; none if the frame is not a message.
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(self.raw_headers().unwrap_or_default())
    }

    /// The value of a header that is a string, as those of the protocol are: `:message-type` (`event`, `exception`,
    /// `error`), `:event-type`, `:exception-type`, `:error-code`, `:error-message`, `:content-type`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers().find_map(|(found, value)| match value {
            Value::String(text) if found == name => Some(text),
            _ => None,
        })
    }

    /// The payload; nothing if the frame is not a message.
    pub fn payload(&self) -> Option<Bytes> {
        Some(self.bytes.slice(self.payload_range()?))
    }

    /// Where the payload is in the bytes; nothing if the frame is not a message.
    pub fn payload_range(&self) -> Option<Range<usize>> {
        let message = matches!(self.kind, Kind::Message);
        message.then(|| self.headers_end..self.bytes.len().saturating_sub(CRC))
    }

    /// Where in the frame's bytes the content of a JSON string stands, between its quotes and with its escapes: the
    /// string that `pointer` (RFC 6901) names in the payload. Nothing if the payload is not JSON or has no string
    /// there.
    pub fn string_range(&self, pointer: &str) -> Option<Range<usize>> {
        let payload = self.payload_range()?;
        let range = crate::json_span::string_at(self.bytes.get(payload.clone())?, pointer)?;
        Some(payload.start + range.start..payload.start + range.end)
    }

    fn raw_headers(&self) -> Option<&[u8]> {
        match self.kind {
            Kind::Message => self.bytes.get(PRELUDE..self.headers_end),
            _ => None,
        }
    }
}

/// A number at a place.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}
