//! Tables with explicit offsets.

use super::*;
use murphy_core::plan::ActivationId;

fn at(seconds: f64) -> Offset {
    Offset(Duration::from_secs_f64(seconds))
}

/// `.` good, `x` a genuine error, `i` an injected error, `f` an injected good one, `s` a slow good one.
fn sample(kind: char, finished: Offset) -> Sample {
    let took = Duration::from_secs(if kind == 's' { 61 } else { 0 });
    Sample {
        began: Offset(finished.since(Offset(took))),
        took,
        error: matches!(kind, 'x' | 'i'),
        injected: matches!(kind, 'i' | 'f'),
        route: "r".into(),
        rules: Vec::new(),
    }
}

/// A window into which `calls` finished, one at `spacing` seconds after the other from second 100 on; and when
/// the last of them did.
fn filled(options: WindowOptions, calls: &str, spacing: f64) -> (ErrorWindow, Offset) {
    let mut window = ErrorWindow::new(options);
    let mut now = at(100.0);
    for (nth, kind) in calls.chars().enumerate() {
        now = at(100.0 + spacing * nth as f64);
        window.record(now, sample(kind, now));
    }
    (window, now)
}

fn reason(options: WindowOptions, calls: &str, spacing: f64) -> Option<Reason> {
    let (mut window, now) = filled(options, calls, spacing);
    window.verdict(now).map(|verdict| verdict.reason)
}

/// Each text repeated, one after the other.
fn times(parts: &[(&str, usize)]) -> String {
    parts.iter().map(|(kind, times)| kind.repeat(*times)).collect()
}

const RATE: Option<Reason> = Some(Reason::ErrorRate);

#[test]
fn exactly_the_limit_does_not_trip_and_one_error_more_does() {
    for (good, bad, wanted) in [
        (10, 10, None),
        (9, 11, RATE),
        (50, 50, None),
        (499, 501, RATE),
        (500, 500, None),
        (0, 20, RATE),
        (20, 0, None),
    ] {
        for spacing in [0.001, 0.01] {
            let calls = times(&[("x", bad), (".", good)]);
            assert_eq!(
                reason(WindowOptions::default(), &calls, spacing),
                wanted,
                "{bad} of {} bad",
                good + bad
            );
        }
    }
    let thirty_percent = WindowOptions {
        error_rate: 0.3,
        ..WindowOptions::default()
    };
    for (bad, wanted) in [(3, None), (4, RATE)] {
        let calls = times(&[("x", bad), (".", 10 - bad)]);
        assert_eq!(reason(thirty_percent, &calls, 1.0), wanted);
    }
}

#[test]
fn few_calls_are_judged_by_count_and_too_few_not_at_all() {
    for (calls, spacing, wanted) in [
        (times(&[("x", 9)]), 1.0, None),
        (times(&[("x", 10)]), 1.0, RATE),
        // one call every ten seconds: never 20 in 30 s, but the last 20 within 10 min tell
        (times(&[(".", 40), ("x", 10)]), 10.0, None),
        (times(&[(".", 40), ("x", 11)]), 10.0, RATE),
        // one call every two minutes: only five are younger than ten minutes
        (times(&[("x", 40)]), 120.0, None),
        // one call a minute: eleven are not older than ten minutes
        (times(&[("x", 40)]), 60.0, RATE),
    ] {
        assert_eq!(
            reason(WindowOptions::default(), &calls, spacing),
            wanted,
            "{calls} every {spacing} s"
        );
    }
}

#[test]
fn many_calls_are_judged_by_the_last_thirty_seconds() {
    // 10 calls a second: the last 30 s hold between 290 and 300 of them, the count window only 20
    let (mut window, now) = filled(WindowOptions::default(), &times(&[(".", 300), ("x", 140)]), 0.1);
    let reading = window.reading(now);
    assert_eq!(
        (reading.windowed, reading.samples, reading.organic_errors),
        (Windowed::Time, 300, 140)
    );
    assert_eq!(window.verdict(now), None, "the last 20 alone would trip");

    // what happened more than 30 s ago is gone
    let (mut window, now) = filled(WindowOptions::default(), &times(&[("x", 300), (".", 160)]), 0.1);
    let reading = window.reading(now);
    assert_eq!((reading.samples, reading.organic_errors), (300, 140));
    let later = now.plus(Duration::from_secs(15));
    assert_eq!(window.reading(later).windowed, Windowed::Time);
    assert_eq!(window.reading(later).organic_errors, 0);
}

