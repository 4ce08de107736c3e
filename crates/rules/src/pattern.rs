//! Patterns for texts: a literal, a glob, or `/a regex/`; and one of them, several, or none of them.
//!
//! Globs and regexes are compiled to the `regex` crate's automata, which are linear in the text. The size of
//! each automaton, the length of each pattern and their number are bounded, so that a file cannot make the
//! load slow or the process large.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use globset::GlobBuilder;
use murphy_core::problem::{Path, Problem};
use regex::bytes::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// The longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;

/// The largest automaton that a pattern may compile to, in bytes.
pub const AUTOMATON_BYTES_MAX: usize = 1 << 20;

/// The most regexes that one scenario may hold. Literals and globs, whose automata grow with their text only,
/// are not counted.
pub const REGEXES_MAX: u32 = 64;

/// The most alternatives in a list.
pub const ALTERNATIVES_MAX: usize = 64;

/// One value, a list (any of them), or `{ not: … }` (none of them).
#[derive(Debug, Clone, PartialEq)]
pub struct OneOf<T> {
    /// The alternatives; at least one.
    items: Vec<T>,
    /// Whether they were written as a list: it decides where a problem is.
    listed: bool,
    negated: bool,
}

impl<T> OneOf<T> {
    /// Whether the test holds for an alternative (or, negated, for none).
    pub fn holds(&self, test: impl FnMut(&T) -> bool) -> bool {
        self.items.iter().any(test) != self.negated
    }

    /// The alternatives with the place of each below `base`.
    pub fn items<'a>(&'a self, base: &Path) -> impl Iterator<Item = (Path, &'a T)> {
        let base = if self.negated {
            base.key("not")
        } else {
            base.clone()
        };
        self.items.iter().enumerate().map(move |(nth, item)| {
            let place = if self.listed {
                base.index(nth)
            } else {
                base.clone()
            };
            (place, item)
        })
    }

    /// The same with each alternative compiled; those that cannot be are reported and left out.
    fn compile<U>(&self, base: &Path, mut one: impl FnMut(Path, &T) -> Option<U>) -> OneOf<U> {
        OneOf {
            items: self
                .items(base)
                .filter_map(|(place, item)| one(place, item))
                .collect(),
            listed: self.listed,
            negated: self.negated,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOfVisitor {
            negated: false,
            of: PhantomData,
        })
    }
}

struct OneOfVisitor<T> {
    /// Inside a `not`, where another one is refused.
    negated: bool,
    of: PhantomData<T>,
}

impl<T> OneOfVisitor<T> {
    fn single<'de, E: de::Error>(self, value: impl Deserializer<'de, Error = E>) -> Result<OneOf<T>, E>
    where
        T: Deserialize<'de>,
    {
        Ok(OneOf {
            items: vec![T::deserialize(value)?],
            listed: false,
            negated: self.negated,
        })
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOfVisitor<T> {
    type Value = OneOf<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negated {
            "a value or a list of values"
        } else {
            "a value, a list of values, or { not: … }"
        })
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOf<T>, E> {
        self.single(text.into_deserializer())
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<OneOf<T>, E> {
        self.single(value.into_deserializer())
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<OneOf<T>, E> {
        self.single(value.into_deserializer())
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<OneOf<T>, E> {
        self.single(value.into_deserializer())
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<OneOf<T>, E> {
        self.single(value.into_deserializer())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOf<T>, A::Error> {
        let items = Vec::<T>::deserialize(SeqAccessDeserializer::new(list))?;
        match items.len() {
            0 => Err(de::Error::custom(
                "an empty list matches nothing: leave the key out to match all",
            )),
            1..=ALTERNATIVES_MAX => Ok(OneOf {
                items,
                listed: true,
                negated: self.negated,
            }),
            many => Err(de::Error::custom(format_args!(
                "a list of {many} values is longer than {ALTERNATIVES_MAX}"
            ))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOf<T>, A::Error> {
        if self.negated {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        }
        Not::deserialize(MapAccessDeserializer::new(map)).map(|not| not.not.0)
    }
}

/// `{ not: … }`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Deserialize<'de>")]
struct Not<T> {
    not: Negated<T>,
}

struct Negated<T>(OneOf<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Negated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(OneOfVisitor {
                negated: true,
                of: PhantomData,
            })
            .map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for OneOf<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOf_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        let list = json_schema!({
            "type": "array", "items": one, "minItems": 1, "maxItems": ALTERNATIVES_MAX,
        });
        json_schema!({
            "description": "One value, a list (any of them), or { not: … } (none of them).",
            "anyOf": [one, list, {
                "type": "object",
                "properties": { "not": { "anyOf": [one, list] } },
                "required": ["not"],
                "additionalProperties": false,
            }],
        })
    }
}

/// A pattern as it is written: a literal, a glob, or `/a regex/`. A whole number or a boolean stands for its
/// text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a text, a glob such as \"gpt-*\", or a regex between slashes (a decimal number in quotes)",
        )
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, a glob (`*`, `?`, `[ab]`, `{a,b}`; in a path `*` stays within a segment \
                            and `**` crosses them), or a regex between slashes.",
            "type": ["string", "integer", "boolean"],
            "maxLength": PATTERN_BYTES_MAX,
        })
    }
}

/// What a pattern is matched against, which decides how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Any text. `*` matches everything.
    Text,
    /// A path: `*` stays within a segment.
    Path,
    /// A method: upper and lower case are the same.
    Method,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Exactly this text.
    Literal(Box<[u8]>),
    /// This text in any case.
    AnyCase(Box<[u8]>),
    /// A glob or a regex.
    Automaton(Regex),
}

impl Pattern {
    /// Whether it matches the whole text (a regex: a part of it).
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::AnyCase(literal) => literal.eq_ignore_ascii_case(text),
            Self::Automaton(regex) => regex.is_match(text),
        }
    }
}

