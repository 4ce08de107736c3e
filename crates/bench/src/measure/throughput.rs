//! As fast as it goes: answers per second and processor time for an answer.

use std::time::Duration;

use super::{Plan, named};
use crate::Void;
use crate::load::closed::Closed;
use crate::origin::MCP_RESULT;
use crate::results::{Metric, Results};
use crate::targets::Target;

/// The kinds of work whose answers are counted.
pub const SMALL: [&str; 3] = ["200 B", "8 KiB", "JSON-RPC POST"];
/// The kind of work whose bytes are counted.
pub const MEBIBYTE: &str = "1 MiB";

/// A tool's call.
const MCP_CALL: &str = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"run_tests","arguments":{"path":"/srv/project","filter":"cli","verbose":false},"_meta":{"progressToken":"b7f3a1"}}}"#;

/// Large bodies at once.
const LARGE_AT_ONCE: usize = 16;

/// How long each target is warmed up before the first round, at most.
const WARM_UP_MAX: Duration = Duration::from_millis(300);

fn closed(plan: &Plan, target: &Target, work: &str) -> Closed {
    let aim = target.aim.clone();
    let (request, body_bytes, connections) = match work {
        "200 B" => (aim.get("/200"), 200, plan.connections),
        "8 KiB" => (aim.get("/8k"), 8 << 10, plan.connections),
        MEBIBYTE => (aim.get("/1m"), 1 << 20, plan.connections.min(LARGE_AT_ONCE)),
        _ => (aim.post("/mcp", MCP_CALL), MCP_RESULT.len(), plan.connections),
    };
    Closed {
        aim,
        request,
        body_bytes,
        connections,
        at_once: connections,
        warm_up: plan.warm_up(),
        length: plan.slice,
    }
}

/// Asks everybody once, so that no figure has the first allocations in it.
pub(super) async fn warm_up(plan: &Plan, targets: &[Target]) -> Result<(), Void> {
    for target in targets {
        let mut load = closed(plan, target, "8 KiB");
        load.length = load.length.min(WARM_UP_MAX);
        named(target, load.run().await)?;
    }
    Ok(())
}

pub(super) async fn round(plan: &Plan, targets: &[Target], results: &mut Results) -> Result<(), Void> {
    for work in SMALL {
        for target in targets {
            let window = named(target, closed(plan, target, work).run().await)?;
            results.add(work, target, Metric::PerSecond, window.per_second());
            results.add(work, target, Metric::CpuMicros, window.micros_each());
        }
    }
    for target in targets {
        let window = named(target, closed(plan, target, MEBIBYTE).run().await)?;
        results.add(MEBIBYTE, target, Metric::MibPerSecond, window.mib_per_second());
        results.add(MEBIBYTE, target, Metric::CpuMicrosPerMib, window.micros_per_mib());
    }
    Ok(())
}
