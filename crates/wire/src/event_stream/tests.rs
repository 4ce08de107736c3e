//! Tests of AWS event streams: by example here, by property below.

mod properties;

use super::*;
use proptest::prelude::*;

const CAP: usize = 1 << 20;

/// The frames of a stream that comes in these pieces.
fn frames(pieces: &[&[u8]], cap: usize) -> Vec<Frame> {
    let mut splitter = Splitter::new(cap);
    let mut frames = Vec::new();
    for piece in pieces {
        frames.extend(splitter.push(Bytes::copy_from_slice(piece)));
        assert!(splitter.held() <= cap.max(PRELUDE));
    }
    frames.extend(splitter.finish());
    assert_eq!((splitter.held(), splitter.finish().next()), (0, None));
    assert!(frames.iter().all(|frame| !frame.bytes().is_empty()));
    frames
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect()
}

fn kinds(frames: &[Frame]) -> Vec<Kind> {
    frames.iter().map(Frame::kind).collect()
}

/// A message as Bedrock sends it.
fn delta(text: &str) -> Frame {
    let headers = [
        (":event-type", Value::String("contentBlockDelta")),
        (":content-type", Value::String("application/json")),
        (":message-type", Value::String("event")),
    ];
    let payload = serde_json::json!({ "contentBlockIndex": 0, "delta": { "text": text } }).to_string();
    Frame::message(&headers, payload.as_bytes()).unwrap()
}

#[test]
fn bytes_are_as_another_encoder_writes_them() {
    // Written with `struct` and `zlib.crc32` of Python.
    let header = (":event-type", Value::String("ping"));
    for (headers, payload, want) in [
        (&[][..], &b""[..], &b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2H\xeb}\x98\xc8\xff"[..]),
        (&[], b"{}", b"\x00\x00\x00\x12\x00\x00\x00\x00\x7f\x02\x1b\x8b{}/\x92a\xfa"),
        (&[header], b"{\"p\":\"abcd\"}", b"\x00\x00\x00/\x00\x00\x00\x13\xa2\x0d&b\x0b:event-type\x07\x00\x04ping{\x22p\x22:\x22abcd\x22}\x05?\xf9B"),
    ] {
        assert_eq!(Frame::message(headers, payload).unwrap().bytes(), want);
    }
}

#[test]
fn a_stream_falls_into_messages() {
    let (first, second) = (delta("a"), delta("b"));
    let stream = [first.bytes().to_vec(), second.bytes().to_vec(), vec![0; 5]].concat();
    let found = frames(&[&stream], CAP);
    assert_eq!(found[..2], [first, second]);
    assert_eq!(kinds(&found), [Kind::Message, Kind::Message, Kind::Unfinished]);
    assert_eq!(found[0].text(":event-type"), Some("contentBlockDelta"));
    assert_eq!(found[0].text(":exception-type"), None);
    let range = found[1].string_range("/delta/text").unwrap();
    assert_eq!(&found[1].bytes()[range], b"b");
    assert_eq!(found[1].string_range("/delta"), None);
    assert_eq!((found[2].payload(), found[2].headers().next()), (None, None));
}

#[test]
fn every_type_of_value_is_written_and_read() {
    let headers = [
        ("t", Value::Bool(true)),
        ("f", Value::Bool(false)),
        ("byte", Value::Byte(-2)),
        ("short", Value::Short(-300)),
        ("int", Value::Int(i32::MIN)),
        ("long", Value::Long(i64::MAX)),
        ("bytes", Value::Bytes(b"\0\xff")),
        ("string", Value::String("☃")),
        ("time", Value::Timestamp(1_700_000_000_000)),
        ("uuid", Value::Uuid(*b"0123456789abcdef")),
    ];
    let frame = Frame::message(&headers, b"").unwrap();
    let found = frames(&[frame.bytes()], CAP);
    assert_eq!(found[0].headers().collect::<Vec<_>>(), headers);
}

#[test]
fn a_message_in_one_chunk_is_a_slice_of_it() {
    let one = delta("a");
    let chunk = Bytes::from([one.bytes().to_vec(), one.bytes().to_vec()].concat());
    let mut splitter = Splitter::new(CAP);
    let found: Vec<Frame> = splitter.push(chunk.clone()).collect();
    assert_eq!(found[0].bytes().as_ptr(), chunk.as_ptr());
    assert_eq!(found[1].bytes().as_ptr(), chunk[one.bytes().len()..].as_ptr());
    assert_eq!(
        found[1].payload().unwrap().as_ptr(),
        chunk[one.bytes().len() + found[1].headers_end..].as_ptr()
    );
}

#[test]
fn a_message_comes_with_its_last_byte() {
    let message = delta("a");
    let mut splitter = Splitter::new(CAP);
    for _ in 0..3 {
        for (at, byte) in message.bytes().iter().enumerate() {
            let found: Vec<Frame> = splitter.push(Bytes::from(vec![*byte])).collect();
            assert_eq!(found.len(), usize::from(at + 1 == message.bytes().len()));
            assert!(found.iter().all(|frame| *frame == message));
        }
    }
}

