//! The character classes and small productions of RFC 9110 and RFC 3986 that the guard needs.

use std::net::Ipv6Addr;

const TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~");
/// `unreserved` and `sub-delims` of RFC 3986.
const REG_NAME: [bool; 256] = class(b"-._~!$&'()*+,;=");

/// Letters, digits and these.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler only
const fn class(others: &[u8]) -> [bool; 256] {
    let mut members = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        members[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        members[others[at] as usize] = true;
        at += 1;
    }
    members
}

fn all_of(class: &[bool; 256], bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| class.get(usize::from(*byte)) == Some(&true))
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all_of(&TOKEN, bytes)
}

/// Whether a byte may begin a token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    all_of(&TOKEN, &[byte])
}

/// Whether there is a control character other than the tab. Without branches, so that it is vectorised.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| {
        found | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f)
    })
}

/// Whether there is a space or a control character.
pub(super) fn has_space_or_control(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, byte| found | (*byte <= b' ') | (*byte == 0x7f))
}

/// Without the white space around it (OWS: spaces and tabs).
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let outside = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(outside).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(outside).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// Splits at the first occurrence of a byte, which is dropped.
pub(super) fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = memchr::memchr(at, bytes)?;
    Some((bytes.get(..found)?, bytes.get(found + 1..)?))
}

/// A whole number below 2^63 in this base, digits only.
pub(super) fn number(digits: &[u8], base: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        number
            .checked_mul(base.into())?
            .checked_add(digit.into())
            .filter(|number| *number <= i64::MAX as u64)
    })
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2); empty is allowed, for a target without an authority.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.first() {
        Some(b'[') => match split_once(value, b']') {
            Some((literal, rest)) => (literal, rest),
            None => return false,
        },
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let port_fits = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    port_fits
        && match host.split_first() {
            Some((b'[', literal)) => is_ip_literal(literal),
            _ => is_reg_name(host),
        }
}

/// What may stand between the brackets (RFC 3986 §3.2.2).
fn is_ip_literal(literal: &[u8]) -> bool {
    if let Some((b'v' | b'V', future)) = literal.split_first() {
        return split_once(future, b'.').is_some_and(|(version, address)| {
            let parts = || address.split(|byte| *byte == b':');
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && !address.is_empty()
                && parts().all(|part| all_of(&REG_NAME, part))
        });
    }
    std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_reg_name(name: &[u8]) -> bool {
    let mut parts = name.split(|byte| *byte == b'%');
    let plain = parts.next().is_none_or(|first| all_of(&REG_NAME, first));
    plain
        && parts.all(|part| {
            matches!(part, [high, low, rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && all_of(&REG_NAME, rest))
        })
}

/// A scheme and `://`, as in the absolute form of a target.
pub(super) fn has_scheme(target: &[u8]) -> bool {
    split_once(target, b':').is_some_and(|(scheme, rest)| {
        let begins = scheme.first().is_some_and(u8::is_ascii_alphabetic);
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        begins && scheme.iter().all(goes_on) && rest.starts_with(b"//") && rest.len() > 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "",
            "a",
            "example.com",
            "example.com:443",
            "example.com:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[v1.a:b]",
            "a_b~c",
            "%41b",
            "sub,delim",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b",
            "a/b",
            "a@b",
            "a:80:90",
            "a:8x",
            "[::1",
            "[::1]x",
            "[::g]",
            "::1",
            "[v.a]",
            "[v1.]",
            "%4",
            "%4g",
            "a#b",
            "a?b",
            "ä",
            "a\"",
            "[fe80::1%25eth0]",
            "a\\b",
            "<a>",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn numbers_have_digits_only_and_fit_63_bits() {
        assert_eq!(number(b"0", 10), Some(0));
        assert_eq!(number(b"007", 10), Some(7));
        assert_eq!(number(b"fF", 16), Some(255));
        assert_eq!(number(b"9223372036854775807", 10), Some(i64::MAX as u64));
        for text in [
            "",
            "+1",
            "-1",
            "1 ",
            "1_0",
            "0x1",
            "9223372036854775808",
            "99999999999999999999",
            "\u{661}",
        ] {
            assert_eq!(number(text.as_bytes(), 10), None, "{text}");
        }
    }

    #[test]
    fn control_characters_are_found_anywhere() {
        for byte in 0..=255_u8 {
            let mut text = [b'a'; 40];
            text[33] = byte;
            let control = byte < 32 || byte == 127;
            assert_eq!(has_control(&text), control && byte != b'\t', "{byte}");
            assert_eq!(has_space_or_control(&text), control || byte == b' ', "{byte}");
        }
    }
}
