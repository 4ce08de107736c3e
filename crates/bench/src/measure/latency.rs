//! Added latency at a fixed rate: what a target takes beyond the origin, asked directly in the same round.

use super::{Plan, named};
use crate::Void;
use crate::load::open::Open;
use crate::results::{Metric, Results};
use crate::targets::{DIRECT, Target};

/// A slice has this many of the usual ones: there are few requests above a 99.9th percentile.
const SLICES: u32 = 2;
/// Connections that the requests are spread over.
const CONNECTIONS: usize = 32;
/// The quantiles, and what they are called absolutely and beyond the origin.
const QUANTILES: [(f64, Metric, Metric); 3] = [
    (0.5, Metric::P50, Metric::AddedP50),
    (0.99, Metric::P99, Metric::AddedP99),
    (0.999, Metric::P999, Metric::AddedP999),
];

pub(super) const WORK: &str = "latency";

pub(super) async fn round(plan: &Plan, targets: &[Target], results: &mut Results) -> Result<(), Void> {
    let mut measured = Vec::new();
    for target in targets {
        let load = Open {
            aim: target.aim.clone(),
            request: target.aim.get("/200"),
            body_bytes: 200,
            connections: CONNECTIONS,
            rate: plan.rate,
            length: plan.slice * SLICES,
        };
        measured.push((target, named(target, load.run().await)?));
    }
    let direct = measured.iter().find(|(target, _)| target.name == DIRECT);
    let direct = direct
        .map(|(_, times)| times.clone())
        .ok_or("the origin is not asked")?;
    for (target, times) in measured {
        for (share, metric, added) in QUANTILES {
            results.add(WORK, target, metric, times.due_ms(share));
            if target.name != DIRECT {
                results.add(WORK, target, added, times.due_ms(share) - direct.due_ms(share));
            }
        }
    }
    Ok(())
}
