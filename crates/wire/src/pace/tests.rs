//! Tests of paced bodies.

use super::*;
use proptest::prelude::*;

const MILLI: Duration = Duration::from_millis(1);

/// Sends a body of `total` bytes that is there from the start, and waits just as it is told. Returns each piece
/// that passed with its time.
fn run(pacer: &mut Pacer, total: usize) -> (Vec<(Duration, usize)>, Option<Wait>) {
    let (mut now, mut left, mut passed) = (Duration::ZERO, total, Vec::new());
    loop {
        let Allowance { bytes, wait } = pacer.allow(now, left);
        left -= bytes;
        if bytes > 0 {
            passed.push((now, bytes));
        }
        match wait {
            Some(Wait::Until(next)) => {
                assert!(next > now, "a wait that is over: {next:?} at {now:?}");
                now = next;
            }
            end => {
                assert!(left == 0 || end == Some(Wait::Forever));
                return (passed, end);
            }
        }
    }
}

fn throttle(bytes_per_second: u64) -> Pacer {
    Pacer::new(Pace::Throttle { bytes_per_second }, None)
}

fn stall(after: Position, wait: Option<Duration>, total: Option<u64>) -> Pacer {
    Pacer::new(Pace::Stall { after, wait }, total)
}

#[test]
fn a_throttled_body_takes_just_its_time() {
    let (passed, _) = run(&mut throttle(1000), 2500);
    assert_eq!(passed.last().unwrap().0, 2500 * MILLI);
    assert_eq!(passed.len(), 125, "one piece for each tick");
    let (passed, _) = run(&mut throttle(1), 3);
    let second = Duration::from_secs(1);
    assert_eq!(passed, [(second, 1), (2 * second, 1), (3 * second, 1)]);
}

#[test]
fn a_drip_passes_so_many_at_a_time() {
    let mut pacer = Pacer::new(
        Pace::Drip {
            bytes: 2,
            every: 100 * MILLI,
        },
        None,
    );
    let (passed, _) = run(&mut pacer, 5);
    assert_eq!(passed, [(100 * MILLI, 2), (200 * MILLI, 2), (300 * MILLI, 1)]);
}

#[test]
fn an_idle_flow_saves_up_little() {
    let mut pacer = throttle(1000);
    let late = Duration::from_secs(60);
    assert_eq!(pacer.allow(late, 1_000_000).bytes, 100, "the credit of 100 ms");
    let drip = Pace::Drip {
        bytes: 3,
        every: MILLI,
    };
    assert_eq!(Pacer::new(drip, None).allow(late, 1_000).bytes, 3);
}

#[test]
fn a_held_back_flow_catches_up_with_a_late_question() {
    let mut pacer = throttle(1000);
    assert_eq!(pacer.allow(Duration::ZERO, 10_000).bytes, 0);
    assert_eq!(pacer.allow(5_000 * MILLI, 10_000).bytes, 5_000);
}

#[test]
fn a_stall_holds_at_its_place_and_then_lets_all_pass() {
    let mut pacer = stall(Position::Bytes(10), Some(500 * MILLI), None);
    let allow = |bytes, wait| Allowance { bytes, wait };
    assert_eq!(pacer.allow(MILLI, 4), allow(4, None));
    let until = Some(Wait::Until(502 * MILLI));
    assert_eq!(pacer.allow(2 * MILLI, 20), allow(6, until));
    assert_eq!(pacer.allow(501 * MILLI, 14), allow(0, until));
    assert_eq!(pacer.allow(502 * MILLI, 14), allow(14, None));
    assert_eq!(pacer.allow(502 * MILLI, 1000), allow(1000, None));
}

#[test]
fn a_stall_at_the_end_holds_the_end_back() {
    let mut pacer = stall(Position::Share(1.0), None, Some(10));
    assert_eq!(
        pacer.allow(MILLI, 10),
        Allowance {
            bytes: 10,
            wait: Some(Wait::Forever)
        }
    );
    assert_eq!(pacer.allow(2 * MILLI, 0).wait, Some(Wait::Forever));
}

