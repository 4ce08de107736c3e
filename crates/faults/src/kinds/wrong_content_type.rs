//! `wrong_content_type`: the header says another type than the body has.

use http::header::CONTENT_TYPE;
use murphy_core::effect::{Effect, HeadEdit, Side};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::{may_be_empty, or_nothing};
use crate::kind::{Ctx, Kind};

/// The upstream's answer passes, but its `content-type` says something else.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[schemars(rename = "WrongContentType", transform = or_nothing)]
pub struct WrongContentType {
    /// The type that is declared.
    pub to: String,
}

impl Default for WrongContentType {
    fn default() -> Self {
        Self {
            to: "text/html".to_owned(),
        }
    }
}
may_be_empty!(WrongContentType, r#"nothing, or { to: "text/html" }"#);

impl Kind for WrongContentType {
    const SUMMARY: &'static str = "Declares another content type than the body has.";
    const EXAMPLE: &'static str = "wrong_content_type:\n  to: text/html";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        let edit = check.header_value(&["to"], &self.to).map(|value| HeadEdit {
            side: Side::Response,
            set: vec![(CONTENT_TYPE, value)],
            malformed: true,
            ..HeadEdit::default()
        });
        check.done_with(edit.map(|edit| vec![Effect::Head(edit)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems};

    #[test]
    fn another_type_is_declared() {
        let lie = |to| {
            Effect::Head(HeadEdit {
                set: vec![(CONTENT_TYPE, http::HeaderValue::from_static(to))],
                malformed: true,
                ..HeadEdit::default()
            })
        };
        assert_eq!(effect("wrong_content_type"), lie("text/html"));
        assert_eq!(effect("wrong_content_type: { to: image/png }"), lie("image/png"));
        assert!(
            problems("wrong_content_type: { to: \"a\\nb\" }")[0].starts_with("wrong_content_type.to: found")
        );
    }
}
