//! Documents that are generated from the types: the commented default configuration, and the JSON Schemas.
//! Tests compare them with the committed files; with `UPDATE_GENERATED=1` they write them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::settings::{self, Settings};

const HEAD: &str = "\
#:schema ../docs/schema/config.json
# Murphy's configuration: every key with its default. Only what differs need be written.
#
# Layers: these defaults, then the file, then environment variables (MURPHY__PROXY__LISTEN), then flags.
# Paths are relative to the working folder. The file is watched: a change is in force at once, unless the log
# says that it needs a restart; a mistake changes nothing and is told with its line and column.
#
# Generated from the types in crates/director/src/settings; do not edit.
";

/// Comments are wrapped at this column.
const WIDTH: usize = 110;

/// The commented default configuration.
#[must_use]
pub fn default_config() -> String {
    let schema = settings::schema().to_value();
    let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    let mut text = HEAD.to_owned();
    let definitions = schema
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let writer = Writer { definitions };
    let keys = writer.properties(&schema);
    let (tables, plain): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .partition(|key| writer.is_section(&defaults, key));
    for key in plain.iter().filter(|key| !is_list_of_tables(key.schema)) {
        text.push('\n');
        writer.key(&mut text, key, defaults.get(key.name));
    }
    for key in tables {
        text.push('\n');
        comment(&mut text, key.description());
        let _infallible = writeln!(text, "[{}]", key.name);
        for inner in writer.properties(writer.resolve(key.schema)) {
            writer.key(
                &mut text,
                &inner,
                defaults.get(key.name).and_then(|section| section.get(inner.name)),
            );
        }
    }
    for key in plain.iter().filter(|key| is_list_of_tables(key.schema)) {
        writer.list_of_tables(&mut text, key);
    }
    text
}

/// The JSON Schema of a scenario file.
#[must_use]
pub fn scenario_schema() -> schemars::Schema {
    schemars::schema_for!(murphy_rules::scenario::Scenario)
}

struct Writer {
    definitions: Map<String, Value>,
}

struct Key<'a> {
    name: &'a str,
    schema: &'a Value,
    required: bool,
}

impl Key<'_> {
    fn description(&self) -> &str {
        self.schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl Writer {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let named = schema.get("$ref").and_then(Value::as_str);
        let name = named.and_then(|named| named.rsplit('/').next());
        name.and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }

    fn properties<'a>(&'a self, schema: &'a Value) -> Vec<Key<'a>> {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|one| one == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| Key {
                name,
                schema,
                required: is_required(name),
            })
            .collect()
    }

    fn is_section(&self, defaults: &Value, key: &Key<'_>) -> bool {
        defaults.get(key.name).is_some_and(Value::is_object)
    }

    /// A key with its default, or an example behind a `#` if it has none.
    fn key(&self, text: &mut String, key: &Key<'_>, default: Option<&Value>) {
        comment(text, key.description());
        let line = match default {
            Some(default) if !default.is_null() => format!("{} = {}", key.name, toml_of(default)),
            _ => format!("# {} = {}", key.name, toml_of(&self.example(key))),
        };
        let _infallible = writeln!(text, "{line}");
    }

    fn example(&self, key: &Key<'_>) -> Value {
        let of = |schema: &Value| schema.get("examples").and_then(|list| list.get(0)).cloned();
        of(key.schema)
            .or_else(|| {
                key.schema
                    .get("default")
                    .filter(|default| !default.is_null())
                    .cloned()
            })
            .or_else(|| of(self.resolve(key.schema)))
            .unwrap_or_default()
    }

    /// An example of a list of tables, behind a `#`.
    fn list_of_tables(&self, text: &mut String, key: &Key<'_>) {
        text.push('\n');
        comment(text, key.description());
        let _infallible = writeln!(text, "# [[{}]]", key.name);
        let item = key.schema.get("items").map(|item| self.resolve(item));
        for inner in item.map(|item| self.properties(item)).unwrap_or_default() {
            let necessity = if inner.required { " Required." } else { "" };
            comment(text, &format!("{}{necessity}", inner.description()));
            let _infallible = writeln!(text, "# {} = {}", inner.name, toml_of(&self.example(&inner)));
        }
    }
}

fn is_list_of_tables(schema: &Value) -> bool {
    schema
        .get("items")
        .is_some_and(|items| items.get("$ref").is_some())
}

fn comment(text: &mut String, description: &str) {
    let mut line = String::from("#");
    for word in description.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _infallible = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        let _infallible = writeln!(text, "{line}");
    }
}

fn toml_of(value: &Value) -> String {
    ::toml::Value::try_from(value).map_or_else(|_| "\"\"".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Compares a generated document with the committed one, or writes it.
    fn check(path: &str, text: &str) {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{path} is out of date: run the tests with UPDATE_GENERATED=1"
        );
    }

    fn pretty(schema: &schemars::Schema) -> String {
        format!("{}\n", serde_json::to_string_pretty(schema).unwrap())
    }

    #[test]
    fn the_committed_documents_are_those_of_the_types() {
        check("config/murphy.toml", &default_config());
        check("docs/schema/config.json", &pretty(&settings::schema()));
        check("docs/schema/scenario.json", &pretty(&scenario_schema()));
    }

    #[test]
    fn the_default_configuration_says_what_no_configuration_means() {
        let settings: Settings = ::toml::from_str(&default_config()).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn every_key_is_written_and_every_example_is_valid() {
        let text = default_config();
        let mut uncommented = String::new();
        for line in text.lines() {
            let setting = line.strip_prefix("# ").filter(|rest| {
                rest.starts_with("[[")
                    || rest
                        .split_once(" = ")
                        .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            });
            uncommented.push_str(setting.unwrap_or(line));
            uncommented.push('\n');
        }
        let settings: Settings = ::toml::from_str(&uncommented).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.routes.len(), 1);
        assert!(
            settings.proxy.tls.is_some() && settings.kill_switch.health.is_some() && settings.seed.is_some()
        );
        let all = serde_json::to_value(&settings).unwrap();
        for (section, keys) in all.as_object().unwrap() {
            for key in keys.as_object().into_iter().flat_map(Map::keys) {
                assert!(
                    text.contains(&format!("{key} = ")),
                    "{section}.{key} is not in config/murphy.toml"
                );
            }
        }
    }
}
