//! A plot of lines over two logarithmic axes, as SVG.

use std::fmt::Write as _;

use super::Line;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 50.0;
/// Colours that people with any colour vision can tell apart (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// From values to places along one side.
#[derive(Debug, Clone, Copy)]
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// From the decade below the least value to the one above the greatest.
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let positive = values.filter(|value| *value > 0.0);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(f64::NEG_INFINITY, f64::max);
        let (least, most) = if least.is_finite() {
            (least, most)
        } else {
            (1.0, 10.0)
        };
        let least = least.log10().floor();
        Self {
            least,
            most: most.log10().ceil().max(least + 1.0),
            from,
            to,
        }
    }

    /// From the least value to the greatest.
    fn between(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let whole = Self::over(values.clone(), from, to);
        let positive = values.filter(|value| *value > 0.0).map(f64::log10);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(f64::NEG_INFINITY, f64::max);
        if most > least {
            Self { least, most, ..whole }
        } else {
            whole
        }
    }

    fn place(self, value: f64) -> f64 {
        let share = (value.log10() - self.least) / (self.most - self.least);
        self.from + share * (self.to - self.from)
    }

    /// The powers of ten on it.
    fn decades(self) -> impl Iterator<Item = f64> {
        let count = (self.most - self.least).round().max(0.0) as i32;
        (0..=count).map(move |nth| 10_f64.powf(self.least + f64::from(nth)))
    }
}

/// Draws lines; `across` and `up` say what the axes are, `marks` are the values to name on the axis across.
#[must_use]
pub fn draw(title: &str, across: &str, up: &str, marks: &[(f64, String)], lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let x = Axis::between(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n",
        escape(title)
    );
    text(&mut svg, WIDTH / 2.0, 20.0, "middle", title);
    text(&mut svg, WIDTH / 2.0, HEIGHT - 10.0, "middle", across);
    text(&mut svg, 10.0, TOP - 12.0, "start", up);
    for value in y.decades() {
        let place = y.place(value);
        grid(&mut svg, LEFT, place, WIDTH - RIGHT, place);
        text(&mut svg, LEFT - 8.0, place + 4.0, "end", &decade(value));
    }
    for (value, name) in marks {
        let place = x.place(*value);
        grid(&mut svg, place, TOP, place, HEIGHT - BOTTOM);
        text(&mut svg, place, HEIGHT - BOTTOM + 18.0, "middle", name);
    }
    for (nth, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        curve(&mut svg, x, y, line, colour);
        let right = WIDTH - RIGHT;
        let row = 20.0 + 16.0 * nth as f64;
        writeln!(
            svg,
            "<circle cx=\"{right}\" cy=\"{row}\" r=\"4\" fill=\"{colour}\"/>"
        )
        .ok();
        text(&mut svg, right - 10.0, row + 4.0, "end", &line.name);
    }
    svg.push_str("</svg>\n");
    svg
}

fn curve(svg: &mut String, x: Axis, y: Axis, line: &Line, colour: &str) {
    let places = line.points.iter().filter(|point| point.0 > 0.0 && point.1 > 0.0);
    let places: Vec<(f64, f64)> = places.map(|point| (x.place(point.0), y.place(point.1))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    writeln!(
        svg,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    )
    .ok();
    for (x, y) in places {
        writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
        )
        .ok();
    }
}

fn grid(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let line = format!("x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"");
    writeln!(svg, "<line {line} stroke=\"#ddd\"/>").ok();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, content: &str) {
    let content = escape(content);
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333\">{content}</text>"
    )
    .ok();
}

fn decade(value: f64) -> String {
    if value < 1.0 {
        format!("{value}")
    } else {
        format!("{value:.0}")
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_is_as_long_as_the_next() {
        let axis = Axis::over([1.0, 1_000.0].into_iter(), 0.0, 300.0);
        let places: Vec<f64> = [1.0, 10.0, 100.0, 1_000.0]
            .map(|value| axis.place(value).round())
            .to_vec();
        assert_eq!(places, [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(axis.decades().count(), 4);
    }

    #[test]
    fn a_plot_has_each_line_and_each_point() {
        let lines = ["a < b", "c"].map(|name| Line {
            name: name.to_owned(),
            points: vec![(1.0, 2.0), (10.0, 30.0), (100.0, 0.0)], // nothing is at zero on such an axis
        });
        let svg = draw("Title", "x", "y", &[(1.0, "1".to_owned())], &lines);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("r=\"3.5\"").count(), 4);
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn without_points_there_are_axes() {
        let svg = draw("Title", "x", "y", &[], &[]);
        assert!(svg.contains(">10</text>") && !svg.contains("NaN"));
    }
}
