//! The curves: what grows, where it is measured, and what is shown of it.

use clap::ValueEnum;
use serde::Serialize;

use crate::report::{Form, Sheet, number};
use crate::results::median;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// Rules that are loaded.
    Rules,
    /// Routes.
    Routes,
    /// Connections that are open.
    Connections,
    /// Bytes of a body.
    BodySize,
    /// Streams of events at once.
    Streams,
}

/// What is shown of a figure.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// How many digits after the point.
    pub digits: usize,
    /// Whether it is a line of the plot.
    pub plotted: bool,
}

const fn column(title: &'static str, digits: usize) -> Column {
    Column {
        title,
        digits,
        plotted: false,
    }
}

const fn plotted(title: &'static str, digits: usize) -> Column {
    Column {
        title,
        digits,
        plotted: true,
    }
}

impl Curve {
    /// Its name in files and markers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Routes => "routes",
            Self::Connections => "connections",
            Self::BodySize => "body-size",
            Self::Streams => "streams",
        }
    }

    /// Its title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Rules => "Rules loaded",
            Self::Routes => "Routes",
            Self::Connections => "Open connections",
            Self::BodySize => "Size of a body",
            Self::Streams => "Streams at once",
        }
    }

    /// Where it is measured.
    #[must_use]
    pub fn values(self) -> &'static [u64] {
        match self {
            Self::Rules => &[1, 10, 100, 1_000, 10_000],
            Self::Routes => &[1, 10, 100, 250, 1_000],
            Self::Connections => &[10, 100, 1_000, 10_000],
            Self::BodySize => &[1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20, 1 << 30],
            Self::Streams => &[1, 10, 100, 500, 1_000, 2_000],
        }
    }

    /// The columns, those of each line after one another.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Rules => {
                const {
                    &[
                        plotted("none names the route: CPU µs/req", 2),
                        column("memory MiB", 1),
                        plotted("all name it: CPU µs/req", 2),
                        column("memory MiB", 1),
                    ]
                }
            }
            Self::Routes => const { &[plotted("CPU µs/req", 2), column("memory MiB", 1)] },
            Self::Connections => {
                const {
                    &[
                        plotted("Murphy: CPU µs/req", 2),
                        column("memory MiB", 1),
                        plotted("bare: CPU µs/req", 2),
                        column("memory MiB", 1),
                    ]
                }
            }
            Self::BodySize => {
                const {
                    &[
                        plotted("Murphy: MiB/s", 0),
                        column("CPU µs/MiB", 0),
                        column("peak MiB", 1),
                        plotted("bare: MiB/s", 0),
                        column("CPU µs/MiB", 0),
                        column("peak MiB", 1),
                    ]
                }
            }
            Self::Streams => {
                const {
                    &[
                        plotted("Murphy: CPU µs/event", 2),
                        column("delay p50 ms", 3),
                        column("p99 ms", 3),
                        column("memory MiB", 1),
                        plotted("bare: CPU µs/event", 2),
                        column("delay p50 ms", 3),
                        column("p99 ms", 3),
                        column("memory MiB", 1),
                    ]
                }
            }
        }
    }

    /// A value as it is shown.
    #[must_use]
    pub fn shown(self, value: u64) -> String {
        match (self, value) {
            (Self::BodySize, value) if value >= 1 << 30 => format!("{} GiB", value >> 30),
            (Self::BodySize, value) if value >= 1 << 20 => format!("{} MiB", value >> 20),
            (Self::BodySize, value) => format!("{} KiB", value >> 10),
            (_, value) => thousands(value),
        }
    }

    /// How it is measured.
    #[must_use]
    pub fn note(self) -> &'static str {
        match self {
            Self::Rules => "Answers of 200 B, 16 at once.",
            Self::Routes => "Answers of 200 B, 16 at once, by the route that is looked at last.",
            Self::Connections => "Answers of 200 B, 10 at once, the connections take turns.",
            Self::BodySize => "One answer at once.",
            Self::Streams => "An event each 100 ms on each stream, the streams spread over that time.",
        }
    }
}

