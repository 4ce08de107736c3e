//! Finds in a prompt the calls that it asks for: the grammar is in the module documentation of `llm`.

use serde_json::{Deserializer, Value};

use super::brain::Tool;
use super::schema;

/// The most calls that one answer makes.
pub(super) const CALLS_MAX: usize = 16;

/// What introduces a request, the longer ones first.
const KEYWORDS: [&str; 3] = ["use the tool ", "call the tool ", "call "];

/// What may stand around a name.
const QUOTES: [char; 3] = ['`', '\'', '"'];

/// What a prompt asks for.
#[derive(Debug, Default)]
pub(super) struct Requested {
    pub(super) preamble: String,
    pub(super) calls: Vec<Request>,
}

/// A call that is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// Reads a prompt.
pub(super) fn read(prompt: &str, tools: &[Tool]) -> Requested {
    let mut requested = Requested::default();
    if tools.is_empty() {
        return requested;
    }
    let mut rest = prompt;
    let mut boundary = true; // of a word
    while let Some(first) = rest.chars().next() {
        if boundary && requested.calls.len() < CALLS_MAX {
            if let Some((request, after)) = request(rest, tools) {
                requested.calls.push(request);
                rest = after;
                continue;
            }
            if let Some((Value::String(said), after)) = keyword(rest, "say ").and_then(json_value) {
                requested.preamble = said;
                rest = after;
                continue;
            }
        }
        boundary = !first.is_alphanumeric() && first != '_';
        rest = rest.strip_prefix(first).unwrap_or_default();
    }
    requested
}

/// What is after a keyword, if the text begins with it in any case.
fn keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, after) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(after)
}

fn request<'a>(text: &'a str, tools: &[Tool]) -> Option<(Request, &'a str)> {
    let after = KEYWORDS.iter().find_map(|word| keyword(text, word))?;
    let after = after.trim_start().trim_start_matches(QUOTES);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = after.split(|c| !is_name(c)).next().unwrap_or_default();
    // A name may end a sentence, and the full stop is not its own.
    let names = [name, name.trim_end_matches('.')];
    let tool = tools.iter().find(|tool| names.contains(&tool.name.as_str()))?;
    let after = after.strip_prefix(tool.name.as_str())?;
    let after = after.trim_start_matches(QUOTES);
    let (arguments, after) = match arguments(after) {
        Some((arguments, after)) => (arguments, after),
        None => (schema::sample(&tool.schema), after),
    };
    let name = tool.name.clone();
    Some((Request { name, arguments }, after))
}

/// The arguments that follow a name.
fn arguments(text: &str) -> Option<(Value, &str)> {
    let text = text.trim_start();
    let text = keyword(text, "with ").unwrap_or(text).trim_start();
    let text = text.strip_prefix('(').unwrap_or(text);
    json_value(text).filter(|(value, _)| value.is_object())
}

/// The JSON value that a text begins with, and what is after it.
fn json_value(text: &str) -> Option<(Value, &str)> {
    let text = text.trim_start();
    if !text.starts_with(['{', '"']) {
        return None;
    }
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(prompt: &str) -> Vec<(String, String)> {
        let schema = json!({ "type": "object", "properties": { "q": { "const": 1 } }, "required": ["q"] });
        let tools = ["find", "send_mail"].map(|name| Tool::new(name, &schema, &schema));
        let calls = read(prompt, &tools).calls.into_iter();
        calls
            .map(|call| (call.name, call.arguments.to_string()))
            .collect()
    }

    #[test]
    fn requests_are_found_in_prose() {
        let one = |name: &str, arguments: &str| vec![(name.to_owned(), arguments.to_owned())];
        for (prompt, calls) in [
            (
                "Use the tool find with {\"a\": [1, \"}\"]}, please",
                one("find", r#"{"a":[1,"}"]}"#),
            ),
            ("CALL `find`.", one("find", r#"{"q":1}"#)),
            (
                "call the tool \"send_mail\" {\"to\":\"ü\"}",
                one("send_mail", r#"{"to":"ü"}"#),
            ),
            ("call find({\"q\":2})", one("find", r#"{"q":2}"#)),
            ("call find with {broken", one("find", r#"{"q":1}"#)),
            ("call me, call finder, recall find, call  ", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(asked(prompt), calls, "{prompt}");
        }
        let both = asked("call find with {} and then call send_mail");
        assert_eq!(both.len(), 2);
        assert_eq!(asked(&"call find ".repeat(100)).len(), CALLS_MAX);
    }

    #[test]
    fn a_preamble_is_said_before_the_calls() {
        let tools = [Tool::new("find", &json!({}), &json!({}))];
        let requested = read(r#"say "let me \"look\"" and call find"#, &tools);
        assert_eq!(requested.preamble, r#"let me "look""#);
        assert_eq!(requested.calls.len(), 1);
    }
}
