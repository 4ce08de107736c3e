//! Chunk-size lines (RFC 9112 §7.1).

use super::Violation;
use super::grammar::{is_token_byte, number};

/// The longest chunk-size line, its CRLF included: room for the extensions that are in use (signatures).
pub(super) const CHUNK_LINE_BYTES_MAX: usize = 1024;

/// A chunk-size line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    More,
    /// The line ends before `end`, and so many bytes of data follow.
    Size {
        end: usize,
        data: u64,
    },
}

/// Reads the chunk-size line that `bytes` begin with.
pub(super) fn read_line(bytes: &[u8]) -> Result<Line, Violation> {
    let within = bytes.get(..CHUNK_LINE_BYTES_MAX).unwrap_or(bytes);
    let Some(found) = memchr::memchr(b'\n', within) else {
        return match bytes.len() < CHUNK_LINE_BYTES_MAX {
            true => Ok(Line::More),
            false => Err(Violation::ChunkLineTooLong),
        };
    };
    let line = within.get(..found).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or(Violation::BareLineFeed)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    if !are_extensions(extensions) {
        return Err(Violation::ChunkSize);
    }
    let data = number(size, 16).ok_or(Violation::ChunkSize)?;
    Ok(Line::Size { end: found + 1, data })
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(extension) = skip_space(rest).strip_prefix(b";") else {
            return false;
        };
        let Some(after_name) = skip_token(skip_space(extension)) else {
            return false;
        };
        rest = match skip_space(after_name).strip_prefix(b"=") {
            None => after_name,
            Some(value) => match skip_value(skip_space(value)) {
                Some(rest) => rest,
                None => return false,
            },
        };
    }
    true
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let space = bytes
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    bytes.get(space..).unwrap_or_default()
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let token = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
    (token > 0).then(|| bytes.get(token..)).flatten()
}

/// A token or a quoted string (RFC 9110 §5.6.4).
fn skip_value(bytes: &[u8]) -> Option<&[u8]> {
    let Some(mut rest) = bytes.strip_prefix(b"\"") else {
        return skip_token(bytes);
    };
    loop {
        let (byte, after) = rest.split_first()?;
        rest = match byte {
            b'"' => return Some(after),
            b'\\' => {
                let (quoted, after) = after.split_first()?;
                is_text(*quoted).then_some(after)?
            }
            byte => is_text(*byte).then_some(after)?,
        };
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Line, Violation> {
        read_line(line.as_bytes())
    }

    #[test]
    fn sizes_and_extensions_are_read() {
        for (line, size) in [
            ("0\r\n", 0),
            ("000\r\n", 0),
            ("5\r\n", 5),
            ("aF\r\n", 175),
            ("7fffffffffffffff\r\n", i64::MAX as u64),
            ("5;a\r\n", 5),
            ("5 ; a = b\t;c=\"d\\\" ;\"\r\n", 5),
            ("5;a=b;c=\"x y;\\\"z\"\r\n", 5),
        ] {
            assert_eq!(
                read(line),
                Ok(Line::Size {
                    end: line.len(),
                    data: size
                }),
                "{line:?}"
            );
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for line in [
            "\r\n",
            ";a\r\n",
            " 5\r\n",
            "5 \r\n",
            "5\t\r\n",
            "0x5\r\n",
            "+5\r\n",
            "-5\r\n",
            "5g\r\n",
            "5,6\r\n",
            "8000000000000000\r\n",
            "fffffffffffffffff\r\n",
            "5;\r\n",
            "5;a=\r\n",
            "5;a;\r\n",
            "5;a=\"b\r\n",
            "5;a=\"b\\\r\n",
            "5;a b\r\n",
            "5\r;a\r\n",
            "5;a=\"\r\"\r\n",
            "5;\0\r\n",
            "5;a=\u{7f}\r\n",
            "5;a=\"\0\"\r\n",
        ] {
            assert_eq!(read(line), Err(Violation::ChunkSize), "{line:?}");
        }
        assert_eq!(read("5\n"), Err(Violation::BareLineFeed));
    }

    #[test]
    fn a_line_is_bounded() {
        let line = |extension: usize| format!("5;{}\r\n", "a".repeat(extension));
        assert!(read(&line(CHUNK_LINE_BYTES_MAX - 4)).is_ok());
        assert_eq!(
            read(&line(CHUNK_LINE_BYTES_MAX - 3)),
            Err(Violation::ChunkLineTooLong)
        );
        let unfinished = "5".repeat(CHUNK_LINE_BYTES_MAX);
        assert_eq!(read_line(&unfinished.as_bytes()[1..]), Ok(Line::More));
        assert_eq!(read(&unfinished), Err(Violation::ChunkLineTooLong));
    }
}
