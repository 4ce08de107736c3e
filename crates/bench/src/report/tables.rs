//! The tables of the parts.

use super::{Column, Sheet, median, number, spread, to_bare, to_nginx};
use crate::measure::{DELAYED_MS, FULL, MEBIBYTE, SMALL};
use crate::results::{Metric, Results};

/// All tables; one without figures has no rows.
pub(super) fn sheets(results: &Results) -> Vec<Sheet> {
    let mut sheets: Vec<Sheet> = SMALL.iter().map(|work| small(results, work)).collect();
    sheets.extend([large(results), latency(results), first_and_paced(results)]);
    sheets.extend(FULL.iter().map(|(work, batch)| full_speed(results, work, *batch)));
    sheets.extend([memory(results), delay(results)]);
    sheets
}

fn sheet(
    results: &Results,
    work: &str,
    metric: Metric,
    title: &str,
    note: &str,
    columns: Vec<Column<'_>>,
) -> Sheet {
    let targets = results.targets(work).into_iter();
    let rows = targets
        .filter(|target| results.of(work, target, metric).is_some())
        .map(|target| {
            let cells = columns.iter().map(|(_, cell)| cell(target));
            [target.to_owned()].into_iter().chain(cells).collect()
        });
    Sheet {
        title: title.to_owned(),
        note: note.to_owned(),
        header: [""]
            .into_iter()
            .chain(columns.iter().map(|column| column.0))
            .map(str::to_owned)
            .collect(),
        rows: rows.collect(),
    }
}

fn small(results: &Results, work: &'static str) -> Sheet {
    let (rate, cost) = (Metric::PerSecond, Metric::CpuMicros);
    let columns: Vec<Column<'_>> = vec![
        ("req/s", median(results, work, rate, 0)),
        ("min..max", spread(results, work, rate)),
        ("to bare", to_bare(results, work, rate)),
        ("to nginx", to_nginx(results, work, rate)),
        ("CPU µs/req", median(results, work, cost, 2)),
        ("to bare", to_bare(results, work, cost)),
        ("to nginx", to_nginx(results, work, cost)),
    ];
    let note = "As fast as it goes. CPU: user and system time of the target's processes. Ratios: to the better bare \
                proxy of this run, and to nginx.";
    sheet(results, work, rate, work, note, columns)
}

fn large(results: &Results) -> Sheet {
    let (work, rate, cost) = (MEBIBYTE, Metric::MibPerSecond, Metric::CpuMicrosPerMib);
    let columns: Vec<Column<'_>> = vec![
        ("MiB/s", median(results, work, rate, 0)),
        ("min..max", spread(results, work, rate)),
        ("to bare", to_bare(results, work, rate)),
        ("to nginx", to_nginx(results, work, rate)),
        ("CPU µs/MiB", median(results, work, cost, 0)),
        ("to bare", to_bare(results, work, cost)),
    ];
    let note = "Answers of 1 MiB, 16 at once.";
    sheet(results, work, rate, work, note, columns)
}

fn latency(results: &Results) -> Sheet {
    let work = "latency";
    let columns: Vec<Column<'_>> = vec![
        ("p50 ms", median(results, work, Metric::P50, 3)),
        ("p99", median(results, work, Metric::P99, 3)),
        ("p99.9", median(results, work, Metric::P999, 3)),
        ("added p50", median(results, work, Metric::AddedP50, 3)),
        ("added p99", median(results, work, Metric::AddedP99, 3)),
        ("added p99.9", median(results, work, Metric::AddedP999, 3)),
        ("p99 to bare", to_bare(results, work, Metric::AddedP99)),
    ];
    let note = "Answers of 200 B at a fixed rate, each counted from when it was due. Added: beyond the origin, asked \
                directly in the same round.";
    sheet(
        results,
        work,
        Metric::P50,
        "Latency at a fixed rate",
        note,
        columns,
    )
}

fn first_and_paced(results: &Results) -> Sheet {
    let work = "sse";
    let delayed = move |target: &str| {
        let rounds = results.of(work, target, Metric::Delayed);
        number(rounds.map(|series| series.rounds.iter().sum()), 0)
    };
    let over = format!("over {DELAYED_MS} ms");
    let columns: Vec<Column<'_>> = vec![
        ("first event ms", median(results, work, Metric::FirstEvent, 3)),
        ("delay p50", median(results, work, Metric::DelayP50, 3)),
        ("p99", median(results, work, Metric::DelayP99, 3)),
        ("max", median(results, work, Metric::DelayMax, 3)),
        (&over, Box::new(delayed)),
    ];
    let note = "Four streams, an event each millisecond. Delay: from the origin's sending to the arrival of each event. \
                Max: median of the rounds' longest; the last column is the sum over all rounds.";
    sheet(results, work, Metric::FirstEvent, "SSE at a pace", note, columns)
}

fn full_speed(results: &Results, work: &'static str, batch: usize) -> Sheet {
    let (rate, cost) = (Metric::EventsPerSecond, Metric::CpuMicrosPerEvent);
    let columns: Vec<Column<'_>> = vec![
        ("events/s", median(results, work, rate, 0)),
        ("min..max", spread(results, work, rate)),
        ("to bare", to_bare(results, work, rate)),
        ("to nginx", to_nginx(results, work, rate)),
        ("CPU µs/event", median(results, work, cost, 3)),
        ("to bare", to_bare(results, work, cost)),
    ];
    let title = format!("SSE at full speed, {batch} in a write");
    let note = "One stream, each event a chunk of its own, as fast as it goes. Of the origin, asked directly, it is the \
                bound of what can be had.";
    sheet(results, work, rate, &title, note, columns)
}

fn memory(results: &Results) -> Sheet {
    let work = "memory";
    let columns: Vec<Column<'_>> = vec![
        ("idle MiB", median(results, work, Metric::IdleMib, 1)),
        ("connected MiB", median(results, work, Metric::ConnectedMib, 1)),
        (
            "KiB/connection",
            median(results, work, Metric::KibPerConnection, 1),
        ),
    ];
    let note = "Resident memory of a fresh process (nginx: proportional share over its processes, with room for 16,384 \
                connections each), and with idle connections, each of which had one request, 16 at once: the upstream \
                connections that are kept are few.";
    sheet(results, work, Metric::IdleMib, "Memory", note, columns)
}

fn delay(results: &Results) -> Sheet {
    let work = "delay";
    let earliest = move |target: &str| {
        let rounds = results.of(work, target, Metric::LateMin);
        number(
            rounds.map(|series| series.rounds.iter().copied().fold(f64::INFINITY, f64::min)),
            3,
        )
    };
    let columns: Vec<Column<'_>> = vec![
        ("shortest - 100 ms", Box::new(earliest)),
        ("late p50 ms", median(results, work, Metric::LateP50, 3)),
        ("late p99 ms", median(results, work, Metric::LateP99, 3)),
    ];
    let note = "Injected: 100 ms, 200 requests/s. Late: beyond 100 ms and the median of asking the origin directly in \
                the same round. Shortest: of all rounds, whole time less 100 ms; below zero is early.";
    sheet(
        results,
        work,
        Metric::LateMin,
        "Accuracy of an injected delay",
        note,
        columns,
    )
}
