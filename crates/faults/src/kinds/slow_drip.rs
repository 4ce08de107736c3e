//! `slow_drip`: a few bytes at a time.

use murphy_core::effect::{Effect, Pace};
use murphy_core::problem::Problem;
use murphy_core::span::{Size, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::kind::{Ctx, Kind};
use crate::sides::Sides;

/// The body comes a few bytes at a time: a read timeout that starts anew with each byte never ends.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowDrip {
    /// How many bytes at a time.
    #[serde(default = "one")]
    pub bytes: Size,
    /// How often.
    pub every: Span,
    /// Which bodies.
    #[serde(default)]
    pub side: Sides,
}

fn one() -> Size {
    Size(1)
}

impl Kind for SlowDrip {
    const SUMMARY: &'static str = "Lets a few bytes pass at a time.";
    const EXAMPLE: &'static str = "slow_drip:\n  bytes: 1\n  every: 100ms";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if self.bytes.0 == 0 {
            check.refuse(&["bytes"], 0, "at least 1 byte at a time");
        }
        check.some_time(&["every"], self.every.0);
        check.done(vec![Effect::Pace(self.side.slow(Pace::Drip {
            bytes: self.bytes.0,
            every: self.every.0,
        }))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::effect::PaceEdit;

    use crate::testing::{effect, problems};

    #[test]
    fn some_bytes_come_at_a_time() {
        let drip = |bytes| {
            Effect::Pace(PaceEdit {
                request: false,
                response: true,
                pace: Pace::Drip {
                    bytes,
                    every: std::time::Duration::from_millis(100),
                },
            })
        };
        assert_eq!(effect("slow_drip: { every: 100ms }"), drip(1));
        assert_eq!(effect("slow_drip: { bytes: 16, every: 100ms }"), drip(16));
        assert_eq!(
            problems("slow_drip: { bytes: 0, every: 0 }"),
            [
                "slow_drip.bytes: found 0, wanted at least 1 byte at a time",
                "slow_drip.every: found 0s, wanted a duration longer than zero",
            ]
        );
    }
}
