//! `body`: the body is replaced or edited.

use std::sync::Arc;

use http::HeaderValue;
use murphy_core::effect::{BodyEdit, Edit, Effect, Side};
use murphy_core::problem::{Path, Problem};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{Check, at};
use crate::content::{Sources, present};
use crate::kind::{Ctx, Kind};

/// The most operations of one JSON Patch.
pub const PATCH_OPERATIONS_MAX: usize = 256;

/// The body of the request or of the response is replaced, or edited as JSON. A body that is no JSON, or to
/// which the patch does not apply, passes unchanged and is counted as skipped.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = all_forms)]
pub struct Body {
    /// Of which message.
    #[serde(default)]
    pub side: Side,
    /// Put another body in its place.
    pub replace: Option<Replace>,
    /// Edit it by JSON Patch (RFC 6902).
    #[schemars(with = "Option<Vec<serde_json::Map<String, Value>>>")]
    pub patch: Option<Vec<Value>>,
    /// Edit it by JSON merge patch (RFC 7396).
    pub merge: Option<serde_json::Map<String, Value>>,
}

/// Another body.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Replace {
    /// The body as text.
    pub text: Option<String>,
    /// The body as JSON.
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Value>,
    /// The body from a file beside the scenario.
    pub file: Option<String>,
    /// Its content type, if it changes.
    pub content_type: Option<String>,
}

const EDITS: [&str; 3] = ["replace", "patch", "merge"];

fn all_forms(schema: &mut Schema) {
    let one: Vec<_> = EDITS.iter().map(|edit| json!({ "required": [edit] })).collect();
    schema.insert("oneOf".to_owned(), one.into());
}

impl Replace {
    fn compile(&self, ctx: &Ctx<'_>, check: &mut Check) -> Option<Edit> {
        let base = ["replace"];
        let sources = Sources {
            text: self.text.as_deref(),
            json: self.json.as_ref(),
            file: self.file.as_deref(),
        };
        if sources.count() == 0 {
            check.refuse(&base, "no body", "one of text, json and file");
        }
        let content_type: Option<HeaderValue> = (self.content_type.as_deref())
            .and_then(|text| check.header_value(&["replace", "content_type"], text));
        let content = sources.read(ctx, check, &base)?;
        Some(Edit::Replace {
            body: content.body,
            content_type,
        })
    }
}

/// Checks each operation apart, so that a mistake is found where it stands.
fn patch(operations: &[Value], check: &mut Check) -> Edit {
    if operations.is_empty() || operations.len() > PATCH_OPERATIONS_MAX {
        check.refuse(
            &["patch"],
            format_args!("{} operations", operations.len()),
            format!("1 to {PATCH_OPERATIONS_MAX} operations"),
        );
    }
    for (nth, operation) in operations.iter().enumerate() {
        if let Err(error) = json_patch::PatchOperation::deserialize(operation) {
            let wanted = r#"an operation of RFC 6902, such as { op: replace, path: "/a/b", value: 1 }"#;
            check.add(Problem::new(at(&["patch"]).index(nth), operation, wanted).hint(error.to_string()));
        }
    }
    Edit::JsonPatch(Arc::new(Value::Array(operations.to_vec())))
}

impl Kind for Body {
    const SUMMARY: &'static str = "Replaces the body of the request or the response, or edits it as JSON.";
    const EXAMPLE: &'static str =
        "body:\n  side: response\n  patch:\n    - { op: replace, path: /total, value: 0 }";
    const TERMINAL: bool = false;

    fn compile(&self, ctx: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        let edit = match (&self.replace, &self.patch, &self.merge) {
            (Some(replace), None, None) => replace.compile(ctx, &mut check),
            (None, Some(operations), None) => Some(patch(operations, &mut check)),
            (None, None, Some(merge)) => Some(Edit::MergePatch(Arc::new(Value::Object(merge.clone())))),
            (None, None, None) => {
                check.add(Problem::new(
                    Path::root(),
                    "no edit",
                    "one of replace, patch and merge",
                ));
                None
            }
            _ => {
                check.add(Problem::new(
                    Path::root(),
                    "several edits",
                    "one of replace, patch and merge",
                ));
                None
            }
        };
        let effect = edit.map(|edit| {
            Effect::Body(BodyEdit {
                side: self.side,
                edit,
            })
        });
        check.done_with(effect.map(|effect| vec![effect]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems, refusal};

    fn edit(yaml: &str) -> (Side, Edit) {
        match effect(yaml) {
            Effect::Body(BodyEdit { side, edit }) => (side, edit),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_edit_compiles() {
        let replace = |body: &'static [u8], content_type: Option<&'static str>| Edit::Replace {
            body: bytes::Bytes::from_static(body),
            content_type: content_type.map(HeaderValue::from_static),
        };
        for (yaml, side, wanted) in [
            (
                "body: { replace: { text: hi } }",
                Side::Response,
                replace(b"hi", None),
            ),
            (
                "body: { side: request, replace: { json: [1], content_type: application/json } }",
                Side::Request,
                replace(b"[1]", Some("application/json")),
            ),
            (
                "body: { replace: { file: page.html } }",
                Side::Response,
                replace(b"<h1>oops</h1>", None),
            ),
            (
                "body: { patch: [{ op: remove, path: /a/0 }] }",
                Side::Response,
                Edit::JsonPatch(Arc::new(json!([{ "op": "remove", "path": "/a/0" }]))),
            ),
            (
                "body: { merge: { a: null, b: { c: 1 } } }",
                Side::Response,
                Edit::MergePatch(Arc::new(json!({ "a": null, "b": { "c": 1 } }))),
            ),
        ] {
            assert_eq!(edit(yaml), (side, wanted), "{yaml}");
        }
    }

    #[test]
    fn one_edit_and_one_body_are_wanted() {
        for (yaml, wanted) in [
            (
                "body: {}",
                "body: found no edit, wanted one of replace, patch and merge",
            ),
            (
                "body: { patch: [], merge: {} }",
                "body: found several edits, wanted one of replace, patch and merge",
            ),
            (
                "body: { replace: {} }",
                "body.replace: found no body, wanted one of text, json and file",
            ),
            (
                "body: { replace: { text: a, file: b } }",
                "body.replace: found several bodies, wanted one of text, json and file",
            ),
            (
                "body: { patch: [] }",
                "body.patch: found 0 operations, wanted 1 to 256 operations",
            ),
        ] {
            assert_eq!(problems(yaml), [wanted]);
        }
        assert!(
            problems("body: { replace: { text: a, content_type: \"a\\nb\" } }")[0]
                .starts_with("body.replace.content_type: found")
        );
    }

    #[test]
    fn a_wrong_operation_is_told_at_its_place() {
        let found = problems(
            "body: { patch: [{ op: add, path: /a, value: 1 }, { op: ad, path: /a }, { op: add, path: a, value: 1 }] }",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("body.patch[1]: found") && found[0].contains("RFC 6902"),
            "{found:?}"
        );
        assert!(found[1].starts_with("body.patch[2]: found"), "{found:?}");
        assert!(refusal("body: { merge: 5 }").contains("column 16"));
    }
}
