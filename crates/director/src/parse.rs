//! Strict reading of one text into its type: what is wrong has a place, says what was found and what would be
//! right, and suggests.

use murphy_core::problem::{Path, Problem};
use serde::de::DeserializeOwned;

use crate::names::closest;
use crate::report::Place;
use crate::view::Located;

/// The largest file of any kind that is read.
pub const FILE_BYTES_MAX: usize = 1 << 20;

// Bounds of a YAML document. Aliases are useful for a block of rules and dangerous for everything else: a
// long scalar that is aliased many times is what most YAML readers let through.
const ALIASES_MAX: usize = 64;
const ANCHORS_MAX: usize = 64;
const DEPTH_MAX: usize = 64;
const NODES_MAX: usize = 50_000;
const REPLAYED_EVENTS_MAX: usize = 10_000;
const SCALAR_BYTES_MAX: usize = 4 << 20;

/// Reads YAML (or JSON).
///
/// # Errors
/// What is wrong, and where.
pub fn yaml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Box<Located>> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_aliases: ALIASES_MAX,
            max_anchors: ANCHORS_MAX,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_recorded_anchor_events: REPLAYED_EVENTS_MAX,
            max_recorded_anchor_bytes: SCALAR_BYTES_MAX,
            max_total_scalar_bytes: SCALAR_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPLAYED_EVENTS_MAX,
            max_replay_stack_depth: 8,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| Place {
            line: usize::try_from(at.line()).unwrap_or_default(),
            column: usize::try_from(at.column()).unwrap_or_default(),
        });
        let place = place.unwrap_or_default();
        let problem = yaml_problem(&error, word_at(text, place));
        Box::new(Located::at(file, text, place, problem))
    })
}

/// Reads TOML.
///
/// # Errors
/// What is wrong, and where.
pub fn toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Box<Located>> {
    ::toml::from_str(text).map_err(|error| {
        let span = error.span();
        let place = span
            .as_ref()
            .map(|span| Place::of_offset(text, span.start))
            .unwrap_or_default();
        let written = span.and_then(|span| text.get(span)).filter(|word| is_short(word));
        Box::new(Located::at(
            file,
            text,
            place,
            of_message(error.message(), written),
        ))
    })
}

/// A problem from an error of the YAML reader.
fn yaml_problem(error: &serde_saphyr::Error, written: Option<&str>) -> Problem {
    use serde_saphyr::Error as E;
    let root = Path::root();
    match error.without_snippet() {
        E::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected.iter().copied()),
        E::SerdeUnknownVariant {
            variant, expected, ..
        } => unknown("value", variant, expected.iter().copied()),
        E::SerdeInvalidType {
            unexpected, expected, ..
        }
        | E::SerdeInvalidValue {
            unexpected, expected, ..
        } => Problem::new(root, written.map_or(unexpected.as_str(), |word| word), expected),
        E::SerdeMissingField { field, .. } => {
            Problem::new(root, format_args!("no {field:?}"), format!("{field:?}"))
        }
        E::InvalidScalar { ty, .. } => {
            Problem::new(root, written.unwrap_or("something else"), format!("a valid {ty}"))
        }
        E::DuplicateMappingKey { key, .. } => Problem::new(
            root,
            format_args!("{:?} again", key.as_deref().unwrap_or("a key")),
            "each key once",
        ),
        E::Message { msg, .. } | E::HookError { msg, .. } => of_message(msg, written),
        E::AliasError { error, .. } => yaml_problem(error, written),
        E::Budget { breach, .. } => Problem::new(
            root,
            format_args!("a document that is too large when it is unfolded ({breach:?})"),
            "a smaller one, with fewer or no aliases",
        ),
        other => of_message(&without_place(&other.to_string()), written),
    }
}

/// Takes ` at line 3, column 5` off: the place is told apart.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    match first
        .find(" at line ")
        .or_else(|| first.find("line ").filter(|at| *at == 0))
    {
        Some(0) => first
            .split_once(": ")
            .map_or(first, |(_, message)| message)
            .to_owned(),
        Some(at) => first.get(..at).unwrap_or(first).to_owned(),
        None => first.to_owned(),
    }
}

