//! `duplicate`: the request reaches the upstream more than once.

use murphy_core::effect::Effect;
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::{may_be_empty, or_nothing, whole};
use crate::kind::{Ctx, Kind};

/// The most requests that one call becomes.
pub const SENDS_MAX: u32 = 10;

/// The same request is sent upstream several times, as a network or a retrying gateway does; the first answer
/// is the answer. What is not idempotent happens more than once.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[schemars(rename = "Duplicate", transform = or_nothing)]
pub struct Duplicate {
    /// How many requests are sent in all.
    #[schemars(range(min = 2, max = 10))]
    #[serde(deserialize_with = "whole")]
    pub sends: u32,
}

impl Default for Duplicate {
    fn default() -> Self {
        Self { sends: 2 }
    }
}
may_be_empty!(Duplicate, "nothing, or { sends: 2 }");

impl Kind for Duplicate {
    const SUMMARY: &'static str = "Sends the same request upstream more than once.";
    const EXAMPLE: &'static str = "duplicate:\n  sends: 2";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        check.within(&["sends"], self.sends, &(2..=SENDS_MAX));
        check.done(vec![Effect::Duplicate { sends: self.sends }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems};

    #[test]
    fn a_call_becomes_two_or_a_few_more() {
        assert_eq!(effect("duplicate"), Effect::Duplicate { sends: 2 });
        assert_eq!(
            effect("duplicate: { sends: 10 }"),
            Effect::Duplicate { sends: 10 }
        );
        for sends in [1, 11] {
            let wanted = format!("duplicate.sends: found {sends}, wanted 2 to 10");
            assert_eq!(problems(&format!("duplicate: {{ sends: {sends} }}")), [wanted]);
        }
    }
}
