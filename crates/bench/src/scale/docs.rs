//! The curves in the documents: a table between markers, and a plot of each in a file.

use std::fmt::Write as _;
use std::path::Path;

use super::plot::draw;
use super::{Curve, Graph};
use crate::Void;

/// The page, and the folder of plots, in the documents' folder.
const PAGE: &str = "scale.md";
const PLOTS: &str = "plots";
const MACHINE: &str = "machine";

/// All tables with what was measured where, for reading.
#[must_use]
pub fn write(about: &[String], graphs: &[Graph]) -> String {
    let mut text = machine(about);
    for graph in graphs {
        write!(text, "\n## {}\n\n{}", graph.curve.title(), section(graph)).ok();
    }
    text
}

fn machine(about: &[String]) -> String {
    about
        .iter()
        .fold(String::new(), |text, line| text + "* " + line + "\n")
}

fn section(graph: &Graph) -> String {
    let (title, name, note) = (graph.curve.title(), graph.curve.name(), graph.curve.note());
    let mut text = format!("![{title}]({PLOTS}/{name}.svg)\n\n{note}\n\n{}\n", graph.table());
    let missing: Vec<String> = graph
        .points
        .iter()
        .filter(|point| point.median(0).is_none())
        .map(|point| graph.curve.shown(point.at))
        .collect();
    if !missing.is_empty() {
        writeln!(text, "\nMurphy refuses to start with {}.", missing.join(", ")).ok();
    }
    if graph.curve == Curve::Rules
        && let Some(ratio) = graph.ratio(0, 10_000, 10)
    {
        writeln!(
            text,
            "\nWith 10,000 rules of which none names the route a request costs {ratio:.2} times what it costs with 10 \
             (median of the rounds' ratios)."
        )
        .ok();
    }
    text
}

/// Writes the tables into the page, each between its markers, and the plots beside it. What was not measured stays.
///
/// # Errors
/// If the page is not there or lacks a marker.
pub fn save(docs: &Path, about: &[String], graphs: &[Graph]) -> Result<(), Void> {
    let page = docs.join(PAGE);
    let mut text = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    text = between(&text, MACHINE, &machine(about))?;
    std::fs::create_dir_all(docs.join(PLOTS))?;
    for graph in graphs {
        let name = graph.curve.name();
        text = between(&text, name, &section(graph))?;
        std::fs::write(docs.join(PLOTS).join(format!("{name}.svg")), plot(graph))?;
    }
    Ok(std::fs::write(page, text)?)
}

/// Replaces what stands between the markers of a name.
fn between(text: &str, name: &str, content: &str) -> Result<String, Void> {
    let (begin, end) = (
        format!("<!-- measured: {name} -->\n"),
        format!("<!-- /measured: {name} -->"),
    );
    let missing = || format!("{PAGE} lacks the marker {begin:?} or its end");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{content}{end}{after}"))
}

fn plot(graph: &Graph) -> String {
    let curve = graph.curve;
    let marks: Vec<(f64, String)> = graph
        .points
        .iter()
        .map(|point| (point.at as f64, curve.shown(point.at)))
        .collect();
    let up = match curve {
        Curve::BodySize => "MiB/s",
        Curve::Streams => "CPU µs per event",
        _ => "CPU µs per request",
    };
    draw(curve.title(), curve.title(), up, &marks, &graph.lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_what_was_not_measured() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join(PAGE);
        let empty = |name| format!("<!-- measured: {name} -->\nold {name}\n<!-- /measured: {name} -->\n");
        std::fs::write(
            &page,
            [
                "# Scale\n".to_owned(),
                empty(MACHINE),
                empty("rules"),
                empty("routes"),
            ]
            .concat(),
        )
        .unwrap();
        let mut graph = Graph::new(Curve::Rules, &[10, 10_000]);
        for (at, cost) in [(10, 20.0), (10_000, 21.0)] {
            graph.add(at, 0, &[cost, 9.0]);
        }
        save(folder.path(), &["a machine".to_owned()], &[graph.clone()]).unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(
            text.contains("* a machine\n") && text.contains("costs 1.05 times"),
            "{text}"
        );
        assert!(
            text.contains("old routes") && !text.contains("old rules"),
            "{text}"
        );
        assert!(folder.path().join("plots/rules.svg").exists());
        std::fs::write(&page, empty(MACHINE)).unwrap();
        let error = save(folder.path(), &[], &[graph]).unwrap_err();
        assert!(error.to_string().contains("lacks the marker"), "{error}");
    }
}