#[test]
fn one_more_call_in_the_window_of_time_ends_the_use_of_the_count() {
    let calls = times(&[("x", 15), (".", 4)]);
    let (mut window, now) = filled(WindowOptions::default(), &calls, 0.1);
    assert_eq!(window.reading(now).windowed, Windowed::Count);
    window.record(now, sample('.', now));
    let reading = window.reading(now);
    assert_eq!((reading.windowed, reading.samples), (Windowed::Time, 20));
    // 30 s later the bucket is empty, and the last 20 calls are looked at
    let later = now.plus(Duration::from_secs(31));
    let reading = window.reading(later);
    assert_eq!((reading.windowed, reading.samples), (Windowed::Count, 20));
    let much_later = now.plus(Duration::from_secs(601));
    assert_eq!(window.reading(much_later).samples, 0);
    assert_eq!(window.verdict(much_later), None);
}

#[test]
fn the_basis_says_which_errors_count() {
    let organic = WindowOptions {
        basis: Basis::Organic,
        ..WindowOptions::default()
    };
    for (calls, observed, organic_only) in [
        (times(&[("i", 20)]), RATE, None),
        (times(&[("i", 20), (".", 10)]), RATE, None),
        (times(&[("i", 30), (".", 9), ("x", 9)]), RATE, None),
        (times(&[("i", 30), (".", 9), ("x", 10)]), RATE, RATE),
        // injected answers that are no errors are left out as well
        (times(&[("f", 30), (".", 9), ("x", 10)]), None, RATE),
        // nine genuine calls are too few, however many injected ones there are
        (times(&[("i", 30), ("x", 9)]), RATE, None),
    ] {
        for spacing in [0.1, 5.0] {
            let (mut window, now) = filled(organic, &calls, spacing);
            assert_eq!(
                window.verdict(now).map(|verdict| verdict.reason),
                organic_only,
                "organic, {calls} every {spacing} s"
            );
        }
        assert_eq!(
            reason(WindowOptions::default(), &calls, 0.1),
            observed,
            "observed, {calls}"
        );
    }
}

#[test]
fn injected_and_genuine_errors_are_told_apart_in_either_basis_and_window() {
    let calls = times(&[("i", 8), (".", 1), ("x", 11)]);
    for (basis, spacing, samples, ratio) in [
        (Basis::Observed, 0.1, 20, 19.0 / 20.0),
        (Basis::Observed, 5.0, 20, 19.0 / 20.0),
        (Basis::Organic, 0.1, 12, 11.0 / 12.0),
    ] {
        let options = WindowOptions {
            basis,
            ..WindowOptions::default()
        };
        let (mut window, now) = filled(options, &calls, spacing);
        let verdict = window.verdict(now).unwrap();
        assert_eq!((verdict.samples, verdict.ratio), (samples, ratio));
        assert_eq!(verdict.organic_errors, 11);
        assert!(verdict.injected_errors == if basis == Basis::Observed { 8 } else { 0 });
    }
    // mixed, so that injected errors lie between the genuine ones that are counted
    let options = WindowOptions {
        basis: Basis::Organic,
        ..WindowOptions::default()
    };
    let (mut window, now) = filled(options, &times(&[("xi", 12)]), 5.0);
    let reading = window.reading(now);
    assert_eq!(
        (reading.samples, reading.organic_errors, reading.injected_errors),
        (12, 12, 12)
    );
}

#[test]
fn consecutive_errors_trip_at_once_and_only_when_switched_on() {
    let five = WindowOptions {
        consecutive_errors: 5,
        ..WindowOptions::default()
    };
    let run = Some(Reason::ConsecutiveErrors);
    for (options, calls, wanted) in [
        (five, "xxxx", None),
        (five, "xxxxx", run),
        (five, "xxxx.xxxx", None),
        (five, "xixix", run),
        (
            WindowOptions {
                basis: Basis::Organic,
                ..five
            },
            "xixixixx",
            run,
        ),
        (
            WindowOptions {
                basis: Basis::Organic,
                ..five
            },
            "xixixix",
            None,
        ),
        (WindowOptions::default(), "xxxxxxxxx", None),
    ] {
        assert_eq!(reason(options, calls, 1.0), wanted, "{calls}");
    }
}

