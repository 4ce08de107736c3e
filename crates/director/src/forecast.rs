//! What share of the calls a scenario will make fail: enough to say beforehand that the kill switch will trip.

use std::sync::Arc;

use murphy_core::effect::{BodyEdit, Edit, Effect, ReplySource, Respond, Side};
use murphy_core::outcome::Outcome;
use murphy_core::route::Route;
use murphy_dialects::{coverage, registry};
use murphy_rules::scenario::Rule;

use crate::library::Entry;
use crate::settings::{Basis, KillSwitchSettings, Unit};

/// A warning if the scenario is bound to trip the switch, whatever the upstream does.
pub(crate) fn warning(entry: &Entry, routes: &[Arc<Route>], switch: &KillSwitchSettings) -> Option<String> {
    if switch.basis == Basis::Organic {
        return None;
    }
    let touched: Vec<(&str, f64)> = routes
        .iter()
        .map(|route| (&*route.name, share_on(entry, route)))
        .collect();
    let worst = touched.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    // An operation is good if one of its tries is: only what hits every try is bound to fail it.
    let limit = match switch.unit {
        Unit::Call => switch.error_rate.0,
        Unit::Operation => switch.error_rate.0.max(1.0 - f64::EPSILON),
    };
    if worst <= limit {
        return None;
    }
    let names: Vec<&str> = touched
        .iter()
        .filter(|(_, share)| *share > limit)
        .map(|(name, _)| *name)
        .collect();
    Some(format!(
        "this makes about {:.0} % of the calls on {} fail, which is more than kill_switch.error_rate ({:.0} %): \
         expect the kill switch to trip after about {} calls; to watch the rest of the system instead, set \
         kill_switch.basis = \"organic\"",
        worst * 100.0,
        names.join(", "),
        switch.error_rate.0 * 100.0,
        switch.min_samples
    ))
}

/// The share of all calls on a route that fail by this scenario. Rules that look at more of a call than its
/// route, and rules that end by themselves, are left out: what they hit is not known here.
fn share_on(entry: &Entry, route: &Route) -> f64 {
    let rules = entry.scenario.rules.iter().zip(&entry.compiled.rules);
    let spared = rules
        .filter(|(rule, compiled)| {
            compiled.covers(route)
                && rule
                    .when
                    .keys()
                    .iter()
                    .all(|key| matches!(*key, "route" | "dialect"))
                && compiled.effects.iter().any(|effect| fails(effect, route))
        })
        .map(|(rule, _)| 1.0 - share_of(rule))
        .product::<f64>();
    let limits = &entry.scenario.limits;
    match (limits.total, limits.share) {
        (Some(_), _) => 0.0,
        (None, Some(share)) => (1.0 - spared).min(share.0),
        (None, None) => 1.0 - spared,
    }
}

/// The share of the calls that a rule hits in the long run.
fn share_of(rule: &Rule) -> f64 {
    let often = &rule.often;
    if often.first.is_some() || often.times.is_some() || often.for_.is_some() {
        return 0.0;
    }
    let every = often.every.map_or(1.0, |every| 1.0 / every.max(1) as f64);
    often.probability.map_or(1.0, |share| share.0) * every
}

/// Whether an effect makes the outcome an error.
fn fails(effect: &Effect, route: &Route) -> bool {
    match effect {
        Effect::Respond(respond) => respond.malformed || reply_fails(respond, route),
        Effect::Abort(_) | Effect::Hang(_) => true,
        Effect::Head(edit) => edit.malformed,
        Effect::Body(BodyEdit { side, edit }) => {
            *side == Side::Response
                && matches!(
                    edit,
                    Edit::Truncate { .. } | Edit::Corrupt(_) | Edit::Length { .. }
                )
        }
        Effect::Delay(_) | Effect::Limit(_) | Effect::Pace(_) | Effect::Duplicate { .. } => false,
    }
}

fn reply_fails(respond: &Respond, route: &Route) -> bool {
    match &respond.reply {
        ReplySource::Fixed(reply) => Outcome::of_status(reply.status).is_error(),
        ReplySource::Failure(failure) => {
            let upstream = route.upstream.authority.as_str();
            let dialect = registry::of_call(&route.dialect, upstream, &route.upstream.base_path).name();
            coverage::failures()
                .find(|cell| cell.dialect == dialect && cell.kind == failure.kind)
                .is_some_and(|cell| Outcome::of_status(cell.status).is_error())
        }
        ReplySource::SelfRedirect { .. } | ReplySource::Earlier => false,
    }
}

#[cfg(test)]
mod tests;