/// A problem from the text of a serde error, whose forms are stable: `unknown field`, `unknown variant`,
/// `missing field`, `invalid type`, `invalid value`, and our own `found …, wanted …` and `… is not …`.
pub(crate) fn of_message(message: &str, written: Option<&str>) -> Problem {
    let root = Path::root();
    for (start, what) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        if let Some((name, rest)) = message.strip_prefix(start).and_then(|rest| rest.split_once('`')) {
            let expected: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            return unknown(what, name, expected);
        }
    }
    if let Some(name) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return Problem::new(root, format_args!("no {name:?}"), format!("{name:?}"));
    }
    for start in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, wanted)) = message
            .strip_prefix(start)
            .and_then(|rest| rest.split_once(", expected "))
        {
            return Problem::new(root, written.unwrap_or(found), wanted);
        }
    }
    if let Some((found, wanted)) = message
        .strip_prefix("found ")
        .and_then(|rest| rest.split_once(", wanted "))
    {
        return Problem::new(root, found, wanted);
    }
    if let Some((found, wanted)) = message.split_once(" is not ") {
        return Problem::new(root, found, wanted);
    }
    let problem = Problem::new(root, message, "well-formed text that fits here");
    match written {
        Some(written) => problem.hint(format!("at {written:?}")),
        None => problem,
    }
}

/// A name that is none of those expected.
pub(crate) fn unknown<'a>(what: &str, name: &str, expected: impl IntoIterator<Item = &'a str>) -> Problem {
    let expected: Vec<&str> = expected.into_iter().collect();
    let wanted = match expected.as_slice() {
        [] => "no such key".to_owned(),
        [one] => format!("{one:?}"),
        many => format!("one of {}", many.join(", ")),
    };
    let problem = Problem::new(Path::root(), format_args!("unknown {what} {name:?}"), wanted);
    match closest(name, expected) {
        Some(meant) => problem.hint(format!("did you mean {meant:?}?")),
        None => problem,
    }
}

/// The scalar that is written at a place, if it is short enough to be shown.
fn word_at(text: &str, place: Place) -> Option<&str> {
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    let start = line.char_indices().nth(place.column.checked_sub(1)?)?.0;
    let rest = line.get(start..)?;
    let end = rest.find([',', '}', ']', '#', '{', '[']).unwrap_or(rest.len());
    let word = rest.get(..end)?.trim_end();
    is_short(word).then_some(word)
}

fn is_short(word: &str) -> bool {
    !word.is_empty() && word.len() <= 60 && !word.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use murphy_rules::scenario::Scenario;
    use proptest::prelude::*;

    /// A problem must lie in its text (or just behind it).
    fn lies_in(text: &str, located: &Located) -> bool {
        located.line <= text.lines().count() + 1 && located.file == "f"
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic_and_each_mistake_has_a_place(
            text in "[a-z:{}\\[\\]\"'&*|>#=,.0-9 \n\t\u{e9}-]{0,80}",
        ) {
            if let Err(located) = yaml::<Scenario>("f", &text) {
                prop_assert!(lies_in(&text, &located), "{located:?}");
            }
            if let Err(located) = toml::<Settings>("f", &text) {
                prop_assert!(lies_in(&text, &located), "{located:?}");
            }
        }

        #[test]
        fn no_message_makes_the_explanation_panic(message in ".{0,80}", written in proptest::option::of(".{0,9}")) {
            prop_assert!(!of_message(&message, written.as_deref()).wanted.is_empty());
        }

        #[test]
        fn a_place_counts_characters(text in "[a\n\u{e9}]{0,40}", at in 0_usize..80) {
            let place = Place::of_offset(&text, at);
            prop_assert!((1..=text.lines().count() + 1).contains(&place.line) && place.column >= 1);
        }
    }
}
