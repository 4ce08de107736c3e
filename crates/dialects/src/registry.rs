//! The dialects that there are, and those that are announced.

use crate::dialect::Dialect;
use crate::plain::Plain;

/// Every dialect, one line each.
static DIALECTS: [&dyn Dialect; 1] = [&Plain];

/// The names of the dialects that there are.
pub const NAMES: &[&str] = &["plain"];

/// Names that a configuration may use already. They behave as `plain` until their dialect is there.
pub const PLANNED: &[&str] = &[
    "openai",
    "anthropic",
    "gemini",
    "azure-openai",
    "bedrock",
    "mistral",
    "openai-compatible",
    "mcp",
    "auto",
];

/// The dialect of that name: for a planned one, `plain`; `None` if the name is not known.
#[must_use]
pub fn named(name: &str) -> Option<&'static dyn Dialect> {
    if PLANNED.contains(&name) {
        return Some(&Plain);
    }
    DIALECTS.into_iter().find(|dialect| dialect.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_dialect_and_planned_ones_to_plain() {
        assert_eq!(DIALECTS.map(|dialect| dialect.name()), NAMES);
        for name in PLANNED {
            assert_eq!(named(name).map(|dialect| dialect.name()), Some("plain"), "{name}");
            assert!(!NAMES.contains(name), "{name} is no longer planned");
        }
        assert!(named("opnai").is_none());
    }
}
