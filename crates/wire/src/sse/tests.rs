//! Tests of server-sent events: by example here, by property below.

mod hostile;
mod properties;
mod writing;

use super::*;
use proptest::prelude::*;

const CAP: usize = 1 << 20;

/// The frames of a stream that comes in these pieces.
fn frames(pieces: &[&[u8]], cap: usize) -> Vec<Frame> {
    let mut splitter = Splitter::new(cap);
    let mut frames = Vec::new();
    for piece in pieces {
        frames.extend(splitter.push(Bytes::copy_from_slice(piece)));
        assert!(splitter.held() <= cap);
    }
    frames.extend(splitter.finish());
    assert_eq!((splitter.held(), splitter.finish().next()), (0, None));
    frames
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect()
}

fn texts(frames: &[Frame]) -> Vec<&[u8]> {
    frames.iter().map(|frame| frame.bytes().as_ref()).collect()
}

fn kinds(frames: &[Frame]) -> Vec<Kind> {
    frames.iter().map(Frame::kind).collect()
}

/// Streams of which every byte matters somewhere: fields, line ends, marks, half characters.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![&b"data"[..], b"event", b"id", b"retry", b"other", b"da"]).prop_map(<[u8]>::to_vec),
        6 => Just(b":".to_vec()),
        3 => Just(b" ".to_vec()),
        6 => Just(b"\n".to_vec()),
        6 => Just(b"\r".to_vec()),
        6 => Just(b"\r\n".to_vec()),
        2 => Just(BOM.to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => prop::sample::select(vec!["12", "é", "☃", "x", "\0"]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// The stream in pieces of these lengths, and the rest.
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
    prop::collection::vec(0_usize..6, 0..60)
}

#[test]
fn a_stream_falls_into_frames() {
    let stream =
        b"\xEF\xBB\xBF: hello\n\nevent: a\ndata: 1\ndata:2\nid: 7\r\n\r\n\nretry: 10\n\ndata\n\ndata: half";
    let found = frames(&[stream], CAP);
    assert_eq!(
        texts(&found),
        [
            &b"\xEF\xBB\xBF: hello\n\n"[..],
            b"event: a\ndata: 1\ndata:2\nid: 7\r\n\r\n",
            b"\n",
            b"retry: 10\n\n",
            b"data\n\n",
            b"data: half"
        ]
    );
    let (comment, event) = (Kind::Comment, Kind::Event);
    assert_eq!(
        kinds(&found),
        [
            comment,
            event,
            Kind::Silent,
            Kind::Silent,
            event,
            Kind::Unfinished
        ]
    );
    let view = found[1].view().unwrap();
    assert_eq!(
        view,
        View {
            event: Some("a".into()),
            data: Some(b"1\n2"[..].into()),
            id: Some("7".into()),
            retry: None,
            comments: 0
        }
    );
    assert_eq!(found[3].view().unwrap().retry, Some(10));
    assert_eq!(found[4].view().unwrap().data.as_deref(), Some(&b""[..]));
    assert_eq!(found[5].view().unwrap().text(), "half");
}

#[test]
fn fields_are_read_as_the_standard_says() {
    for (block, want) in [
        ("event: a\nevent\ndata:x\n\n", (None, "x", None, None)),
        ("data:  x \n\n", (None, " x ", None, None)),
        ("data: a:b\ndatax: y\n data: z\n\n", (None, "a:b", None, None)),
        ("data\ndata\n\n", (None, "\n", None, None)),
        ("id: 1\nid: 2\0\ndata:\n\n", (None, "", Some("1"), None)),
        ("id: 1\nid\ndata:\n\n", (None, "", Some(""), None)),
        (
            "retry: 5\nretry: 5s\nretry:\ndata:\n\n",
            (None, "", None, Some(5)),
        ),
        (
            "retry: 99999999999999999999\ndata:\n\n",
            (None, "", None, Some(u64::MAX)),
        ),
        ("DATA: x\ndata: y\n\n", (None, "y", None, None)),
    ] {
        let found = frames(&[block.as_bytes()], CAP);
        assert_eq!(found.len(), 1, "{block:?}");
        let view = found[0].view().unwrap();
        let got = (
            view.event.as_deref(),
            &*view.text(),
            view.id.as_deref(),
            view.retry,
        );
        assert_eq!(got, want, "{block:?}");
    }
}

#[test]
fn a_frame_comes_with_its_last_byte() {
    for end in ["\n", "\r\n", "\r"] {
        let event = format!("data: x{end}{end}");
        let mut splitter = Splitter::new(CAP);
        for _ in 0..3 {
            for (at, byte) in event.bytes().enumerate() {
                let found: Vec<Frame> = splitter.push(Bytes::from(vec![byte])).collect();
                let last = at + 1 == event.len();
                assert_eq!(found.len(), usize::from(last), "{end:?} {at}");
                assert!(found.iter().all(|frame| frame.bytes() == event.as_bytes()));
            }
        }
        assert_eq!(splitter.finish().count(), 0);
    }
}

#[test]
fn line_ends_may_be_mixed() {
    let found = frames(
        &[b"data: a\r\r\ndata: b\n\rdata: c\r\n\r", b"\ndata: d\r\n\r"],
        CAP,
    );
    assert_eq!(
        texts(&found),
        [
            &b"data: a\r\r"[..],
            b"\ndata: b\n\r",
            b"data: c\r\n\r\n",
            b"data: d\r\n\r"
        ]
    );
    assert!(found.iter().all(|frame| frame.kind() == Kind::Event));
}

#[test]
fn the_mark_counts_only_at_the_start_and_only_whole() {
    let found = frames(
        &[b"\xEF", b"\xBB", b"\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n"],
        CAP,
    );
    assert_eq!(kinds(&found), [Kind::Event, Kind::Silent]);
    let half = frames(&[b"\xEF\xBB\n\ndata: b\n\n"], CAP);
    assert_eq!(kinds(&half), [Kind::Silent, Kind::Event]);
    let only = frames(&[b"\xEF\xBB\xBF\ndata: b\n\n"], CAP);
    assert_eq!(texts(&only), [&b"\xEF\xBB\xBF\n"[..], b"data: b\n\n"]);
}

#[test]
fn a_frame_in_one_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut splitter = Splitter::new(CAP);
    let found: Vec<Frame> = splitter.push(chunk.clone()).collect();
    assert_eq!(found[0].bytes().as_ptr(), chunk.as_ptr());
    assert_eq!(found[1].bytes().as_ptr(), chunk[9..].as_ptr());
}

