//! The headers of a message: names and typed values.

/// The value of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Types 0 (true) and 1 (false), without a value of their own.
    Bool(bool),
    /// Type 2.
    Byte(i8),
    /// Type 3.
    Short(i16),
    /// Type 4.
    Int(i32),
    /// Type 5.
    Long(i64),
    /// Type 6, with a length of 2 bytes.
    Bytes(&'a [u8]),
    /// Type 7, UTF-8 with a length of 2 bytes.
    String(&'a str),
    /// Type 8: milliseconds since 1970.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

/// The most bytes of a value of bytes or of a string, by the specification.
const MOST_VALUE: usize = i16::MAX as usize;

impl Value<'_> {
    /// Writes type and value. Nothing, and perhaps half of it written, if the value is too long.
    pub(super) fn encode(self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Bool(true) => out.push(0),
            Self::Bool(false) => out.push(1),
            Self::Byte(number) => typed(2, &number.to_be_bytes(), out),
            Self::Short(number) => typed(3, &number.to_be_bytes(), out),
            Self::Int(number) => typed(4, &number.to_be_bytes(), out),
            Self::Long(number) => typed(5, &number.to_be_bytes(), out),
            Self::Bytes(bytes) => measured(6, bytes, out)?,
            Self::String(text) => measured(7, text.as_bytes(), out)?,
            Self::Timestamp(number) => typed(8, &number.to_be_bytes(), out),
            Self::Uuid(bytes) => typed(9, &bytes, out),
        }
        Some(())
    }
}

fn typed(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(value);
}

fn measured(kind: u8, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = u16::try_from(value.len())
        .ok()
        .filter(|_| value.len() <= MOST_VALUE)?;
    typed(kind, &length.to_be_bytes(), out);
    out.extend_from_slice(value);
    Some(())
}

/// The headers of a message, in order.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all of the bytes are headers.
    pub(super) fn are_valid(bytes: &'a [u8]) -> bool {
        let mut headers = Self::of(bytes);
        while !headers.rest.is_empty() {
            if headers.header().is_none() {
                return false;
            }
        }
        true
    }

    fn header(&mut self) -> Option<(&'a str, Value<'a>)> {
        let length = self.number::<1>().map(u8::from_be_bytes)?;
        let name = std::str::from_utf8(self.take(usize::from(length))?).ok()?;
        if name.is_empty() {
            return None;
        }
        let value = match self.number::<1>().map(u8::from_be_bytes)? {
            0 => Value::Bool(true),
            1 => Value::Bool(false),
            2 => Value::Byte(i8::from_be_bytes(self.number()?)),
            3 => Value::Short(i16::from_be_bytes(self.number()?)),
            4 => Value::Int(i32::from_be_bytes(self.number()?)),
            5 => Value::Long(i64::from_be_bytes(self.number()?)),
            6 => Value::Bytes(self.measured()?),
            7 => Value::String(std::str::from_utf8(self.measured()?).ok()?),
            8 => Value::Timestamp(i64::from_be_bytes(self.number()?)),
            9 => Value::Uuid(self.number()?),
            _ => return None,
        };
        Some((name, value))
    }

    fn measured(&mut self) -> Option<&'a [u8]> {
        let length = self.number::<2>().map(u16::from_be_bytes)?;
        self.take(usize::from(length))
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk::<N>().copied()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.header();
        if header.is_none() {
            self.rest = &[]; // what follows a header that cannot be read has no beginning
        }
        header
    }
}
