//! Header fields as they are written in a scenario: checked when it is loaded, never when a call is hit.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue};
use murphy_core::problem::{Path, Problem};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::check::{Check, HEADER_VALUE_WANTED, header_value};
use crate::forms::{Forms, Scalar, forms};

/// The most fields that one fault may write.
pub const FIELDS_MAX: usize = 64;

/// Fields that belong to the framing of a message or to one connection (RFC 9110 §7.6.1, RFC 9112 §6): a
/// scenario that could write them could make two readers disagree where a message ends.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Header fields: a mapping from a name to a value or to a list of values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Values)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    One(String),
    List(Vec<String>),
}

impl Fields {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields, checked.
    pub(crate) fn compile(&self, check: &mut Check, base: &Path) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = Vec::new();
        for (nth, (name, values)) in self.0.iter().enumerate() {
            let path = base.key(name);
            if self
                .0
                .iter()
                .take(nth)
                .any(|(other, _)| other.eq_ignore_ascii_case(name))
            {
                check.add(Problem::new(
                    path.clone(),
                    format_args!("{name} twice"),
                    "each name once, with a list of values",
                ));
            }
            let parsed = header_name(check, &path, name);
            let values = match values {
                Values::One(value) => vec![(path, value)],
                Values::List(list) => list
                    .iter()
                    .enumerate()
                    .map(|(nth, value)| (path.index(nth), value))
                    .collect(),
            };
            for (path, value) in values {
                match (header_value(value), &parsed) {
                    (Some(value), Some(name)) => fields.push((name.clone(), value)),
                    (Some(_), None) => {}
                    (None, _) => {
                        check.add(Problem::new(path, format_args!("{value:?}"), HEADER_VALUE_WANTED))
                    }
                }
            }
        }
        if fields.len() > FIELDS_MAX {
            check.add(Problem::new(
                base.clone(),
                fields.len(),
                format!("at most {FIELDS_MAX} fields"),
            ));
        }
        fields
    }
}

/// A name of a field that a scenario may write or remove.
pub(crate) fn header_name(check: &mut Check, path: &Path, name: &str) -> Option<HeaderName> {
    let Ok(parsed) = HeaderName::try_from(name) else {
        check.add(Problem::new(
            path.clone(),
            format_args!("{name:?}"),
            "a header name: letters, digits and -, without spaces or colon",
        ));
        return None;
    };
    if FRAMING.contains(&parsed.as_str()) {
        check.add(
            Problem::new(
                path.clone(),
                &parsed,
                "a header that is not part of the message's framing",
            )
            .hint("wrong_length declares a wrong content-length, abort ends a connection"),
        );
        return None;
    }
    Some(parsed)
}

const FIELDS_WANTED: &str = "a mapping from header names to values";

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIELDS_WANTED)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(Fields(fields))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// One value of a list.
struct Value(String);

impl Forms for Value {
    const WANTED: &'static str = "a header value (put numbers with a point in quotes)";

    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        match scalar {
            Scalar::Text(text) => Ok(Self(text.to_owned())),
            Scalar::Whole(number) => Ok(Self(number.to_string())),
            Scalar::Flag(flag) => Ok(Self(flag.to_string())),
            // How a number with a point was written is not known here: 1.0 or 1.00?
            Scalar::Number(_) | Scalar::Nothing => Err(scalar.refuse(Self::WANTED)),
        }
    }
}
forms!(Value);

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header value, or a list of them")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Values, E> {
        one(Scalar::Text(text))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Values, E> {
        Ok(Values::One(number.to_string()))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Values, E> {
        one(Scalar::Whole(number))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Values, E> {
        one(Scalar::Number(number))
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Values, E> {
        one(Scalar::Flag(flag))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Values, E> {
        one(Scalar::Nothing)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
        let mut values = Vec::new();
        while let Some(Value(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Values::List(values))
    }
}

fn one<E: de::Error>(scalar: Scalar<'_>) -> Result<Values, E> {
    Value::from_scalar(scalar).map(|Value(value)| Values::One(value))
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesVisitor)
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "HeaderFields".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalar = json_schema!({ "type": ["string", "integer", "boolean"] });
        json_schema!({
            "description": "Header fields: a name and its value, or a list of values.",
            "type": "object",
            "additionalProperties": { "anyOf": [scalar, { "type": "array", "items": scalar }] },
        })
    }
}
