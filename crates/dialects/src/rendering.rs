//! What the renderings of several APIs share: things made up from the bits of an answer, waits, pages of gateways.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use murphy_core::failure::Failure;

use crate::dialect::Rendering;

/// The alphabet of Bitcoin's base 58, in which several APIs write their ids.
pub(crate) const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// 64 bits for one of several purposes of the same answer (the output function of SplitMix64).
fn word(bits: u64, lane: u64) -> u64 {
    let mut mixed = bits.wrapping_add(lane.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Letters of an alphabet, made of the answer's bits.
pub(crate) fn letters(bits: u64, alphabet: &[u8], length: u64) -> String {
    let pick = |lane| {
        let at = word(bits, lane).checked_rem(alphabet.len() as u64)?;
        alphabet.get(usize::try_from(at).ok()?).copied().map(char::from)
    };
    (0..length).filter_map(pick).collect()
}

/// A random UUID (RFC 9562 §5.4), made of the answer's bits.
pub(crate) fn uuid(bits: u64) -> String {
    let high = (word(bits, 0) & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (word(bits, 1) & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// A number in a range, made of the answer's bits.
pub(crate) fn number(bits: u64, range: &RangeInclusive<u64>) -> u64 {
    let span = range.end().saturating_sub(*range.start()).saturating_add(1);
    range
        .start()
        .saturating_add(word(bits, 2).checked_rem(span).unwrap_or_default())
}

/// A field whose value is visible ASCII. Anything else is no value of ours, and is left empty.
pub(crate) fn field(name: &'static str, value: impl Display) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(value.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    (HeaderName::from_static(name), value)
}

/// How long the answer tells the client to wait: as the rule says, else as long as an exhausted limiter lasts.
pub(crate) fn wait(failure: &Failure, at: &Rendering<'_>) -> Option<Duration> {
    let exhausted = at.limit.filter(|(_, reading)| reading.exhausted);
    failure
        .retry_after
        .or(exhausted.map(|(_, reading)| reading.resets_in))
}

/// The window of a limit in words: `minute`, `hour`, `90 seconds`.
pub(crate) fn window_in_words(window: Duration) -> Cow<'static, str> {
    match (window.as_secs(), window.subsec_nanos()) {
        (1, 0) => "second".into(),
        (60, 0) => "minute".into(),
        (3_600, 0) => "hour".into(),
        (86_400, 0) => "day".into(),
        (seconds, 0) => format!("{seconds} seconds").into(),
        _ => format!("{} ms", window.as_millis()).into(),
    }
}

/// Text as HTML shows it.
pub(crate) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// The page of an nginx-like gateway: a headline, and at the foot the name of the server if it gives one.
pub(crate) fn gateway_page(title: &str, headline: &str, server: Option<&str>) -> String {
    let foot = server.map_or_else(String::new, |server| {
        format!("<hr><center>{}</center>\r\n", html(server))
    });
    format!(
        "<html>\r\n<head><title>{}</title></head>\r\n<body>\r\n<center><h1>{}</h1></center>\r\n{foot}</body>\r\n</html>\r\n",
        html(title),
        html(headline)
    )
}

/// The path without a query, should there be one.
pub(crate) fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use murphy_core::effect::{Limit, Per, Reply};
    use murphy_core::failure::{FailureKind, RetryAfterForm};
    use murphy_core::plan::LimitReading;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// A failure without wishes.
    pub(crate) fn failure(kind: FailureKind) -> Failure {
        Failure {
            kind,
            retry_after: None,
            form: RetryAfterForm::Seconds,
            message: None,
        }
    }

    /// A failure with a wait in a form.
    pub(crate) fn waiting(kind: FailureKind, millis: u64, form: RetryAfterForm) -> Failure {
        Failure {
            retry_after: Some(Duration::from_millis(millis)),
            form,
            ..failure(kind)
        }
    }

    /// An answer at 08:49:37 on 6 November 1994, without a limiter.
    pub(crate) fn at<'a>(path: &'a str, model: Option<&'a str>) -> Rendering<'a> {
        Rendering {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
            limit: None,
            bits: 0x0123_4567_89ab_cdef,
            path,
            model,
        }
    }

    /// The same with a limiter of ten calls a minute of which 12.3 s are left.
    pub(crate) fn limited<'a>(exhausted: bool, at: Rendering<'a>) -> Rendering<'a> {
        let limit = Limit {
            limit: 10,
            window: Duration::from_secs(60),
            per: Per::Call,
            form: RetryAfterForm::Seconds,
        };
        let reading = LimitReading {
            exhausted,
            remaining: if exhausted { 0 } else { 3 },
            resets_in: Duration::from_millis(12_300),
        };
        Rendering {
            limit: Some((limit, reading)),
            ..at
        }
    }

    /// The value of a field, if there is exactly one.
    pub(crate) fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        let mut found = reply.headers.iter().filter(|(found, _)| found == name);
        let value = found.next().map(|(_, value)| value.to_str().unwrap());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    /// The body as JSON.
    pub(crate) fn json(reply: &Reply) -> Value {
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Any JSON value, some with the keys that dialects read.
    pub(crate) fn any_json(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            prop::sample::select(&["tool", "any", "ANY", "auto", "x"][..]).prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 6, move |inner| {
            let key = prop_oneof![4 => prop::sample::select(keys).prop_map(str::to_owned), 1 => ".{0,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn ids_differ_by_their_bits_alone_and_keep_their_form() {
        assert_eq!(letters(7, BASE58, 20), letters(7, BASE58, 20));
        assert_ne!(letters(7, BASE58, 20), letters(8, BASE58, 20));
        assert_eq!(letters(7, BASE58, 20).len(), 20);
        assert_eq!(letters(7, b"", 20), "");
        for bits in [0, 1, u64::MAX] {
            let id = uuid(bits);
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
            assert!((5..=9).contains(&number(bits, &(5..=9))));
        }
        assert_ne!(uuid(0), uuid(1));
    }

    #[test]
    fn windows_are_told_as_people_say_them() {
        for (millis, words) in [
            (1_000, "second"),
            (60_000, "minute"),
            (3_600_000, "hour"),
            (86_400_000, "day"),
            (90_000, "90 seconds"),
            (1_500, "1500 ms"),
        ] {
            assert_eq!(window_in_words(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn a_page_shows_a_text_and_does_not_obey_it() {
        let page = gateway_page("502 Bad Gateway", "<script>\"&", Some("edge"));
        assert!(page.contains("<h1>&lt;script&gt;&quot;&amp;</h1>"), "{page}");
        assert!(
            page.ends_with("<hr><center>edge</center>\r\n</body>\r\n</html>\r\n"),
            "{page}"
        );
    }
}
