//! Compilation: what is taken, and every problem with its place.

use super::*;
use crate::testing::{compile_with, read, routes};

fn problems(yaml: &str) -> Vec<String> {
    let problems = compile_with("s", &routes(), yaml).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

/// The only problem of a scenario whose only rule says this besides its name.
fn problem(rule: &str) -> String {
    let mut all = problems(&format!("rules: [{{ name: r, {rule} }}]"));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_whole_scenario_compiles() {
    let yaml = "
description: One call in three is told to slow down
catalog: { id: TF-002, category: tool, likelihood: common, impact: medium, detection: 429 in the log }
seed: 7
limits: { share: 0.3, concurrent: 10, total: 500 }
rules:
  - name: third-call
    when: { route: api, path: /v1/chat/completions, model: \"gpt-*\", attempt: \">=2\" }
    often: { every: 3, per: agent, from: 10s, for: 1m, repeat_every: 10m, ramp: 30s }
    fault: { error: { kind: rate_limited, retry_after: 2s } }
  - name: slow-tool
    when: { route: [tools, a*], method: { not: GET }, body: { pointer: /a/b, matches: /^x/ } }
    often: { probability: 20% }
    stop: true
    fault: { delay: { normal: { mean: 800ms, deviation: 200ms } } }
";
    let compiled = compile_with("demo", &routes(), yaml).unwrap();
    assert_eq!(
        (&*compiled.name, compiled.seed, compiled.rules.len()),
        ("demo", Some(7), 2)
    );
    assert_eq!(compiled.limits.share, Some(0.3));
    assert_eq!(
        (compiled.rules[0].fault, compiled.rules[1].fault),
        ("error", "delay")
    );
    assert!(!compiled.rules[0].stop && compiled.rules[1].stop);
    let again = compile_with("demo", &routes(), yaml).unwrap();
    assert_eq!(compiled.rules[0].text, again.rules[0].text);
    assert_ne!(compiled.rules[0].text, compiled.rules[1].text);
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let all = problems(
        "
catalog: { id: TX-1 }
limits: { concurrent: 0, total: 0 }
rules:
  - { name: Bad Name, fault: { status: 9 } }
  - { name: twice, when: { path: [/ok, '/(/'] }, often: { every: 0 }, fault: { delay: 1s } }
  - name: twice
    when: { header: { 'a b': x } }
    fault: { delay: { normal: { mean: 1s, deviation: 1s }, cap: 0s } }
",
    );
    let places = [
        "catalog.id: ",
        "rules[0].name: ",
        "rules[2].name: ",
        "limits.concurrent: ",
        "limits.total: ",
        "rules[0].fault.status",
        "rules[1].when.path[1]: ",
        "rules[1].often.every: ",
        "rules[2].when.header.a b: ",
        "rules[2].fault.delay.cap: ",
    ];
    for (problem, place) in all.iter().zip(places) {
        assert!(problem.starts_with(place), "{problem}, wanted at {place}");
    }
    assert_eq!(all.len(), places.len(), "{all:#?}");
}

#[test]
fn routes_that_are_named_must_exist_and_be_touchable() {
    let unknown = problem("when: { route: [api, tool] }, fault: { delay: 1s }");
    assert!(
        unknown.contains("rules[0].when.route[1]") && unknown.contains("did you mean \"tools\"?"),
        "{unknown}"
    );
    let far = problem("when: { route: payments }, fault: { delay: 1s }");
    assert!(
        far.contains("one of api, tools, bank") && !far.contains("did you mean"),
        "{far}"
    );
    assert!(problem("when: { route: bank }, fault: { delay: 1s }").contains("protected"));
    assert!(problem("when: { route: '/^ba/' }, fault: { delay: 1s }").contains("patterns that cover none"));
    assert!(
        problem("when: { route: { not: '*' } }, fault: { delay: 1s }").contains("patterns that cover none")
    );
    let dialect = problem("when: { dialect: openia }, fault: { delay: 1s }");
    assert!(dialect.contains("did you mean \"openai\"?"), "{dialect}");
}

#[test]
fn at_accept_only_the_agent_is_known() {
    let unprotected = &routes()[..2];
    let at_accept = |rest: &str| {
        let yaml = format!("rules: [{{ name: r, fault: {{ abort: {{ at: accept }} }}, {rest} }}]");
        let places = |problem: Problem| problem.path.to_string();
        compile_with("s", unprotected, &yaml)
            .map(|_| ())
            .map_err(|problems| problems.into_iter().map(places).collect::<Vec<_>>())
    };
    assert_eq!(
        at_accept("when: { agent: peer-10.* }, often: { every: 2, per: agent }"),
        Ok(())
    );
    assert_eq!(
        at_accept("when: { agent: x, route: api, path: /x, stream: true }, often: { per: operation }")
            .unwrap_err(),
        [
            "rules[0].when.route",
            "rules[0].when.path",
            "rules[0].when.stream",
            "rules[0].often.per"
        ]
    );
    assert!(problem("fault: { abort: { at: accept } }").contains("\"bank\" is protected"));
}

#[test]
fn a_body_is_tested_in_one_way() {
    let body = |test: &str| problem(&format!("when: {{ body: {{ {test} }} }}, fault: {{ delay: 1s }}"));
    assert!(body("pointer: /a").contains("found 0 of them, wanted exactly one"));
    assert!(body("equals: null, exists: true").contains("found 2 of them"));
    assert!(body("pointer: a/b, exists: true").contains("did you mean \"/a/b\"?"));
}

#[test]
fn a_scenario_has_one_to_256_rules_and_a_safe_name() {
    assert!(problems("rules: []")[0].contains("0 rules"));
    let many: Vec<_> = (0..257)
        .map(|nth| format!("{{ name: r{nth}, fault: {{ delay: 1s }} }}"))
        .collect();
    assert!(problems(&format!("rules: [{}]", many.join(", ")))[0].contains("257 rules"));
    for name in [
        "a",
        "a.b_c-d",
        "0",
        "console",
        "com",
        "com10",
        &"x".repeat(NAME_BYTES_MAX),
    ] {
        assert!(is_name(name), "{name:?}");
    }
    for name in [
        "",
        "A",
        ".a",
        "-a",
        "a/b",
        "..",
        "a b",
        "é",
        "a\0",
        "a..b",
        "con",
        "nul.x",
        "com1",
        "lpt9.a",
        "a%2e",
        &"x".repeat(NAME_BYTES_MAX + 1),
    ] {
        assert!(!is_name(name), "{name:?}");
    }
    let yaml = "rules: [{ name: r, fault: { delay: 1s } }]";
    assert!(
        compile_with("../x", &routes(), yaml).unwrap_err()[0]
            .found
            .contains("../x")
    );
}

#[test]
fn unknown_keys_are_refused_where_they_stand() {
    for (yaml, word, line) in [
        ("rules:\n- { name: r, fault: { delay: 1s }, wen: {} }", "wen", 2),
        (
            "rules:\n- name: r\n  fault: { delay: 1s }\n  when: { rout: api }",
            "rout",
            4,
        ),
        (
            "rules:\n- name: r\n  fault: { delay: 1s }\n  often: { evry: 3 }",
            "evry",
            4,
        ),
        ("rules:\n- name: r\n  fault: { dealy: 1s }", "dealy", 3),
        ("limit: {}\nrules: []", "limit", 1),
    ] {
        let error = read(yaml).unwrap_err();
        let place = error.location().map(|place| place.line());
        assert!(error.to_string().contains(word), "{yaml}: {error}");
        assert_eq!(place, Some(line), "{yaml}: {error}");
    }
}

#[test]
fn the_schema_names_every_key() {
    let schema = serde_json::to_string(&schemars::schema_for!(Scenario)).unwrap();
    for key in [
        "repeat_every",
        "mcp_method",
        "pointer",
        "concurrent",
        "desired_handling",
        "\"for\"",
        "not",
    ] {
        assert!(schema.contains(key), "{key}");
    }
}
