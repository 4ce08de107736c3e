//! A scenario as it is written in a file or sent to the control API.
//!
//! Only the shape is checked here, by serde, so that an error has its exact place. What the values mean is
//! checked by [`crate::compile`], which reports all problems at once.

use std::collections::BTreeMap;

use murphy_core::effect::Per;
use murphy_core::span::{Share, Span};
use murphy_faults::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matcher::Number;
use crate::pattern::{OneOf, Text};

/// The most rules that one scenario may have.
pub const RULES_MAX: usize = 256;

/// A named, described set of rules that is switched on and off as one. Its name is the file's stem.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it does, in a line or two, for people.
    #[serde(default)]
    pub description: String,
    /// Where it stands in the catalogue of failure modes.
    #[serde(default)]
    pub catalog: Option<Catalog>,
    /// Fixes which calls are hit. Without it each activation draws a seed and prints it.
    #[serde(default)]
    pub seed: Option<u64>,
    /// How much harm it may do.
    #[serde(default)]
    pub limits: Limits,
    /// The rules, tried in this order: 1 to 256.
    #[schemars(length(min = 1, max = 256))]
    pub rules: Vec<Rule>,
}

/// Where a scenario stands in the catalogue of failure modes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Catalog {
    /// The failure mode: `TF-` tool, `AF-` AI, `OF-` orchestration, `RF-` resource, `EF-` external, and a
    /// number of three digits.
    #[schemars(regex(pattern = r"^(TF|AF|OF|RF|EF)-[0-9]{3}$"))]
    pub id: Option<String>,
    /// The family of the failure mode.
    pub category: Option<Category>,
    /// How often it happens in the field.
    pub likelihood: Option<Likelihood>,
    /// How much harm it does.
    pub impact: Option<Impact>,
    /// How one notices it.
    pub detection: Option<String>,
    /// What a good agent does.
    pub desired_handling: Option<String>,
}

/// A family of failure modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Of a tool (`TF`).
    Tool,
    /// Of a model (`AF`).
    Ai,
    /// Of the work between agents (`OF`).
    Orchestration,
    /// Of money, tokens, memory, time (`RF`).
    Resource,
    /// Of what lies outside (`EF`).
    External,
}

/// How often a failure mode happens, from seldom to often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Once in a long while.
    Rare,
    /// Now and then.
    Occasional,
    /// In the ordinary course of things.
    Common,
    /// All the time.
    Frequent,
}

/// How much harm a failure mode does, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// A nuisance.
    Low,
    /// Work is lost or late.
    Medium,
    /// The agent fails.
    High,
    /// Harm beyond the agent: money, data, people.
    Critical,
}

/// How much harm a scenario may do. What a limit holds back passes unfaulted and is counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The share of the calls that its rules match which may be hit, at any time since activation. So the
    /// first calls pass: with 30 % the fourth is the first that can be hit.
    pub share: Option<Share>,
    /// How many calls may be under a fault at once.
    #[schemars(range(min = 1))]
    pub concurrent: Option<u32>,
    /// How many calls may be hit in all since activation.
    #[schemars(range(min = 1))]
    pub total: Option<u64>,
}

/// When, how often, and what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in the scenario.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub name: String,
    /// Which calls; without it all.
    #[serde(default)]
    pub when: When,
    /// How many of them; without it each.
    #[serde(default)]
    pub often: Often,
    /// Whether no later rule is tried once this one fires, even if its fault would allow it.
    #[serde(default)]
    pub stop: bool,
    /// What happens.
    pub fault: Fault,
}

