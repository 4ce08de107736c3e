//! Decisions: order, ends, chances, limits, limiters.

use super::*;
use std::time::Duration;

use murphy_core::plan::ActivationId;

use crate::testing::{OPTIONS, Request, World, active, compiled, delaying};

fn whys(plan: &Plan) -> Vec<Why> {
    plan.considered.iter().map(|considered| considered.why).collect()
}

fn marks(plan: &Plan) -> Vec<String> {
    plan.effects.iter().map(|planned| planned.rule.mark()).collect()
}

#[test]
fn rules_are_tried_in_order_until_a_terminal_effect() {
    let first = compiled(
        "first",
        "rules: [{ name: slow, fault: { delay: 1s } },
                 { name: head, fault: { headers: { set: { x-a: b } } } }]",
    );
    let second = compiled(
        "second",
        "rules: [{ name: fail, fault: { status: 503 } }, { name: after, fault: { delay: 2s } }]",
    );
    let plan = World::of(&[first, second]).plan(&Request::get("/x"));
    assert_eq!(marks(&plan), ["first/slow", "first/head", "second/fail"]);
    assert_eq!(whys(&plan), [Why::Fired, Why::Fired, Why::Fired, Why::Ended]);
    assert_eq!(plan.effects[0].drawn.wait, Duration::from_secs(1));
}

#[test]
fn stop_ends_the_list_only_when_the_rule_fires() {
    let world = World::of(&[compiled(
        "s",
        "rules: [{ name: a, stop: true, often: { every: 2 }, fault: { delay: 1s } },
                 { name: b, fault: { delay: 2s } }]",
    )]);
    let request = Request::get("/x");
    assert_eq!(whys(&world.plan(&request)), [Why::Cadence, Why::Fired]);
    assert_eq!(whys(&world.plan(&request)), [Why::Fired, Why::Ended]);
    assert_eq!(
        world.plan(&request).considered[1].ordinal,
        3,
        "calls that were ended are counted"
    );
}

#[test]
fn each_reason_not_to_fire_is_told() {
    let why = |often: &str, calls: u64| {
        let world = World::of(&[delaying(&format!("often: {{ {often} }}"))]);
        let request = Request::get("/x");
        world.hits(calls - 1, &request);
        whys(&world.plan(&request))[0]
    };
    assert_eq!(why("from: 1m", 1), Why::Schedule);
    assert_eq!(why("after: 1", 1), Why::Cadence);
    assert_eq!(why("first: 1", 2), Why::Cadence);
    assert_eq!((why("times: 2", 2), why("times: 2", 3)), (Why::Fired, Why::Times));
    assert_eq!(why("probability: 0", 1), Why::Probability);
    assert_eq!(why("ramp: 1m", 1), Why::Probability, "a ramp begins at 0");
}

#[test]
fn the_draw_stands_beside_the_probability_that_it_was_compared_with() {
    let world = World::of(&[delaying("often: { probability: 30% }")]);
    for nth in 0..200 {
        let plan = world.plan(&Request::get(&format!("/{nth}")));
        let considered = &plan.considered[0];
        let fires = considered.draw.unwrap() < considered.probability;
        assert_eq!(considered.probability, 0.3);
        assert_eq!(considered.why, if fires { Why::Fired } else { Why::Probability });
    }
    for certain in ["probability: 0", "probability: 1"] {
        let world = World::of(&[delaying(&format!("often: {{ {certain} }}"))]);
        assert_eq!(
            world.plan(&Request::get("/x")).considered[0].draw,
            None,
            "{certain}"
        );
    }
}

#[test]
fn rules_draw_apart_and_so_do_repeated_calls_and_seeds() {
    let yaml = "rules: [{ name: a, often: { probability: 0.5 }, fault: { delay: 1s } },
                        { name: b, often: { probability: 0.5 }, fault: { delay: 2s } }]";
    let scenario = compiled("s", yaml);
    let draws = |seed| {
        let seeded = crate::snapshot::Active {
            seed,
            ..active(1, &scenario)
        };
        let world = World::with(&[seeded], OPTIONS, Arc::default());
        let plan = |_| world.plan(&Request::get("/x"));
        let plans = (0..20).map(plan).flat_map(|plan| plan.considered);
        plans
            .map(|considered| considered.draw.unwrap().to_bits())
            .collect::<Vec<_>>()
    };
    let mut all = [draws(1), draws(2)].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 2 * 2 * 20);
    assert_eq!(draws(1), draws(1));
}

