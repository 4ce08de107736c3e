//! The catalogue of fault kinds, for `murphy faults`, the documentation and the schema.

mod markdown;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::kind::Kind;

pub use markdown::markdown;

/// One fault kind, for people.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The kind, as it is written.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The YAML that stands under `fault:`.
    pub example: &'static str,
    /// Whether it always ends the list of rules.
    pub terminal: bool,
    /// The schema of its parameters; what it refers to stands in its `$defs`.
    pub schema: fn() -> Schema,
}

/// The row of a kind.
pub(crate) const fn row<K: Kind + JsonSchema>(name: &'static str) -> Row {
    Row {
        name,
        summary: K::SUMMARY,
        example: K::EXAMPLE,
        terminal: K::TERMINAL,
        schema: schema_of::<K>,
    }
}

fn schema_of<K: JsonSchema>() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<K>()
}
