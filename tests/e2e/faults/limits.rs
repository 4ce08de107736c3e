//! How much harm a scenario may do: its share, how many at once, how many in all, and the cap over all.

use std::time::Duration;

use murphy_testkit::raw::RawClient;

use super::harness::{Bench, CASE, DOCUMENT, Setup, request, sim};

/// A call that was not answered in this time is held: an answer takes a thousandth of it.
const PATIENCE: Duration = Duration::from_millis(500);

fn limited(limits: &str, fault: &str) -> String {
    format!("limits: {{ {limits} }}\nrules:\n  - {{ name: r, fault: {{ {fault} }} }}\n")
}

async fn statuses(bench: &Bench, calls: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..calls {
        statuses.push(bench.get("/json").await.status());
    }
    statuses
}

#[tokio::test]
async fn the_share_is_never_exceeded_not_even_at_the_beginning() {
    let sim = sim();
    let bench = Bench::with(&sim, &limited("share: 30%", "status: 503")).await;
    let statuses = statuses(&bench, 40).await;
    for calls in 1..=statuses.len() {
        let hit = statuses[..calls].iter().filter(|status| **status == 503).count();
        assert!(hit * 10 <= calls * 3, "{hit} of {calls}");
    }
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 12);
    assert_eq!(statuses[..4], [200, 200, 200, 503]);
    assert_eq!(bench.skipped("limit").await, 28.0);
    assert_eq!(bench.injected(&["rule=\"r\""]).await, 12.0);
    let held = &bench.only().await.held[0];
    assert_eq!((held.rule.as_str(), held.why.name()), ("r", "limit"));
}

#[tokio::test]
async fn in_all_no_more_than_the_total_are_hit_until_it_is_switched_on_again() {
    let sim = sim();
    let bench = Bench::with(&sim, &limited("total: 3", "status: 503")).await;
    assert_eq!(statuses(&bench, 6).await, [503, 503, 503, 200, 200, 200]);
    bench.deactivate(CASE).await;
    bench.activate(CASE).await;
    assert_eq!(statuses(&bench, 4).await, [503, 503, 503, 200]);
}

/// So many calls that hang.
async fn hanging(bench: &Bench, count: usize) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for n in 1..=count {
        let mut client = bench.client().await;
        client.send(request("GET", "/time", &[], b"")).await.unwrap();
        clients.push(client);
        bench.in_flight(n as f64).await;
    }
    clients
}

/// Calls until a call is held.
async fn next_held(bench: &Bench) -> RawClient {
    loop {
        let mut client = bench.client().await;
        client.send(request("GET", "/time", &[], b"")).await.unwrap();
        if tokio::time::timeout(PATIENCE, client.response("GET"))
            .await
            .is_err()
        {
            return client;
        }
    }
}

#[tokio::test]
async fn no_more_than_so_many_are_under_a_fault_at_once() {
    let sim = sim();
    let scenario = limited("concurrent: 2", "hang: {}");
    let global = "rules:\n  - { name: r, fault: { hang: {} } }\n";
    for (setup, reason) in [
        (Setup::sim(&sim, &scenario), "limits.concurrent"),
        (
            Setup::sim(&sim, global).proxy("max_active_faults = 2"),
            "max_active_faults",
        ),
    ] {
        let bench = setup.start().await;
        let mut held = hanging(&bench, 2).await;
        assert_eq!(bench.get("/json").await.body.content, DOCUMENT, "{reason}");
        assert_eq!(bench.skipped("limit").await, 1.0, "{reason}");
        held.remove(0).reset(); // its place is free when that call has ended
        let mut next = next_held(&bench).await;
        assert_eq!(bench.get("/json").await.status(), 200, "{reason}");
        assert_eq!(bench.injected(&["rule=\"r\""]).await, 1.0, "{reason}"); // the one that ended
        bench.deactivate(CASE).await;
        assert_eq!(next.response("GET").await.status(), 200);
        assert_eq!(held.remove(0).response("GET").await.status(), 200);
    }
}
