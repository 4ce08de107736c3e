//! How cost grows: with rules, routes, connections, the size of bodies and streams at once.

use std::time::Duration;

use clap::ValueEnum;

use crate::Void;
use crate::targets::Lab;

pub mod curves;
pub mod docs;
pub mod plot;
mod points;

pub use curves::{Curve, Graph, Line, Point};

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The curves.
    pub curves: Vec<Curve>,
    /// Interleaved rounds.
    pub rounds: usize,
    /// How long a slice is.
    pub slice: Duration,
    /// The largest value of each curve.
    pub up_to: u64,
}

impl Plan {
    /// The values of a curve that are measured: all up to the largest, and the first in any case.
    pub(crate) fn values(&self, curve: Curve) -> Vec<u64> {
        let mut values = curve.values().to_vec();
        if curve == Curve::Connections {
            let most = connections_max();
            values.iter_mut().for_each(|value| *value = (*value).min(most));
        }
        let (first, up_to) = (values.first().copied().unwrap_or(1), self.up_to);
        values.retain(|value| *value <= up_to.max(first));
        values
    }
}

/// How many connections a proxy can hold: it needs a descriptor at each side, and some of its own.
fn connections_max() -> u64 {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    files.current.map_or(u64::MAX, |files| {
        (files / 2).saturating_sub(OWN_FILES) / 100 * 100
    })
}

/// What a proxy may have open besides its connections.
const OWN_FILES: u64 = 64;

/// Measures the curves.
///
/// # Errors
/// If something does not start, or one answer was wrong.
pub async fn run(lab: &Lab, plan: &Plan, mut told: impl FnMut(&str)) -> Result<Vec<Graph>, Void> {
    let origin = lab.origin().await?;
    let mut graphs = Vec::new();
    for curve in Curve::value_variants() {
        if plan.curves.contains(curve) {
            told(&format!("{}: {:?}", curve.title(), plan.values(*curve)));
            graphs.push(points::measure(lab, plan, *curve, &origin, &mut told).await?);
        }
    }
    Ok(graphs)
}
