//! Writes frames as the stream around them is written.

use bytes::Bytes;

use super::view::{Field, Line};
use super::{Extent, Frame};

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnd {
    /// LF, as nearly everybody writes.
    #[default]
    Lf,
    /// CR LF, as Gemini writes.
    CrLf,
    /// CR.
    Cr,
}

impl LineEnd {
    /// Its bytes.
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}

/// How the lines of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How they end.
    pub end: LineEnd,
    /// Whether a space stands between the colon and the value.
    pub space: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            end: LineEnd::Lf,
            space: true,
        }
    }
}

impl Style {
    /// Writes a field. What would end the line is not in `value`.
    fn field(self, name: &str, value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        // A reader takes one space away: a value that begins with one needs another.
        if self.space || value.starts_with(b" ") {
            out.push(b' ');
        }
        out.extend_from_slice(value);
        out.extend_from_slice(self.end.as_bytes());
    }

    fn data(self, data: &[u8], out: &mut Vec<u8>) {
        for line in text_lines(data) {
            self.field("data", line, out);
        }
    }
}

/// The lines of a text: one more than it has line ends of any kind.
fn text_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some((line, end)) = memchr::memchr2(b'\r', b'\n', text).and_then(|at| text.split_at_checked(at))
        else {
            return Some(text);
        };
        rest = end.strip_prefix(b"\r\n").or_else(|| end.get(1..));
        Some(line)
    })
}

/// A value without what one line cannot hold.
fn one_line(value: &str) -> Vec<u8> {
    value.bytes().filter(|byte| !b"\r\n\0".contains(byte)).collect()
}

impl Frame {
    /// An event. Each line of `data`, whatever ends it, becomes a line of data: a reader joins them by LF. Line
    /// ends and NULs in `event` and `id` are left out, there is no way to write them.
    pub fn event(style: Style, event: Option<&str>, data: &[u8], id: Option<&str>) -> Self {
        let mut out = Vec::with_capacity(data.len() + 64);
        for (name, value) in [("id", id), ("event", event)] {
            if let Some(value) = value {
                style.field(name, &one_line(value), &mut out);
            }
        }
        style.data(data, &mut out);
        out.extend_from_slice(style.end.as_bytes());
        Self::whole(out)
    }

    /// A comment, which readers ignore: `: ping`. For each line of the text one.
    pub fn comment(style: Style, text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 8);
        for line in text_lines(text.as_bytes()) {
            style.field("", line, &mut out);
        }
        out.extend_from_slice(style.end.as_bytes());
        Self::whole(out)
    }

    fn whole(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Bytes::from(bytes),
            extent: Extent::Whole,
            lead: 0,
        }
    }

    /// How the frame is written. Nothing if it has no line that shows it.
    pub fn style(&self) -> Option<Style> {
        if matches!(self.extent, Extent::Piece { .. }) {
            return None;
        }
        let end = match self.lines().next()?.end {
            b"\n" => LineEnd::Lf,
            b"\r\n" => LineEnd::CrLf,
            b"\r" => LineEnd::Cr,
            _ => return None,
        };
        let space = self.lines().find_map(|line| spaced(&line)).unwrap_or(true);
        Some(Style { end, space })
    }

    /// The frame with other data where its first line of data is, or before its empty line if it has none. Each
    /// other line stays as it is. Nothing for a piece of an event that was too large, and for an unfinished frame
    /// without data.
    pub fn with_data(&self, data: &[u8]) -> Option<Self> {
        if matches!(self.extent, Extent::Piece { .. }) {
            return None;
        }
        let style = self.style().unwrap_or_default();
        let mut out = Vec::with_capacity(self.bytes.len() + data.len());
        out.extend_from_slice(self.bytes.get(..usize::from(self.lead))?);
        let mut written = false;
        for line in self.lines() {
            let is_data = line.data().is_some();
            if !written && (is_data || line.text.is_empty()) {
                let space = spaced(&line).filter(|_| is_data).unwrap_or(style.space);
                Style { space, ..style }.data(data, &mut out);
                written = true;
            }
            if !is_data {
                let line = self.bytes.get(line.range())?;
                if line.starts_with(b"\n") && out.ends_with(b"\r") {
                    out.push(b'\n'); // the two would be one line end, where lines end in several ways
                }
                out.extend_from_slice(line);
            }
        }
        written.then(|| Self {
            bytes: Bytes::from(out),
            ..*self
        })
    }
}

/// Whether a space stands after the colon of a line that has something there.
fn spaced(line: &Line<'_>) -> Option<bool> {
    if line.field() == Field::Empty {
        return None;
    }
    let colon = memchr::memchr(b':', line.text)?;
    line.text.get(colon + 1).map(|byte| *byte == b' ')
}
