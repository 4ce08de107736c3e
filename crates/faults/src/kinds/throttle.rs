//! `throttle`: an even, low rate.

use murphy_core::effect::{Effect, Pace};
use murphy_core::problem::Problem;
use murphy_core::span::Size;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::kind::{Ctx, Kind};
use crate::sides::Sides;

/// The body passes at an even rate. Nothing is lost: the other side is held back as a slow network would.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Bytes in a second.
    pub rate: Size,
    /// Which bodies.
    #[serde(default)]
    pub side: Sides,
}

impl Kind for Throttle {
    const SUMMARY: &'static str = "Lets the body pass at a low, even rate.";
    const EXAMPLE: &'static str = "throttle:\n  rate: 1KiB\n  side: response";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        let Size(bytes_per_second) = self.rate;
        if bytes_per_second == 0 {
            check.refuse(&["rate"], 0, "at least 1 byte in a second");
        }
        check.done(vec![Effect::Pace(
            self.side.slow(Pace::Throttle { bytes_per_second }),
        )])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::effect::PaceEdit;

    use crate::testing::{effect, problems};

    #[test]
    fn the_rate_and_the_sides_compile() {
        for (side, request, response) in [
            ("request", true, false),
            ("response", false, true),
            ("both", true, true),
        ] {
            let wanted = PaceEdit {
                request,
                response,
                pace: Pace::Throttle {
                    bytes_per_second: 1024,
                },
            };
            assert_eq!(
                effect(&format!("throttle: {{ rate: 1KiB, side: {side} }}")),
                Effect::Pace(wanted)
            );
        }
        assert_eq!(
            effect("throttle: { rate: 5 }"),
            effect("throttle: { rate: 5B, side: response }")
        );
        assert_eq!(
            problems("throttle: { rate: 0 }"),
            ["throttle.rate: found 0, wanted at least 1 byte in a second"]
        );
    }
}
