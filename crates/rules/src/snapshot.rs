//! What is in force: routes, the rules that can touch each of them, limits. Immutable; a request loads one and
//! lives with it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method};
use murphy_core::Name;
use murphy_core::agent::AgentId;
use murphy_core::call::{Body, Call, Facts};
use murphy_core::clock::Offset;
use murphy_core::plan::{ActivationId, Plan, RuleRef};
use murphy_core::route::Route;

use crate::compile::{CompiledRule, CompiledScenario};
use crate::limits::BlastLimits;
use crate::matcher::Head;
use crate::ordinals::Counters;

/// A scenario that is switched on.
#[derive(Debug, Clone)]
pub struct Active {
    /// The scenario.
    pub scenario: Arc<CompiledScenario>,
    /// This activation of it.
    pub activation: ActivationId,
    /// The seed of its draws.
    pub seed: u64,
    /// When it was switched on: schedules count from here.
    pub since: Offset,
}

/// What the proxy needs to know besides routes and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Whether a response that was touched says so in a header.
    pub mark: bool,
    /// How many calls may be under a fault at once, over all scenarios.
    pub max_active_faults: usize,
    /// The largest request body, in bytes, that is read for a rule.
    pub body_inspect_bytes_max: usize,
}

/// A rule of an active scenario.
#[derive(Debug, Clone)]
pub struct ActiveRule {
    /// Which rule, of which activation.
    pub rule: Arc<RuleRef>,
    /// What it says.
    pub compiled: Arc<CompiledRule>,
    /// The limits of its scenario.
    pub limits: BlastLimits,
    /// The seed of its draws.
    pub seed: u64,
    /// When its scenario was switched on.
    pub since: Offset,
}

/// A route with the rules that can touch it.
#[derive(Debug, Clone)]
pub struct RouteEntry {
    /// The route.
    pub route: Arc<Route>,
    /// In the order in which they are tried. Empty for a protected route.
    pub rules: Vec<ActiveRule>,
    /// A rule must see the request's body to decide (`when.body`). Effects that need it say so themselves.
    pub needs_body: bool,
    /// A rule must see facts that a dialect may have to read from the body (`when.model`, `stream`,
    /// `mcp_method`, `tool`; `per: session`).
    pub needs_facts: bool,
    /// A rule may give an earlier answer again, so answers of this route are kept.
    pub needs_memory: bool,
}

impl RouteEntry {
    /// Whether a call with this head may be touched. If not, its body need not be read, nor anything decided.
    #[must_use]
    pub fn may_touch(&self, head: &Head<'_>) -> bool {
        let mut rules = self.rules.iter();
        self.needs_memory || rules.any(|rule| rule.compiled.matcher.may_match(head))
    }
}

/// What is in force.
#[derive(Debug)]
pub struct Snapshot {
    /// Rises with each publication.
    pub generation: u64,
    /// Options.
    pub options: SnapshotOptions,
    /// Routes: longest prefix first, with a host before without.
    pub routes: Vec<RouteEntry>,
    /// Rules that act when a connection is accepted, before its route is known. Empty if a route is protected.
    pub accept: Vec<ActiveRule>,
    /// Places in `routes` by the first segment of their prefixes; those without a prefix stand in each list.
    by_segment: HashMap<String, Vec<usize>>,
    /// Places of the routes without a prefix.
    everywhere: Vec<usize>,
    active: Vec<ActivationId>,
    counters: Arc<Counters>,
}

