//! Snapshots: which route takes a request, and which rules can touch it.

use super::*;
use crate::testing::{OPTIONS, Request, World, active, compiled, delaying, route, routes};
use murphy_core::plan::Why;

fn found(routes: &[Route], host: Option<&str>, path: &str) -> Option<(String, String)> {
    let routes: Vec<_> = routes.iter().cloned().map(Arc::new).collect();
    let snapshot = Snapshot::build(1, OPTIONS, &routes, &[], Arc::default());
    let (entry, rest) = snapshot.find(host, path)?;
    Some((entry.route.name.to_string(), rest.to_owned()))
}

#[test]
fn the_longest_prefix_takes_a_request_and_a_host_goes_before_none() {
    let at = |name: &str, prefix: &str, host: Option<&str>| Route {
        prefix: prefix.to_owned(),
        host: host.map(str::to_owned),
        ..route(name)
    };
    let routes = [
        at("all", "", None),
        at("mcp", "/mcp", None),
        at("files", "/mcp/files", None),
        at("host", "/mcp", Some("a.test")),
        at("six", "/six", Some("[::1]")),
    ];
    for (host, path, name, rest) in [
        (None, "/mcp", "mcp", "/"),
        (None, "/mcp/", "mcp", "/"),
        (None, "/mcp/x", "mcp", "/x"),
        (None, "/mcp/files/a%20b", "files", "/a%20b"),
        (None, "/mcp/files2", "mcp", "/files2"),
        (None, "/mcpx", "all", "/mcpx"),
        (None, "/", "all", "/"),
        (Some("a.test"), "/mcp/x", "host", "/x"),
        (Some("A.TEST:8080"), "/mcp/x", "host", "/x"),
        (Some("b.test"), "/mcp/x", "mcp", "/x"),
        (Some("a.test"), "/mcp/files/x", "files", "/x"),
        (Some("[::1]"), "/six/x", "six", "/x"),
        (Some("[::1]:80"), "/six/x", "six", "/x"),
    ] {
        let wanted = Some((name.to_owned(), rest.to_owned()));
        assert_eq!(found(&routes, host, path), wanted, "{host:?} {path}");
    }
    assert_eq!(found(&routes[1..], None, "/other"), None);
    assert_eq!(found(&routes[1..], None, "mcp"), None);
}

#[test]
fn a_route_holds_only_the_rules_that_can_touch_it() {
    let rules: Vec<String> = (0..250)
        .map(|nth| format!("{{ name: r{nth}, when: {{ route: tools }}, fault: {{ delay: 1s }} }}"))
        .collect();
    let elsewhere = compiled("elsewhere", &format!("rules: [{}]", rules.join(",\n")));
    let many: Vec<_> = (1..=40).map(|id| active(id, &elsewhere)).collect();
    let snapshot = Snapshot::build(1, OPTIONS, &routes(), &many, Arc::default());
    let rules = |path| snapshot.find(None, path).unwrap().0.rules.len();
    // 10,000 rules that name another route cost this one nothing: they are not even in its list.
    assert_eq!(
        (rules("/api/x"), rules("/tools/x"), rules("/bank/x")),
        (0, 10_000, 0)
    );
}

#[test]
fn a_rule_for_all_routes_leaves_a_protected_one_alone() {
    let world = World::of(&[delaying("when: {}")]);
    let counts: Vec<_> = world
        .snapshot
        .routes
        .iter()
        .map(|entry| (&*entry.route.name, entry.rules.len()))
        .collect();
    assert_eq!(counts, [("tools", 1), ("bank", 0), ("api", 1)]);
}

#[test]
fn a_dialect_that_a_route_does_not_speak_keeps_rules_away() {
    let world = World::of(&[
        delaying("when: { dialect: openai }"),
        delaying("when: { dialect: [plain] }"),
    ]);
    let (api, _) = world.snapshot.find(None, "/api").unwrap();
    assert_eq!(api.rules.len(), 1);
}

#[test]
fn a_route_knows_what_its_rules_must_see() {
    let needs = |yaml: &str| {
        let world = World::of(&[compiled("s", yaml)]);
        let (api, _) = world.snapshot.find(None, "/api").unwrap();
        (api.needs_body, api.needs_facts, api.needs_memory)
    };
    let with = |rest: &str| needs(&format!("rules: [{{ name: r, fault: {{ delay: 1s }}, {rest} }}]"));
    assert_eq!(with("when: { path: /x }"), (false, false, false));
    assert_eq!(with("when: { body: { exists: true } }"), (true, false, false));
    assert_eq!(with("when: { model: gpt-* }"), (false, true, false));
    assert_eq!(with("often: { per: session, every: 2 }"), (false, true, false));
    assert_eq!(
        with("when: { route: tools, body: { exists: true } }"),
        (false, false, false)
    );
    assert_eq!(
        needs("rules: [{ name: r, fault: { stale: {} } }]"),
        (false, false, true)
    );
}

#[test]
fn a_connection_is_decided_by_its_peer_alone() {
    let unprotected = &routes()[..2];
    let yaml = "rules: [{ name: refuse, when: { agent: peer-10.* }, fault: { abort: { at: accept } } }]";
    let scenario = Arc::new(crate::testing::compile_with("s", unprotected, yaml).unwrap());
    let snapshot = Snapshot::build(1, OPTIONS, unprotected, &[active(1, &scenario)], Arc::default());
    let plan = |address: &str| {
        let agent = AgentId::peer(address.parse().ok());
        snapshot.plan_accept(&agent, Offset::default())
    };
    assert_eq!(plan("10.0.0.1").considered[0].why, Why::Fired);
    assert!(plan("127.0.0.1").considered.is_empty());
    assert!(snapshot.routes.iter().all(|entry| entry.rules.is_empty()));

    let protecting = Snapshot::build(2, OPTIONS, &routes(), &[active(1, &scenario)], Arc::default());
    assert!(
        protecting.accept.is_empty(),
        "a connection may be for the protected route"
    );
}

#[test]
fn without_rules_nothing_is_planned_and_nothing_is_counted() {
    let world = World::of(&[delaying("when: { path: /other }")]);
    let plan = world.plan(&Request::get("/x"));
    assert!(plan.is_empty() && plan.considered.is_empty() && plan.permits.is_empty());
    let usage = world.counters.usage(ActivationId(1)).unwrap();
    assert_eq!((usage.matched, usage.hit), (0, 0));
    assert!(world.snapshot.holds(ActivationId(1)) && !world.snapshot.holds(ActivationId(2)));
}
