//! The head of a request, and the trailer section of a chunked one: sections of lines, read one line at a time.

use super::grammar::{
    has_control, has_scheme, has_space_or_control, is_host, is_token, number, split_once, trim,
};
use super::{GuardLimits, Violation};

/// How far a section was read. Places are relative to its first byte, because the caller gives it again.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    facts: Facts,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// No line feed before this.
    searched: usize,
    fields: usize,
    part: Part,
}

/// Which kind of line comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    /// The request line, or the one empty line that may stand before it.
    #[default]
    Opening,
    RequestLine,
    Fields,
    Trailers,
}

/// What the lines said.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    version_1_1: bool,
    connect: bool,
    host: bool,
    content_length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    connection_upgrade: bool,
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: Body,
    /// Whether the protocol may change after the message.
    pub(super) may_switch: bool,
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
}

/// A step of a section.
#[derive(Debug)]
pub(super) enum Step {
    /// The section is not complete.
    More,
    /// It ends before this place.
    Done(usize, Framing),
    Wrong(Violation),
}

impl Section {
    pub(super) fn trailers() -> Self {
        Self {
            part: Part::Trailers,
            ..Self::default()
        }
    }

    /// Reads on. `bytes` begin with the section's first byte.
    pub(super) fn read(&mut self, bytes: &[u8], limits: &GuardLimits) -> Step {
        let within = bytes.len().min(limits.head_bytes_max);
        loop {
            let unseen = bytes.get(self.searched..within).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', unseen) else {
                if bytes.len() >= limits.head_bytes_max {
                    return Step::Wrong(self.too_large());
                }
                self.searched = bytes.len();
                return Step::More;
            };
            let end = self.searched + found + 1;
            let line = bytes.get(self.line..end).unwrap_or_default();
            match self.line(line, limits) {
                Ok(None) => (self.line, self.searched) = (end, end),
                Ok(Some(framing)) => return Step::Done(end, framing),
                Err(violation) => return Step::Wrong(violation),
            }
        }
    }

    fn too_large(&self) -> Violation {
        match self.part {
            Part::Opening | Part::RequestLine => Violation::TargetTooLong,
            Part::Fields | Part::Trailers => Violation::HeadTooLarge,
        }
    }

    /// Takes one line, its line feed included. An empty one may end the section.
    fn line(&mut self, line: &[u8], limits: &GuardLimits) -> Result<Option<Framing>, Violation> {
        let line = line.strip_suffix(b"\r\n").ok_or(Violation::BareLineFeed)?;
        match self.part {
            Part::Opening if line.is_empty() => self.part = Part::RequestLine,
            Part::RequestLine if line.is_empty() => return Err(Violation::EmptyLines),
            Part::Opening | Part::RequestLine => {
                self.facts.request_line(line)?;
                self.part = Part::Fields;
            }
            Part::Fields if line.is_empty() => return self.facts.framing().map(Some),
            Part::Trailers if line.is_empty() => return Ok(Some(Framing::NONE)),
            Part::Fields | Part::Trailers => {
                self.fields += 1;
                if self.fields > limits.fields_max {
                    return Err(Violation::HeadTooLarge);
                }
                let (name, value) = field(line)?;
                match self.part {
                    Part::Trailers if belongs_in_head(name) => return Err(Violation::Trailer),
                    Part::Trailers => {}
                    _ => self.facts.field(name, value)?,
                }
            }
        }
        Ok(None)
    }
}

impl Framing {
    const NONE: Self = Self {
        body: Body::Length(0),
        may_switch: false,
    };
}

/// Splits a field line.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Violation::FoldedLine);
    }
    let (name, value) = split_once(line, b':').ok_or(Violation::FieldName)?;
    if !is_token(name) {
        return Err(match name.last() {
            Some(b' ' | b'\t') => Violation::SpaceBeforeColon,
            _ => Violation::FieldName,
        });
    }
    if has_control(value) {
        return Err(match memchr::memchr(b'\r', value) {
            Some(_) => Violation::BareCarriageReturn,
            None => Violation::FieldValue,
        });
    }
    Ok((name, value))
}

