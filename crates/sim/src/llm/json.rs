//! Reading requests as loose JSON: an absent field is null, and a part that is not understood is skipped.

use bytes::Bytes;
use serde_json::Value;

static NULL: Value = Value::Null;

/// The value at a JSON pointer (RFC 6901), or null.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&NULL)
}

/// The first of these fields that is there and not null: for APIs that take two spellings of one name.
pub(super) fn either<'a>(value: &'a Value, names: &[&str]) -> &'a Value {
    let found = names.iter().filter_map(|name| value.get(name));
    found.into_iter().find(|value| !value.is_null()).unwrap_or(&NULL)
}

/// The string at a JSON pointer, or the empty one.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The elements of an array, none of anything else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text that is given as a string, or as an array of parts whose `text` counts.
pub(super) fn content(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let texts = list(value).iter().filter_map(|part| at(part, "/text").as_str());
    texts.collect::<Vec<_>>().join(" ")
}

/// Strings that are given as one, or as an array.
pub(super) fn strings(value: &Value) -> Vec<String> {
    if let Some(text) = value.as_str() {
        return vec![text.to_owned()];
    }
    let texts = list(value).iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The text of arguments as JSON, or an empty object if they do not parse as one.
pub(super) fn object(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(value @ Value::Object(_)) => value,
        _ => Value::Object(serde_json::Map::new()),
    }
}

/// Sets a field of an object.
pub(super) fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// A body as a JSON object.
pub(super) fn parse(body: &Bytes) -> Result<Value, String> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("expected a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
