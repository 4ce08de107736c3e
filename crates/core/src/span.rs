//! Durations and sizes as people write them: `250ms`, `1m30s`, `64KiB`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest duration that may be written: 366 days. Longer ones are mistakes.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

const DURATION_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// What is wrong with a written duration, size or share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {wanted}")]
pub struct SpanError {
    /// The text as it was written.
    pub found: String,
    /// What would be right.
    pub wanted: &'static str,
}

const WANTED_DURATION: &str = "a duration such as 250ms, 2s or 1m30s (at most 366d)";
const WANTED_SIZE: &str = "a size such as 512, 64KiB or 8MiB";
const WANTED_SHARE: &str = "a share such as 50% or 0.5";

/// Splits `1m30s` into numbers and units.
fn parts(text: &str) -> Option<Vec<(f64, &str)>> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let number_ends = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_ends);
        let unit_ends = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_ends);
        found.push((number.parse().ok()?, unit.trim()));
        rest = next;
    }
    (!found.is_empty()).then_some(found)
}

/// Parses a duration: numbers with a unit each, largest first by custom.
///
/// # Errors
/// If the text has no unit, an unknown one, or is longer than [`DURATION_MAX`].
pub fn parse_duration(text: &str) -> Result<Duration, SpanError> {
    let wrong = || SpanError {
        found: text.to_owned(),
        wanted: WANTED_DURATION,
    };
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanos = 0.0_f64;
    for (number, unit) in parts(text).ok_or_else(wrong)? {
        let (_, scale) = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        nanos += number * *scale as f64;
    }
    if nanos > DURATION_MAX.as_nanos() as f64 {
        return Err(wrong());
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// Parses a size in bytes.
///
/// # Errors
/// If the text is not a number with a known unit, or does not fit 63 bits.
pub fn parse_size(text: &str) -> Result<u64, SpanError> {
    let wrong = || SpanError {
        found: text.to_owned(),
        wanted: WANTED_SIZE,
    };
    let found = parts(text).ok_or_else(wrong)?;
    let [(number, unit)] = found.as_slice() else {
        return Err(wrong());
    };
    let (_, scale) = SIZE_UNITS
        .iter()
        .find(|(name, _)| name == unit)
        .ok_or_else(wrong)?;
    let bytes = number * *scale as f64;
    if bytes.fract() != 0.0 || bytes >= (1_u64 << 53) as f64 {
        return Err(wrong());
    }
    Ok(bytes as u64)
}

/// Parses a share: `50%` or `0.5`.
///
/// # Errors
/// If it does not lie between 0 and 1.
pub fn parse_share(text: &str) -> Result<f64, SpanError> {
    let wrong = || SpanError {
        found: text.to_owned(),
        wanted: WANTED_SHARE,
    };
    let text = text.trim();
    let share = match text.strip_suffix('%') {
        Some(number) => number.trim().parse::<f64>().map_err(|_| wrong())? / 100.0,
        None => text.parse::<f64>().map_err(|_| wrong())?,
    };
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(wrong())
    }
}

/// Prints a duration the way it is written: `1m30s`, `250ms`.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let mut nanos = duration.as_nanos();
    if nanos < 1_000_000_000 {
        for (unit, scale) in [("ms", 1_000_000_u128), ("us", 1_000), ("ns", 1)] {
            if nanos.is_multiple_of(scale) {
                return format!("{}{unit}", nanos / scale);
            }
        }
    }
    let mut text = String::new();
    for (unit, scale) in [
        ("d", 86_400_000_000_000_u128),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
    ] {
        if nanos >= scale {
            text.push_str(&format!("{}{unit}", nanos / scale));
            nanos %= scale;
        }
    }
    if nanos > 0 {
        let seconds = nanos as f64 / 1e9;
        text.push_str(&format!("{seconds}s"));
    }
    text
}

