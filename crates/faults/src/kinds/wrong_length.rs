//! `wrong_length`: the declared length is not the true one.

use murphy_core::effect::{BodyEdit, Edit, Effect, Side};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::whole;
use crate::kind::{Ctx, Kind};

/// The largest difference to the true length, in bytes.
pub const DIFFERENCE_MAX: i64 = 1 << 30;

/// The response declares a `content-length` that is not true. Too long: the client waits for bytes that do not
/// come, until the connection ends. Too short: the client takes the body for complete.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrongLength {
    /// Bytes more (or, if negative, fewer) than there are.
    #[serde(deserialize_with = "whole")]
    pub by: i64,
}

impl Kind for WrongLength {
    const SUMMARY: &'static str = "Declares a content-length that is too long or too short.";
    const EXAMPLE: &'static str = "wrong_length:\n  by: 10";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if self.by == 0 {
            check.refuse(&["by"], 0, "a difference: 0 would be the true length");
        }
        check.within(&["by"], self.by, &(-DIFFERENCE_MAX..=DIFFERENCE_MAX));
        check.done(vec![Effect::Body(BodyEdit {
            side: Side::Response,
            edit: Edit::Length { delta: self.by },
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems, refusal};

    #[test]
    fn the_length_is_off_by_what_is_said() {
        for by in [10, -3] {
            let wanted = BodyEdit {
                side: Side::Response,
                edit: Edit::Length { delta: by },
            };
            assert_eq!(
                effect(&format!("wrong_length: {{ by: {by} }}")),
                Effect::Body(wanted)
            );
        }
        assert_eq!(
            problems("wrong_length: { by: 0 }"),
            ["wrong_length.by: found 0, wanted a difference: 0 would be the true length"]
        );
        assert_eq!(
            problems("wrong_length: { by: -2000000000 }"),
            ["wrong_length.by: found -2000000000, wanted -1073741824 to 1073741824"]
        );
        assert!(refusal("wrong_length: { by: 1.5 }").contains("found 1.5, wanted a whole number"));
    }
}
