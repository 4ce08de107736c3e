//! Renders the catalogue as `docs/faults.md`, from the same types that read a scenario.

use serde_json::{Map, Value};

use super::Row;
use crate::kinds::CATALOGUE;

const INTRO: &str = "\
<!-- Made from crates/faults by `UPDATE_GENERATED=1 cargo test -p murphy-faults`. Do not edit. -->

# Fault kinds

What stands under `fault:` in a rule: exactly one of these kinds. A kind that *ends the list* answers, breaks \
or holds the call itself: no rule after it is tried. The others add up.

A *duration* is a number with a unit: `250ms`, `2s`, `1m30s`. A *size* is a number of bytes or has a unit: \
`512`, `64KiB`. A *place* in a body is a size, or a share of it: `50%`. *Header fields* map a name to a value \
or to a list of values.

";

/// The documentation of all kinds.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(INTRO);
    page.push_str("| kind | what it does | ends the list |\n| --- | --- | --- |\n");
    for row in CATALOGUE {
        let Row { name, summary, .. } = row;
        let ends = if row.terminal { "yes" } else { "no" };
        let anchor = name; // the anchor of a heading that is one lower-case word
        page.push_str(&format!("| [`{name}`](#{anchor}) | {summary} | {ends} |\n"));
    }
    for row in CATALOGUE {
        section(&mut page, row);
    }
    page
}

fn section(page: &mut String, row: &Row) {
    let schema = (row.schema)().to_value();
    let definitions = Definitions(schema.get("$defs").and_then(Value::as_object));
    page.push_str(&format!("\n## {}\n\n{}\n\n", row.name, description(&schema)));
    page.push_str("```yaml\nfault:\n");
    for line in row.example.lines() {
        page.push_str(&format!("  {line}\n"));
    }
    page.push_str("```\n");
    let schema = definitions
        .referred(&schema)
        .map_or(&schema, |(_, schema)| schema);
    let forms: Vec<&Value> = match alternatives(schema) {
        Some(forms) => forms.iter().collect(),
        None => vec![schema],
    };
    let mut parameters = String::new();
    for form in &forms {
        definitions.rows(&mut parameters, "", form);
    }
    if schema.get("oneOf").is_some() && alternatives(schema).is_some() {
        page.push_str("\n| value | meaning |\n| --- | --- |\n");
        for form in forms {
            page.push_str(&format!(
                "| {} | {} |\n",
                definitions.form(form),
                description(form)
            ));
        }
    } else if !parameters.is_empty() {
        page.push_str("\n| parameter | value | without it | meaning |\n| --- | --- | --- | --- |\n");
        page.push_str(&parameters);
    }
}

/// The text of a schema on one line.
fn description(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// The forms that a value may have, other than nothing. A `oneOf` beside `properties` only says which keys
/// exclude each other.
fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    let one_of = schema.get("oneOf").filter(|_| schema.get("properties").is_none());
    schema.get("anyOf").or(one_of).and_then(Value::as_array)
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The schemas that others refer to.
struct Definitions<'s>(Option<&'s Map<String, Value>>);

impl<'s> Definitions<'s> {
    /// What a reference refers to, with its name.
    fn referred(&self, schema: &Value) -> Option<(&'s String, &'s Value)> {
        let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.0?.get_key_value(name)
    }

    /// One line for each parameter, nested ones after theirs: `normal`, `normal.mean`.
    fn rows(&self, page: &mut String, prefix: &str, schema: &Value) {
        let required = schema.get("required").and_then(Value::as_array);
        for (key, parameter) in properties(schema) {
            let needed = required.is_some_and(|keys| keys.iter().any(|required| required == key));
            let default = match parameter.get("default") {
                _ if needed => "needed".to_owned(),
                None | Some(Value::Null) => "–".to_owned(),
                Some(Value::Object(object)) if object.is_empty() => "–".to_owned(),
                Some(Value::Array(list)) if list.is_empty() => "–".to_owned(),
                Some(default) => format!("`{}`", plain(default)),
            };
            let name = format!("{prefix}{key}");
            let (value, meaning) = (self.value(parameter), self.meaning(parameter));
            page.push_str(&format!("| `{name}` | {value} | {default} | {meaning} |\n"));
            self.rows(page, &format!("{name}."), parameter);
        }
    }

    /// What a parameter means, and what each of its words means.
    fn meaning(&self, parameter: &Value) -> String {
        let mut meaning = description(parameter);
        let choices = self.referred(parameter).map_or(parameter, |(_, schema)| schema);
        for choice in alternatives(choices).into_iter().flatten() {
            let text = description(choice);
            if !text.is_empty() && !is_null(choice) {
                meaning.push_str(&format!("<br>{}: {text}", self.form(choice)));
            }
        }
        meaning
    }

    /// What may be written for a value.
    fn value(&self, schema: &Value) -> String {
        if let Some((name, referred)) = self.referred(schema) {
            return match name.as_str() {
                "Duration" => "duration".to_owned(),
                "StallDuration" => "duration, or `forever`".to_owned(),
                "Size" => "size".to_owned(),
                "Place" => "place".to_owned(),
                "HeaderFields" => "header fields".to_owned(),
                _ => self.value(referred),
            };
        }
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            return format!("`{word}`");
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words = words.iter().map(|word| format!("`{}`", plain(word)));
            return words.collect::<Vec<_>>().join(", ");
        }
        if let Some(forms) = alternatives(schema) {
            let forms = forms.iter().filter(|form| !is_null(form));
            return forms.map(|form| self.form(form)).collect::<Vec<_>>().join(", ");
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        match kinds.into_iter().find(|kind| *kind != "null") {
            Some("string") => "text".to_owned(),
            Some("integer") => number("whole number", schema),
            Some("number") => number("number", schema),
            Some("boolean") => "`true`, `false`".to_owned(),
            Some("array") => match schema.get("items") {
                Some(item) => format!("list of {}", self.value(item)),
                None => "list".to_owned(),
            },
            Some("object") => "mapping".to_owned(),
            _ => "any value".to_owned(),
        }
    }

    /// One of several forms: a mapping with one key is a word that takes a value.
    fn form(&self, schema: &Value) -> String {
        let mut entries = properties(schema);
        match (entries.next(), entries.next()) {
            (Some((key, _)), None) => format!("`{{ {key}: … }}`"),
            _ => self.value(schema),
        }
    }
}

/// A scalar as it is written in YAML.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(name: &str, schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(min), Some(max)) => format!("{name}, {min} to {max}"),
        _ => name.to_owned(),
    }
}
