//! Each way in which a call can be unexplained is seen, and no explained one is blamed.

use std::time::Duration;

use super::*;
use crate::events::Fault;

struct Case {
    end: End,
    marked: bool,
    in_outage: bool,
    arrived: u8,
    recorded: u8,
    fault: bool,
    before: &'static str,
}

const GOOD: Case = Case {
    end: End::Exact,
    marked: false,
    in_outage: false,
    arrived: 1,
    recorded: 1,
    fault: false,
    before: "nothing",
};

fn verdict_on(case: Case) -> Verdict {
    let at: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
    let mut worked = Worked {
        worker: 3,
        ..Worked::default()
    };
    let id = worked.next_id();
    let called = Called {
        id,
        end: case.end,
        marked: case.marked,
        in_outage: case.in_outage,
        took: Duration::ZERO,
        before: case.before.to_owned(),
    };
    worked.ended(called, 10);
    let (mut arrived, mut log) = (Seen::default(), Log::default());
    (0..case.arrived).for_each(|_| arrived.add(id));
    (0..case.recorded).for_each(|_| log.exchanges.add(id));
    if case.fault {
        let rules = "s/r".to_owned();
        log.faults.insert(id, Fault { at, rules });
    }
    judge(&Evidence {
        workers: &[worked],
        arrived: &arrived,
        log: &log,
        tripped: &[],
    })
}

fn blamed(case: Case) -> Vec<&'static str> {
    verdict_on(case).wrong.into_keys().collect()
}

fn broken() -> End {
    End::Broken("gone".to_owned())
}

#[test]
fn what_is_explained_is_not_blamed() {
    assert!(blamed(GOOD).is_empty());
    let faulted = |end, marked, arrived| Case {
        end,
        marked,
        arrived,
        fault: true,
        ..GOOD
    };
    assert!(blamed(faulted(End::Status(500), true, 0)).is_empty());
    assert!(blamed(faulted(broken(), false, 1)).is_empty());
    assert!(blamed(faulted(End::Exact, true, 1)).is_empty());
    let in_outage = |end, arrived| Case {
        end,
        arrived,
        in_outage: true,
        ..GOOD
    };
    let verdict = verdict_on(in_outage(End::Status(502), 0));
    assert!(verdict.wrong.is_empty() && verdict.in_outage == 1);
    let verdict = verdict_on(in_outage(End::Exact, 2));
    assert!(verdict.wrong.is_empty() && verdict.repeated_in_outage == 1);
}

/// A good call, but for this.
fn but(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = GOOD;
    change(&mut case);
    case
}

#[test]
fn each_kind_of_trouble_has_its_name() {
    let other = || End::Wrong("x".to_owned());
    let cases = [
        (but(|c| c.end = broken()), "lost"),
        (but(|c| (c.end, c.arrived) = (End::Status(502), 0)), "lost"),
        (but(|c| c.arrived = 0), "lost"),
        (but(|c| (c.in_outage, c.arrived) = (true, 0)), "lost"),
        (but(|c| (c.in_outage, c.end) = (true, End::Status(404))), "lost"),
        (but(|c| c.arrived = 2), "duplicated"),
        (
            but(|c| (c.fault, c.marked, c.arrived) = (true, true, 2)),
            "duplicated",
        ),
        (but(|c| c.end = other()), "wrong"),
        (but(|c| (c.in_outage, c.end) = (true, other())), "wrong"),
        (but(|c| c.recorded = 0), "unrecorded"),
        (but(|c| c.recorded = 2), "recorded twice"),
        (but(|c| c.fault = true), "unmarked"),
        (but(|c| (c.fault, c.end) = (true, End::Status(500))), "unmarked"),
        (but(|c| c.marked = true), "marked without a record"),
        (
            but(|c| {
                (c.end, c.before) = (broken(), "Status(502)");
                (c.arrived, c.recorded) = (0, 0);
            }),
            "closed without notice",
        ),
    ];
    for (number, (case, wanted)) in cases.into_iter().enumerate() {
        assert_eq!(blamed(case), [wanted], "case {number}");
    }
}

#[test]
fn a_mark_of_a_rule_that_could_do_nothing_is_allowed_on_a_whole_answer() {
    let cases = [
        (End::Exact, false, vec![]),
        (broken(), true, vec![]),
        (broken(), false, vec!["marked without a record"]),
    ];
    for (end, in_outage, wanted) in cases {
        let mut worked = Worked::default();
        let id = worked.next_id();
        let called = Called {
            id,
            end,
            marked: true,
            in_outage,
            took: Duration::ZERO,
            before: String::new(),
        };
        worked.ended(called, 0);
        let (mut arrived, mut log) = (Seen::default(), Log::default());
        arrived.add(id);
        log.exchanges.add(id);
        log.idle.insert(id);
        let verdict = judge(&Evidence {
            workers: &[worked],
            arrived: &arrived,
            log: &log,
            tripped: &[],
        });
        assert_eq!(verdict.wrong.into_keys().collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn strangers_wrong_uploads_and_faults_after_a_trip_are_seen() {
    let at: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
    let second = jiff::SignedDuration::from_secs(1);
    let mut arrived = Seen::default();
    arrived.add(1);
    arrived.wrong.push(1);
    let mut log = Log::default();
    let rules = "s/r".to_owned();
    log.faults.insert(1, Fault { at, rules });
    let verdict = judge(&Evidence {
        workers: &[],
        arrived: &arrived,
        log: &log,
        tripped: &[(at - second, at + second)],
    });
    let names: Vec<&str> = verdict.wrong.into_keys().collect();
    assert_eq!(names, ["injected while tripped", "invented", "wrong"]);
}
