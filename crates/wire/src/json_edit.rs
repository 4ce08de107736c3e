//! Edits of JSON bodies by JSON Patch (RFC 6902) and JSON merge patch (RFC 7396).
//!
//! The order of members is kept, because some readers depend on it. Numbers go through serde_json: integers
//! beyond 64 bits become floating point.

use json_patch::{AddOperation, PatchErrorKind, PatchOperation, jsonptr::Pointer};
use murphy_core::plan::Skip;
use serde_json::{Map, Value};

/// Applies a JSON Patch, whole or not at all.
///
/// # Errors
/// [`Skip::NotJson`] if the body is no JSON; [`Skip::DoesNotApply`] if the patch is none, or a path that it names
/// does not exist, or one of its tests fails.
pub fn json_patch(body: &[u8], patch: &Value) -> Result<Vec<u8>, Skip> {
    let mut document = parse(body)?;
    let operations: Vec<PatchOperation> =
        serde_json::from_value(patch.clone()).map_err(|_| Skip::DoesNotApply)?;
    for operation in &operations {
        apply(&mut document, operation).map_err(|_| Skip::DoesNotApply)?;
    }
    print(&document)
}

/// Applies a JSON merge patch: members are replaced, `null` removes.
///
/// # Errors
/// [`Skip::NotJson`] if the body is no JSON.
pub fn merge_patch(body: &[u8], patch: &Value) -> Result<Vec<u8>, Skip> {
    let mut document = parse(body)?;
    merge(&mut document, patch);
    print(&document)
}

fn parse(body: &[u8]) -> Result<Value, Skip> {
    serde_json::from_slice(body).map_err(|_| Skip::NotJson)
}

fn print(document: &Value) -> Result<Vec<u8>, Skip> {
    serde_json::to_vec(document).map_err(|_| Skip::Internal)
}

/// One operation. Removing is done here: the json-patch crate moves the last member to the gap, and panics when
/// it is to remove the end of an empty array.
fn apply(document: &mut Value, operation: &PatchOperation) -> Result<(), PatchErrorKind> {
    match operation {
        PatchOperation::Remove(operation) => remove(document, &operation.path).map(drop),
        PatchOperation::Move(operation) => {
            let inside = operation.path.starts_with(&operation.from);
            if inside && operation.path.len() != operation.from.len() {
                return Err(PatchErrorKind::CannotMoveInsideItself);
            }
            let add = PatchOperation::Add(AddOperation {
                path: operation.path.clone(),
                value: remove(document, &operation.from)?,
            });
            json_patch::patch_unsafe(document, &[add]).map_err(|error| error.kind)
        }
        // Without undoing: the document is dropped when an operation fails.
        other => json_patch::patch_unsafe(document, std::slice::from_ref(other)).map_err(|error| error.kind),
    }
}

/// Takes the value at the path out of the document.
fn remove(document: &mut Value, path: &Pointer) -> Result<Value, PatchErrorKind> {
    let (parent, last) = path.split_back().ok_or(PatchErrorKind::InvalidPointer)?;
    let removed = match document.pointer_mut(parent.as_str()) {
        Some(Value::Object(members)) => members.shift_remove(last.decoded().as_ref()),
        Some(Value::Array(items)) => {
            let at = last.to_index()?.for_len(items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    };
    removed.ok_or(PatchErrorKind::InvalidPointer)
}

/// RFC 7396 §2. Recursion is bounded by the patch, whose depth serde bounds when it is read.
fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(members) = document else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corrupt::tests::json;
    use proptest::prelude::*;
    use serde_json::json;

    fn patched(body: &str, patch: Value) -> Result<String, Skip> {
        json_patch(body.as_bytes(), &patch).map(|body| String::from_utf8(body).unwrap())
    }

    fn merged(body: &str, patch: Value) -> String {
        String::from_utf8(merge_patch(body.as_bytes(), &patch).unwrap()).unwrap()
    }

    #[test]
    fn the_order_of_members_is_kept() {
        let body = r#"{"z":1,"a":2,"m":3,"b":4}"#;
        let remove = json!([{"op": "remove", "path": "/z"}]);
        assert_eq!(patched(body, remove).unwrap(), r#"{"a":2,"m":3,"b":4}"#);
        let replace = json!([{"op": "replace", "path": "/a", "value": 9}]);
        assert_eq!(patched(body, replace).unwrap(), r#"{"z":1,"a":9,"m":3,"b":4}"#);
        let moved = json!([{"op": "move", "from": "/z", "path": "/y"}]);
        assert_eq!(patched(body, moved).unwrap(), r#"{"a":2,"m":3,"b":4,"y":1}"#);
        assert_eq!(
            merged(body, json!({"a": null, "m": {"x": null, "y": 1}})),
            r#"{"z":1,"m":{"y":1},"b":4}"#
        );
    }

    #[test]
    fn a_patch_applies_whole_or_not_at_all() {
        let body = r#"{"items":[],"n":{"m":1}}"#;
        for patch in [
            json!([{"op": "test", "path": "/n/m", "value": 2}]),
            json!([{"op": "add", "path": "/x", "value": 1}, {"op": "remove", "path": "/gone"}]),
            json!([{"op": "remove", "path": "/items/-"}]),
            json!([{"op": "remove", "path": "/items/0"}]),
            json!([{"op": "remove", "path": ""}]),
            json!([{"op": "move", "from": "/n", "path": "/n/m"}]),
            json!([{"op": "copy", "from": "/gone", "path": "/x"}]),
            json!({"op": "add"}),
        ] {
            assert_eq!(patched(body, patch.clone()), Err(Skip::DoesNotApply), "{patch}");
        }
        assert_eq!(patched("<html>", json!([])), Err(Skip::NotJson));
        assert_eq!(merge_patch(b"", &json!({})), Err(Skip::NotJson));
    }

    #[test]
    fn the_examples_of_rfc_7396() {
        for (body, patch, want) in [
            (r#"{"a":"b"}"#, json!({"a": "c"}), r#"{"a":"c"}"#),
            (r#"{"a":["b"]}"#, json!({"a": "c"}), r#"{"a":"c"}"#),
            (r#"["a","b"]"#, json!(["c", "d"]), r#"["c","d"]"#),
            (r#"{"a":"foo"}"#, json!(null), "null"),
            (r#"{"e":null}"#, json!({"a": 1}), r#"{"e":null,"a":1}"#),
            ("[1,2]", json!({"a": "b", "c": null}), r#"{"a":"b"}"#),
            ("{}", json!({"a": {"bb": {"ccc": null}}}), r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merged(body, patch), want);
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(500))]

        /// The json-patch crate is the judge: it agrees but for the order of members.
        #[test]
        fn a_merge_is_what_the_crate_makes_of_it(document in json(), patch in json()) {
            let mut want = document.clone();
            json_patch::merge(&mut want, &patch);
            let body = merge_patch(&serde_json::to_vec(&document).unwrap(), &patch).unwrap();
            prop_assert_eq!(parse(&body).unwrap(), parse(&print(&want).unwrap()).unwrap());
        }

        #[test]
        fn no_patch_makes_it_panic(document in json(), path in "(/[a-z0-9-]{0,2}){0,3}", from in "(/[a-z0-9-]{0,2}){0,3}") {
            let body = serde_json::to_vec(&document).unwrap();
            for op in ["add", "remove", "replace", "move", "copy", "test"] {
                let patch = json!([{"op": op, "path": path, "from": from, "value": 1}]);
                let skip = json_patch(&body, &patch).err();
                prop_assert!(matches!(skip, None | Some(Skip::DoesNotApply)));
            }
        }
    }
}
