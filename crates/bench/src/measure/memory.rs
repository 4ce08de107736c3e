//! Memory of fresh processes: idle, and with idle connections.

use super::{Plan, named};
use crate::Void;
use crate::load::idle;
use crate::results::{Metric, Results};
use crate::targets::murphy::Setup;
use crate::targets::{DIRECT, Lab, MURPHY, Target};
use crate::threads::Threads;

pub(super) const WORK: &str = "memory";

const MIB: f64 = 1_048_576.0;

pub(super) async fn round(
    lab: &Lab,
    plan: &Plan,
    targets: &[Target],
    results: &mut Results,
) -> Result<(), Void> {
    let origin = targets.iter().find(|target| target.name == DIRECT);
    let origin = origin.ok_or("there is no origin")?;
    let mut fresh = vec![
        lab.bare(Threads::Multi, origin).await?,
        lab.bare(Threads::PerCore, origin).await?,
    ];
    fresh.extend(lab.nginx(origin).await?);
    fresh.push(lab.murphy(MURPHY, &Setup::default(), origin).await?);
    for target in fresh.iter().filter(|target| plan.takes(target)) {
        named(target, one(plan, target, results).await)?;
    }
    Ok(())
}

/// What an idle connection costs is counted from a process that has served a few, so that what it allocates once for
/// all is not charged to them.
async fn one(plan: &Plan, target: &Target, results: &mut Results) -> Result<(), Void> {
    let aim = &target.aim;
    let idle_bytes = aim.processes.memory_bytes()?;
    let first = idle::open(aim, FIRST, "/200", 200).await?;
    let first_bytes = aim.processes.memory_bytes()?;
    let more = idle::open(aim, plan.idle, "/200", 200).await?;
    let connected_bytes = aim.processes.memory_bytes()?;
    results.add(WORK, target, Metric::IdleMib, idle_bytes / MIB);
    results.add(WORK, target, Metric::ConnectedMib, connected_bytes / MIB);
    let each = (connected_bytes - first_bytes) / more.len() as f64 / 1024.0;
    results.add(WORK, target, Metric::KibPerConnection, each);
    drop(first);
    Ok(())
}

/// Connections that are opened before what one costs is counted.
const FIRST: usize = 32;
