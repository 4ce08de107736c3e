//! Server-sent events (WHATWG HTML, section 9.2 "Server-sent events"), taken apart without a loss: the bytes of
//! all frames in order are the bytes that came, and what a frame means is read from them when somebody asks.
//!
//! [`Splitter`] cuts a stream into [`Frame`]s, [`Frame::view`] reads one, [`Frame::event`], [`Frame::comment`] and
//! [`Frame::with_data`] write one, [`place`] finds where to cut one awkwardly.

mod cut;
mod splitter;
mod view;
mod write;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use cut::{Place, place};
pub use splitter::{Frames, Splitter};
pub use view::View;
pub use write::{LineEnd, Style};

/// The byte order mark that a stream may begin with.
const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// What a frame is for whoever reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An event: it has data, if only empty data, and so is handed to the application.
    Event,
    /// Comments and nothing else: what keeps a connection alive.
    Comment,
    /// Complete, but nothing that is handed on: an empty line, an `event`, an `id` or a `retry` without data,
    /// unknown fields.
    Silent,
    /// What stood after the last empty line when the stream ended. By the standard it is dropped.
    Unfinished,
    /// A piece of an event that is larger than may be kept. A piece that has `first` begins such an event, those
    /// without go on with it; where the pieces are cut depends on how the bytes came.
    Opaque {
        /// Whether an event begins here.
        first: bool,
    },
}

/// How a frame came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Up to and with its empty line.
    Whole,
    /// The stream ended.
    Unfinished,
    /// Larger than the cap.
    Piece { first: bool },
}

/// A part of a stream, with its bytes as they came or as they are to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    extent: Extent,
    /// So many bytes at the start belong to no line: the byte order mark, or the LF of a CR LF whose CR already
    /// ended the frame before.
    lead: u8,
}

impl Frame {
    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes, for sending.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// What the frame is. Reads the frame, without an allocation.
    pub fn kind(&self) -> Kind {
        match self.extent {
            Extent::Unfinished => Kind::Unfinished,
            Extent::Piece { first } => Kind::Opaque { first },
            Extent::Whole => view::kind(self.lines()),
        }
    }

    /// What the frame says; of an unfinished one, what it would say if its empty line came now. Nothing for a
    /// piece of an event that was too large.
    pub fn view(&self) -> Option<View<'_>> {
        match self.extent {
            Extent::Piece { .. } => None,
            Extent::Whole | Extent::Unfinished => Some(View::read(self.lines())),
        }
    }

    fn lines(&self) -> view::Lines<'_> {
        view::Lines::of(&self.bytes, usize::from(self.lead))
    }
}
