//! `hang`: never answers.

use murphy_core::effect::{Effect, Hang as HangEffect};
use murphy_core::problem::Problem;
use murphy_core::span::Span;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::{may_be_empty, or_nothing};
use crate::kind::{Ctx, Kind, upstream_use};

/// The request is taken and no answer ever comes. It ends when the client leaves, when `max` is over (the
/// connection then breaks), or when the fault is switched off (the call then goes on as normal).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Hang", transform = or_nothing)]
pub struct Hang {
    /// Give up after this and break the connection.
    pub max: Option<Span>,
    /// Whether the upstream is called first and its answer is kept back.
    #[serde(default)]
    pub after_upstream: bool,
}
may_be_empty!(Hang, "nothing, or { max: 60s }");

impl Kind for Hang {
    const SUMMARY: &'static str = "Takes the request and never answers.";
    const EXAMPLE: &'static str = "hang:\n  max: 60s";
    const TERMINAL: bool = true;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if let Some(max) = self.max {
            check.some_time(&["max"], max.0);
        }
        check.done(vec![Effect::Hang(HangEffect {
            max: self.max.map(|max| max.0),
            upstream: upstream_use(self.after_upstream),
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::effect::UpstreamUse;

    use crate::testing::{effect, problems, refusal};

    #[test]
    fn it_hangs_for_ever_or_for_a_time() {
        let hang = |max, upstream| Effect::Hang(HangEffect { max, upstream });
        for yaml in ["hang", "hang:", "hang: {}", "hang: { max: null }"] {
            assert_eq!(effect(yaml), hang(None, UpstreamUse::Skip), "{yaml}");
        }
        let minute = std::time::Duration::from_secs(60);
        assert_eq!(
            effect("hang: { max: 60s, after_upstream: true }"),
            hang(Some(minute), UpstreamUse::Call)
        );
        assert_eq!(
            problems("hang: { max: 0 }"),
            ["hang.max: found 0s, wanted a duration longer than zero"]
        );
        assert!(refusal("hang: 5").contains("found 5, wanted nothing"));
    }
}
