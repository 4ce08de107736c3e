//! Times and numbers of an exchange that people read as text: kept as numbers, written when they are read.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment for people: RFC 3339 in UTC with milliseconds. Moments that have no such form are the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment {
    /// Milliseconds since the epoch.
    millis: i64,
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
        Self {
            millis: millis.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        let time = Timestamp::from_millisecond(self.millis).unwrap_or(Timestamp::UNIX_EPOCH);
        f.write_str(&PRINTER.timestamp_to_string(&time))
    }
}

impl FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let time: Timestamp = text.parse()?;
        Ok(Self {
            millis: time.as_millisecond(),
        })
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The number of an operation in this process, from 1; written `op-7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op-{}", self.0)
    }
}

impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let number = text.strip_prefix("op-").and_then(|digits| digits.parse().ok());
        number.map(Self).ok_or_else(|| {
            let wanted = &"an operation such as op-7";
            serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), wanted)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_written_with_milliseconds_and_reads_back() {
        let moment = Moment::from(SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_007_900));
        assert_eq!(moment.to_string(), "2023-11-14T22:13:20.007Z");
        assert_eq!(moment.to_string().parse::<Moment>().unwrap(), moment);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Moment::from(before).to_string(), "1970-01-01T00:00:00.000Z");
        assert!("yesterday".parse::<Moment>().is_err());
    }

    #[test]
    fn an_operation_is_written_with_its_prefix_and_reads_back() {
        let json = serde_json::to_string(&OperationId(7)).unwrap();
        assert_eq!(json, "\"op-7\"");
        assert_eq!(
            serde_json::from_str::<OperationId>(&json).unwrap(),
            OperationId(7)
        );
        assert!(serde_json::from_str::<OperationId>("\"7\"").is_err());
    }
}