/// Trailer fields that would change how the message is read or where it goes.
fn belongs_in_head(name: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Facts {
    fn request_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let (method, rest) = split_once(line, b' ').ok_or(Violation::RequestLine)?;
        let last_space = memchr::memrchr(b' ', rest).ok_or(Violation::RequestLine)?;
        let (target, version) = rest.split_at(last_space);
        if !is_token(method) {
            return Err(Violation::Method);
        }
        self.version_1_1 = match version {
            b" HTTP/1.1" => true,
            b" HTTP/1.0" => false,
            [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Violation::Version);
            }
            _ => return Err(Violation::RequestLine),
        };
        self.connect = method == b"CONNECT";
        let form_fits = match target.first() {
            Some(b'/') => !self.connect,
            _ if self.connect => !target.is_empty() && is_host(target) && target.contains(&b':'),
            Some(b'*') => method == b"OPTIONS" && target.len() == 1,
            _ => has_scheme(target),
        };
        // A fragment is never sent (RFC 9112 §3.2); what is behind it would be lost on the way.
        if has_space_or_control(target) || target.contains(&b'#') || !form_fits {
            return Err(Violation::Target);
        }
        Ok(())
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => {
                if self.host {
                    return Err(Violation::HostRepeated);
                }
                self.host = true;
                if !is_host(trim(value)) {
                    return Err(Violation::HostInvalid);
                }
            }
            7 if is(b"upgrade") => self.upgrade = true,
            10 if is(b"connection") => {
                let mut options = value.split(|byte| *byte == b',');
                self.connection_upgrade |=
                    options.any(|option| trim(option).eq_ignore_ascii_case(b"upgrade"));
            }
            14 if is(b"content-length") => {
                if self.content_length.is_some() {
                    return Err(Violation::ContentLengthRepeated);
                }
                self.content_length = Some(number(trim(value), 10).ok_or(Violation::ContentLength)?);
            }
            17 if is(b"transfer-encoding") => {
                if self.chunked {
                    return Err(Violation::TransferEncodingRepeated);
                }
                transfer_encoding(trim(value))?;
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the fields mean together, at the end of the head.
    fn framing(&self) -> Result<Framing, Violation> {
        if self.version_1_1 && !self.host {
            return Err(Violation::HostMissing);
        }
        if self.chunked && self.content_length.is_some() {
            return Err(Violation::TwoFramings);
        }
        if self.chunked && !self.version_1_1 {
            return Err(Violation::TransferEncodingInOldVersion);
        }
        let body = match self.content_length {
            _ if self.chunked => Body::Chunked,
            length => Body::Length(length.unwrap_or(0)),
        };
        if self.connect && body != Body::Length(0) {
            return Err(Violation::ConnectWithContent);
        }
        Ok(Framing {
            body,
            // Upgrade must be ignored in HTTP/1.0 (RFC 9110 §7.8).
            may_switch: self.connect || (self.version_1_1 && self.upgrade && self.connection_upgrade),
        })
    }
}

/// Only `chunked` is understood. What ends with it and names other codings is well-formed, which the answer tells.
fn transfer_encoding(value: &[u8]) -> Result<(), Violation> {
    let chunked = |coding: &[u8]| trim(coding).eq_ignore_ascii_case(b"chunked");
    if chunked(value) {
        return Ok(());
    }
    let mut codings = value.rsplit(|byte| *byte == b',');
    let last_is_chunked = codings.next().is_some_and(chunked);
    if last_is_chunked && codings.all(|coding| is_token(trim(coding)) && !chunked(coding)) {
        return Err(Violation::TransferCodingUnknown);
    }
    Err(Violation::TransferEncoding)
}