impl Snapshot {
    /// Puts together what is in force. The counters of the rules are made here, so that no call has to.
    #[must_use]
    pub fn build(
        generation: u64,
        options: SnapshotOptions,
        routes: &[Arc<Route>],
        active: &[Active],
        counters: Arc<Counters>,
    ) -> Self {
        counters.register(active);
        let rules: Vec<ActiveRule> = active.iter().flat_map(rules_of).collect();
        let (accept, rules): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| rule.compiled.is_at_accept());
        let mut routes: Vec<RouteEntry> = routes.iter().map(|route| entry(route, &rules)).collect();
        routes.sort_by_key(|entry| (Reverse(entry.route.prefix.len()), entry.route.host.is_none()));
        let (by_segment, everywhere) = index(&routes);
        let protects = routes.iter().any(|entry| entry.route.protected);
        Self {
            generation,
            options,
            routes,
            by_segment,
            everywhere,
            accept: if protects { Vec::new() } else { accept },
            active: active.iter().map(|active| active.activation).collect(),
            counters,
        }
    }

    /// The route that takes a request, and the rest of its path (which starts with `/`).
    #[must_use]
    pub fn find<'a>(&self, host: Option<&str>, path: &'a str) -> Option<(&RouteEntry, &'a str)> {
        let host = host.map(without_port);
        let candidates = self
            .by_segment
            .get(first_segment(path))
            .unwrap_or(&self.everywhere);
        let mut candidates = candidates.iter().filter_map(|place| self.routes.get(*place));
        candidates.find_map(|entry| {
            let wanted = entry.route.host.as_deref();
            let host_fits =
                wanted.is_none_or(|wanted| host.is_some_and(|host| host.eq_ignore_ascii_case(wanted)));
            let rest = path.strip_prefix(entry.route.prefix.as_str())?;
            match rest {
                _ if !host_fits => None,
                "" => Some((entry, "/")),
                rest if rest.starts_with('/') => Some((entry, rest)),
                _ => None, // `/openai2` is not below `/openai`
            }
        })
    }

    /// Whether an activation is still in force.
    #[must_use]
    pub fn holds(&self, activation: ActivationId) -> bool {
        self.active.contains(&activation)
    }

    /// Decides about a call: which of `rules` match it, which of those fire, and all that is drawn for them.
    /// `operation` identifies the operation that the call belongs to; `now` is when it arrived.
    ///
    /// The call counts against the limits until the plan's permits are dropped.
    #[must_use]
    pub fn plan(&self, rules: &[ActiveRule], call: &Call<'_>, operation: u64, now: Offset) -> Plan {
        let matched: Vec<&ActiveRule> = rules
            .iter()
            .filter(|rule| rule.compiled.matcher.matches(call))
            .collect();
        if matched.is_empty() {
            return Plan::default();
        }
        self.counters
            .plan(&matched, call, operation, now, self.options.max_active_faults)
    }

    /// Decides about a connection that was just accepted, of which only the peer is known.
    #[must_use]
    pub fn plan_accept(&self, agent: &AgentId, now: Offset) -> Plan {
        if self.accept.is_empty() {
            return Plan::default();
        }
        let call = Call {
            route: Name::from(""),
            dialect: "",
            method: &Method::CONNECT,
            path: "",
            query: None,
            headers: &HeaderMap::new(),
            agent,
            attempt: 1,
            facts: Facts::default(),
            body: Body::Unread,
        };
        self.plan(&self.accept, &call, 0, now)
    }
}

/// The rules of an active scenario.
fn rules_of(active: &Active) -> impl Iterator<Item = ActiveRule> + '_ {
    active.scenario.rules.iter().map(|compiled| ActiveRule {
        rule: Arc::new(RuleRef {
            scenario: Arc::clone(&active.scenario.name),
            rule: Arc::clone(&compiled.name),
            fault: compiled.fault,
            activation: active.activation,
        }),
        compiled: Arc::clone(compiled),
        limits: active.scenario.limits,
        seed: active.seed,
        since: active.since,
    })
}

/// A route with those of the rules that can touch it.
fn entry(route: &Arc<Route>, rules: &[ActiveRule]) -> RouteEntry {
    let rules: Vec<ActiveRule> = rules
        .iter()
        .filter(|rule| rule.compiled.covers(route))
        .cloned()
        .collect();
    let any = |test: fn(&CompiledRule) -> bool| rules.iter().any(|rule| test(&rule.compiled));
    RouteEntry {
        route: Arc::clone(route),
        needs_body: any(|rule| rule.matcher.needs_body()),
        needs_facts: any(CompiledRule::needs_facts),
        needs_memory: any(CompiledRule::needs_memory),
        rules,
    }
}

/// Which routes can take a path, by its first segment: so that finding one does not cost more with each route.
fn index(routes: &[RouteEntry]) -> (HashMap<String, Vec<usize>>, Vec<usize>) {
    let segments = routes.iter().map(|entry| first_segment(&entry.route.prefix));
    let named = segments.filter(|segment| !segment.is_empty());
    let mut by_segment: HashMap<String, Vec<usize>> =
        named.map(|segment| (segment.to_owned(), Vec::new())).collect();
    let mut everywhere = Vec::new();
    for (place, entry) in routes.iter().enumerate() {
        match by_segment.get_mut(first_segment(&entry.route.prefix)) {
            Some(places) => places.push(place),
            None => {
                everywhere.push(place);
                by_segment.values_mut().for_each(|places| places.push(place));
            }
        }
    }
    (by_segment, everywhere)
}

/// `openai` of `/openai/v1`.
fn first_segment(path: &str) -> &str {
    path.strip_prefix('/')
        .and_then(|path| path.split('/').next())
        .unwrap_or_default()
}

/// The host of an authority: `[::1]:80` is `[::1]`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
