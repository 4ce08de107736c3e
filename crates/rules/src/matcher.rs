//! A compiled `when`: whether a call is one of those that a rule means.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, HeaderName, Method};
use murphy_core::agent::AgentId;
use murphy_core::call::{Body, Call, Facts};
use murphy_core::problem::{Path, Problem};
use murphy_core::route::{AUTO, Route};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

use crate::pattern::{OneOf, Pattern, Patterns, Subject, Text};
use crate::scenario::{BodyWhen, When};

/// How much of a body, in bytes, a pattern looks at.
pub const BODY_MATCH_BYTES_MAX: usize = 64 << 10;

/// What is known of a call before its body is read.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path below the route's prefix.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// Who calls.
    pub agent: &'a AgentId,
}

/// A compiled `when`.
#[derive(Debug, Clone)]
pub struct Matcher {
    route: Option<OneOf<Pattern>>,
    dialect: Option<OneOf<Pattern>>,
    method: Option<OneOf<Pattern>>,
    path: Option<OneOf<Pattern>>,
    headers: Vec<(HeaderName, OneOf<Pattern>)>,
    query: Vec<(String, OneOf<Pattern>)>,
    agent: Option<OneOf<Pattern>>,
    model: Option<OneOf<Pattern>>,
    stream: Option<OneOf<bool>>,
    mcp_method: Option<OneOf<Pattern>>,
    tool: Option<OneOf<Pattern>>,
    has_tools: Option<bool>,
    message_count: Option<OneOf<Number>>,
    max_tokens: Option<OneOf<Number>>,
    attempt: Option<OneOf<Number>>,
    body: Option<BodyMatcher>,
}

impl Matcher {
    /// Compiles what was written. Problems go to `patterns`, with paths below `base`; what has one is left
    /// out of the result, which is then not to be used.
    pub fn compile(when: &When, base: &Path, patterns: &mut Patterns) -> Self {
        let headers = when.header.iter().filter_map(|(name, written)| {
            let place = base.key("header").key(name);
            match name.parse::<HeaderName>() {
                Ok(header) => Some((header, patterns.set(&place, written, Subject::Text))),
                Err(_) => {
                    let found = format!("{name:?}");
                    patterns
                        .problems
                        .push(Problem::new(place, found, "the name of a header"));
                    None
                }
            }
        });
        let headers = headers.collect();
        let query = when.query.iter().map(|(name, written)| {
            let place = base.key("query").key(name);
            (name.clone(), patterns.set(&place, written, Subject::Text))
        });
        let query = query.collect();
        let body = when.body.as_ref();
        let body = body.and_then(|body| BodyMatcher::compile(body, &base.key("body"), patterns));
        let mut set = |key: &str, written: &Option<OneOf<Text>>, subject| {
            written
                .as_ref()
                .map(|written| patterns.set(&base.key(key), written, subject))
        };
        Self {
            route: set("route", &when.route, Subject::Text),
            dialect: set("dialect", &when.dialect, Subject::Text),
            method: set("method", &when.method, Subject::Method),
            path: set("path", &when.path, Subject::Path),
            headers,
            query,
            agent: set("agent", &when.agent, Subject::Text),
            model: set("model", &when.model, Subject::Text),
            stream: when.stream.clone(),
            mcp_method: set("mcp_method", &when.mcp_method, Subject::Text),
            tool: set("tool", &when.tool, Subject::Text),
            has_tools: when.has_tools,
            message_count: when.message_count.clone(),
            max_tokens: when.max_tokens.clone(),
            attempt: when.attempt.clone(),
            body,
        }
    }

    /// Whether calls of a route can match. Looked at once per snapshot, not per call.
    #[must_use]
    pub fn covers(&self, route: &Route) -> bool {
        fits(&self.route, Some(&route.name))
            && (*route.dialect == *AUTO || fits(&self.dialect, Some(&route.dialect)))
    }

