//! What is bound to trip the switch, and what is not.

use std::path::Path;

use super::*;
use crate::library::{Source, prepare};
use crate::settings::{RouteSettings, Settings};
use murphy_core::span::Share;

/// Whether a scenario with these rules is expected to trip the switch.
fn warns(rules: &str, switch: &KillSwitchSettings) -> bool {
    let written = [
        RouteSettings::new("sim", "/sim", "sim", "plain"),
        RouteSettings::new("other", "/other", "http://x", "plain"),
    ];
    let routes = crate::resolve::routes(&written, &Settings::default(), None).unwrap();
    let source = Source {
        name: "x".into(),
        text: rules.into(),
        file: None,
    };
    let entry = prepare(source, Path::new("."), &routes).unwrap();
    warning(&entry, &routes, switch).is_some()
}

fn rule(often: &str, when: &str, fault: &str) -> String {
    format!("rules:\n  - name: a\n    often: {often}\n    when: {when}\n    fault: {fault}\n")
}

#[test]
fn only_what_is_bound_to_trip_is_warned_of() {
    let switch = KillSwitchSettings::default();
    let cases = [
        ("{}", "{}", "{ status: 503 }", true),
        ("{}", "{ route: sim }", "{ error: rate_limited }", true),
        ("{ probability: 0.6 }", "{}", "{ abort: rst }", true),
        ("{}", "{}", "{ hang: {} }", true),
        (
            "{}",
            "{}",
            "{ truncate: { after: inside_json, framing: clean } }",
            true,
        ),
        // Half is not more than half.
        ("{ probability: 0.5 }", "{}", "{ status: 503 }", false),
        ("{ every: 2 }", "{}", "{ status: 503 }", false),
        // It ends by itself, or nobody knows how much of the traffic it is.
        ("{ first: 5 }", "{}", "{ status: 503 }", false),
        ("{}", "{ path: /v1 }", "{ status: 503 }", false),
        // No errors.
        ("{}", "{}", "{ status: 404 }", false),
        ("{}", "{}", "{ delay: 2s }", false),
        ("{}", "{}", "{ error: not_found }", false),
    ];
    for (often, when, fault, expected) in cases {
        assert_eq!(
            warns(&rule(often, when, fault), &switch),
            expected,
            "{often} {when} {fault}"
        );
    }
}

#[test]
fn rules_add_up_limits_cap_and_the_basis_decides() {
    let switch = KillSwitchSettings::default();
    let two = "rules:\n  - name: a\n    often: { probability: 0.4 }\n    fault: { status: 503 }\n  - name: b\n    often: { probability: 0.4 }\n    fault: { abort: fin }\n";
    assert!(warns(two, &switch), "1 - 0.6 * 0.6 is more than half");
    let all = rule("{}", "{}", "{ status: 503 }");
    assert!(!warns(&format!("limits: {{ share: 0.3 }}\n{all}"), &switch));
    assert!(!warns(&format!("limits: {{ total: 5 }}\n{all}"), &switch));
    let organic = KillSwitchSettings {
        basis: Basis::Organic,
        ..switch.clone()
    };
    assert!(!warns(&all, &organic));
    let operation = KillSwitchSettings {
        unit: Unit::Operation,
        ..switch.clone()
    };
    assert!(
        warns(&all, &operation) && !warns(&rule("{ probability: 0.9 }", "{}", "{ status: 503 }"), &operation)
    );
    let never = KillSwitchSettings {
        error_rate: Share(1.0),
        ..switch
    };
    assert!(!warns(&all, &never));
}
