//! `truncate`: the body ends too early.

use murphy_core::effect::{BodyEdit, Edit, Effect, Position, Side};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::kind::{Ctx, Kind};
use crate::place::Place;

/// The response's body is cut. With `framing: clean` its length is declared as it is, so that only the parser
/// notices; with `framing: abrupt` the connection breaks at the cut.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Truncate {
    /// Where: after so many bytes, after a share of them, or `inside_json`: at a drawn place inside the JSON
    /// text, so that it no longer parses.
    pub after: Place,
    /// Whether the message ends well.
    #[serde(default)]
    pub framing: Framing,
}

/// How a cut message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Framing {
    /// Its length and its chunking are right: it looks complete.
    #[default]
    Clean,
    /// The connection breaks.
    Abrupt,
}

impl Kind for Truncate {
    const SUMMARY: &'static str = "Cuts the response's body, with the framing intact or broken.";
    const EXAMPLE: &'static str = "truncate:\n  after: inside_json\n  framing: clean";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        let at = match self.after.0 {
            Position::InsideJson => Position::InsideJson,
            _ => self.after.before_end(&mut check, "after"),
        };
        check.done(vec![Effect::Body(BodyEdit {
            side: Side::Response,
            edit: Edit::Truncate {
                at,
                clean: self.framing == Framing::Clean,
            },
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems, refusal};

    fn cut(at: Position, clean: bool) -> Effect {
        Effect::Body(BodyEdit {
            side: Side::Response,
            edit: Edit::Truncate { at, clean },
        })
    }

    #[test]
    fn every_place_and_framing_compiles() {
        for (yaml, wanted) in [
            ("truncate: { after: 100 }", cut(Position::Bytes(100), true)),
            (
                "truncate: { after: 1KiB, framing: abrupt }",
                cut(Position::Bytes(1024), false),
            ),
            (
                "truncate: { after: 25%, framing: clean }",
                cut(Position::Share(0.25), true),
            ),
            (
                "truncate: { after: inside_json }",
                cut(Position::InsideJson, true),
            ),
        ] {
            assert_eq!(effect(yaml), wanted, "{yaml}");
        }
    }

    #[test]
    fn what_is_no_place_before_the_end_is_refused() {
        assert!(problems("truncate: { after: 100% }")[0].contains("wanted a share below 100%"));
        for place in ["0.5", "-1", "banana", "101%", "1.5B", "[1]"] {
            let wrong = refusal(&format!("truncate: {{ after: {place} }}"));
            assert!(wrong.contains("a number of bytes such as 512"), "{wrong}");
        }
        assert!(refusal("truncate: {}").contains("missing field `after`"));
    }
}
