//! Streams of events: to the first one, at a pace, at full speed.

use std::time::Duration;

use super::{Plan, named};
use crate::Void;
use crate::clock::milliseconds;
use crate::load::quantile;
use crate::load::sse::{Full, Paced, first_events};
use crate::results::{Metric, Results};
use crate::targets::Target;

pub(super) const WORK: &str = "sse";

/// An event that takes longer than this counts as delayed.
pub const DELAYED_MS: f64 = 5.0;

/// Streams whose first event is waited for.
const FIRST_EVENTS: usize = 50;
/// Streams at a pace, at once.
const PACED: usize = 4;
/// Their pace.
const PACE: Duration = Duration::from_millis(1);
/// At full speed: what it is called, and how many events the origin writes at once. One by one is how servers send
/// events, and origin and kernel are part of the bound then; eight at once show what the proxy can do.
pub const FULL: [(&str, usize); 2] = [("sse, 1 in a write", 1), ("sse, 8 in a write", 8)];
/// Events of a stream at full speed.
const EVENTS: usize = 20_000;

pub(super) async fn round(plan: &Plan, targets: &[Target], results: &mut Results) -> Result<(), Void> {
    for target in targets {
        let first = named(target, first_events(&target.aim, FIRST_EVENTS).await)?;
        let median = milliseconds(quantile(&first, 0.5));
        results.add(WORK, target, Metric::FirstEvent, median);
    }
    for target in targets {
        let load = Paced {
            aim: target.aim.clone(),
            streams: PACED,
            events: usize::try_from((plan.slice.as_micros() / PACE.as_micros()).max(1))?,
            interval: PACE,
        };
        let (delays, ()) = named(target, load.run(async |_| Ok(())).await)?;
        let delayed = delays
            .iter()
            .filter(|delay| milliseconds(**delay) > DELAYED_MS)
            .count();
        for (share, metric) in [
            (0.5, Metric::DelayP50),
            (0.99, Metric::DelayP99),
            (1.0, Metric::DelayMax),
        ] {
            results.add(WORK, target, metric, milliseconds(quantile(&delays, share)));
        }
        results.add(WORK, target, Metric::Delayed, delayed as f64);
    }
    for (work, batch) in FULL {
        for target in targets {
            let load = Full {
                aim: target.aim.clone(),
                streams: 1,
                events: EVENTS,
                batch,
                warm_up: plan.warm_up(),
                length: plan.slice,
            };
            let window = named(target, load.run().await)?;
            results.add(work, target, Metric::EventsPerSecond, window.per_second());
            results.add(work, target, Metric::CpuMicrosPerEvent, window.micros_each());
        }
    }
    Ok(())
}
