//! The promises over many calls: determinism (B17), the true rate (B18), never and always.

use std::collections::BTreeMap;
use std::sync::Arc;

use murphy_core::clock::Offset;
use murphy_core::plan::{ActivationId, Plan};

use crate::compile::CompiledScenario;
use crate::snapshot::Snapshot;
use crate::testing::{OPTIONS, Request, World, active, compiled, delaying, routes};

/// What was decided for one call, to the last bit.
type Decided = String;

fn decided(plan: &Plan) -> Decided {
    let considered = plan
        .considered
        .iter()
        .map(|one| format!("{} {:?} {:?};", one.rule.mark(), one.why, one.draw));
    let effects = plan
        .effects
        .iter()
        .map(|one| format!("{} {:?};", one.rule.mark(), one.drawn));
    considered.chain(effects).collect()
}

/// Rules of every kind whose decisions depend on the call alone.
fn keyed_scenarios() -> [Arc<CompiledScenario>; 2] {
    let first = "
rules:
  - { name: slow, often: { probability: 0.3 }, fault: { delay: { lognormal: { median: 1s, sigma: 0.6 } } } }
  - { name: damage, when: { path: /1* }, often: { probability: 0.5 }, fault: { corrupt: { flip_bytes: 3 } } }
  - { name: fail, when: { agent: { not: a0 } }, often: { probability: 0.1 }, fault: { error: overloaded } }
";
    let second = "
rules:
  - { name: ramp, often: { probability: 0.9, ramp: 10m }, fault: { delay: { pareto: { min: 1s, shape: 2 } } } }
  - { name: later, often: { from: 1h }, fault: { status: 500 } }
";
    [compiled("first", first), compiled("second", second)]
}

/// 10,000 calls of which many are the same: 7 agents, 1,000 paths.
fn recorded() -> Vec<Request> {
    (0..10_000_u32)
        .map(|nth| Request::get(&format!("/{}", nth * 7 % 1_000)).agent(&format!("a{}", nth % 7)))
        .collect()
}

/// The order of the calls, shuffled by a fixed rule.
fn shuffled(calls: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..calls).collect();
    order.sort_by_key(|nth| murphy_core::draw::identity(&[&seed.to_le_bytes(), &nth.to_le_bytes()]));
    order
}

/// Decides about all calls with so many threads in this order, reloading half-way. The decisions by the
/// identity of the call; of calls that are the same it does not matter which came first.
fn run(requests: &[Request], threads: usize, order: &[usize]) -> BTreeMap<u64, Vec<Decided>> {
    let scenarios = keyed_scenarios();
    let world = World::of(&scenarios);
    let now = Offset(std::time::Duration::from_secs(300)); // within the ramp
    let mut all = BTreeMap::<u64, Vec<Decided>>::new();
    let mut work = |snapshot: &Snapshot, order: &[usize]| {
        let decide = |nth: &usize| {
            let request = &requests[*nth];
            let (entry, _) = snapshot.find(None, "/api").unwrap();
            let plan = snapshot.plan(&entry.rules, &request.call(), 0, now);
            (request.call().identity(), decided(&plan))
        };
        let decisions: Vec<_> = std::thread::scope(|scope| {
            let parts = order.chunks(order.len().div_ceil(threads));
            let workers: Vec<_> = parts
                .map(|part| scope.spawn(move || part.iter().map(decide).collect::<Vec<_>>()))
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
                .collect()
        });
        for (identity, decided) in decisions {
            all.entry(identity).or_default().push(decided);
        }
    };
    let (before, after) = order.split_at(order.len() / 2);
    work(&world.snapshot, before);
    let read_again = keyed_scenarios();
    let now_active: Vec<_> = (1..).zip(&read_again).map(|(id, one)| active(id, one)).collect();
    let reloaded = Snapshot::build(2, OPTIONS, &routes(), &now_active, Arc::clone(&world.counters));
    world.counters.retain(&now_active);
    work(&reloaded, after);
    for decisions in all.values_mut() {
        decisions.sort_unstable();
    }
    all
}

#[test]
fn the_seed_decides_whatever_the_order_the_threads_and_the_reloads() {
    let requests = recorded();
    let in_order: Vec<usize> = (0..requests.len()).collect();
    let wanted = run(&requests, 1, &in_order);
    let fired = wanted
        .values()
        .flatten()
        .filter(|decided| decided.contains("Fired"))
        .count();
    assert!(
        (2_000..9_000).contains(&fired),
        "{fired} of 10,000: the comparison would show nothing"
    );
    for (threads, seed) in [(1, 1), (2, 2), (8, 3), (2, 4), (8, 5), (8, 6), (1, 7), (8, 8)] {
        let got = run(&requests, threads, &shuffled(requests.len(), seed));
        assert!(got == wanted, "{threads} threads, shuffled by {seed}");
    }
}

/// The decisions of a seed, pinned: if this changes, what every seed in the world reproduces has changed.
#[test]
fn a_seed_hits_the_same_calls_for_ever() {
    let world = World::of(&[delaying("often: { probability: 0.1 }")]);
    let hit = (0..100).filter(|nth| !world.plan(&Request::get(&format!("/{nth}"))).is_empty());
    assert_eq!(
        hit.collect::<Vec<_>>(),
        [6, 14, 17, 18, 22, 24, 27, 40, 52, 54, 75, 79, 82, 86, 88, 90, 91]
    );
}

#[test]
fn one_percent_is_one_percent() {
    let world = World::of(&[delaying("often: { probability: 1% }")]);
    let hits = (0..100_000)
        .filter(|nth| !world.plan(&Request::get(&format!("/{nth}"))).is_empty())
        .count();
    let sigma = (100_000.0_f64 * 0.01 * 0.99).sqrt();
    assert!((hits as f64 - 1_000.0).abs() <= 3.0 * sigma, "{hits} of 100,000");
    let usage = world.counters.usage(ActivationId(1)).unwrap();
    assert_eq!((usage.matched, usage.hit), (100_000, hits as u64));
}

/// The same call repeated is drawn anew each time.
#[test]
fn one_percent_of_the_same_call_is_one_percent() {
    let world = World::of(&[delaying("often: { probability: 1% }")]);
    let hits = world.hits(100_000, &Request::get("/x")).len();
    let sigma = (100_000.0_f64 * 0.01 * 0.99).sqrt();
    assert!((hits as f64 - 1_000.0).abs() <= 3.0 * sigma, "{hits} of 100,000");
}

/// A fault injector of the field broke connections with probability 0 (Shopify/toxiproxy#603).
#[test]
fn probability_0_is_never_and_1_is_always() {
    let world = World::of(&[
        delaying("often: { probability: 0 }"),
        delaying("often: { probability: 1 }, stop: true"),
    ]);
    for nth in 0..100_000 {
        let plan = world.plan(&Request::get(&format!("/{}", nth % 1_000)));
        assert_eq!(plan.effects.len(), 1);
        assert_eq!(plan.effects[0].rule.activation, ActivationId(2));
    }
    let hit = |id| world.counters.usage(ActivationId(id)).unwrap().hit;
    assert_eq!((hit(1), hit(2)), (0, 100_000));
}
