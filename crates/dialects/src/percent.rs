//! Percent-encoding of one path segment (RFC 3986 §2.1).

use std::borrow::Cow;

/// The segment decoded; as it is if it is not encoded, or if what comes out is not text.
pub(crate) fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return segment.into();
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => return segment.into(),
            },
            (b'%', _) => return segment.into(),
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or_else(|_| segment.into(), Cow::Owned)
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_if_all_of_it_can_be() {
        for (written, meant) in [
            ("plain", "plain"),
            ("a%3Ab%2fc", "a:b/c"),
            ("%C3%A9", "é"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("a%2", "a%2"),
            ("%FF", "%FF"),
            ("%2541", "%41"),
        ] {
            assert_eq!(decoded(written), meant, "{written}");
        }
    }
}