#[test]
fn what_cannot_be_written_is_said_so() {
    let long = "x".repeat(256);
    let value = "x".repeat(32_768);
    let bytes = vec![0; 32_767];
    let many: Vec<(&str, Value<'_>)> = (0..5).map(|_| ("b", Value::Bytes(&bytes))).collect();
    for (headers, want) in [
        (vec![(long.as_str(), Value::Bool(true))], Unencodable::Header),
        (vec![("", Value::Bool(true))], Unencodable::Header),
        (vec![("a", Value::String(&value))], Unencodable::Header),
        (many, Unencodable::Headers),
    ] {
        assert_eq!(Frame::message(&headers, b"").unwrap_err(), want);
    }
    assert!(Frame::message(&[(&"x".repeat(255), Value::Bytes(&bytes))], b"").is_ok());
    assert_eq!(
        Frame::message(&[], &vec![0; MOST_PAYLOAD + 1]).unwrap_err(),
        Unencodable::Payload
    );
    let half = frames(&[b"half"], CAP);
    assert_eq!(half[0].with_payload(b"").unwrap_err(), Unencodable::NoMessage);
    assert_eq!(half[0].with_bad_crc(Crc::Message), None);
}

#[test]
fn another_payload_leaves_the_headers() {
    let changed = delta("a").with_payload(b"{}").unwrap();
    assert_eq!(frames(&[changed.bytes()], CAP).first(), Some(&changed));
    assert_eq!(changed.payload().unwrap(), &b"{}"[..]);
    assert!(changed.headers().eq(delta("a").headers()));
}

#[test]
fn a_bad_checksum_is_one() {
    let next = delta("b");
    let spoiled = |which| [delta("a").with_bad_crc(which).unwrap(), next.bytes().clone()].concat();
    // Where the message ends is still known: the next one is read.
    let found = frames(&[&spoiled(Crc::Message)], CAP);
    assert_eq!(kinds(&found), [Kind::Damaged, Kind::Message]);
    assert_eq!((found[0].payload(), found[0].headers().next()), (None, None));
    // It is not.
    let found = frames(&[&spoiled(Crc::Prelude)], CAP);
    assert_eq!(kinds(&found), [Kind::Opaque { first: true }]);
}

#[test]
fn a_message_above_the_cap_passes_in_pieces() {
    let (small, large) = (delta("a"), delta("a larger one"));
    let stream = [small.bytes(), large.bytes(), small.bytes()]
        .map(|bytes| bytes.to_vec())
        .concat();
    let cap = small.bytes().len();
    for piece in [1, 5, 12, 13, cap, cap + 4, cap + 12, stream.len()] {
        let found = frames(&stream.chunks(piece).collect::<Vec<_>>(), cap);
        assert_eq!(joined(&found), stream);
        assert_eq!(found.first(), Some(&small));
        assert_eq!(found.last(), Some(&small));
        let between = &found[1..found.len() - 1];
        assert_eq!(between[0].kind(), Kind::Opaque { first: true }, "{piece}");
        assert!(
            between[1..]
                .iter()
                .all(|frame| frame.kind() == Kind::Opaque { first: false })
        );
    }
}

/// A message with right checksums around any bytes.
fn raw(total: u32, headers: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(rest);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

#[test]
fn impossible_lengths_lose_the_rest() {
    let next = delta("b");
    for (total, headers) in [
        (0, 0),
        (15, 0),
        (16, 1),
        (20, 5),
        (20, u32::MAX),
        (u32::MAX, u32::MAX),
    ] {
        let stream = [raw(total, headers, b"abcd"), next.bytes().to_vec()].concat();
        let found = frames(&[&stream], usize::MAX);
        assert_eq!(kinds(&found), [Kind::Opaque { first: true }], "{total} {headers}");
    }
    // Possible, and never there: what comes is kept up to the cap only if the whole would be.
    let promised = raw(u32::MAX, 0, &[0; 100]);
    assert_eq!(kinds(&frames(&[&promised], CAP)), [Kind::Opaque { first: true }]);
    assert_eq!(kinds(&frames(&[&promised], usize::MAX)), [Kind::Unfinished]);
}

#[test]
fn headers_that_cannot_be_read_are_damage() {
    for headers in [
        &b"\x01a"[..],
        b"\x00\x00",
        b"\x01a\x0a",
        b"\x01a\x04\0\0\0",
        b"\x01a\x07\0\x02x",
        b"\x01a\x07\0\x01\xff",
        b"\x01\xff\x00",
        b"\x01a\x00\x05",
    ] {
        let length = u32::try_from(headers.len()).unwrap();
        let stream = [raw(16 + length, length, headers), delta("b").bytes().to_vec()].concat();
        assert_eq!(
            kinds(&frames(&[&stream], CAP)),
            [Kind::Damaged, Kind::Message],
            "{headers:?}"
        );
    }
}