/// Which calls a rule matches. All keys that are given must hold; each takes one value, a list (any of them)
/// or `{ not: … }`. A fact that a call does not have matches nothing but a `not`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The route's name.
    pub route: Option<OneOf<Text>>,
    /// The route's dialect.
    pub dialect: Option<OneOf<Text>>,
    /// The method, in any case.
    pub method: Option<OneOf<Text>>,
    /// The path below the route's prefix, as it is encoded. In a glob `*` stays within a segment, and `**`
    /// as a whole segment crosses them.
    pub path: Option<OneOf<Text>>,
    /// Headers by name; of a header that is repeated, one value must match.
    pub header: BTreeMap<String, OneOf<Text>>,
    /// Query parameters by name, decoded; of one that is repeated, one value must match.
    pub query: BTreeMap<String, OneOf<Text>>,
    /// Who calls, as it stands in events.
    pub agent: Option<OneOf<Text>>,
    /// The model that is asked.
    pub model: Option<OneOf<Text>>,
    /// Whether a stream is asked for.
    pub stream: Option<OneOf<bool>>,
    /// The method of an MCP message.
    pub mcp_method: Option<OneOf<Text>>,
    /// A tool that is called or offered.
    pub tool: Option<OneOf<Text>>,
    /// Whether tools are offered.
    pub has_tools: Option<bool>,
    /// How many messages the request has: a number, or a comparison such as `">20"`.
    pub message_count: Option<OneOf<Number>>,
    /// The most tokens that the answer may have: a number, or a comparison.
    pub max_tokens: Option<OneOf<Number>>,
    /// Which try of the same operation it is: a number, or a comparison such as `">=2"`. What the client says of
    /// itself (`x-stainless-retry-count`) counts if it is more than Murphy has seen.
    pub attempt: Option<OneOf<Number>>,
    /// What the request's body says.
    pub body: Option<BodyWhen>,
}

impl When {
    /// The keys that are given.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        let Self {
            route,
            dialect,
            method,
            path,
            header,
            query,
            agent,
            model,
            stream,
            mcp_method,
            tool,
            has_tools,
            message_count,
            max_tokens,
            attempt,
            body,
        } = self; // exhaustive, so that a new key cannot be forgotten here
        [
            ("route", route.is_some()),
            ("dialect", dialect.is_some()),
            ("method", method.is_some()),
            ("path", path.is_some()),
            ("header", !header.is_empty()),
            ("query", !query.is_empty()),
            ("agent", agent.is_some()),
            ("model", model.is_some()),
            ("stream", stream.is_some()),
            ("mcp_method", mcp_method.is_some()),
            ("tool", tool.is_some()),
            ("has_tools", has_tools.is_some()),
            ("message_count", message_count.is_some()),
            ("max_tokens", max_tokens.is_some()),
            ("attempt", attempt.is_some()),
            ("body", body.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect()
    }
}

/// What a request's body must say: exactly one of `equals`, `matches` and `exists`. A body that is too large
/// to be read matches nothing.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyWhen {
    /// Where in the JSON (RFC 6901); empty is the whole body.
    #[serde(default)]
    pub pointer: String,
    /// The JSON value that must stand there.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "serde_json::Value")]
    pub equals: Option<serde_json::Value>,
    /// Patterns for the text that stands there: a string, or a number or boolean as it prints; for the
    /// whole body its bytes, JSON or not. At most 64 KiB of it are looked at.
    #[serde(default)]
    pub matches: Option<OneOf<Text>>,
    /// Whether anything stands there.
    #[serde(default)]
    pub exists: Option<bool>,
}

/// Tells `equals: null` from no `equals`.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// How many of the calls that a rule matches it hits. All keys that are given must hold. Calls outside the
/// schedule are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Often {
    /// The chance of each call: 0 is never, 1 (without it) always.
    pub probability: Option<Share>,
    /// Each n-th call: the n-th, the 2n-th, … (after `after`).
    #[schemars(range(min = 1))]
    pub every: Option<u64>,
    /// The first n calls only (after `after`).
    #[schemars(range(min = 1))]
    pub first: Option<u64>,
    /// Not the first n calls; counting begins after them.
    pub after: Option<u64>,
    /// At most n hits.
    #[schemars(range(min = 1))]
    pub times: Option<u64>,
    /// Whose calls are counted together by `every`, `first`, `after` and `times`.
    pub per: Per,
    /// Not before this time since activation.
    pub from: Option<Span>,
    /// For this long.
    #[serde(rename = "for")]
    pub for_: Option<Span>,
    /// The window of `from` and `for` comes again after each such time; at least as long as `for`.
    pub repeat_every: Option<Span>,
    /// The probability rises linearly from 0 over this time, from the beginning of each window.
    pub ramp: Option<Span>,
}
