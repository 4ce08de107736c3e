//! Accuracy of an injected delay, at a rate that leaves the cores nearly idle.

use super::{Plan, named};
use crate::Void;
use crate::load::open::{Open, Times};
use crate::results::{Metric, Results};
use crate::targets::murphy::Setup;
use crate::targets::{DIRECT, Lab, Target};

pub(super) const WORK: &str = "delay";

/// What is injected.
pub const INJECTED_MS: u64 = 100;
/// Murphy with a rule that delays every call.
pub const MURPHY_DELAY: &str = "murphy, delay 100 ms";

const RATE: u32 = 200;
const CONNECTIONS: usize = 64;
const SLICES: u32 = 2;

/// Lateness is what a call took beyond the injected delay and the median of calls that were asked directly; the
/// shortest is compared with the bare delay, so that early means early.
pub(super) async fn round(
    lab: &Lab,
    plan: &Plan,
    targets: &[Target],
    results: &mut Results,
) -> Result<(), Void> {
    let origin = targets.iter().find(|target| target.name == DIRECT);
    let origin = origin.ok_or("there is no origin")?;
    let delayed = lab
        .murphy(MURPHY_DELAY, &Setup::delay(INJECTED_MS), origin)
        .await?;
    let direct = named(origin, load(plan, origin).await)?.sent_ms(0.5);
    let times = named(&delayed, load(plan, &delayed).await)?;
    let injected = INJECTED_MS as f64;
    results.add(WORK, &delayed, Metric::LateMin, times.sent_ms(0.0) - injected);
    for (share, metric) in [(0.5, Metric::LateP50), (0.99, Metric::LateP99)] {
        results.add(WORK, &delayed, metric, times.sent_ms(share) - injected - direct);
    }
    Ok(())
}

async fn load(plan: &Plan, target: &Target) -> Result<Times, Void> {
    let load = Open {
        aim: target.aim.clone(),
        request: target.aim.get("/200"),
        body_bytes: 200,
        connections: CONNECTIONS,
        rate: RATE,
        length: plan.slice * SLICES,
    };
    load.run().await
}