/// Compiles the patterns of one scenario, within its bounds.
#[derive(Debug, Default)]
pub struct Patterns {
    regexes: u32,
    /// What was wrong with them.
    pub problems: Vec<Problem>,
}

impl Patterns {
    /// Compiles a set; alternatives that are wrong become problems.
    pub fn set(&mut self, base: &Path, written: &OneOf<Text>, subject: Subject) -> OneOf<Pattern> {
        written.compile(base, |place, text| {
            self.one(&text.0, subject)
                .map_err(|wrong| self.problems.push(wrong.under(&place)))
                .ok()
        })
    }

    /// Compiles one pattern.
    fn one(&mut self, text: &str, subject: Subject) -> Result<Pattern, Problem> {
        if text.len() > PATTERN_BYTES_MAX {
            let wanted = format!("at most {PATTERN_BYTES_MAX} bytes");
            return Err(Problem::new(
                Path::root(),
                format_args!("a pattern of {} bytes", text.len()),
                wanted,
            ));
        }
        let regex = regex_of(text);
        let expression = match regex {
            Some(inner) if subject == Subject::Path && is_plain(inner) => return Err(ambiguous(text, inner)),
            Some(inner) => self.counted(inner)?,
            None if is_literal(text) => {
                let literal = text.as_bytes().into();
                return Ok(match subject {
                    Subject::Method => Pattern::AnyCase(literal),
                    Subject::Text | Subject::Path => Pattern::Literal(literal),
                });
            }
            None => glob(text, subject)?,
        };
        RegexBuilder::new(&expression)
            .size_limit(AUTOMATON_BYTES_MAX)
            .dfa_size_limit(AUTOMATON_BYTES_MAX)
            .case_insensitive(subject == Subject::Method)
            .dot_matches_new_line(regex.is_none()) // a glob's star matches all
            .build()
            .map(Pattern::Automaton)
            .map_err(|error| refused(text, &error))
    }

    fn counted(&mut self, regex: &str) -> Result<String, Problem> {
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            let wanted = format!("at most {REGEXES_MAX} regexes in a scenario (globs are not counted)");
            return Err(Problem::new(Path::root(), "one more regex", wanted));
        }
        Ok(regex.to_owned())
    }
}

/// The expression between slashes.
fn regex_of(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('/')?.strip_suffix('/')?;
    (!inner.is_empty()).then_some(inner)
}

/// Whether a text has none of the characters that make it a glob.
fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

/// Whether an expression is a mere piece of a path: `/v1/` is more likely meant as one.
fn is_plain(inner: &str) -> bool {
    inner
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '%' | '~'))
}

fn ambiguous(text: &str, inner: &str) -> Problem {
    let wanted = "a path that does not look like a regex between slashes, or the other way round";
    Problem::new(Path::root(), format_args!("{text:?}"), wanted).hint(format!(
        "the path with all below it is `/{inner}/**`; a regex that finds it anywhere is `/({inner})/`"
    ))
}

fn refused(text: &str, error: &regex::Error) -> Problem {
    let wanted = match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("a pattern that compiles to at most {limit} bytes: fewer or smaller repetitions")
        }
        // The last line of a syntax error is the reason; those before it draw the place.
        error => format!(
            "a regex: {}",
            error.to_string().lines().last().unwrap_or_default()
        ),
    };
    Problem::new(Path::root(), format_args!("{text:?}"), wanted)
}

/// The regex that a glob stands for.
fn glob(text: &str, subject: Subject) -> Result<String, Problem> {
    let wrong = |wanted: String| Problem::new(Path::root(), format_args!("{text:?}"), wanted);
    let half_crossing = |segment: &str| segment.contains("**") && segment != "**";
    if subject == Subject::Path && text.split(['/', '{', '}', ',']).any(half_crossing) {
        return Err(wrong(
            "a glob in which `**` is a whole segment, such as `/v1/**`".to_owned(),
        ));
    }
    GlobBuilder::new(text)
        .literal_separator(subject == Subject::Path)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.regex().to_owned())
        .map_err(|error| wrong(format!("a glob: {}", error.kind())))
}

#[cfg(test)]
mod tests;