/// Prints a size the way it is written: `64KiB`, or plain bytes if no unit divides it.
#[must_use]
pub fn print_size(bytes: u64) -> String {
    for (unit, scale) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= scale && bytes.is_multiple_of(scale) {
            return format!("{}{unit}", bytes / scale);
        }
    }
    bytes.to_string()
}

/// A duration in a file: `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Span(pub Duration);

/// A size in a file: `64KiB`, or a whole number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Size(pub u64);

/// A share in a file: `50%`, or a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Share(pub f64);

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_duration(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_duration(self.0))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_size(self.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

/// Reads a scalar that may be written as text or as a number.
struct Scalar<T> {
    wanted: &'static str,
    text: fn(&str) -> Result<T, SpanError>,
    number: Option<fn(f64) -> Option<T>>,
}

impl<T> Scalar<T> {
    fn of_number<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.number
            .and_then(|read| read(number))
            .ok_or_else(|| E::custom(format_args!("{number} is not {}", self.wanted)))
    }
}

impl<T> de::Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.of_number(number as f64)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.of_number(number as f64)
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.of_number(number)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let zero: fn(f64) -> Option<Duration> = |number| (number == 0.0).then_some(Duration::ZERO);
        deserializer
            .deserialize_any(Scalar {
                wanted: WANTED_DURATION,
                text: parse_duration,
                number: Some(zero),
            })
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole: fn(f64) -> Option<u64> =
            |n| (n >= 0.0 && n.fract() == 0.0 && n < (1_u64 << 53) as f64).then_some(n as u64);
        deserializer
            .deserialize_any(Scalar {
                wanted: WANTED_SIZE,
                text: parse_size,
                number: Some(whole),
            })
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unit: fn(f64) -> Option<f64> = |n| (0.0..=1.0).contains(&n).then_some(n);
        deserializer
            .deserialize_any(Scalar {
                wanted: WANTED_SHARE,
                text: parse_share,
                number: Some(unit),
            })
            .map(Self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: numbers with a unit each (ns, us, ms, s, m, h, d).",
            "type": ["string", "integer"],
            "pattern": r"^\s*(0|([0-9.]+\s*(ns|us|µs|ms|s|m|h|d)\s*)+)\s*$",
            "maximum": 0, "minimum": 0,
            "examples": ["250ms", "2s", "1m30s"],
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size in bytes, or with a unit (B, kB, MB, GB, KiB, MiB, GiB).",
            "type": ["string", "integer"],
            "pattern": r"^\s*[0-9.]+\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?\s*$",
            "minimum": 0,
            "examples": [512, "64KiB"],
        })
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share: a number from 0 to 1, or a percentage.",
            "type": ["string", "number"],
            "pattern": r"^\s*[0-9.]+\s*%?\s*$",
            "minimum": 0, "maximum": 1,
            "examples": ["50%", 0.5],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_and_print() {
        for (text, millis) in [
            ("250ms", 250),
            ("2s", 2_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("0", 0),
        ] {
            assert_eq!(
                parse_duration(text).unwrap(),
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for text in ["", "5", "s", "-2s", "2 weeks", "1s.", "400d", "1e9s", "abc"] {
            assert!(parse_duration(text).is_err(), "{text:?} was taken for a duration");
        }
    }

    #[test]
    fn sizes_and_shares_read() {
        assert_eq!(parse_size("64KiB").unwrap(), 65_536);
        assert_eq!(parse_size("1.5kB").unwrap(), 1_500);
        assert!(
            parse_size("1.0001B").is_err() && parse_size("-1").is_err() && parse_size("8 stones").is_err()
        );
        assert_eq!(parse_share("25%").unwrap(), 0.25);
        assert!(parse_share("101%").is_err() && parse_share("nan").is_err() && parse_share("-0.1").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in 0_u64..10_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&print_duration(duration)).unwrap(), duration);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,20}") {
            let _read = (parse_duration(&text), parse_size(&text), parse_share(&text));
        }
    }
}
