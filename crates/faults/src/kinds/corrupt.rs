//! `corrupt`: the body is damaged.

use murphy_core::effect::{BodyEdit, Corrupt as Damage, Edit, Effect, Side};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::kind::{Ctx, Kind};

/// The most bytes that are flipped in one body.
pub const FLIP_BYTES_MAX: u32 = 4_096;

/// The response's body is damaged at drawn places: bytes are flipped, a byte that is not UTF-8 is put in, or
/// its JSON is broken in one of the ways that programs and models break it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Corrupt(pub Damage);

impl Kind for Corrupt {
    const SUMMARY: &'static str = "Damages the response's body: bytes, UTF-8 or JSON.";
    const EXAMPLE: &'static str = "corrupt: unclosed_string";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if let Damage::FlipBytes(count) = self.0 {
            check.within(&["flip_bytes"], count, &(1..=FLIP_BYTES_MAX));
        }
        check.done(vec![Effect::Body(BodyEdit {
            side: Side::Response,
            edit: Edit::Corrupt(self.0),
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems, refusal};

    #[test]
    fn every_damage_compiles_to_itself() {
        for (yaml, wanted) in [
            ("corrupt: { flip_bytes: 3 }", Damage::FlipBytes(3)),
            ("corrupt: invalid_utf8", Damage::InvalidUtf8),
            ("corrupt: unclosed_string", Damage::UnclosedString),
            ("corrupt: trailing_comma", Damage::TrailingComma),
            ("corrupt: wrong_quote", Damage::WrongQuote),
            ("corrupt: nan", Damage::Nan),
        ] {
            let edit = BodyEdit {
                side: Side::Response,
                edit: Edit::Corrupt(wanted),
            };
            assert_eq!(effect(yaml), Effect::Body(edit), "{yaml}");
        }
    }

    #[test]
    fn the_number_of_bytes_has_bounds() {
        for count in [0, FLIP_BYTES_MAX + 1] {
            let wanted = format!("corrupt.flip_bytes: found {count}, wanted 1 to 4096");
            assert_eq!(problems(&format!("corrupt: {{ flip_bytes: {count} }}")), [wanted]);
        }
        assert!(refusal("corrupt: trailing").contains("trailing_comma"));
    }
}