    /// Whether a call of a covered route can match, as far as its head tells: what is not known yet counts as
    /// matching.
    #[must_use]
    pub fn may_match(&self, head: &Head<'_>) -> bool {
        fits(&self.method, Some(head.method.as_str()))
            && fits(&self.path, Some(head.path))
            && fits(&self.agent, Some(&head.agent.shown))
            && self
                .headers
                .iter()
                .all(|(name, set)| header_fits(head.headers, name, set))
            && self
                .query
                .iter()
                .all(|(name, set)| query_fits(head.query, name, set))
    }

    /// Whether a call of a covered route matches. Cheap facts first.
    #[must_use]
    pub fn matches(&self, call: &Call<'_>) -> bool {
        let facts = &call.facts;
        let head = Head {
            method: call.method,
            path: call.path,
            query: call.query,
            headers: call.headers,
            agent: call.agent,
        };
        self.may_match(&head)
            && fits(&self.dialect, Some(call.dialect))
            && fits(&self.model, facts.model.as_deref())
            && fits(&self.mcp_method, facts.mcp_method.as_deref())
            && tool_fits(&self.tool, facts)
            && self
                .has_tools
                .is_none_or(|wanted| wanted != facts.tools.is_empty())
            && number_fits(&self.message_count, facts.messages.map(u64::from))
            && number_fits(&self.max_tokens, facts.max_tokens)
            && number_fits(&self.attempt, Some(u64::from(call.attempt)))
            && self
                .stream
                .as_ref()
                .is_none_or(|set| set.holds(|wanted| *wanted == facts.stream))
            && self.body.as_ref().is_none_or(|body| body.matches(call.body))
    }

    /// Whether the request's body must be read before it can match.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether it looks at facts that a dialect may have to read from the body.
    #[must_use]
    pub fn needs_facts(&self) -> bool {
        self.model.is_some()
            || self.stream.is_some()
            || self.mcp_method.is_some()
            || self.tool.is_some()
            || self.has_tools.is_some()
            || self.message_count.is_some()
            || self.max_tokens.is_some()
    }
}

/// Whether a fact fits; one that is missing fits only a negation.
fn fits(set: &Option<OneOf<Pattern>>, fact: Option<&str>) -> bool {
    set.as_ref()
        .is_none_or(|set| set.holds(|pattern| fact.is_some_and(|fact| pattern.matches(fact.as_bytes()))))
}

/// Whether a tool that is called or offered fits.
fn tool_fits(set: &Option<OneOf<Pattern>>, facts: &Facts) -> bool {
    set.as_ref().is_none_or(|set| {
        set.holds(|pattern| {
            let mut tools = facts.tool.iter().chain(&facts.tools);
            tools.any(|tool| pattern.matches(tool.as_bytes()))
        })
    })
}

/// Whether a number fits; one that is missing fits only a negation.
fn number_fits(set: &Option<OneOf<Number>>, number: Option<u64>) -> bool {
    set.as_ref()
        .is_none_or(|set| set.holds(|wanted| number.is_some_and(|number| wanted.holds(number))))
}

fn header_fits(headers: &HeaderMap, name: &HeaderName, set: &OneOf<Pattern>) -> bool {
    set.holds(|pattern| {
        headers
            .get_all(name)
            .iter()
            .any(|value| pattern.matches(value.as_bytes()))
    })
}

fn query_fits(query: Option<&str>, name: &str, set: &OneOf<Pattern>) -> bool {
    set.holds(|pattern| {
        query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .any(|(key, value)| *decoded(key) == *name.as_bytes() && pattern.matches(&decoded(value)))
    })
}

