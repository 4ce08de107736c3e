//! HTTP/1.1 as RFC 9112 has it, and no other: what stands between a client and the lenient parser behind.

mod chunk;
mod grammar;
mod head;
mod merge;
mod violation;

use chunk::Line;
use head::{Body, Section, Step};

pub use merge::ChunkMerger;
pub use violation::Violation;

/// Bounds on what a request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimits {
    /// The largest head, and trailer section, in bytes; also what has to be held at most.
    pub head_bytes_max: usize,
    /// The most fields in a head or trailer section.
    pub fields_max: usize,
}

/// What may be done with the bytes that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// All may be handed on.
    Pass,
    /// The bytes before `from` may be handed on. Those from there on are the beginning of something: keep them,
    /// and give them again with more behind.
    Hold {
        /// The first byte to keep.
        from: usize,
    },
    /// The bytes before `from` may be handed on, and nothing after them ever.
    Reject {
        /// The first byte of what is refused: of a message's head, or of a part of its body.
        from: usize,
        /// Why.
        violation: Violation,
    },
}

/// A strict reader of the requests of one connection.
///
/// It follows the stream from message to message, and lets a message's head pass only whole and only if nobody
/// can read it in two ways. How the stream is cut into pieces makes no difference.
#[derive(Debug, Clone)]
pub struct RequestGuard {
    limits: GuardLimits,
    state: State,
    after: After,
}

/// What the next byte belongs to.
#[derive(Debug, Clone)]
enum State {
    /// A new message, or the protocol that follows the last one.
    Boundary,
    Head(Section),
    /// A body, or a chunk's data, of which so many bytes are left.
    Data {
        left: u64,
        chunked: bool,
    },
    /// The CRLF behind a chunk's data.
    ChunkEnd,
    ChunkSize,
    Trailers(Section),
    Rejected {
        violation: Violation,
        in_body: bool,
    },
}

impl State {
    /// What a head leads to.
    fn body(framing: Body) -> Self {
        match framing {
            Body::Length(0) => Self::Boundary,
            Body::Length(left) => Self::Data { left, chunked: false },
            Body::Chunked => Self::ChunkSize,
        }
    }
}

/// What comes after the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Message,
    /// It asked for another protocol, and the answer is not known.
    Undecided,
    Raw,
}

/// One step of the machine.
enum Turn {
    /// It used so many bytes.
    Used(usize),
    /// It needs more than there are.
    Hold,
    Wrong(Violation),
}

impl RequestGuard {
    /// A guard for a new connection.
    #[must_use]
    pub fn new(limits: GuardLimits) -> Self {
        Self {
            limits,
            state: State::Boundary,
            after: After::Message,
        }
    }

    /// Looks at the next bytes of the stream: those that it was told to hold, then new ones.
    ///
    /// What is held is never longer than `head_bytes_max` (or 1 KiB, if that is more), except while an answer
    /// decides about another protocol: then do not read on, but call [`Self::upgraded`] or
    /// [`Self::not_upgraded`] and scan again.
    pub fn scan(&mut self, chunk: &[u8]) -> Scan {
        let mut from = 0;
        loop {
            let rest = chunk.get(from..).unwrap_or_default();
            if rest.is_empty() {
                return Scan::Pass;
            }
            match self.turn(rest) {
                Turn::Used(bytes) => from += bytes,
                Turn::Hold => return Scan::Hold { from },
                Turn::Wrong(violation) => {
                    self.state = State::Rejected {
                        violation,
                        in_body: self.is_in_body(),
                    };
                    return Scan::Reject { from, violation };
                }
            }
        }
    }

    /// The message that asked for another protocol got it (101, or 2xx to CONNECT): what follows passes as it is.
    pub fn upgraded(&mut self) {
        self.decide(After::Raw);
    }

    /// The message that asked for another protocol did not get it: what follows is the next message.
    pub fn not_upgraded(&mut self) {
        self.decide(After::Message);
    }

    /// Whether the last message asked for another protocol and the answer is not known.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.after == After::Undecided
    }

    /// Whether the next byte belongs to a body, or to what follows a switch of protocols. After a rejection it
    /// tells that of what was refused.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        match self.state {
            State::Rejected { in_body, .. } => in_body,
            _ if self.is_undecided() => false,
            State::Boundary => self.after == After::Raw,
            State::Head(_) => false,
            State::Data { .. } | State::ChunkEnd | State::ChunkSize | State::Trailers(_) => true,
        }
    }

    fn decide(&mut self, after: After) {
        if self.is_undecided() {
            self.after = after;
        }
    }

    fn turn(&mut self, rest: &[u8]) -> Turn {
        let (next, used) = match &mut self.state {
            State::Boundary => return self.begin(rest),
            State::Rejected { violation, .. } => return Turn::Wrong(*violation),
            State::Head(section) => match section.read(rest, &self.limits) {
                Step::More => return Turn::Hold,
                Step::Wrong(violation) => return Turn::Wrong(violation),
                Step::Done(end, framing) => {
                    if framing.may_switch {
                        self.after = After::Undecided;
                    }
                    (State::body(framing.body), end)
                }
            },
            State::Trailers(section) => match section.read(rest, &self.limits) {
                Step::More => return Turn::Hold,
                Step::Wrong(violation) => return Turn::Wrong(violation),
                Step::Done(end, _) => (State::Boundary, end),
            },
            State::Data { left, chunked } => {
                let there = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= there as u64;
                match (*left, *chunked) {
                    (0, true) => (State::ChunkEnd, there),
                    (0, false) => (State::Boundary, there),
                    _ => return Turn::Used(there),
                }
            }
            State::ChunkEnd => match rest {
                [b'\r', b'\n', ..] => (State::ChunkSize, 2),
                [b'\r'] => return Turn::Hold,
                _ => return Turn::Wrong(Violation::ChunkEnd),
            },
            State::ChunkSize => match chunk::read_line(rest) {
                Err(violation) => return Turn::Wrong(violation),
                Ok(Line::More) => return Turn::Hold,
                Ok(Line::Size { end, data: 0 }) => (State::Trailers(Section::trailers()), end),
                Ok(Line::Size { end, data }) => (
                    State::Data {
                        left: data,
                        chunked: true,
                    },
                    end,
                ),
            },
        };
        self.state = next;
        Turn::Used(used)
    }

    /// Between messages. A first byte that begins no message is refused at once, so that a client which speaks
    /// another protocol (TLS, say) does not wait for the line to end.
    fn begin(&mut self, rest: &[u8]) -> Turn {
        match self.after {
            After::Undecided => return Turn::Hold,
            After::Raw => return Turn::Used(rest.len()),
            After::Message => {}
        }
        match rest.first() {
            Some(b'\r') => {}
            Some(b'\n') => return Turn::Wrong(Violation::BareLineFeed),
            Some(byte) if grammar::is_token_byte(*byte) => {}
            _ => return Turn::Wrong(Violation::Method),
        }
        self.state = State::Head(Section::default());
        Turn::Used(0)
    }
}

#[cfg(test)]
mod tests;