#[test]
fn frames_that_were_not_taken_come_later() {
    let mut splitter = Splitter::new(CAP);
    assert_eq!(
        splitter
            .push(Bytes::from_static(b"data: a\n\ndata: b\n\nda"))
            .count(),
        2
    );
    drop(splitter.push(Bytes::from_static(b"ta: c\n\ndata: d\n\n")));
    drop(splitter.push(Bytes::from_static(b"data: e\n\n")));
    let rest: Vec<Frame> = splitter.finish().collect();
    assert_eq!(
        texts(&rest),
        [&b"data: c\n\n"[..], b"data: d\n\n", b"data: e\n\n"]
    );
}

#[test]
fn an_event_above_the_cap_passes_in_pieces() {
    let first = Kind::Opaque { first: true };
    let on = Kind::Opaque { first: false };
    // 9 bytes are taken, 10 are not, in whatever pieces they come.
    for pieces in [
        &[&b"data: x\n\ndata: xy\n\ndata: z\n\n"[..]][..],
        &[b"data: x\n\ndata: xy\n", b"\ndata: z\n\n"],
        &[b"data: x\n\ndata: ", b"xy", b"\n\ndata: z\n\n"],
    ] {
        let found = frames(pieces, 9);
        assert_eq!(found[0].kind(), Kind::Event);
        assert_eq!(found[1].kind(), first);
        assert_eq!(found.last().unwrap().kind(), Kind::Event);
        assert!(found[2..found.len() - 1].iter().all(|frame| frame.kind() == on));
        assert!(found[1].view().is_none() && found[1].with_data(b"").is_none() && found[1].style().is_none());
    }
    // The CR of the empty line is the byte too many: the LF after it still belongs to the event.
    let found = frames(&[b"data: xy\r\n\r", b"\ndata: z\r\n\r\n"], 11);
    assert_eq!(texts(&found), [&b"data: xy\r\n\r\n"[..], b"data: z\r\n\r\n"]);
    assert_eq!(kinds(&found), [first, Kind::Event]);
    let found = frames(&[b"data: xyz\r\n\r", b"data: z\r\n\r\n"], 11);
    assert_eq!(texts(&found), [&b"data: xyz\r\n\r"[..], b"data: z\r\n\r\n"]);
    assert_eq!(kinds(&found), [first, Kind::Event]);
}
