//! Where in a JSON text a value stands, by JSON pointer (RFC 6901): for edits and cuts that leave every other byte
//! as it is. Nothing is built and nothing recurses, so depth costs no stack.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::is_json;

/// The place of the value that `pointer` names. Of members with the same name the last one counts, as for the
/// parsers of Python, JavaScript and Rust. Nothing if the text is not JSON or has no such value.
pub fn value_at(text: &[u8], pointer: &str) -> Option<Range<usize>> {
    if !is_json(text) || !(pointer.is_empty() || pointer.starts_with('/')) {
        return None;
    }
    let mut at = after_space(text, 0);
    for segment in pointer.split('/').skip(1) {
        let segment = unescaped(segment);
        at = match text.get(at)? {
            b'{' => member(text, at, &segment)?,
            b'[' => element(text, at, &segment)?,
            _ => return None,
        };
    }
    Some(at..value_end(text, at))
}

/// The place of the content, between the quotes and with its escapes, of the string that `pointer` names.
pub fn string_at(text: &[u8], pointer: &str) -> Option<Range<usize>> {
    let value = value_at(text, pointer)?;
    (text.get(value.start) == Some(&b'"')).then(|| value.start + 1..value.end.saturating_sub(1))
}

fn unescaped(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

/// The first place at or after `at` where no white space is.
fn after_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
    at + space.count()
}

/// The place of the value of the last member with that name, of the object which begins at `open`.
fn member(text: &[u8], open: usize, name: &str) -> Option<usize> {
    let mut found = None;
    let mut at = after_space(text, open + 1);
    while text.get(at)? == &b'"' {
        let key_end = string_end(text, at);
        let key = text.get(at..key_end)?;
        let colon = after_space(text, key_end);
        let value = after_space(text, colon + 1);
        if is_name(key, name) {
            found = Some(value);
        }
        at = after_space(text, value_end(text, value));
        if text.get(at)? == &b',' {
            at = after_space(text, at + 1);
        }
    }
    found
}

/// The place of an element of the array which begins at `open`.
fn element(text: &[u8], open: usize, index: &str) -> Option<usize> {
    let number = index.parse::<usize>().ok()?;
    if index != number.to_string() {
        return None; // a sign or leading zeros: no index by RFC 6901
    }
    let mut at = after_space(text, open + 1);
    for _ in 0..number {
        at = after_space(text, value_end(text, at));
        if text.get(at)? != &b',' {
            return None;
        }
        at = after_space(text, at + 1);
    }
    (text.get(at)? != &b']').then_some(at)
}

/// Whether a key, with its quotes, is that name.
fn is_name(key: &[u8], name: &str) -> bool {
    if memchr::memchr(b'\\', key).is_none() {
        let inner = key.get(1..key.len().saturating_sub(1));
        return inner == Some(name.as_bytes());
    }
    serde_json::from_slice::<String>(key).is_ok_and(|key| key == name)
}

/// The place after the quote that ends the string which begins at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            None => return text.len(),
            Some(offset) if rest.get(offset) == Some(&b'"') => return at + offset + 1,
            Some(offset) => at += offset + 2,
        }
    }
}

/// The place after the value which begins at `start`.
fn value_end(text: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            _ => {
                at += 1;
                continue; // within a number or a word, or between parts
            }
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn places_are_found() {
        let text = r#" {"a" : [1 , {"b\"":"x\\\"y"},-2.5e1], "a/b":{"~":"t","~1":0}, "n":null , "e":"", "o":{}, "l":[] } "#;
        for (pointer, want) in [
            ("/a/0", Some("1")),
            ("/a/1/b\"", Some(r#""x\\\"y""#)),
            ("/a/2", Some("-2.5e1")),
            ("/a/3", None),
            ("/a/00", None),
            ("/a/+1", None),
            ("/a/-", None),
            ("/a~1b/~0", Some("\"t\"")),
            ("/a~1b/~01", Some("0")),
            ("/n", Some("null")),
            ("/n/x", None),
            ("/e", Some("\"\"")),
            ("/o", Some("{}")),
            ("/o/x", None),
            ("/l/0", None),
            ("n", None),
            ("/missing", None),
        ] {
            let found = value_at(text.as_bytes(), pointer).and_then(|range| text.get(range));
            assert_eq!(found, want, "{pointer}");
        }
        assert_eq!(string_at(text.as_bytes(), "/a/1/b\""), Some(21..27));
        assert_eq!(string_at(text.as_bytes(), "/n"), None);
        assert_eq!(value_at(b" 12 ", ""), Some(1..3));
        assert_eq!(value_at(b"{\"a\":1", "/a"), None);
    }

    #[test]
    fn of_two_members_the_last_one_counts() {
        let text = br#"{"a":1,"b":2,"\u0061":3}"#;
        assert_eq!(value_at(text, "/a"), Some(22..23));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(value_at(deep.as_bytes(), "/a"), Some(5..2_000_005));
    }

    /// Every pointer into a value.
    fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
        into.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    pointers(member, &format!("{at}/{name}"), into);
                }
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    pointers(element, &format!("{at}/{index}"), into);
                }
            }
            _ => {}
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(300))]

        #[test]
        fn every_value_is_where_serde_json_sees_it(value in crate::corrupt::tests::json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            let value: Value = serde_json::from_slice(&text).unwrap(); // numbers as they read, not as they were drawn
            let mut all = Vec::new();
            pointers(&value, "", &mut all);
            for pointer in all {
                let range = value_at(&text, &pointer).unwrap();
                let found: Value = serde_json::from_slice(&text[range]).unwrap();
                prop_assert_eq!(Some(&found), value.pointer(&pointer));
            }
        }

        #[test]
        fn any_bytes_end(body in proptest::collection::vec(any::<u8>(), 0..100), pointer in "(/[a-c0-9~]{0,2}){0,3}") {
            if let Some(range) = value_at(&body, &pointer) {
                prop_assert!(range.end <= body.len() && range.start < range.end);
            }
        }
    }
}
