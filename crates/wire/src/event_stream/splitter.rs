//! Cuts a stream into messages, wherever its chunks end.

use bytes::Bytes;

use super::{CRC, Frame, Headers, Kind, OVERHEAD, PRELUDE, number};
use crate::feed::Feed;

/// Cuts a stream into frames. The frames are the same however the stream is cut into chunks, and together they are
/// the stream. Only opaque pieces follow the chunks.
///
/// A message that lies in one chunk is a slice of it. Of one that does not, at most the cap (or a prelude, if that is
/// more) is kept, in a buffer that grows by doubling: never what a prelude merely promises.
#[derive(Debug)]
pub struct Splitter {
    feed: Feed,
    cap: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a prelude.
    Prelude,
    /// In a message whose prelude is right.
    Message(Prelude),
    /// In a message that is larger than the cap: so many of its bytes are still to come.
    Passing { left: usize, first: bool },
    /// After a prelude that cannot be right.
    Lost { first: bool },
}

/// The lengths that a prelude gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prelude {
    total: usize,
    headers_end: usize,
}

impl Prelude {
    /// Nothing if the checksum is wrong, or the lengths are together impossible.
    fn read(bytes: &[u8]) -> Option<Self> {
        let total = usize::try_from(number(bytes, 0)?).ok()?;
        let headers = usize::try_from(number(bytes, 4)?).ok()?;
        let right = crc32fast::hash(bytes.get(..8)?) == number(bytes, 8)?;
        let possible = total >= OVERHEAD && headers <= total - OVERHEAD;
        (right && possible).then_some(Self {
            total,
            headers_end: PRELUDE + headers,
        })
    }
}

impl Splitter {
    /// A splitter that keeps no more than `cap` bytes of one message. A larger message passes as pieces.
    pub fn new(cap: usize) -> Self {
        Self {
            feed: Feed::default(),
            cap,
            state: State::Prelude,
        }
    }

    /// Takes the next bytes of the stream, and returns the frames that are complete with them. Frames that are not
    /// taken from the iterator come with the next call.
    pub fn push(&mut self, chunk: Bytes) -> Frames<'_> {
        self.feed.push(chunk);
        Frames {
            splitter: self,
            ended: false,
        }
    }

    /// Says that the stream has ended, and returns the frames that are left.
    pub fn finish(&mut self) -> Frames<'_> {
        Frames {
            splitter: self,
            ended: true,
        }
    }

    /// How many bytes are kept, because their message is not complete.
    pub fn held(&self) -> usize {
        self.feed.held().len()
    }

    fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let held = self.feed.held().len();
            let input = self.feed.input().len();
            if input == 0 && !self.gives_held() {
                return None;
            }
            match self.state {
                State::Prelude => self.read_prelude(),
                State::Message(prelude) if held + input < prelude.total => self.feed.hold(input),
                State::Message(prelude) => {
                    self.state = State::Prelude;
                    return Some(message(self.feed.take(prelude.total - held), prelude));
                }
                State::Passing { left, first } => {
                    let count = input.min(left - held);
                    let left = left - held - count;
                    self.state = match left {
                        0 => State::Prelude,
                        _ => State::Passing { left, first: false },
                    };
                    return Some(self.opaque(count, first));
                }
                State::Lost { first } => {
                    self.state = State::Lost { first: false };
                    return Some(self.opaque(input, first));
                }
            }
        }
    }

    /// Whether what is held is to be handed out without any more input: when a prelude, now complete, shows it.
    fn gives_held(&self) -> bool {
        let held = self.feed.held().len();
        match self.state {
            State::Prelude => false,
            State::Message(prelude) => held >= prelude.total,
            State::Passing { .. } | State::Lost { .. } => held > 0,
        }
    }

    /// Looks at the prelude, if it is complete, and holds of the input what belongs to it if it is not whole there.
    fn read_prelude(&mut self) {
        let missing = PRELUDE - self.feed.held().len();
        let whole = missing == PRELUDE && self.feed.input().len() >= PRELUDE;
        if !whole {
            self.feed.hold(missing);
            if self.feed.held().len() < PRELUDE {
                return;
            }
        }
        let bytes = if whole {
            self.feed.input()
        } else {
            self.feed.held()
        };
        self.state = match Prelude::read(bytes) {
            None => State::Lost { first: true },
            Some(prelude) if prelude.total > self.cap => State::Passing {
                left: prelude.total,
                first: true,
            },
            Some(prelude) => State::Message(prelude),
        };
    }

    fn opaque(&mut self, count: usize, first: bool) -> Frame {
        Frame {
            bytes: self.feed.take(count),
            kind: Kind::Opaque { first },
            headers_end: 0,
        }
    }

    fn last_frame(&mut self) -> Option<Frame> {
        if self.feed.held().is_empty() {
            return None;
        }
        self.state = State::Lost { first: true };
        Some(Frame {
            bytes: self.feed.take(0),
            kind: Kind::Unfinished,
            headers_end: 0,
        })
    }
}

fn message(bytes: Bytes, prelude: Prelude) -> Frame {
    let (before, crc) = bytes.split_at(bytes.len().saturating_sub(CRC));
    let headers = bytes.get(PRELUDE..prelude.headers_end).unwrap_or_default();
    let right = number(crc, 0) == Some(crc32fast::hash(before)) && Headers::are_valid(headers);
    Frame {
        kind: if right { Kind::Message } else { Kind::Damaged },
        headers_end: prelude.headers_end,
        bytes,
    }
}

/// The frames that are complete.
#[derive(Debug)]
#[must_use = "the frames are the stream"]
pub struct Frames<'a> {
    splitter: &'a mut Splitter,
    ended: bool,
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let frame = self.splitter.next_frame();
        if frame.is_none() && self.ended {
            return self.splitter.last_frame();
        }
        frame
    }
}