/// Undoes the encoding of a query (WHATWG URL, `application/x-www-form-urlencoded`): `+` and `%xx`. What is
/// no valid `%xx` stands for itself.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, next) = match (first, tail) {
            (b'%', [high, low, next @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, next),
                _ => (b'%', tail),
            },
            (b'+', _) => (b' ', tail),
            (byte, _) => (*byte, tail),
        };
        bytes.push(byte);
        rest = next;
    }
    Cow::Owned(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A number, or a comparison with one: `3`, `">=2"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    comparison: Comparison,
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let signs = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
            ("=", Comparison::Equal),
            ("", Comparison::Equal),
        ];
        let (number, comparison) = signs
            .into_iter()
            .find_map(|(sign, comparison)| Some((text.strip_prefix(sign)?, comparison)))?;
        let number = number.trim();
        let digits = number.bytes().all(|byte| byte.is_ascii_digit()); // no second sign
        let number = number.parse().ok().filter(|_| digits)?;
        Some(Self { comparison, number })
    }

    fn holds(self, number: u64) -> bool {
        match self.comparison {
            Comparison::Equal => number == self.number,
            Comparison::Less => number < self.number,
            Comparison::AtMost => number <= self.number,
            Comparison::Greater => number > self.number,
            Comparison::AtLeast => number >= self.number,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number such as 2, or a comparison such as \">=2\"")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        Number::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number {
            comparison: Comparison::Equal,
            number,
        })
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or a comparison with one.",
            "type": ["string", "integer"],
            "pattern": r"^\s*(>=|<=|>|<|=)?\s*[0-9]+\s*$",
            "minimum": 0,
            "examples": [1, ">=2"],
        })
    }
}

/// A compiled `when.body`.
#[derive(Debug, Clone)]
struct BodyMatcher {
    pointer: String,
    test: BodyTest,
}

#[derive(Debug, Clone)]
enum BodyTest {
    Equals(Value),
    Matches(OneOf<Pattern>),
    Exists(bool),
}

impl BodyMatcher {
    fn compile(written: &BodyWhen, base: &Path, patterns: &mut Patterns) -> Option<Self> {
        let pointer = written.pointer.clone();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let problem = Problem::new(
                base.key("pointer"),
                format!("{pointer:?}"),
                "a JSON pointer (RFC 6901)",
            );
            patterns
                .problems
                .push(problem.hint(format!("did you mean \"/{pointer}\"?")));
        }
        let test = match (&written.equals, &written.matches, written.exists) {
            (Some(value), None, None) => BodyTest::Equals(value.clone()),
            (None, Some(set), None) => {
                BodyTest::Matches(patterns.set(&base.key("matches"), set, Subject::Text))
            }
            (None, None, Some(exists)) => BodyTest::Exists(exists),
            (equals, matches, exists) => {
                let given = [equals.is_some(), matches.is_some(), exists.is_some()];
                let given = given.into_iter().filter(|given| *given).count();
                let found = format!("{given} of them");
                let wanted = "exactly one of `equals`, `matches` and `exists`";
                patterns.problems.push(Problem::new(base.clone(), found, wanted));
                return None;
            }
        };
        Some(Self { pointer, test })
    }

    fn matches(&self, body: Body<'_>) -> bool {
        let (bytes, json) = match body {
            Body::Unread | Body::TooLarge => return false, // unknown, so not hit
            Body::Bytes(bytes) => (bytes, None),
            Body::Json(bytes, json) => (bytes, Some(json)),
        };
        let value = json.and_then(|json| json.pointer(&self.pointer));
        match &self.test {
            BodyTest::Equals(wanted) => value.is_some_and(|value| same(value, wanted)),
            BodyTest::Exists(wanted) if self.pointer.is_empty() => bytes.is_empty() != *wanted,
            BodyTest::Exists(wanted) => value.is_some() == *wanted,
            BodyTest::Matches(set) if self.pointer.is_empty() => {
                set.holds(|pattern| pattern.matches(head(bytes)))
            }
            BodyTest::Matches(set) => {
                let text = value.and_then(scalar);
                let text = text.as_deref().map(|text| head(text.as_bytes()));
                set.holds(|pattern| text.is_some_and(|text| pattern.matches(text)))
            }
        }
    }
}

/// The part that a pattern looks at.
fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..BODY_MATCH_BYTES_MAX).unwrap_or(bytes)
}

/// The text of a value that is one.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether two values are the same; `1` and `1.0` are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64())
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests;
