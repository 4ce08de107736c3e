//! What holds for any stream of messages, however it is cut or damaged.

use super::*;

fn value() -> impl Strategy<Value = OwnValue> {
    prop_oneof![
        any::<bool>().prop_map(OwnValue::Bool),
        any::<i8>().prop_map(OwnValue::Byte),
        any::<i16>().prop_map(OwnValue::Short),
        any::<i32>().prop_map(OwnValue::Int),
        any::<i64>().prop_map(OwnValue::Long),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(OwnValue::Bytes),
        "[a-zé☃]{0,10}".prop_map(OwnValue::String),
        any::<i64>().prop_map(OwnValue::Timestamp),
        any::<[u8; 16]>().prop_map(OwnValue::Uuid),
    ]
}

/// A value that owns what it holds.
#[derive(Debug, Clone)]
enum OwnValue {
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Bytes(Vec<u8>),
    String(String),
    Timestamp(i64),
    Uuid([u8; 16]),
}

impl OwnValue {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Byte(value) => Value::Byte(*value),
            Self::Short(value) => Value::Short(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Long(value) => Value::Long(*value),
            Self::Bytes(value) => Value::Bytes(value),
            Self::String(value) => Value::String(value),
            Self::Timestamp(value) => Value::Timestamp(*value),
            Self::Uuid(value) => Value::Uuid(*value),
        }
    }

    /// Its bytes by the specification, its type first. Shares no code with the encoder.
    fn bytes(&self) -> Vec<u8> {
        let with_length = |kind: u8, value: &[u8]| {
            let length = [(value.len() >> 8) as u8, value.len() as u8];
            [&[kind], &length[..], value].concat()
        };
        let number = |kind: u8, value: i64, size: usize| {
            let digits = (0..size).rev().map(|place| (value >> (8 * place)) as u8);
            std::iter::once(kind).chain(digits).collect()
        };
        match self {
            Self::Bool(value) => vec![u8::from(!value)],
            Self::Byte(value) => number(2, i64::from(*value), 1),
            Self::Short(value) => number(3, i64::from(*value), 2),
            Self::Int(value) => number(4, i64::from(*value), 4),
            Self::Long(value) => number(5, *value, 8),
            Self::Bytes(value) => with_length(6, value),
            Self::String(value) => with_length(7, value.as_bytes()),
            Self::Timestamp(value) => number(8, *value, 8),
            Self::Uuid(value) => [&[9], &value[..]].concat(),
        }
    }
}

/// A message: its headers and its payload.
type Message = (Vec<(String, OwnValue)>, Vec<u8>);

fn message() -> impl Strategy<Value = Message> {
    let headers = prop::collection::vec(("[:a-z-]{1,12}", value()), 0..5);
    (headers, prop::collection::vec(any::<u8>(), 0..40))
}

fn encoded((headers, payload): &Message) -> Frame {
    let headers: Vec<(&str, Value<'_>)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_value()))
        .collect();
    Frame::message(&headers, payload).unwrap()
}

/// The checksum bit by bit, as RFC 1952 describes it.
fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    (!crc).to_be_bytes()
}

fn reference((headers, payload): &Message) -> Vec<u8> {
    let mut raw = Vec::new();
    for (name, value) in headers {
        raw.push(name.len() as u8);
        raw.extend_from_slice(name.as_bytes());
        raw.extend(value.bytes());
    }
    let total = 12 + raw.len() + payload.len() + 4;
    let mut out = vec![
        0,
        0,
        (total >> 8) as u8,
        total as u8,
        0,
        0,
        (raw.len() >> 8) as u8,
        raw.len() as u8,
    ];
    out.extend(crc(&out));
    out.extend(raw);
    out.extend_from_slice(payload);
    out.extend(crc(&out));
    out
}

/// Messages, some of them damaged or followed by anything.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => message().prop_map(|message| encoded(&message).into_bytes().to_vec()),
        1 => message().prop_map(|message| encoded(&message).with_bad_crc(Crc::Message).unwrap().to_vec()),
        1 => message().prop_map(|message| encoded(&message).with_bad_crc(Crc::Prelude).unwrap().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn pieces<'a>(stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, more) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..20, 0..40)
}

/// The frames with the opaque pieces of a message put together.
fn whole(frames: &[Frame]) -> Vec<(Kind, Vec<u8>)> {
    let mut whole: Vec<(Kind, Vec<u8>)> = Vec::new();
    for frame in frames {
        match (frame.kind(), whole.last_mut()) {
            (Kind::Opaque { first: false }, Some((Kind::Opaque { .. }, bytes))) => {
                bytes.extend(frame.bytes())
            }
            (kind, _) => whole.push((kind, frame.bytes().to_vec())),
        }
    }
    whole
}

#[test]
fn every_bit_that_turns_is_noticed() {
    let next = delta("b");
    for message in [delta("ab"), Frame::message(&[], b"").unwrap()] {
        for bit in 0..message.bytes().len() * 8 {
            let mut stream = [message.bytes().to_vec(), next.bytes().to_vec()].concat();
            stream[bit / 8] ^= 1 << (bit % 8);
            let found = frames(&[&stream], CAP);
            let in_prelude = bit < PRELUDE * 8;
            let want: &[Kind] = match in_prelude {
                true => &[Kind::Opaque { first: true }],
                false => &[Kind::Damaged, Kind::Message],
            };
            assert_eq!(
                (kinds(&found).as_slice(), joined(&found)),
                (want, stream),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn a_million_tiny_messages() {
    let stream = Frame::message(&[], b"").unwrap().bytes().repeat(1_000_000);
    for piece in [stream.len(), 1000] {
        let mut splitter = Splitter::new(CAP);
        let mut count = 0;
        for chunk in stream.chunks(piece) {
            let found = splitter.push(Bytes::copy_from_slice(chunk));
            count += found.filter(|frame| frame.kind() == Kind::Message).count();
        }
        assert_eq!((count, splitter.finish().count()), (1_000_000, 0));
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(1000))]

    #[test]
    fn messages_are_written_as_the_reference_does_and_read_back(messages in prop::collection::vec(message(), 0..5), lengths in lengths()) {
        let stream: Vec<u8> = messages.iter().flat_map(reference).collect();
        let found = frames(&pieces(&stream, &lengths), CAP);
        let written: Vec<Frame> = messages.iter().map(encoded).collect();
        prop_assert_eq!(&found, &written);
        for (frame, (headers, payload)) in found.iter().zip(&messages) {
            prop_assert!(frame.headers().eq(headers.iter().map(|(name, value)| (name.as_str(), value.as_value()))));
            prop_assert_eq!(&frame.payload().unwrap(), payload);
        }
    }

    #[test]
    fn frames_are_the_stream_and_do_not_depend_on_its_chunks(stream in stream(), lengths in lengths(), cap in prop_oneof![Just(CAP), 0_usize..80]) {
        let one = frames(&[&stream], cap);
        let cut = frames(&pieces(&stream, &lengths), cap);
        prop_assert_eq!(joined(&one), &stream[..]);
        prop_assert_eq!(joined(&cut), &stream[..]);
        prop_assert_eq!(whole(&cut), whole(&one));
    }

    #[test]
    fn any_bytes_are_the_stream(stream in prop::collection::vec(any::<u8>(), 0..100), lengths in lengths(), cap in 0_usize..50) {
        let found = frames(&pieces(&stream, &lengths), cap);
        prop_assert_eq!(joined(&found), stream);
    }
}
