//! From a scenario as it is written to one that can be decided with: everything is checked and compiled here,
//! once, and all problems are reported together.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use murphy_core::Name;
use murphy_core::draw::identity;
use murphy_core::effect::{Effect, Limit, Per, ReplySource, Respond};
use murphy_core::problem::{Path, Problem};
use murphy_core::route::Route;
use murphy_faults::Ctx;

use crate::cadence::Cadence;
use crate::limits::BlastLimits;
use crate::matcher::Matcher;
use crate::pattern::{OneOf, Patterns, Text};
use crate::scenario::{Catalog, RULES_MAX, Rule, Scenario};

/// The longest name of a scenario or a rule, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

const WANTED_NAME: &str =
    "a name of at most 64 of the characters a-z 0-9 . _ - that begins with a letter or digit";

/// What a scenario is compiled against.
pub struct Context<'a> {
    /// The routes of the configuration.
    pub routes: &'a [Arc<Route>],
    /// The dialects that configuration may name.
    pub dialects: &'a [&'a str],
    /// Reads a file below the scenario's folder; the error says why it could not be.
    pub files: &'a dyn Fn(&str) -> Result<Bytes, String>,
}

/// A scenario that can be decided with.
#[derive(Debug)]
pub struct CompiledScenario {
    /// Its name.
    pub name: Name,
    /// What it does, for people.
    pub description: String,
    /// Where it stands in the catalogue.
    pub catalog: Option<Catalog>,
    /// The seed that it asks for.
    pub seed: Option<u64>,
    /// How much harm it may do.
    pub limits: BlastLimits,
    /// Its rules, in order.
    pub rules: Vec<Arc<CompiledRule>>,
}

/// A rule that can be decided with.
#[derive(Debug)]
pub struct CompiledRule {
    /// Its name.
    pub name: Name,
    /// The fault kind, as it is written.
    pub fault: &'static str,
    /// Which calls.
    pub matcher: Matcher,
    /// How many of them.
    pub cadence: Cadence,
    /// Whether it ends the list when it fires.
    pub stop: bool,
    /// What happens.
    pub effects: Vec<Arc<Effect>>,
    /// The limiter among the effects; a fault has at most one.
    pub limiter: Option<Limit>,
    /// What its draws are keyed by: the names of scenario and rule.
    pub identity: u64,
    /// What its counters are kept by: its name and text. A reload that changes neither keeps them.
    pub text: u64,
}

impl CompiledRule {
    /// Whether it acts when a connection is accepted.
    #[must_use]
    pub fn is_at_accept(&self) -> bool {
        self.effects.iter().any(|effect| effect.is_at_accept())
    }

    /// Whether it can touch calls of a route.
    #[must_use]
    pub fn covers(&self, route: &Route) -> bool {
        !route.protected && self.matcher.covers(route)
    }

    /// Whether it looks at facts that a dialect may have to read from the body, or answers in words that name them:
    /// an API whose model is not found says which.
    #[must_use]
    pub fn needs_facts(&self) -> bool {
        let limits_sessions = self.limiter.is_some_and(|limit| limit.per == Per::Session);
        let rendered = self.effects.iter().any(|effect| {
            matches!(
                &**effect,
                Effect::Respond(Respond {
                    reply: ReplySource::Failure(_),
                    ..
                })
            )
        });
        self.matcher.needs_facts() || self.cadence.per == Per::Session || limits_sessions || rendered
    }

    /// Whether it may give an earlier answer again.
    #[must_use]
    pub fn needs_memory(&self) -> bool {
        self.effects.iter().any(|effect| effect.needs_memory())
    }
}

/// Whether a text can be the name of a scenario or a rule: `[a-z0-9][a-z0-9._-]{0,63}`, without `..` and no
/// device of Windows. So it is also safe as the name of a file.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let stem = text.split('.').next().unwrap_or_default();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_device = matches!(stem, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt");
    text.len() <= NAME_BYTES_MAX
        && text.bytes().next().is_some_and(letter)
        && text
            .bytes()
            .all(|byte| letter(byte) || matches!(byte, b'.' | b'_' | b'-'))
        && !text.contains("..")
        && !is_device
}

