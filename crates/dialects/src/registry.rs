//! The dialects that there are, and those that are announced.

use crate::anthropic::Anthropic;
use crate::auto;
use crate::azure_openai::AzureOpenAi;
use crate::bedrock::Bedrock;
use crate::dialect::Dialect;
use crate::gemini::Gemini;
use crate::mistral::Mistral;
use crate::openai::OpenAi;
use crate::openai_compatible::OpenAiCompatible;
use crate::plain::Plain;

pub use murphy_core::route::AUTO;

/// Every dialect, one line each.
static DIALECTS: &[&dyn Dialect] = &[
    &Plain,
    &OpenAi,
    &AzureOpenAi,
    &Mistral,
    &OpenAiCompatible,
    &Anthropic,
    &Gemini,
    &Bedrock,
];

/// The names of the dialects that there are, in the same order.
pub const NAMES: &[&str] = &[
    "plain",
    "openai",
    "azure-openai",
    "mistral",
    "openai-compatible",
    "anthropic",
    "gemini",
    "bedrock",
];

/// Names that a configuration may use already. They behave as `plain` until their dialect is there.
pub const PLANNED: &[&str] = &["mcp"];

/// The dialect of that name: for a planned one, `plain`; `None` if the name is not known.
#[must_use]
pub fn named(name: &str) -> Option<&'static dyn Dialect> {
    if PLANNED.contains(&name) || name == AUTO {
        return Some(&Plain);
    }
    DIALECTS.iter().copied().find(|dialect| dialect.name() == name)
}

/// The dialect of a call on a route: `upstream` is the upstream's authority, `path` the path that it gets.
#[must_use]
pub fn of_call(route: &str, upstream: &str, path: &str) -> &'static dyn Dialect {
    let name = if route == AUTO {
        auto::recognised(Some(upstream), path)
    } else {
        route
    };
    named(name).unwrap_or(&Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_goes_by_host_and_path_and_other_names_stand() {
        let name = |route, upstream, path| of_call(route, upstream, path).name();
        assert_eq!(name("auto", "api.anthropic.com", "/v1/messages"), "anthropic");
        assert_eq!(
            name("auto", "127.0.0.1:9000", "/v1/chat/completions"),
            name("auto", "x.test", "/v1/chat/completions")
        );
        assert_eq!(name("auto", "127.0.0.1:9000", "/anything"), "plain");
        assert_eq!(name("gemini", "api.anthropic.com", "/v1/messages"), "gemini");
        assert_eq!(
            name("auto", "127.0.0.1:9000", "/mcp"),
            "plain",
            "until there is one"
        );
    }

    #[test]
    fn every_name_leads_to_its_dialect_and_planned_ones_to_plain() {
        let names: Vec<_> = DIALECTS.iter().map(|dialect| dialect.name()).collect();
        assert_eq!(names, NAMES);
        for name in PLANNED {
            assert_eq!(named(name).map(|dialect| dialect.name()), Some("plain"), "{name}");
            assert!(!NAMES.contains(name), "{name} is no longer planned");
        }
        assert!(named("opnai").is_none());
    }
}
