//! Makes a value that fits a JSON schema, the same for the same schema. Knows what tool definitions use
//! (types, properties, required, enum, const, default, bounds, `anyOf` and its like, `$ref` into the document);
//! patterns are beyond it. Types may be in capitals, as Gemini writes them.

use serde_json::{Map, Value, json};

use super::json::{at, list};

/// How deep a schema is followed: a recursive one ends here.
const DEPTH_MAX: usize = 16;

/// The most elements of an array, and characters of a string, that a bound makes.
const LENGTH_MAX: u64 = 64;

/// The longest constant that is repeated, as JSON.
const GIVEN_BYTES_MAX: usize = 4_096;

/// How many values are made in all: a schema that branches at each depth ends here.
const VALUES_MAX: usize = 1_024;

/// A value of this schema; an object if it says nothing.
pub(super) fn sample(schema: &Value) -> Value {
    let mut budget = VALUES_MAX;
    match value(schema, schema, 0, &mut budget) {
        Value::Null => json!({}),
        value => value,
    }
}

fn value(schema: &Value, root: &Value, depth: usize, budget: &mut usize) -> Value {
    let spent = *budget == 0;
    *budget = budget.saturating_sub(1);
    if spent || depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(reference) = at(schema, "/$ref").as_str() {
        let target = reference.strip_prefix('#').and_then(|place| root.pointer(place));
        return target.map_or(Value::Null, |target| value(target, root, depth + 1, budget));
    }
    for key in ["const", "default"] {
        if let Some(constant) = schema.get(key) {
            return given(constant);
        }
    }
    if let Some(first) = list(at(schema, "/enum")).first() {
        return given(first);
    }
    for key in ["/anyOf", "/oneOf", "/allOf"] {
        if let Some(first) = list(at(schema, key)).first() {
            return value(first, root, depth + 1, budget);
        }
    }
    of_type(schema, root, depth, budget)
}

/// A constant of the schema.
fn given(constant: &Value) -> Value {
    let fits = constant.to_string().len() <= GIVEN_BYTES_MAX;
    if fits { constant.clone() } else { Value::Null }
}

fn of_type(schema: &Value, root: &Value, depth: usize, budget: &mut usize) -> Value {
    let kind = at(schema, "/type");
    let kind = kind
        .as_str()
        .or_else(|| at(kind, "/0").as_str())
        .unwrap_or_default();
    match kind.to_ascii_lowercase().as_str() {
        "string" => Value::String(string(schema)),
        "integer" => json!(lowest(schema).ceil() as i64),
        "number" => json!(lowest(schema)),
        "boolean" => json!(true),
        "array" => {
            let count = at(schema, "/minItems").as_u64().unwrap_or(1).min(LENGTH_MAX);
            let items = (0..count).map_while(|_| {
                // A list that ends early is better than one without end.
                (*budget > 0).then(|| value(at(schema, "/items"), root, depth + 1, budget))
            });
            Value::Array(items.collect())
        }
        "null" => Value::Null,
        _ if kind.eq_ignore_ascii_case("object") || schema.get("properties").is_some() => {
            object(schema, root, depth, budget)
        }
        _ => Value::Null,
    }
}

/// The required properties; all, if none is required.
fn object(schema: &Value, root: &Value, depth: usize, budget: &mut usize) -> Value {
    let required = list(at(schema, "/required"));
    let mut object = Map::new();
    for (name, property) in at(schema, "/properties").as_object().into_iter().flatten() {
        if required.is_empty() || required.iter().any(|one| one.as_str() == Some(name)) {
            object.insert(name.clone(), value(property, root, depth + 1, budget));
        }
    }
    Value::Object(object)
}

fn string(schema: &Value) -> String {
    let text = match at(schema, "/format").as_str() {
        Some("date") => "2026-01-01",
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("email") => "someone@example.com",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "sample",
    };
    let least = at(schema, "/minLength").as_u64().unwrap_or(0).min(LENGTH_MAX) as usize;
    let most = at(schema, "/maxLength").as_u64().unwrap_or(u64::MAX);
    let text: String = text
        .chars()
        .chain(std::iter::repeat_n('x', least.saturating_sub(text.len())))
        .collect();
    text.chars()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .collect()
}

/// The number that is nearest to 1 from above, or the highest allowed.
fn lowest(schema: &Value) -> f64 {
    let bound = |key: &str| at(schema, key).as_f64();
    let mut number: f64 = 1.0;
    if let Some(least) = bound("/minimum") {
        number = number.max(least);
    }
    if let Some(over) = bound("/exclusiveMinimum") {
        number = number.max(over + 1.0);
    }
    match bound("/maximum") {
        Some(most) => number.min(most),
        None => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_their_schema() {
        for (schema, sampled) in [
            (json!({}), json!({})),
            (json!({ "type": "object" }), json!({})),
            (
                json!({ "type": "OBJECT", "properties": { "a": { "type": "STRING" } } }),
                json!({ "a": "sample" }),
            ),
            (
                json!({ "type": "object", "required": ["n"], "properties": {
                    "n": { "type": "integer", "minimum": 7 }, "o": { "type": "string" },
                }}),
                json!({ "n": 7 }),
            ),
            (
                json!({ "$defs": { "d": { "enum": ["x", "y"] } }, "type": "object", "properties": {
                    "list": { "type": "array", "minItems": 2, "items": { "$ref": "#/$defs/d" } },
                    "maybe": { "anyOf": [{ "type": "number", "maximum": 0.5 }, { "type": "null" }] },
                    "long": { "type": ["string", "null"], "minLength": 8 },
                }}),
                json!({ "list": ["x", "x"], "maybe": 0.5, "long": "samplexx" }),
            ),
        ] {
            assert_eq!(sample(&schema), sampled, "{schema}");
        }
    }

    #[test]
    fn a_schema_of_itself_comes_to_an_end() {
        let wide = json!({ "type": "array", "minItems": 64, "items": { "$ref": "#" } });
        assert!(sample(&wide).to_string().len() < 64 * 1024);
    }
}