#[test]
fn a_share_of_an_unknown_total_is_one_of_the_first_bytes() {
    let mut pacer = stall(Position::Share(0.5), None, None);
    assert_eq!(pacer.allow(MILLI, 0), Allowance { bytes: 0, wait: None });
    assert_eq!(
        pacer.allow(MILLI, 8),
        Allowance {
            bytes: 4,
            wait: Some(Wait::Forever)
        }
    );
}

#[test]
fn a_place_behind_the_end_is_never_reached() {
    let (passed, end) = run(&mut stall(Position::Bytes(11), None, Some(10)), 10);
    assert_eq!((passed, end), (vec![(Duration::ZERO, 10)], None));
}

#[test]
fn zero_and_huge_numbers_are_harmless() {
    let far = Duration::MAX;
    for pace in [
        Pace::Throttle { bytes_per_second: 0 },
        Pace::Throttle {
            bytes_per_second: u64::MAX,
        },
        Pace::Drip {
            bytes: 0,
            every: Duration::ZERO,
        },
        Pace::Drip {
            bytes: u64::MAX,
            every: far,
        },
        Pace::Stall {
            after: Position::Bytes(u64::MAX),
            wait: Some(far),
        },
        Pace::Stall {
            after: Position::Share(f64::NAN),
            wait: Some(far),
        },
    ] {
        for now in [Duration::ZERO, far, MILLI] {
            let mut pacer = Pacer::new(pace, Some(u64::MAX));
            for offered in [0, 1, usize::MAX, usize::MAX] {
                assert!(pacer.allow(now, offered).bytes <= offered, "{pace:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    /// Whatever the moments of asking, a flow with bytes to send has passed just what is due.
    #[test]
    fn a_flow_is_exact_while_it_is_held_back(
        rate in 1_u64..100_000, group in 1_u64..100, every in 1_u64..1_000,
        steps in proptest::collection::vec(0_u64..3_000_000_000, 1..40),
    ) {
        let every = Duration::from_micros(every);
        for pace in [Pace::Throttle { bytes_per_second: rate }, Pace::Drip { bytes: group, every }] {
            let mut pacer = Pacer::new(pace, None);
            prop_assert_eq!(pacer.allow(Duration::ZERO, usize::MAX).bytes, 0);
            let (mut now, mut passed) = (0_u128, 0_u128);
            for step in &steps {
                now += u128::from(*step);
                passed += pacer.allow(Duration::from_nanos(now as u64), usize::MAX).bytes as u128;
                prop_assert_eq!(passed, match pace {
                    Pace::Drip { .. } => now / every.as_nanos() * u128::from(group),
                    _ => now * u128::from(rate) / 1_000_000_000,
                });
            }
        }
    }

    /// However the bytes come, they are never early, and one that waits as it is told ends in time.
    #[test]
    fn a_flow_is_never_early(
        rate in 1_u64..100_000, offers in proptest::collection::vec((0_u64..500_000_000, 1_usize..5_000), 1..40),
    ) {
        let mut pacer = throttle(rate);
        let (mut now, mut passed) = (Duration::ZERO, 0_u128);
        for (gap, mut left) in offers {
            now += Duration::from_nanos(gap);
            let began = now;
            let size = left as u128;
            while left > 0 {
                let Allowance { bytes, wait } = pacer.allow(now, left);
                left -= bytes;
                passed += bytes as u128;
                prop_assert!(passed <= now.as_nanos() * u128::from(rate) / 1_000_000_000);
                if let Some(Wait::Until(next)) = wait {
                    prop_assert!(next > now);
                    now = next;
                }
            }
            let needed = (size * 1_000_000_000).div_ceil(u128::from(rate)) + 1_000_000_000 / u128::from(rate) + 1;
            prop_assert!((now - began).as_nanos() <= needed, "late by {:?}", now - began);
        }
    }
}
