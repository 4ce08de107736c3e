//! The AWS event stream, one frame at a time (`application/vnd.amazon.eventstream`,
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>): a prelude of two lengths with its CRC32, headers, a
//! payload, and the CRC32 of all before it; numbers are big-endian.

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::Crc;
use serde_json::Value;

/// The prelude and its checksum.
const PRELUDE_BYTES: usize = 12;

/// A checksum.
const CRC_BYTES: usize = 4;

/// The type of a header's value that is a string.
const STRING: u8 = 7;

/// A frame of an event of this type.
pub(super) fn event(kind: &str, payload: &Value) -> Bytes {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload.to_string().as_bytes())
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = BytesMut::new();
    for (name, value) in headers {
        // Both lengths are of constants of this crate, and fit.
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        head.put_u8(STRING);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let length = PRELUDE_BYTES + head.len() + payload.len() + CRC_BYTES;
    let mut frame = BytesMut::with_capacity(length);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    frame.put_u32(crc32(&frame));
    frame.put_slice(&head);
    frame.put_slice(payload);
    frame.put_u32(crc32(&frame));
    frame.freeze()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
