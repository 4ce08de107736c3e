//! A reader of AWS event-stream frames, written from the format alone, with a bitwise CRC32 of its own.

use base64::Engine as _;
use serde_json::Value;

/// Every frame's type and payload; a frame that is not an event of JSON fails, as does a wrong checksum.
pub(crate) fn events(mut bytes: &[u8]) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let length = number(bytes, 0) as usize;
        let (frame, rest) = bytes.split_at(length);
        assert_eq!(
            number(frame, 8),
            crc32(&frame[..8]),
            "the checksum of the prelude"
        );
        assert_eq!(
            number(frame, length - 4),
            crc32(&frame[..length - 4]),
            "the checksum of the frame"
        );
        let head = number(frame, 4) as usize;
        let headers = headers(&frame[12..12 + head]);
        let value = |name: &str| headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
        assert_eq!(value(":message-type"), "event");
        assert_eq!(value(":content-type"), "application/json");
        let payload = serde_json::from_slice(&frame[12 + head..length - 4]).unwrap();
        events.push((value(":event-type"), payload));
        bytes = rest;
    }
    events
}

fn headers(mut bytes: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut headers = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest[0], 7, "a string");
        let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        headers.push((text(name), text(&rest[3..3 + length])));
        bytes = &rest[3 + length..];
    }
    headers
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}
