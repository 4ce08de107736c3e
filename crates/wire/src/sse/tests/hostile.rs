//! Streams that nobody sends in good faith.

use super::*;

/// Frames and bytes of a stream that comes in pieces of that length. Nothing else is kept of it.
fn count(stream: &[u8], piece: usize, cap: usize) -> (usize, usize) {
    let mut splitter = Splitter::new(cap);
    let (mut frames, mut bytes) = (0, 0);
    for chunk in stream.chunks(piece) {
        for frame in splitter.push(Bytes::copy_from_slice(chunk)) {
            frames += 1;
            bytes += frame.bytes().len();
        }
        assert!(splitter.held() <= cap);
    }
    let rest = splitter.finish();
    let (more, left) = rest.fold((0, 0), |(count, bytes), frame| {
        (count + 1, bytes + frame.bytes().len())
    });
    (frames + more, bytes + left)
}

#[test]
fn a_million_tiny_events() {
    let stream = b"data\n\n".repeat(1_000_000);
    assert_eq!(count(&stream, stream.len(), CAP), (1_000_000, stream.len()));
    assert_eq!(count(&stream, 7, CAP), (1_000_000, stream.len()));
}

#[test]
fn a_million_empty_lines() {
    for (end, piece) in [("\n", 1000), ("\r", 1), ("\r\n", 3)] {
        let stream = end.as_bytes().repeat(1_000_000);
        assert_eq!(count(&stream, piece, CAP), (1_000_000, stream.len()), "{end:?}");
    }
}

#[test]
fn one_huge_event() {
    let mut stream = b"data: ".to_vec();
    stream.resize(1 << 20, b'x');
    stream.extend_from_slice(b"\n\ndata: y\n\n");
    // One piece when it is known to be too large, then one for each chunk, and the event after it.
    assert_eq!(count(&stream, 64 << 10, 100), (19, stream.len()));
    assert_eq!(count(&stream, stream.len(), 100), (3, stream.len()));
    // One byte at a time, below the cap: held until it is complete.
    assert_eq!(count(&stream, 1, 2 << 20), (2, stream.len()));
}

#[test]
fn one_event_of_a_million_lines() {
    let stream = [b"data: x\r\n".repeat(1_000_000), b"\r\n".to_vec()].concat();
    let found = frames(&[&stream], 16 << 20);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].view().unwrap().data.unwrap().len(), 2 * 1_000_000 - 1);
    assert_eq!(found[0].with_data(b"y").unwrap().bytes(), &b"data: y\r\n\r\n"[..]);
}

#[test]
fn bytes_that_are_no_text() {
    let found = frames(&[b"data: \xff\0\xc3\nid: \xff\nevent: \xe2\x98\n\n\0\0\n\n"], CAP);
    assert_eq!(kinds(&found), [Kind::Event, Kind::Silent]);
    let view = found[0].view().unwrap();
    assert_eq!(view.data.as_deref(), Some(&b"\xff\0\xc3"[..]));
    assert_eq!(view.text(), "\u{FFFD}\0\u{FFFD}");
    assert_eq!(
        (view.id.as_deref(), view.event_type()),
        (Some("\u{FFFD}"), "\u{FFFD}")
    );
    assert_eq!(place(b"\xff\x80\xc3", Place::InCharacter, 0), None);
    assert_eq!(found[0].string_range(""), None);
}

#[test]
fn one_line_without_an_end() {
    assert_eq!(count(&vec![b'x'; 1 << 20], 1, 1 << 10).1, 1 << 20);
    assert_eq!(count(&vec![0; 1 << 20], 100, 1 << 21), (1, 1 << 20));
}