#[test]
fn slow_calls_trip_above_their_rate_and_only_when_switched_on() {
    let half = WindowOptions {
        slow_rate: 0.5,
        ..WindowOptions::default()
    };
    for (options, slow, wanted) in [
        (half, 10, None),
        (half, 11, Some(Reason::SlowRate)),
        (WindowOptions::default(), 20, None),
    ] {
        let calls = times(&[("s", slow), (".", 20 - slow)]);
        assert_eq!(reason(options, &calls, 1.0), wanted, "{slow} slow of 20");
    }
}

#[test]
fn to_clear_forgets_and_what_began_before_does_not_count() {
    let (mut window, now) = filled(WindowOptions::default(), &times(&[("x", 20)]), 1.0);
    assert!(window.verdict(now).is_some());
    window.clear(now);
    assert_eq!(window.verdict(now), None);
    assert_eq!(window.reading(now).consecutive_errors, 0);
    for _ in 0..20 {
        let later = now.plus(Duration::from_secs(1));
        let began_before = Sample {
            began: Offset(now.0.saturating_sub(Duration::from_millis(1))),
            ..sample('x', later)
        };
        window.record(later, began_before);
    }
    assert_eq!(window.reading(now.plus(Duration::from_secs(1))).samples, 0);
}

#[test]
fn a_verdict_names_the_worst_routes_and_rules() {
    let mut window = ErrorWindow::new(WindowOptions::default());
    let now = at(50.0);
    let rule = |name: &str| {
        Arc::new(RuleRef {
            scenario: "storm".into(),
            rule: name.into(),
            fault: "error",
            activation: ActivationId(1),
        })
    };
    let mut record = |route: &str, rules: Vec<Arc<RuleRef>>, calls: usize| {
        for _ in 0..calls {
            let failed = Sample {
                route: route.into(),
                rules: rules.clone(),
                ..sample('i', now)
            };
            window.record(now, failed);
        }
    };
    record("b", vec![rule("second")], 5);
    record("a", vec![rule("first"), rule("second")], 5);
    record("c", Vec::new(), 2);
    record("d", Vec::new(), 1);
    let verdict = window.verdict(now).unwrap();
    let named = |top: &[Top]| {
        top.iter()
            .map(|top| (top.name.clone(), top.errors))
            .collect::<Vec<_>>()
    };
    let wanted = |list: &[(&str, usize)]| {
        list.iter()
            .map(|(name, errors)| ((*name).to_owned(), *errors))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        named(&verdict.top_routes),
        wanted(&[("a", 5), ("b", 5), ("c", 2)])
    );
    assert_eq!(
        named(&verdict.top_rules),
        wanted(&[("storm/second", 10), ("storm/first", 5)])
    );
    assert_eq!(
        verdict.to_string(),
        "100.0 % of 13 calls failed (limit 50.0 %; 13 errors injected, 0 genuine)"
    );
}

#[test]
fn offsets_that_arrive_out_of_order_are_all_counted_and_all_expire() {
    let mut window = ErrorWindow::new(WindowOptions::default());
    for nth in 0..40 {
        let now = at(if nth % 2 == 0 { 10.9 } else { 11.1 });
        window.record(now, sample('x', now));
    }
    assert_eq!(window.reading(at(11.1)).samples, 40);
    assert_eq!(window.reading(at(10.9)).samples, 40);
    let gone = window.reading(at(700.0));
    assert_eq!((gone.samples, gone.ratio), (0, 0.0));
}

#[test]
fn numbers_out_of_bounds_are_cut_to_them() {
    let options = WindowOptions {
        window: Duration::from_secs(u64::MAX),
        count_window: usize::MAX,
        min_requests: 1,
        ..WindowOptions::default()
    };
    let mut window = ErrorWindow::new(options);
    assert_eq!(window.options().count_window, COUNT_WINDOW_MAX);
    for second in 0..2 * WINDOW_SECONDS_MAX {
        let now = at(second as f64);
        window.record(now, sample('x', now));
    }
    assert!(window.buckets.len() as u64 <= WINDOW_SECONDS_MAX);
    assert!(window.errors.len() <= ERRORS_KEPT_MAX);
    let zero = ErrorWindow::new(WindowOptions {
        window: Duration::ZERO,
        count_window: 0,
        ..options
    });
    assert_eq!((zero.seconds(), zero.options().count_window), (1, 1));
}
