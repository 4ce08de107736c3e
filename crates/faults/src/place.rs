//! A place in a body: a number of bytes, a share of them, or somewhere inside the JSON text.

use std::borrow::Cow;
use std::fmt;

use murphy_core::effect::Position;
use murphy_core::problem::Problem;
use murphy_core::span::{Size, parse_share, parse_size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de;

use crate::check::{Check, at};
use crate::forms::{Forms, Scalar, forms};

/// A place in a body as it is written: `512`, `1KiB`, `50%` or `inside_json`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place(pub Position);

const WANTED: &str = "a number of bytes such as 512 or 1KiB, or a share such as 50%";

impl Place {
    /// The position, if it lies before the end of a body and needs no reading of it.
    pub(crate) fn before_end(self, check: &mut Check, key: &str) -> Position {
        match self.0 {
            Position::Share(share) if share >= 1.0 => {
                check.refuse(&[key], "100%", "a share below 100%, which is the end of the body");
            }
            Position::InsideJson => check.add(
                Problem::new(at(&[key]), "inside_json", WANTED).hint("only truncate can cut inside the JSON"),
            ),
            _ => {}
        }
        self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Position::Bytes(bytes) => write!(f, "{}", Size(bytes)),
            Position::Share(share) => write!(f, "{}%", share * 100.0),
            Position::InsideJson => f.write_str("inside_json"),
        }
    }
}

impl Forms for Place {
    const WANTED: &'static str = WANTED;

    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let position = match scalar {
            Scalar::Whole(bytes) => u64::try_from(bytes).ok().map(Position::Bytes),
            Scalar::Text(text) => match text.trim() {
                "inside_json" => Some(Position::InsideJson),
                share if share.ends_with('%') => parse_share(share).ok().map(Position::Share),
                size => parse_size(size).ok().map(Position::Bytes),
            },
            _ => None,
        };
        position.map(Self).ok_or_else(|| scalar.refuse(WANTED))
    }
}
forms!(Place);

impl JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "Place".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A place in a body: a number of bytes, or a share of them.",
            "type": ["string", "integer"],
            "pattern": r"^\s*([0-9.]+\s*(%|B|kB|KB|MB|GB|KiB|MiB|GiB)?|inside_json)\s*$",
            "minimum": 0,
            "examples": [512, "1KiB", "50%"],
        })
    }
}
