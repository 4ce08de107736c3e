//! `stall`: a pause inside the body.

use std::borrow::Cow;

use murphy_core::effect::{Effect, Pace};
use murphy_core::problem::Problem;
use murphy_core::span::{Span, parse_duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de;

use crate::check::Check;
use crate::forms::{Forms, Scalar, forms};
use crate::kind::{Ctx, Kind};
use crate::place::Place;
use crate::sides::Sides;

/// The body stops, with the connection open, and goes on after a time or never.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Where: after so many bytes, or after a share of them.
    pub after: Place,
    /// How long, or `forever`: until the client leaves or the fault is switched off.
    #[serde(rename = "for")]
    pub wait: Wait,
    /// Which bodies.
    #[serde(default)]
    pub side: Sides,
}

/// How long a stall lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For a time.
    For(Span),
    /// Until the client leaves or the fault is switched off.
    Forever,
}

impl Forms for Wait {
    const WANTED: &'static str = "a duration such as 10s (at most 366d), or forever";

    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let wait = match scalar {
            Scalar::Text("forever") => Some(Self::Forever),
            Scalar::Text(text) => parse_duration(text).ok().map(|wait| Self::For(Span(wait))),
            _ => None,
        };
        wait.ok_or_else(|| scalar.refuse(Self::WANTED))
    }
}
forms!(Wait);

impl JsonSchema for Wait {
    fn schema_name() -> Cow<'static, str> {
        "StallDuration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration, or forever.",
            "type": "string",
            "examples": ["10s", "forever"],
        })
    }
}

impl Kind for Stall {
    const SUMMARY: &'static str = "Stops inside the body, for a time or for ever.";
    const EXAMPLE: &'static str = "stall:\n  after: 1KiB\n  for: 10s";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        let after = self.after.before_end(&mut check, "after");
        let wait = match self.wait {
            Wait::Forever => None,
            Wait::For(Span(wait)) => {
                check.some_time(&["for"], wait);
                Some(wait)
            }
        };
        check.done(vec![Effect::Pace(self.side.slow(Pace::Stall { after, wait }))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use murphy_core::effect::{PaceEdit, Position};

    use crate::testing::{effect, problems, refusal};

    fn stall(after: Position, wait: Option<u64>) -> Effect {
        Effect::Pace(PaceEdit {
            request: false,
            response: true,
            pace: Pace::Stall {
                after,
                wait: wait.map(Duration::from_secs),
            },
        })
    }

    #[test]
    fn it_stops_for_a_time_or_for_ever() {
        assert_eq!(
            effect("stall: { after: 1KiB, for: 10s }"),
            stall(Position::Bytes(1024), Some(10))
        );
        assert_eq!(
            effect("stall: { after: 50%, for: forever }"),
            stall(Position::Share(0.5), None)
        );
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(
            problems("stall: { after: 100%, for: 0s }"),
            [
                "stall.after: found 100%, wanted a share below 100%, which is the end of the body",
                "stall.for: found 0s, wanted a duration longer than zero",
            ]
        );
        let wrong = refusal("stall: { after: 5, for: ever }");
        assert!(
            wrong.contains("column 25") && wrong.contains("or forever"),
            "{wrong}"
        );
    }
}
