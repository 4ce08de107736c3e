//! Writes messages, right and wrong ones.

use bytes::Bytes;

use super::header::Value;
use super::{CRC, Frame, Kind, MOST_HEADERS, MOST_PAYLOAD, OVERHEAD, PRELUDE};

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// A name is empty or longer than 255 bytes, or a value is longer than 32,767 bytes.
    #[error("a header's name is empty or longer than 255 bytes, or its value is longer than 32767 bytes")]
    Header,
    /// More headers than decoders take.
    #[error("the headers are longer than 128 KiB")]
    Headers,
    /// More payload than decoders take.
    #[error("the payload is longer than 24 MiB")]
    Payload,
    /// The frame that is to be changed is not a message.
    #[error("the frame is not a message")]
    NoMessage,
}

/// A checksum of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crc {
    /// That of the two lengths. A reader cannot know where the message ends.
    Prelude,
    /// That of the message.
    Message,
}

impl Frame {
    /// A message with these headers and this payload.
    ///
    /// # Errors
    /// If headers or payload are longer than the format or its decoders allow.
    pub fn message(headers: &[(&str, Value<'_>)], payload: &[u8]) -> Result<Self, Unencodable> {
        let mut raw = Vec::new();
        for (name, value) in headers {
            let length = u8::try_from(name.len()).ok().filter(|length| *length > 0);
            raw.push(length.ok_or(Unencodable::Header)?);
            raw.extend_from_slice(name.as_bytes());
            value.encode(&mut raw).ok_or(Unencodable::Header)?;
        }
        assemble(&raw, payload)
    }

    /// The message with its own headers, byte for byte, and another payload.
    ///
    /// # Errors
    /// If the frame is not a message, or the payload is too long.
    pub fn with_payload(&self, payload: &[u8]) -> Result<Self, Unencodable> {
        assemble(self.raw_headers().ok_or(Unencodable::NoMessage)?, payload)
    }

    /// The bytes with a checksum that is wrong: all its bits are turned. Nothing if the frame is not a message.
    pub fn with_bad_crc(&self, which: Crc) -> Option<Bytes> {
        let payload = self.payload_range()?;
        let range = match which {
            Crc::Prelude => PRELUDE - CRC..PRELUDE,
            Crc::Message => payload.end..payload.end + CRC,
        };
        let mut bytes = self.bytes().to_vec();
        for byte in bytes.get_mut(range)? {
            *byte = !*byte;
        }
        Some(Bytes::from(bytes))
    }
}

fn assemble(headers: &[u8], payload: &[u8]) -> Result<Frame, Unencodable> {
    if headers.len() > MOST_HEADERS {
        return Err(Unencodable::Headers);
    }
    if payload.len() > MOST_PAYLOAD {
        return Err(Unencodable::Payload);
    }
    let total = OVERHEAD + headers.len() + payload.len();
    let length = |length: usize| u32::try_from(length).map_err(|_| Unencodable::Payload);
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&length(total)?.to_be_bytes());
    out.extend_from_slice(&length(headers.len())?.to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    Ok(Frame {
        bytes: Bytes::from(out),
        kind: Kind::Message,
        headers_end: PRELUDE + headers.len(),
    })
}
