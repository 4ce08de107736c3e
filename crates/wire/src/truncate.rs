//! Where a body is cut.

use murphy_core::effect::Position;

use crate::json::is_json;

/// The place at which a body of `total` bytes is cut: at least one byte is lost.
///
/// `None` if nothing would be lost (the place lies at or behind the end), or for [`Position::InsideJson`], which
/// needs the body: see [`inside_json`]. A share is rounded down to a whole byte.
#[must_use]
pub fn place(position: Position, total: u64) -> Option<u64> {
    let at = match position {
        Position::Bytes(bytes) => bytes,
        Position::Share(share) => share_of(share, total),
        Position::InsideJson => return None,
    };
    (at < total).then_some(at)
}

/// So many bytes are that share of the total, rounded down.
pub(crate) fn share_of(share: f64, total: u64) -> u64 {
    (total as f64 * share.clamp(0.0, 1.0)) as u64 // a share that is not a number becomes zero
}

/// A place strictly inside the JSON text, chosen by `bits`, such that the bytes before it are not JSON.
///
/// `None` if the body is not JSON, or if it is a number, whose beginning may be a number too.
#[must_use]
pub fn inside_json(body: &[u8], bits: u64) -> Option<usize> {
    if !is_json(body) {
        return None;
    }
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let end = body.iter().rposition(|byte| !byte.is_ascii_whitespace())? + 1;
    if matches!(body.get(start)?, b'-' | b'0'..=b'9') {
        return None;
    }
    // Every other text ends with the token that makes it whole, so that each shorter beginning lacks it.
    let places = (end - start - 1) as u64; // at least 1: the shortest texts are [] and {} and ""
    Some(start + 1 + (bits % places) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_always_loses_something() {
        let cases = [
            (Position::Bytes(0), 10, Some(0)),
            (Position::Bytes(9), 10, Some(9)),
            (Position::Bytes(10), 10, None),
            (Position::Share(0.5), 11, Some(5)),
            (Position::Share(1.0), 10, None),
            (Position::Share(f64::NAN), 10, Some(0)),
            (Position::Share(0.5), 0, None),
            (Position::Share(0.999), u64::MAX, Some(share_of(0.999, u64::MAX))),
            (Position::InsideJson, 10, None),
        ];
        for (position, total, want) in cases {
            assert_eq!(place(position, total), want, "{position:?} of {total}");
        }
    }

    #[test]
    fn what_is_no_json_or_a_number_has_no_inside() {
        for body in [
            &b""[..],
            b"  ",
            b"nope",
            b"{",
            b"12",
            b" -1.5 ",
            b"{} {}",
            b"\"\xff\"",
        ] {
            assert_eq!(inside_json(body, 7), None, "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn each_cut_of_the_shortest_texts_is_refused() {
        for body in [&b"[]"[..], b" {} ", b"\"\"", b"true", b"null\n"] {
            for bits in 0..8 {
                let cut = inside_json(body, bits).unwrap();
                assert!(
                    !is_json(&body[..cut]),
                    "{:?} at {cut}",
                    String::from_utf8_lossy(body)
                );
            }
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(500))]

        #[test]
        fn the_beginning_is_never_json(value in crate::corrupt::tests::json(), bits: u64, pretty: bool) {
            let body = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            match inside_json(&body, bits) {
                Some(cut) => {
                    prop_assert!(0 < cut && cut < body.len());
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&body[..cut]).is_err());
                }
                None => prop_assert!(value.is_number()),
            }
        }

        #[test]
        fn a_place_is_before_the_end(share in -1.0_f64..2.0, bytes: u64, total: u64) {
            for position in [Position::Share(share), Position::Bytes(bytes)] {
                prop_assert!(place(position, total).is_none_or(|at| at < total));
            }
        }
    }
}
