//! Counters: whose calls count together, what survives a reload, what is bounded.

use super::*;
use std::sync::Arc;

use crate::compile::CompiledScenario;
use crate::testing::{OPTIONS, Request, World, active, compiled, delaying};

#[test]
fn calls_are_counted_over_all_or_by_agent_session_and_operation() {
    let hits = |per: &str, requests: &[Request]| {
        let world = World::of(&[delaying(&format!("often: {{ first: 1, per: {per} }}"))]);
        let hit = |request| !world.plan(request).is_empty();
        requests.iter().map(hit).collect::<Vec<_>>()
    };
    let in_session = |session: &str, agent: &str, operation| {
        let mut request = Request::get("/x").agent(agent);
        request.facts.session = Some(session.to_owned());
        request.operation = operation;
        request
    };
    let mut requests = [
        in_session("s1", "a", 1),
        in_session("s1", "b", 1),
        in_session("s2", "a", 2),
        in_session("s2", "b", 3),
    ];
    assert_eq!(hits("call", &requests), [true, false, false, false]);
    assert_eq!(hits("agent", &requests), [true, true, false, false]);
    assert_eq!(hits("session", &requests), [true, false, true, false]);
    assert_eq!(hits("operation", &requests), [true, false, true, true]);
    for request in &mut requests {
        request.facts.session = None; // then the agent stands in
    }
    assert_eq!(hits("session", &requests), [true, true, false, false]);
}

#[test]
fn only_calls_that_match_within_the_schedule_are_counted() {
    let world = World::of(&[delaying("when: { path: /x }, often: { from: 10s, first: 2 }")]);
    let hit = |path: &str, seconds| {
        let now = std::time::Duration::from_secs(seconds);
        !world.plan_at(&Request::get(path), now).is_empty()
    };
    assert!(!hit("/x", 1) && !hit("/x", 9) && !hit("/other", 11));
    assert!(hit("/x", 11) && hit("/x", 12) && !hit("/x", 13));
}

/// Reloads as the director does: the new snapshot is published, then what is gone is forgotten.
fn reloaded(world: &World, id: u64, scenario: &Arc<CompiledScenario>) -> World {
    let now = [active(id, scenario)];
    let next = World::with(&now, OPTIONS, Arc::clone(&world.counters));
    next.counters.retain(&now);
    next
}

#[test]
fn a_reload_keeps_the_counters_of_a_rule_whose_text_is_the_same() {
    let request = Request::get("/x");
    let two = |first: u32, second: &str| {
        let rule = |name, often| format!("{{ name: {name}, often: {{ {often} }}, fault: {{ delay: 1s }} }}");
        let rules = [rule("a", format!("first: {first}")), rule("b", second.to_owned())];
        compiled(
            "s",
            &format!("description: '{second}'\nrules: [{}]", rules.join(", ")),
        )
    };
    let fired = |world: &World| world.plan(&request).effects.len();

    let before = World::of(&[two(3, "first: 2")]);
    assert_eq!((fired(&before), fired(&before)), (2, 2));
    let same = reloaded(&before, 1, &two(3, "first: 2"));
    assert_eq!((fired(&same), fired(&same)), (1, 0), "`a` has one left");
    let changed = reloaded(&same, 1, &two(3, "first: 1"));
    assert_eq!(
        (fired(&changed), fired(&changed)),
        (1, 0),
        "`b` begins anew, `a` does not"
    );
    let again = reloaded(&changed, 2, &two(3, "first: 1"));
    assert_eq!(fired(&again), 2, "another activation begins anew");
    assert_eq!(again.counters.usage(ActivationId(1)), None);
    assert_eq!(fired(&changed), 0, "what was forgotten hits nobody");
}

#[test]
fn a_call_lives_with_its_snapshot_while_a_reload_replaces_a_rule() {
    let request = Request::get("/x");
    let text = |first: u32| {
        compiled(
            "s",
            &format!("rules: [{{ name: a, often: {{ first: {first} }}, fault: {{ delay: 1s }} }}]"),
        )
    };
    let fired = |world: &World| world.plan(&request).effects.len();
    let old = World::of(&[text(3)]);
    assert_eq!(fired(&old), 1);
    let new = reloaded(&old, 1, &text(1));
    assert_eq!(
        (fired(&old), fired(&old), fired(&old)),
        (1, 1, 0),
        "its rule is there, and goes on counting"
    );
    assert_eq!((fired(&new), fired(&new)), (1, 0));
    let back = reloaded(&new, 1, &text(3));
    assert_eq!(
        [fired(&back), fired(&back), fired(&back), fired(&back)],
        [1, 1, 1, 0],
        "a text that comes back begins anew"
    );
}

#[test]
fn rules_that_no_snapshot_has_any_more_are_forgotten() {
    let text = |millis: u64| {
        compiled(
            "s",
            &format!("rules: [{{ name: a, fault: {{ delay: {millis}ms }} }}]"),
        )
    };
    let mut world = World::of(&[text(1)]);
    for millis in 2..100 {
        world = reloaded(&world, 1, &text(millis));
    }
    let kept = world
        .counters
        .lock()
        .get(&ActivationId(1))
        .map(|activation| activation.rules.len());
    assert!(kept.is_some_and(|kept| kept <= 2), "{kept:?}");
}

#[test]
fn a_map_of_keys_is_bounded_and_forgets_what_was_not_seen_for_longest() {
    let mut map = Generations::<u64, u64>::default();
    for key in 0..3 * KEYS_MAX as u64 {
        *map.entry(key) += 1;
        *map.entry(0) += 1; // in use all the time
        assert!(map.young.len() + map.old.len() <= KEYS_MAX);
    }
    assert_eq!(*map.entry(0), 3 * KEYS_MAX as u64 + 1);
    assert_eq!(*map.entry(3 * KEYS_MAX as u64 - 1), 1);
    assert_eq!(*map.entry(1), 0, "forgotten");
}
