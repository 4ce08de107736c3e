//! Names of scenarios, and what a mistyped name may have meant.

use crate::refusal::Refusal;

/// What a scenario's name looks like.
pub const WANTED: &str = "1 to 64 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit, and no \
                          device name of Windows";

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Names that Windows reserves, with whatever extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Whether this can be a scenario's name: `^[a-z0-9][a-z0-9._-]{0,63}$`, and safe as a file's stem on every
/// system.
#[must_use]
pub fn is_scenario_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(fits)
        && name.chars().all(|c| fits(c) || matches!(c, '.' | '_' | '-'))
        && !name.contains("..")
        && !name.ends_with('.')
        && !is_device(name)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = |prefix| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest: &str| rest.len() == 1 && rest.chars().all(|c| c.is_ascii_digit()))
    };
    DEVICES.contains(&stem) || numbered("com") || numbered("lpt")
}

/// The candidate that is close enough to have been meant.
#[must_use]
pub fn closest<'a>(meant: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(meant, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// The refusal for a scenario that is not there.
pub(crate) fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Refusal {
    Refusal::NoSuchScenario {
        name: cut(name),
        hint: closest(name, known).map(str::to_owned),
    }
}

/// As much of a name that is none as is worth repeating.
pub(crate) fn cut(name: &str) -> String {
    name.chars().take(2 * NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_names_are_names() {
        for name in ["a", "slow", "0", "rate-limited.v2", "a_b", "console", "com10"] {
            assert!(is_scenario_name(name), "{name}");
        }
        let long = "a".repeat(65);
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a..b",
            ".hidden",
            "-a",
            "A",
            "a b",
            "ä",
            "a\0",
            "%2e%2e",
            "con",
            "nul.txt",
            "com1",
            "lpt9.yaml",
            "a.",
            "a\n",
            long.as_str(),
            "~",
            "c:a",
            "*",
        ] {
            assert!(!is_scenario_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_slip_finds_what_was_meant() {
        assert_eq!(closest("dealy", ["abort", "delay", "hang"]), Some("delay"));
        assert_eq!(closest("zzz", ["abort", "delay", "hang"]), None);
    }
}
