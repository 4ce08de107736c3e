//! `stale`: an earlier answer is served again.

use murphy_core::effect::{Effect, ReplySource, Respond, UpstreamUse};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::forms::{may_be_empty, or_nothing};
use crate::kind::{Ctx, Kind};

/// The answer that the same route, method, path and query gave before is served again, and the upstream is not
/// called. A call for which nothing is remembered passes and is counted as skipped.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Stale", transform = or_nothing)]
pub struct Stale {}
may_be_empty!(Stale, "nothing, or {}");

impl Kind for Stale {
    const SUMMARY: &'static str = "Serves an earlier answer of the same path again.";
    const EXAMPLE: &'static str = "stale: {}";
    const TERMINAL: bool = true;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        Ok(vec![Effect::Respond(Respond {
            reply: ReplySource::Earlier,
            upstream: UpstreamUse::Skip,
            malformed: false,
        })])
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{effect, refusal};

    #[test]
    fn it_has_no_parameters() {
        for yaml in ["stale", "stale:", "stale: {}"] {
            assert!(effect(yaml).needs_memory(), "{yaml}");
        }
        assert!(refusal("stale: { age: 5s }").contains("unknown field `age`"));
    }
}
