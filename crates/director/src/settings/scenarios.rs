//! `[scenarios]`: where they live and what is on at the start.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use murphy_core::span::{Span, SpanError, parse_duration, print_duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScenarioSettings {
    /// The folder, watched; each .yaml file is a scenario, named by its stem. Relative to the working folder.
    pub dir: PathBuf,
    /// Switched on at the start: names, or { name = "…", for = "10m", seed = 7 }.
    pub active: Vec<StartActive>,
    /// An activation that does not say for how long ends after this time.
    pub max_active: Span,
    /// Also look for changes this often, for file systems that report none (NFS, some container mounts).
    #[schemars(extend("examples" = ["2s"]))]
    pub poll: Option<Span>,
}

impl Default for ScenarioSettings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("scenarios/faults"),
            active: Vec::new(),
            max_active: Span(Duration::from_secs(3_600)),
            poll: None,
        }
    }
}

/// How long an activation lasts: a duration, or `forever`, which must be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends by itself.
    For(Duration),
    /// It ends when somebody ends it.
    Forever,
}

const FOREVER: &str = "forever";
const WANTED: &str = "a duration such as 60s or 10m, or forever";

impl FromStr for Lifetime {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |_| SpanError {
            found: text.to_owned(),
            wanted: WANTED,
        };
        match text.trim() {
            FOREVER => Ok(Self::Forever),
            span => parse_duration(span).map(Self::For).map_err(wrong),
        }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(span) => f.write_str(&print_duration(*span)),
            Self::Forever => f.write_str(FOREVER),
        }
    }
}

impl Serialize for Lifetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Lifetime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(WANTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Lifetime, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Lifetime {
    fn schema_name() -> Cow<'static, str> {
        "Lifetime".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as 60s or 10m, or forever.",
            "type": "string",
            "pattern": r"^\s*(forever|0|([0-9.]+\s*(ns|us|µs|ms|s|m|h|d)\s*)+)\s*$",
            "examples": ["60s", "forever"],
        })
    }
}

/// A scenario that is on at the start: its name, or a table that also says for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartActive {
    /// The scenario.
    pub name: String,
    /// For how long; `max_active` if it is not said.
    pub lifetime: Option<Lifetime>,
    /// The seed.
    pub seed: Option<u64>,
}

/// The table form.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StartTable {
    /// The scenario.
    name: String,
    /// For how long.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    lifetime: Option<Lifetime>,
    /// The seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl Serialize for StartActive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.lifetime.is_none() && self.seed.is_none() {
            return serializer.serialize_str(&self.name);
        }
        StartTable {
            name: self.name.clone(),
            lifetime: self.lifetime,
            seed: self.seed,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StartActive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> de::Visitor<'de> for Forms {
            type Value = StartActive;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scenario's name, or { name = \"…\", for = \"10m\", seed = 7 }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<StartActive, E> {
                Ok(StartActive {
                    name: text.to_owned(),
                    lifetime: None,
                    seed: None,
                })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<StartActive, A::Error> {
                let table = StartTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(StartActive {
                    name: table.name,
                    lifetime: table.lifetime,
                    seed: table.seed,
                })
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl JsonSchema for StartActive {
    fn schema_name() -> Cow<'static, str> {
        "StartActive".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<StartTable>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
