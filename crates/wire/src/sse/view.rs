//! Reads a frame: its lines, their fields, what they say together.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::Kind;

/// A line of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Where it begins in the frame.
    pub(super) start: usize,
    /// Without its line end.
    pub(super) text: &'a [u8],
    /// CR, LF or CR LF; nothing if the frame ends before.
    pub(super) end: &'a [u8],
}

/// A line as the standard takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Ends the event.
    Empty,
    /// Begins with a colon.
    Comment,
    /// A name and a value, which is without the one space after the colon.
    Of(&'a [u8], &'a [u8]),
}

impl<'a> Line<'a> {
    pub(super) fn field(&self) -> Field<'a> {
        if self.text.is_empty() {
            return Field::Empty;
        }
        let Some((name, value)) = memchr(b':', self.text).and_then(|colon| self.text.split_at_checked(colon))
        else {
            return Field::Of(self.text, b"");
        };
        if name.is_empty() {
            return Field::Comment;
        }
        let value = value.strip_prefix(b":").unwrap_or(value);
        Field::Of(name, value.strip_prefix(b" ").unwrap_or(value))
    }

    /// The value of a line of data, and where it begins in the frame.
    pub(super) fn data(&self) -> Option<(usize, &'a [u8])> {
        match self.field() {
            Field::Of(b"data", value) => Some((self.start + self.text.len() - value.len(), value)),
            _ => None,
        }
    }

    /// Where the line is in the frame, with its end.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len() + self.end.len()
    }
}

/// The lines of a frame.
#[derive(Debug, Clone)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, at: start }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (text, end) = rest.split_at_checked(memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()))?;
        let length = if end.starts_with(b"\r\n") {
            2
        } else {
            end.len().min(1)
        };
        let line = Line {
            start: self.at,
            text,
            end: end.get(..length)?,
        };
        self.at = line.range().end;
        Some(line)
    }
}

/// What a frame with these lines is, if it is complete.
pub(super) fn kind(lines: Lines<'_>) -> Kind {
    let mut kind = Kind::Silent;
    let mut fields = false;
    for line in lines {
        match line.field() {
            Field::Of(b"data", _) => return Kind::Event,
            Field::Of(..) => fields = true,
            Field::Comment => kind = Kind::Comment,
            Field::Empty => {}
        }
    }
    if fields { Kind::Silent } else { kind }
}

/// What a frame says. Text is borrowed from the frame where it stands there as one piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View<'a> {
    /// The `event` field; nothing if it is missing or empty.
    pub event: Option<Cow<'a, str>>,
    /// The `data` fields joined by LF, not decoded; nothing if there is none, and then nothing is handed to the
    /// application.
    pub data: Option<Cow<'a, [u8]>>,
    /// The `id` field. An empty one takes back the last; one with a NUL is ignored.
    pub id: Option<Cow<'a, str>>,
    /// The `retry` field, in milliseconds. One that is not all digits is ignored; one out of range is the largest.
    pub retry: Option<u64>,
    /// How many comments there are.
    pub comments: usize,
}

impl<'a> View<'a> {
    pub(super) fn read(lines: Lines<'a>) -> Self {
        let mut view = Self::default();
        for line in lines {
            match line.field() {
                Field::Empty => {}
                Field::Comment => view.comments += 1,
                Field::Of(b"data", value) => view.append(value),
                Field::Of(b"event", value) => {
                    view.event = (!value.is_empty()).then(|| String::from_utf8_lossy(value));
                }
                Field::Of(b"id", value) if !value.contains(&0) => {
                    view.id = Some(String::from_utf8_lossy(value));
                }
                Field::Of(b"retry", value) => view.retry = milliseconds(value).or(view.retry),
                Field::Of(..) => {}
            }
        }
        view
    }

    fn append(&mut self, value: &'a [u8]) {
        match &mut self.data {
            None => self.data = Some(Cow::Borrowed(value)),
            Some(data) => {
                let data = data.to_mut();
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }

    /// The type of the event: `message` unless it names another.
    pub fn event_type(&self) -> &str {
        self.event.as_deref().unwrap_or("message")
    }

    /// The data as the application gets it: what is no UTF-8 is U+FFFD there.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.data.as_deref().unwrap_or_default())
    }
}

fn milliseconds(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    Some(text.parse().unwrap_or(u64::MAX))
}
