//! Laws of latency: what compiles, and what is told about mistakes.

use super::*;
use crate::testing::{effect, problems, refusal};

fn law(yaml: &str) -> (Law, DelayAt, Duration) {
    match effect(yaml) {
        Effect::Delay(delay) => (delay.law, delay.at, delay.cap),
        other => panic!("{other:?}"),
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn every_law_compiles_to_itself() {
    let laws = [
        ("delay: 2s", Law::Fixed(millis(2_000))),
        ("delay: { fixed: 2s }", Law::Fixed(millis(2_000))),
        (
            "delay: { uniform: { min: 0, max: 1s } }",
            Law::Uniform {
                min: millis(0),
                max: millis(1_000),
            },
        ),
        (
            "delay: { normal: { mean: 800ms, deviation: 200ms } }",
            Law::Normal {
                mean: millis(800),
                deviation: millis(200),
            },
        ),
        (
            "delay: { lognormal: { median: 1s, sigma: 1 } }",
            Law::LogNormal {
                median: millis(1_000),
                sigma: 1.0,
            },
        ),
        (
            "delay: { pareto: { min: 1s, shape: 1.5 } }",
            Law::Pareto {
                min: millis(1_000),
                shape: 1.5,
            },
        ),
        (
            "delay: { exponential: { mean: 1s } }",
            Law::Exponential { mean: millis(1_000) },
        ),
    ];
    for (yaml, wanted) in laws {
        assert_eq!(law(yaml), (wanted, DelayAt::Request, CAP_DEFAULT), "{yaml}");
    }
    assert_eq!(
        law("delay: { fixed: 1s, at: body, cap: 2s }"),
        (Law::Fixed(millis(1_000)), DelayAt::Body, millis(2_000))
    );
}

#[test]
fn all_mistakes_are_told_at_their_place() {
    assert_eq!(
        problems("delay: { normal: { mean: 0, deviation: 1s }, fixed: 1s, cap: 0 }"),
        [
            "delay.normal.mean: found 0s, wanted a duration longer than zero",
            "delay: found fixed and normal, wanted one of fixed, uniform, normal, lognormal, pareto, exponential",
            "delay.cap: found 0s, wanted a duration longer than zero",
            "delay.fixed: found 1s, wanted at most the cap, which is 0s (a larger cap can be given, up to 366d)",
        ]
    );
    assert_eq!(
        problems("delay: {}"),
        ["delay: found no law, wanted one of fixed, uniform, normal, lognormal, pareto, exponential"]
    );
    assert_eq!(
        problems("delay: { uniform: { min: 2s, max: 1s } }"),
        ["delay.uniform.min: found 2s, wanted at most max, which is 1s"]
    );
    for (yaml, wanted) in [
        (
            "delay: { lognormal: { median: 1s, sigma: -1 } }",
            "delay.lognormal.sigma: found -1, wanted 0 to 10",
        ),
        (
            "delay: { lognormal: { median: 1s, sigma: .nan } }",
            "delay.lognormal.sigma: found NaN, wanted 0 to 10",
        ),
        (
            "delay: { pareto: { min: 1s, shape: 0 } }",
            "delay.pareto.shape: found 0, wanted 0.1 to 100",
        ),
    ] {
        assert_eq!(problems(yaml), [wanted]);
    }
}

#[test]
fn what_is_no_delay_is_refused_with_the_place_of_the_value() {
    let wrong = refusal("delay:\n  normal:\n    mean: -3\n    deviation: 1s");
    assert!(
        wrong.contains("line 3 column 11") && wrong.contains("-3 is not a duration"),
        "{wrong}"
    );
    let wrong = refusal("delay: { fixd: 2s }");
    assert!(
        wrong.contains("column 10") && wrong.contains("unknown field `fixd`"),
        "{wrong}"
    );
    assert!(refusal("delay: 5").contains("found 5, wanted a duration"));
}