/// Compiles a scenario.
///
/// # Errors
/// With all problems, each with its path in the scenario.
pub fn compile(
    name: &str,
    scenario: &Scenario,
    context: &Context<'_>,
) -> Result<CompiledScenario, Vec<Problem>> {
    let mut compiler = Compiler {
        scenario: name,
        context,
        patterns: Patterns::default(),
    };
    let limits = compiler.scenario(scenario);
    let places = (0..).map(|nth| Path::root().key("rules").index(nth));
    let rules: Vec<_> = places
        .zip(&scenario.rules)
        .filter_map(|(place, rule)| compiler.rule(&place, rule))
        .map(Arc::new)
        .collect();
    let problems = compiler.patterns.problems;
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(CompiledScenario {
        name: name.into(),
        description: scenario.description.clone(),
        catalog: scenario.catalog.clone(),
        seed: scenario.seed,
        limits,
        rules,
    })
}

struct Compiler<'a> {
    scenario: &'a str,
    context: &'a Context<'a>,
    /// Compiles patterns and gathers all problems.
    patterns: Patterns,
}

impl Compiler<'_> {
    fn problem(&mut self, problem: Problem) {
        self.patterns.problems.push(problem);
    }

    /// Checks what does not belong to a single rule.
    fn scenario(&mut self, scenario: &Scenario) -> BlastLimits {
        if !is_name(self.scenario) {
            let found = format!("a scenario named {:?}", self.scenario);
            self.problem(Problem::new(Path::root(), found, WANTED_NAME));
        }
        let count = scenario.rules.len();
        if !(1..=RULES_MAX).contains(&count) {
            let wanted = format!("1 to {RULES_MAX} rules");
            self.problem(Problem::new(
                Path::root().key("rules"),
                format_args!("{count} rules"),
                wanted,
            ));
        }
        let id = scenario
            .catalog
            .as_ref()
            .and_then(|catalog| catalog.id.as_deref());
        if let Some(id) = id.filter(|id| !is_catalog_id(id)) {
            let place = Path::root().key("catalog").key("id");
            let wanted = "TF-, AF-, OF-, RF- or EF- and three digits";
            self.problem(Problem::new(place, format_args!("{id:?}"), wanted));
        }
        let mut first = HashMap::new();
        for (nth, rule) in scenario.rules.iter().enumerate() {
            let place = Path::root().key("rules").index(nth).key("name");
            if !is_name(&rule.name) {
                self.problem(Problem::new(
                    place.clone(),
                    format_args!("{:?}", rule.name),
                    WANTED_NAME,
                ));
            }
            if let Some(earlier) = first.insert(rule.name.as_str(), nth) {
                let wanted = format!("a name that rules[{earlier}] does not have");
                self.problem(Problem::new(place, format_args!("{:?} again", rule.name), wanted));
            }
        }
        self.limits(scenario)
    }

    fn limits(&mut self, scenario: &Scenario) -> BlastLimits {
        let limits = scenario.limits;
        let place = Path::root().key("limits");
        if limits.concurrent == Some(0) {
            self.problem(Problem::new(place.key("concurrent"), 0, "at least 1"));
        }
        if limits.total == Some(0) {
            self.problem(Problem::new(place.key("total"), 0, "at least 1"));
        }
        BlastLimits {
            share: limits.share.map(|share| share.0),
            concurrent: limits.concurrent.and_then(|most| usize::try_from(most).ok()),
            total: limits.total,
        }
    }

    /// Compiles a rule; `None` if that could not even be tried.
    fn rule(&mut self, place: &Path, rule: &Rule) -> Option<CompiledRule> {
        let matcher = Matcher::compile(&rule.when, &place.key("when"), &mut self.patterns);
        let routes_known = self.routes(&place.key("when").key("route"), rule.when.route.as_ref());
        self.dialects(&place.key("when").key("dialect"), rule.when.dialect.as_ref());
        let cadence = Cadence::compile(&rule.often);
        let effects = rule.fault.compile(&Ctx {
            files: self.context.files,
        });
        let cadence = self.settle(&place.key("often"), cadence)?;
        let effects = self.settle(&place.key("fault"), effects)?;
        let effects: Vec<_> = effects.into_iter().map(Arc::new).collect();
        let compiled = CompiledRule {
            name: rule.name.as_str().into(),
            fault: rule.fault.kind(),
            matcher,
            cadence,
            stop: rule.stop,
            limiter: effects.iter().find_map(|effect| limiter(effect)),
            effects,
            identity: identity(&[self.scenario.as_bytes(), rule.name.as_bytes()]),
            text: identity(&[rule.name.as_bytes(), format!("{rule:?}").as_bytes()]),
        };
        if compiled.is_at_accept() {
            self.at_accept(place, rule);
        } else if routes_known && !self.context.routes.iter().any(|route| compiled.covers(route)) {
            self.nothing_covered(place, rule);
        }
        Some(compiled)
    }

    /// Takes a result, or its problems.
    fn settle<T>(&mut self, place: &Path, result: Result<T, Vec<Problem>>) -> Option<T> {
        result
            .map_err(|problems| {
                let problems = problems.into_iter().map(|problem| problem.under(place));
                self.patterns.problems.extend(problems);
            })
            .ok()
    }

    /// Checks that routes which are named exist and may be touched. Whether all do.
    fn routes(&mut self, place: &Path, written: Option<&OneOf<Text>>) -> bool {
        let routes = self.context.routes;
        let names: Vec<&str> = routes.iter().map(|route| &*route.name).collect();
        let named = written.into_iter().flat_map(|written| written.items(place));
        let mut all_well = true;
        for (place, text) in named.filter(|(_, text)| is_plain_name(&text.0)) {
            let problem = match routes.iter().find(|route| *route.name == *text.0) {
                Some(route) if !route.protected => continue,
                Some(_) => Problem::new(
                    place,
                    format_args!("{:?}, a protected route", text.0),
                    "a route that is not protected: no rule can touch those",
                ),
                None => unknown(place, "route", &text.0, &names),
            };
            self.problem(problem);
            all_well = false;
        }
        all_well
    }

    fn dialects(&mut self, place: &Path, written: Option<&OneOf<Text>>) {
        let known = self.context.dialects;
        let named = written.into_iter().flat_map(|written| written.items(place));
        for (place, text) in named.filter(|(_, text)| is_plain_name(&text.0)) {
            if !known.contains(&text.0.as_str()) {
                self.problem(unknown(place, "dialect", &text.0, known));
            }
        }
    }

    /// A rule that can never match is a mistake, unless it is the configuration that has no such route.
    fn nothing_covered(&mut self, place: &Path, rule: &Rule) {
        if rule.when.route.is_none() {
            return; // it waits for a route of that dialect, or for one that is not protected
        }
        let names: Vec<&str> = self.context.routes.iter().map(|route| &*route.name).collect();
        let wanted = format!(
            "patterns that cover a route which is not protected, of {}",
            names.join(", ")
        );
        let place = place.key("when").key("route");
        self.problem(Problem::new(place, "patterns that cover none", wanted));
    }

    /// When a connection is accepted nothing but the peer is known.
    fn at_accept(&mut self, place: &Path, rule: &Rule) {
        for key in rule.when.keys().into_iter().filter(|key| *key != "agent") {
            let wanted =
                "no such key beside a fault at accept: only `agent` (`peer-<address>`) is known then";
            self.problem(Problem::new(
                place.key("when").key(key),
                format_args!("`{key}`"),
                wanted,
            ));
        }
        if matches!(rule.often.per, Per::Session | Per::Operation) {
            let wanted = "`call` or `agent` beside a fault at accept";
            let found = format!("{:?}", rule.often.per).to_lowercase();
            self.problem(Problem::new(place.key("often").key("per"), found, wanted));
        }
        if let Some(route) = self.context.routes.iter().find(|route| route.protected) {
            let wanted =
                "no fault at accept while a route is protected: connections are shared by all routes";
            let found = format!("a fault at accept, and route {:?} is protected", &*route.name);
            self.problem(Problem::new(place.key("fault"), found, wanted));
        }
    }
}

fn limiter(effect: &Effect) -> Option<Limit> {
    match effect {
        Effect::Limit(limit) => Some(*limit),
        _ => None,
    }
}

fn is_catalog_id(id: &str) -> bool {
    ["TF-", "AF-", "OF-", "RF-", "EF-"]
        .iter()
        .find_map(|family| id.strip_prefix(family))
        .is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text is a name and not a glob or a regex.
fn is_plain_name(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\', '/'])
}

/// A name that is none of those known, with the nearest one.
fn unknown(place: Path, what: &str, found: &str, known: &[&str]) -> Problem {
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(found, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4);
    let problem = Problem::new(
        place,
        format_args!("{found:?}, an unknown {what}"),
        format!("one of {}", known.join(", ")),
    );
    match nearest {
        Some((_, known)) => problem.hint(format!("did you mean {known:?}?")),
        None => problem,
    }
}

#[cfg(test)]
mod tests;
