//! Cuts a stream into frames, wherever its chunks end.

use bytes::Bytes;
use memchr::memchr2;

use super::{BOM, Extent, Frame, LineEnd};
use crate::feed::Feed;

/// Cuts a stream into frames. A frame goes up to and with the empty line that ends its event, so the frames are the
/// same however the stream is cut into chunks, and together they are the stream. Only the pieces of an event above
/// the cap follow the chunks.
///
/// A frame that lies in one chunk is a slice of it. Of one that does not, at most the cap is kept, in a buffer that
/// grows by doubling.
///
/// An event is handed out as soon as its last byte is there, also where lines end in CR alone: only in a stream that
/// mixes its line ends, an empty line that ends in CR waits for the next byte, which may be its LF.
#[derive(Debug)]
pub struct Splitter {
    feed: Feed,
    cap: usize,
    scan: Scan,
    /// The event at hand is larger than the cap, and its beginning is handed out.
    passing: bool,
}

impl Splitter {
    /// A splitter that keeps no more than `cap` bytes of one event. A larger event passes as pieces.
    pub fn new(cap: usize) -> Self {
        Self {
            feed: Feed::default(),
            cap,
            scan: Scan::default(),
            passing: false,
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

    /// How many bytes are kept, because their event is not complete.
    pub fn held(&self) -> usize {
        self.feed.held().len()
    }

    /// How lines ended last; nothing before the first line.
    pub fn line_end(&self) -> Option<LineEnd> {
        self.scan.last
    }

    fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let held = self.feed.held().len();
            let input = self.feed.input();
            if input.is_empty() {
                return None;
            }
            // One byte more than the cap shows that the event is too large; the rest need not be looked at to know.
            let limit = match self.passing {
                true => input.len(),
                false => input.len().min((self.cap - held).saturating_add(1)),
            };
            let window = input.get(..limit).unwrap_or(input);
            let end = self.scan.find_end(window);
            let count = end.unwrap_or(limit);
            if !self.passing && held + count <= self.cap {
                let Some(end) = end else {
                    self.feed.hold(count);
                    continue;
                };
                return Some(self.frame(end, Extent::Whole));
            }
            let first = !self.passing;
            self.passing = end.is_none();
            let piece = self.frame(count, Extent::Piece { first });
            if !piece.bytes.is_empty() {
                return Some(piece); // else the event had ended with the piece before, which was not yet known
            }
        }
    }

    fn frame(&mut self, count: usize, extent: Extent) -> Frame {
        Frame {
            bytes: self.feed.take(count),
            extent,
            lead: self.scan.take_lead(),
        }
    }

    fn last_frame(&mut self) -> Option<Frame> {
        let complete = self.scan.cr == Cr::Blank;
        self.scan.cr = Cr::None;
        if self.feed.held().is_empty() {
            return None;
        }
        Some(self.frame(
            0,
            if complete {
                Extent::Whole
            } else {
                Extent::Unfinished
            },
        ))
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

/// A CR was the last byte, and the next one shows what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Cr {
    /// It was not.
    #[default]
    None,
    /// It ended a line that is not empty.
    Line,
    /// It ended an empty line: the frame is complete, perhaps with the LF to come.
    Blank,
    /// It ended the frame before.
    Before,
}

/// Finds the empty line that ends a frame, over any number of chunks.
#[derive(Debug)]
struct Scan {
    /// How many bytes of a byte order mark were seen; nothing once it is out of the question.
    bom: Option<u8>,
    /// The line at hand has no bytes yet.
    empty: bool,
    cr: Cr,
    /// How the line before ended.
    last: Option<LineEnd>,
    /// So many bytes at the start of the frame belong to no line.
    lead: u8,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            bom: Some(0),
            empty: true,
            cr: Cr::None,
            last: None,
            lead: 0,
        }
    }
}

impl Scan {
    /// The place after the empty line that ends the frame. Nothing if it is not in these bytes; then the search
    /// goes on with the bytes that follow them.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let byte = *bytes.get(at)?;
            match std::mem::take(&mut self.cr) {
                Cr::None => {}
                cr => {
                    let lf = byte == b'\n';
                    at += usize::from(lf);
                    match cr {
                        Cr::Before => self.lead = u8::from(lf),
                        _ => self.last = Some(if lf { LineEnd::CrLf } else { LineEnd::Cr }),
                    }
                    if cr == Cr::Blank {
                        return Some(at);
                    }
                    if lf {
                        continue;
                    }
                }
            }
            if self.in_bom(byte) {
                at += 1;
                continue;
            }
            let rest = bytes.get(at..)?;
            let Some(offset) = memchr2(b'\r', b'\n', rest) else {
                self.empty = false;
                return None;
            };
            at += offset + 1;
            let empty = std::mem::replace(&mut self.empty, true) && offset == 0;
            if rest.get(offset) == Some(&b'\n') {
                self.last = Some(LineEnd::Lf);
                if empty {
                    return Some(at);
                }
            } else if !empty {
                self.cr = Cr::Line;
            } else if self.last == Some(LineEnd::Cr) {
                self.cr = Cr::Before;
                return Some(at);
            } else {
                self.cr = Cr::Blank;
            }
        }
    }

    /// Whether the byte is the next one of a byte order mark at the start of the stream.
    fn in_bom(&mut self, byte: u8) -> bool {
        let Some(seen) = self.bom else {
            return false;
        };
        if BOM.get(usize::from(seen)) == Some(&byte) {
            self.bom = Some(seen + 1);
            if usize::from(seen) + 1 == BOM.len() {
                self.bom = None;
                self.lead = 3;
            }
            return true;
        }
        self.bom = None;
        self.empty = seen == 0; // the beginning of a mark alone is text
        false
    }

    /// What belongs to no line in the frame that ends here.
    fn take_lead(&mut self) -> u8 {
        std::mem::take(&mut self.lead)
    }
}