fn thousands(value: u64) -> String {
    match (value / 1_000, value % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

/// A curve that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// Which.
    pub curve: Curve,
    /// Its points.
    pub points: Vec<Point>,
}

/// A point of a curve: the figures of each round by column; none where it could not be had.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// Where.
    pub at: u64,
    /// By column, then by round.
    pub figures: Vec<Vec<f64>>,
}

/// A line of a plot.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

impl Point {
    /// The median of a column.
    #[must_use]
    pub fn median(&self, column: usize) -> Option<f64> {
        let rounds = self.figures.get(column).filter(|rounds| !rounds.is_empty())?;
        Some(median(rounds.clone()))
    }
}

impl Graph {
    /// A curve without a figure.
    #[must_use]
    pub fn new(curve: Curve, values: &[u64]) -> Self {
        let point = |at: &u64| Point {
            at: *at,
            figures: vec![Vec::new(); curve.columns().len()],
        };
        Self {
            curve,
            points: values.iter().map(point).collect(),
        }
    }

    /// Takes the figures of one round, from a column on.
    pub fn add(&mut self, at: u64, first_column: usize, figures: &[f64]) {
        let point = self.points.iter_mut().find(|point| point.at == at);
        let columns = point
            .into_iter()
            .flat_map(|point| point.figures.iter_mut().skip(first_column));
        for (rounds, figure) in columns.zip(figures) {
            rounds.push(*figure);
        }
    }

    /// The median of the ratios, round by round, of a column at one place to another place.
    #[must_use]
    pub fn ratio(&self, column: usize, at: u64, base: u64) -> Option<f64> {
        let of = |at: u64| {
            let point = self.points.iter().find(|point| point.at == at)?;
            point.figures.get(column).filter(|rounds| !rounds.is_empty())
        };
        let pairs = of(at)?.iter().zip(of(base)?);
        Some(median(pairs.map(|(own, base)| own / base).collect()))
    }

    /// As a table.
    #[must_use]
    pub fn table(&self) -> String {
        let titles = self.curve.columns().iter().map(|column| column.title);
        let rows = self.points.iter().map(|point| {
            let cells = self.curve.columns().iter().enumerate();
            let cells = cells.map(|(nth, column)| number(point.median(nth), column.digits));
            [self.curve.shown(point.at)].into_iter().chain(cells).collect()
        });
        let sheet = Sheet {
            title: self.curve.title().to_owned(),
            note: String::new(),
            header: [self.curve.title()]
                .into_iter()
                .chain(titles)
                .map(str::to_owned)
                .collect(),
            rows: rows.collect(),
        };
        sheet.table(Form::Markdown).to_string()
    }

    /// The lines of its plot.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let columns = self.curve.columns().iter().enumerate();
        let line = |(nth, column): (usize, &Column)| Line {
            name: column.title.to_owned(),
            points: self
                .points
                .iter()
                .filter_map(|point| Some((point.at as f64, point.median(nth)?)))
                .collect(),
        };
        columns.filter(|(_, column)| column.plotted).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_each_round() {
        let mut graph = Graph::new(Curve::Rules, &[10, 10_000]);
        for speed in [1.0, 2.0, 4.0] {
            graph.add(10, 0, &[10.0 * speed, 5.0]);
            graph.add(10_000, 0, &[11.0 * speed, 9.0]);
        }
        assert_eq!(graph.ratio(0, 10_000, 10), Some(1.1));
        assert_eq!(graph.ratio(2, 10_000, 10), None);
        let table = graph.table();
        let row = table.lines().last().unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1..6], ["10,000", "22.00", "9.0", "-", "-"]);
        assert_eq!(
            graph.lines().first().unwrap().points,
            [(10.0, 20.0), (10_000.0, 22.0)]
        );
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        assert_eq!(Curve::BodySize.shown(16 << 10), "16 KiB");
        assert_eq!(Curve::BodySize.shown(1 << 30), "1 GiB");
        assert_eq!(Curve::Rules.shown(10_000), "10,000");
    }
}