#[test]
fn limits_hold_calls_back_and_count_a_call_once() {
    let limited = |limits: &str| {
        compiled(
            "s",
            &format!(
                "limits: {{ {limits} }}\nrules: [{{ name: a, fault: {{ delay: 1s }} }},
                 {{ name: b, fault: {{ delay: 2s }} }}]"
            ),
        )
    };
    let request = Request::get("/x");
    assert_eq!(World::of(&[limited("total: 3")]).hits(10, &request), [1, 2, 3]);
    assert_eq!(
        World::of(&[limited("share: 30%")]).hits(14, &request),
        [4, 7, 10, 14]
    );

    let world = World::of(&[limited("concurrent: 2")]);
    let (first, second) = (world.plan(&request), world.plan(&request));
    assert_eq!(whys(&first), [Why::Fired, Why::Fired]);
    assert_eq!(whys(&world.plan(&request)), [Why::Limit, Why::Limit]);
    assert_eq!(world.counters.usage(ActivationId(1)).unwrap().held, 2);
    drop(first);
    assert_eq!(
        whys(&world.plan(&request)),
        [Why::Fired, Why::Fired],
        "a place came back"
    );
    drop(second);
    assert_eq!(world.counters.held(), 0);
}

#[test]
fn the_cap_over_all_scenarios_counts_calls_not_scenarios() {
    let options = crate::snapshot::SnapshotOptions {
        max_active_faults: 1,
        ..OPTIONS
    };
    let (one, two) = (delaying(""), delaying("stop: true"));
    let world = World::with(&[active(1, &one), active(2, &two)], options, Arc::default());
    let request = Request::get("/x");
    let first = world.plan(&request);
    assert_eq!(whys(&first), [Why::Fired, Why::Fired]);
    assert_eq!(whys(&world.plan(&request)), [Why::Limit, Why::Limit]);
    drop(first);
    assert_eq!(whys(&world.plan(&request)), [Why::Fired, Why::Fired]);
}

#[test]
fn a_limiter_passes_n_then_ends_the_list_until_its_window_ends() {
    let world = World::of(&[compiled(
        "s",
        "rules: [{ name: limit, fault: { rate_limit: { limit: 2, window: 10s, per: agent } } },
                 { name: after, fault: { delay: 1s } }]",
    )]);
    let read = |agent: &str, seconds| {
        let plan = world.plan_at(&Request::get("/x").agent(agent), Duration::from_secs(seconds));
        let reading = plan.effects[0].drawn.reading.unwrap();
        let ended = whys(&plan)[1] == Why::Ended;
        assert_eq!(ended, reading.exhausted);
        (reading.remaining, reading.exhausted, reading.resets_in.as_secs())
    };
    assert_eq!(read("a", 0), (1, false, 10));
    assert_eq!(read("a", 4), (0, false, 6));
    assert_eq!(read("b", 4), (1, false, 10));
    assert_eq!(read("a", 5), (0, true, 5));
    assert_eq!(read("a", 10), (1, false, 10));
}

#[test]
fn times_counts_hits_only() {
    let world = World::of(&[delaying("often: { every: 2, times: 2 }")]);
    assert_eq!(world.hits(10, &Request::get("/x")), [2, 4]);
}

#[test]
fn deciding_twice_with_the_same_numbers_gives_the_same() {
    let scenario = delaying("often: { probability: 0.5 }");
    let world = World::of(&[scenario]);
    let (entry, _) = world.snapshot.find(None, "/api").unwrap();
    let numbers = Numbers {
        occurrence: 3,
        probability: Some(0.5),
        ordinal: 4,
        ..Numbers::default()
    };
    let candidates = [Candidate {
        rule: &entry.rules[0],
        numbers,
    }];
    for call in 0..100 {
        let decided = || whys(&decide(&candidates, call, Offset::default(), true).plan);
        assert_eq!(decided(), decided());
        let full = whys(&decide(&candidates, call, Offset::default(), false).plan);
        let wanted = decided()
            .into_iter()
            .map(|why| if why == Why::Fired { Why::Limit } else { why });
        assert_eq!(full, wanted.collect::<Vec<_>>(), "without room nothing fires");
    }
}
