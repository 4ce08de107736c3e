//! `rate_limit`: a real limiter.

use murphy_core::effect::{Effect, Limit, Per};
use murphy_core::failure::RetryAfterForm;
use murphy_core::problem::Problem;
use murphy_core::span::Span;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::whole;
use crate::kind::{Ctx, Kind};

/// The most calls in a window.
pub const LIMIT_MAX: u32 = 1_000_000;

/// A limiter that tells the truth: the first calls of each window pass, with `x-ratelimit-*` headers that say
/// how many are left; the others are answered as rate limited, with the wait until the window ends. A client
/// that waits as long as it is told passes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls that pass in each window.
    #[schemars(range(min = 1, max = 1_000_000))]
    #[serde(deserialize_with = "whole")]
    pub limit: u32,
    /// The window; it begins with the first call.
    pub window: Span,
    /// Whose calls are counted together.
    #[serde(default)]
    pub per: Per,
    /// How the wait is written: seconds, rounded up, or an HTTP date.
    #[serde(default)]
    pub retry_after_form: RetryAfterForm,
}

impl Kind for RateLimit {
    const SUMMARY: &'static str =
        "Lets so many calls through in each window and refuses the rest, truthfully.";
    const EXAMPLE: &'static str = "rate_limit:\n  limit: 10\n  window: 1m\n  per: agent";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        check.within(&["limit"], self.limit, &(1..=LIMIT_MAX));
        check.some_time(&["window"], self.window.0);
        check.done(vec![Effect::Limit(Limit {
            limit: self.limit,
            window: self.window.0,
            per: self.per,
            form: self.retry_after_form,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems, refusal};

    #[test]
    fn a_limit_compiles_with_its_defaults() {
        let limit = |per, form| {
            Effect::Limit(Limit {
                limit: 10,
                window: std::time::Duration::from_secs(60),
                per,
                form,
            })
        };
        assert_eq!(
            effect("rate_limit: { limit: 10, window: 1m }"),
            limit(Per::Call, RetryAfterForm::Seconds)
        );
        assert_eq!(
            effect("rate_limit: { limit: 10, window: 1m, per: agent, retry_after_form: date }"),
            limit(Per::Agent, RetryAfterForm::Date)
        );
    }

    #[test]
    fn a_limit_has_bounds() {
        assert_eq!(
            problems("rate_limit: { limit: 0, window: 0 }"),
            [
                "rate_limit.limit: found 0, wanted 1 to 1000000",
                "rate_limit.window: found 0s, wanted a duration longer than zero",
            ]
        );
        assert!(
            refusal("rate_limit: { limit: many, window: 1m }")
                .contains(r#"found "many", wanted a whole number"#)
        );
    }
}
