//! What the splitters of streams allocate: nothing for a frame that lies in one chunk, and never more than the cap
//! allows.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use murphy_wire::event_stream::{self, Value};
use murphy_wire::sse;

const EVENTS: usize = 10_000;
const CAP: usize = 64 << 10;

fn events() -> Vec<u8> {
    let event = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"Hello\"}}\n\n";
    event.repeat(EVENTS)
}

fn message(headers: &[(&str, Value<'_>)], payload: &[u8]) -> Bytes {
    let message = event_stream::Frame::message(headers, payload);
    message.map(event_stream::Frame::into_bytes).unwrap_or_default()
}

fn messages() -> Vec<u8> {
    let headers = [(":event-type", Value::String("contentBlockDelta"))];
    message(&headers, b"{\"delta\":{\"text\":\"Hello\"}}").repeat(EVENTS)
}

/// Reads a stream in pieces of that length, as a body hands them over.
fn read_events(stream: &Bytes, piece: usize, cap: usize) -> usize {
    let mut splitter = sse::Splitter::new(cap);
    let mut events = 0;
    let mut rest = stream.clone();
    while !rest.is_empty() {
        let chunk = rest.split_to(piece.min(rest.len()));
        for frame in splitter.push(chunk) {
            let is_event = frame.kind() == sse::Kind::Event;
            events += usize::from(is_event && frame.view().is_some_and(|view| view.data.is_some()));
        }
    }
    events + splitter.finish().count()
}

fn read_messages(stream: &Bytes, piece: usize, cap: usize) -> usize {
    let mut splitter = event_stream::Splitter::new(cap);
    let mut messages = 0;
    let mut rest = stream.clone();
    while !rest.is_empty() {
        let chunk = rest.split_to(piece.min(rest.len()));
        for frame in splitter.push(chunk) {
            let is_message = frame.kind() == event_stream::Kind::Message;
            messages += usize::from(is_message && frame.text(":event-type").is_some());
        }
    }
    messages + splitter.finish().count()
}

fn measured(count: &mut usize, read: impl Fn() -> usize) -> AllocationInfo {
    measure(|| *count = read())
}

#[test]
fn a_frame_in_one_chunk_costs_no_allocation() {
    let mut count = 0;
    let stream = Bytes::from(events()).slice(..); // shared by now, which costs its one allocation outside
    let _shared = stream.clone();
    let info = measured(&mut count, || read_events(&stream, stream.len(), CAP));
    assert_eq!((count, info.count_total), (EVENTS, 0));

    let stream = Bytes::from(messages());
    let _shared = stream.clone();
    let info = measured(&mut count, || read_messages(&stream, stream.len(), CAP));
    assert_eq!((count, info.count_total), (EVENTS, 0));
}

#[test]
fn a_frame_over_two_chunks_costs_its_copy() {
    let mut count = 0;
    let stream = Bytes::from(events());
    let _shared = stream.clone();
    // Some 90 events in a chunk, of which one goes on in the next: a few allocations for that one.
    let piece = 8 << 10;
    let info = measured(&mut count, || read_events(&stream, piece, CAP));
    let chunks = stream.len().div_ceil(piece) as u64;
    assert_eq!(count, EVENTS);
    assert!(info.count_total <= 4 * chunks, "{info:?} for {chunks} chunks");

    let stream = Bytes::from(messages());
    let _shared = stream.clone();
    let info = measured(&mut count, || read_messages(&stream, piece, CAP));
    let chunks = stream.len().div_ceil(piece) as u64;
    assert_eq!(count, EVENTS);
    assert!(info.count_total <= 4 * chunks, "{info:?} for {chunks} chunks");
}

#[test]
fn memory_is_bounded_by_the_cap() {
    let mut count = 0;
    let mut huge = b"data: ".to_vec();
    huge.resize(8 << 20, b'x');
    let huge = Bytes::from(huge);
    let just_below = Bytes::from(
        [b"data: ".to_vec(), vec![b'x'; CAP - 8], b"\n\n".to_vec()]
            .concat()
            .repeat(20),
    );
    for stream in [huge, just_below, Bytes::from(vec![0; 8 << 20])] {
        for piece in [7, 1000, 100_000] {
            let info = measured(&mut count, || read_events(&stream, piece, CAP));
            // A buffer that doubles: the old one and the new one for a moment, and what goes with a frame.
            assert!(info.bytes_max <= 4 * CAP as u64, "{info:?}");
            let info = measured(&mut count, || read_messages(&stream, piece, CAP));
            assert!(info.bytes_max <= 4 * CAP as u64, "{info:?}");
        }
    }
    // A message that promises more than the cap, and one that promises all of it and comes byte by byte.
    for payload in [CAP, CAP - 16] {
        let stream = message(&[], &vec![0; payload]);
        let info = measured(&mut count, || read_messages(&stream, 1, CAP));
        assert!(info.bytes_max <= 4 * CAP as u64, "{info:?}");
    }
}
