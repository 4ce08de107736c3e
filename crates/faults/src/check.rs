//! Collects what is wrong, so that a person sees all of it at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderValue;
use murphy_core::problem::{Path, Problem};
use murphy_core::span::Span;

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Check(Vec<Problem>);

/// The path of nested keys.
pub(crate) fn at(keys: &[&str]) -> Path {
    keys.iter().fold(Path::root(), |path, key| path.key(*key))
}

impl Check {
    /// Adds a problem.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds a problem at nested keys.
    pub(crate) fn refuse(&mut self, keys: &[&str], found: impl Display, wanted: impl Into<String>) {
        self.add(Problem::new(at(keys), found, wanted));
    }

    /// A number must lie in a range.
    pub(crate) fn within<T: PartialOrd + Display + Copy>(
        &mut self,
        keys: &[&str],
        value: T,
        range: &RangeInclusive<T>,
    ) {
        if !range.contains(&value) {
            self.refuse(keys, value, format!("{} to {}", range.start(), range.end()));
        }
    }

    /// A duration must be longer than zero.
    pub(crate) fn some_time(&mut self, keys: &[&str], value: Duration) {
        if value.is_zero() {
            self.refuse(keys, Span(value), "a duration longer than zero");
        }
    }

    /// A text must fit a header.
    pub(crate) fn header_value(&mut self, keys: &[&str], text: &str) -> Option<HeaderValue> {
        let value = header_value(text);
        if value.is_none() {
            self.refuse(keys, format_args!("{text:?}"), HEADER_VALUE_WANTED);
        }
        value
    }

    /// What was compiled, if nothing is wrong.
    pub(crate) fn done<T>(self, compiled: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() {
            Ok(compiled)
        } else {
            Err(self.0)
        }
    }

    /// What was compiled, if it is there; it is missing only where a problem was added.
    pub(crate) fn done_with<T>(self, compiled: Option<T>) -> Result<T, Vec<Problem>> {
        match compiled {
            Some(compiled) => self.done(compiled),
            None => Err(self.0),
        }
    }
}

/// The longest header value, in bytes.
pub(crate) const HEADER_VALUE_BYTES_MAX: usize = 8 << 10;

/// What [`header_value`] takes.
pub(crate) const HEADER_VALUE_WANTED: &str = "a header value: visible ASCII, spaces and tabs, at most 8 KiB";

/// A text as a header value; `None` if it would end or break the header.
pub(crate) fn header_value(text: &str) -> Option<HeaderValue> {
    (text.len() <= HEADER_VALUE_BYTES_MAX)
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
}
