//! What is measured, in interleaved rounds: in each round every part asks every target in turn, forwards in one
//! round and backwards in the next, so that drift of the machine falls on all alike.

use std::time::Duration;

use clap::ValueEnum;

use crate::Void;
use crate::probe::{Machine, Processes};
use crate::results::Results;
use crate::targets::{DIRECT, Lab, ORDER, Target};

mod delay;
mod latency;
mod memory;
mod streams;
mod throughput;

pub use delay::{INJECTED_MS, MURPHY_DELAY};
pub use streams::{DELAYED_MS, FULL};
pub use throughput::{MEBIBYTE, SMALL};

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Answers per second and processor time, as fast as it goes.
    Throughput,
    /// Added latency at a fixed rate.
    Latency,
    /// Streams of events.
    Sse,
    /// Memory, idle and with idle connections.
    Memory,
    /// Accuracy of an injected delay.
    Delay,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The parts.
    pub parts: Vec<Part>,
    /// Interleaved rounds.
    pub rounds: usize,
    /// How long a slice is.
    pub slice: Duration,
    /// Connections as fast as it goes.
    pub connections: usize,
    /// Requests per second at the fixed rate.
    pub rate: u32,
    /// Idle connections.
    pub idle: usize,
    /// Only targets whose name contains one of these; the origin is always among them. Empty: all.
    pub only: Vec<String>,
}

/// Of a slice, what is spent before it is measured.
const WARM_UP_SHARE: u32 = 5;

impl Plan {
    fn warm_up(&self) -> Duration {
        self.slice / WARM_UP_SHARE
    }

    fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    fn takes(&self, target: &Target) -> bool {
        let name = &target.name;
        name == DIRECT || self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

/// Names the target whose figure is void.
fn named<T>(target: &Target, result: Result<T, Void>) -> Result<T, Void> {
    result.map_err(|error| format!("{}: {error}", target.name).into())
}

/// Processor time of all targets and of the load.
fn own_seconds(targets: &[Target]) -> Result<f64, Void> {
    let targets = targets
        .iter()
        .map(|target| target.aim.processes.processor_seconds());
    let targets: f64 = targets.sum::<Result<f64, Void>>()?;
    Ok(targets + Processes::only(std::process::id()).processor_seconds()?)
}

/// Measures everything.
///
/// # Errors
/// If something does not start, or one answer was wrong.
pub async fn run(lab: &Lab, plan: &Plan, mut told: impl FnMut(&str)) -> Result<Results, Void> {
    let mut targets = lab.all().await?;
    targets.retain(|target| plan.takes(target));
    let mut results = Results::default();
    throughput::warm_up(plan, &targets).await?;
    for round in 1..=plan.rounds {
        told(&format!("round {round} of {}", plan.rounds));
        targets.reverse(); // back to the first order in every second round
        let results = &mut results;
        if plan.wants(Part::Throughput) {
            let (before, own) = (Machine::now()?, own_seconds(&targets)?);
            throughput::round(plan, &targets, results).await?;
            let own = own_seconds(&targets)? - own;
            results.others.push(Machine::now()?.taken_by_others(before, own));
        }
        if plan.wants(Part::Latency) {
            latency::round(plan, &targets, results).await?;
        }
        if plan.wants(Part::Sse) {
            streams::round(plan, &targets, results).await?;
        }
        if plan.wants(Part::Memory) {
            memory::round(lab, plan, &targets, results).await?;
        }
        if plan.wants(Part::Delay) {
            delay::round(lab, plan, &targets, results).await?;
        }
    }
    results.order(&ORDER);
    Ok(results)
}
