//! A point of a curve: a fresh process of each line, loaded for a slice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Curve, Graph, Plan};
use crate::Void;
use crate::clock::milliseconds;
use crate::load::closed::Closed;
use crate::load::sse::Paced;
use crate::load::{idle, quantile};
use crate::targets::murphy::{self, Setup};
use crate::targets::{Lab, MURPHY, Target};
use crate::threads::Threads;

const MIB: f64 = 1_048_576.0;

/// Requests at once where rules and routes grow.
const AT_ONCE: usize = 16;
/// Requests at once where connections grow: as many as the fewest connections.
const AT_ONCE_OF_MANY: usize = 10;
/// How far apart the events of a stream are, for how many slices it lasts, and how long at least: most of its life
/// must lie behind the opening of all streams.
const PACE: Duration = Duration::from_millis(100);
const SLICES_OF_STREAMS: u32 = 4;
const STREAMS_LAST: Duration = Duration::from_millis(1_600);

/// Who is measured at a point.
#[derive(Debug, Clone, Copy)]
enum Who {
    Murphy,
    RulesElsewhere,
    RulesOfTheRoute,
    Bare,
}

/// A curve's lines, each with the first of its columns.
fn lines(curve: Curve) -> &'static [(Who, usize)] {
    match curve {
        Curve::Rules => &[(Who::RulesElsewhere, 0), (Who::RulesOfTheRoute, 2)],
        Curve::Routes => &[(Who::Murphy, 0)],
        Curve::Connections => &[(Who::Murphy, 0), (Who::Bare, 2)],
        Curve::BodySize => &[(Who::Murphy, 0), (Who::Bare, 3)],
        Curve::Streams => &[(Who::Murphy, 0), (Who::Bare, 4)],
    }
}

/// Measures a curve in rounds, each of which goes over all its points.
pub(super) async fn measure(
    lab: &Lab,
    plan: &Plan,
    curve: Curve,
    origin: &Target,
    told: &mut impl FnMut(&str),
) -> Result<Graph, Void> {
    let mut values = plan.values(curve);
    let mut graph = Graph::new(curve, &values);
    for _ in 0..plan.rounds {
        values.reverse();
        for at in values.clone() {
            for (who, column) in lines(curve) {
                let target = match start(lab, *who, curve, at, origin).await {
                    Ok(target) => target,
                    Err(error) if curve == Curve::Routes && at > 1 => {
                        told(&format!("{at} routes: {error}"));
                        values.retain(|value| *value != at); // it would be refused again
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let figures = point(plan, curve, at, &target).await;
                let figures = figures.map_err(|error| format!("{} at {at}: {error}", curve.name()))?;
                graph.add(at, *column, &figures);
            }
        }
    }
    Ok(graph)
}

async fn start(lab: &Lab, who: Who, curve: Curve, at: u64, origin: &Target) -> Result<Target, Void> {
    let count = usize::try_from(at)?;
    let setup = match who {
        Who::Bare => return lab.bare(Threads::PerCore, origin).await,
        Who::RulesElsewhere => Setup::idle_rules(murphy::OTHER, count),
        Who::RulesOfTheRoute => Setup::idle_rules(murphy::ROUTE, count),
        Who::Murphy if curve == Curve::Routes => Setup::routes(count),
        Who::Murphy => Setup::default(),
    };
    lab.murphy(MURPHY, &setup, origin).await
}

async fn point(plan: &Plan, curve: Curve, at: u64, target: &Target) -> Result<Vec<f64>, Void> {
    let count = usize::try_from(at)?;
    match curve {
        Curve::Rules | Curve::Routes => {
            let window = closed(plan, target, AT_ONCE, 200).run().await?;
            Ok(vec![
                window.micros_each(),
                target.aim.processes.memory_bytes()? / MIB,
            ])
        }
        Curve::Connections => {
            let load = closed(plan, target, AT_ONCE_OF_MANY, 200);
            let open = idle::open(&target.aim, count, "/bytes/200", 200).await?;
            let (window, connections) = load.run_on(open).await?;
            let memory = target.aim.processes.memory_bytes()?;
            drop(connections);
            Ok(vec![window.micros_each(), memory / MIB])
        }
        Curve::BodySize => {
            let window = closed(plan, target, 1, count).run().await?;
            let peak = target.aim.processes.peak_bytes()?;
            Ok(vec![window.mib_per_second(), window.micros_per_mib(), peak / MIB])
        }
        Curve::Streams => streams(plan, count, target).await,
    }
}

fn closed(plan: &Plan, target: &Target, at_once: usize, body_bytes: usize) -> Closed {
    Closed {
        aim: target.aim.clone(),
        request: target.aim.get(&format!("/bytes/{body_bytes}")),
        body_bytes,
        connections: at_once,
        at_once,
        warm_up: plan.slice / 2, // the process is fresh
        length: plan.slice,
    }
}

/// Processor time is taken over the middle of the streams' life, so that their opening is not charged to the events.
async fn streams(plan: &Plan, count: usize, target: &Target) -> Result<Vec<f64>, Void> {
    let length = (plan.slice * SLICES_OF_STREAMS).max(STREAMS_LAST);
    let load = Paced {
        aim: target.aim.clone(),
        streams: count,
        events: usize::try_from(length.as_millis() / PACE.as_millis())?,
        interval: PACE,
    };
    let processes = &target.aim.processes;
    let middle = async |arrived: &AtomicU64| {
        let sample = || Ok::<_, Void>((arrived.load(Ordering::Relaxed), processes.processor_seconds()?));
        tokio::time::sleep(length / 4).await;
        let before = sample()?;
        tokio::time::sleep(length / 2).await;
        let after = sample()?;
        let micros = (after.1 - before.1) * 1e6 / (after.0 - before.0) as f64;
        Ok((micros, processes.memory_bytes()? / MIB))
    };
    let (delays, (micros, memory)) = load.run(middle).await?;
    let delay = |share| milliseconds(quantile(&delays, share));
    Ok(vec![micros, delay(0.5), delay(0.99), memory])
}
