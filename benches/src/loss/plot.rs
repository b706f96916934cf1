//! The plot: one panel for each delivery class, one line for each transport, staleness over loss.
//!
//! Drawn by hand as SVG: no fonts, no scripts, readable on light and dark.

use std::fmt::Write;

use super::cell::{CLASSES, Carrier, Cell, Class, TRANSPORTS};
use super::report::Report;
use super::run::Run;

const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 348.0;
/// The panels' area: above it title and legend, below it the axis.
const TOP: f64 = 92.0;
const BOTTOM: f64 = 292.0;
const LEFT: f64 = 56.0;
const PANEL: f64 = 212.0;
const PANEL_DISTANCE: f64 = 262.0;
/// The least distance of two labels at the ends of lines.
const LABEL: f64 = 16.0;

const STYLE: &str = "text{font:14px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.soft{fill:#59636e}.title{font-size:16px;font-weight:600}.grid{stroke:#d1d9e0;stroke-width:1}\
.line{fill:none;stroke-width:2.5;stroke-linejoin:round}.end{text-anchor:end}.middle{text-anchor:middle}\
.websocket{stroke:#bc4c00;fill:#bc4c00}.webtransport{stroke:#0969da;fill:#0969da}.quic{stroke:#1a7f37;fill:#1a7f37}\
path.line{fill:none}text.websocket,text.webtransport,text.quic{stroke:none}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.soft{fill:#9198a1}.grid{stroke:#3d444d}\
.websocket{stroke:#f0883e;fill:#f0883e}.webtransport{stroke:#58a6ff;fill:#58a6ff}.quic{stroke:#3fb950;fill:#3fb950}}";

/// Draws the staleness that one look in a hundred exceeds.
pub(crate) fn draw(report: &Report) -> String {
    let losses = report.losses();
    let axis = Axis::over(&losses, report.runs.iter().flat_map(plotted));
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>Staleness over packet loss</title><style>{STYLE}</style>"#
    );
    let title = format!("How old the newest state is, p99, ms: 20 Hz, {} ms round trip", report.round_trip_ms());
    let _ = writeln!(out, r#"<text class="title" x="{LEFT}" y="24">{title}</text>"#);
    legend(&mut out);
    for (place, class) in CLASSES.into_iter().enumerate() {
        let left = LEFT + PANEL_DISTANCE * place as f64;
        panel(&mut out, &axis, left, class, place == 0);
        lines(&mut out, &axis, left, |transport| points(report, Cell::alone(transport, class)));
    }
    out.push_str("</svg>\n");
    out
}

fn plotted(run: &Run) -> impl Iterator<Item = f64> {
    run.cells.iter().filter(|(cell, _)| !cell.beside).map(|(_, figures)| figures.staleness_ms.p99)
}

/// Loss and staleness.
fn points(report: &Report, cell: Cell) -> Vec<(f64, f64)> {
    let point = |run| report.figures(run, cell).map(|figures| (run.loss, figures.staleness_ms.p99));
    report.runs.iter().filter_map(point).collect()
}

fn legend(out: &mut String) {
    for (place, transport) in TRANSPORTS.into_iter().enumerate() {
        let (x, class) = (LEFT + 150.0 * place as f64, class_of(transport));
        let _ = writeln!(
            out,
            r#"<path class="line {class}" d="M{x} 45h22"/><text x="{}" y="50">{transport}</text>"#,
            x + 30.0
        );
    }
}

fn panel(out: &mut String, axis: &Axis, left: f64, class: Class, first: bool) {
    let _ = writeln!(out, r#"<text class="title" x="{left}" y="{}">{class}</text>"#, TOP - 10.0);
    for tick in axis.ticks() {
        let y = axis.y(tick);
        let _ = writeln!(out, r#"<path class="grid" d="M{left} {y:.1}h{PANEL}"/>"#);
        if first {
            let _ = writeln!(out, r#"<text class="soft end" x="{}" y="{:.1}">{tick}</text>"#, left - 8.0, y + 5.0);
        }
    }
    for loss in &axis.losses {
        let x = axis.x(left, *loss);
        let _ = writeln!(out, r#"<text class="soft middle" x="{x:.1}" y="{}">{loss} %</text>"#, BOTTOM + 22.0);
    }
    let _ = writeln!(out, r#"<text class="soft" x="{left}" y="{}">packets lost, each way</text>"#, BOTTOM + 44.0);
}

fn lines(out: &mut String, axis: &Axis, left: f64, points: impl Fn(Carrier) -> Vec<(f64, f64)>) {
    let mut ends = Vec::new();
    for transport in TRANSPORTS {
        let (points, class) = (points(transport), class_of(transport));
        let place = |(loss, value): &(f64, f64)| (axis.x(left, *loss), axis.y(*value));
        let path: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let _ = writeln!(out, r#"<path class="line {class}" d="M{}"/>"#, path.join("L"));
        for (x, y) in points.iter().map(place) {
            let _ = writeln!(out, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
        }
        ends.extend(points.last().map(|last| (axis.y(last.1), last.1, class)));
    }
    for (y, (_, value, class)) in apart(&mut ends) {
        let x = left + PANEL - 2.0;
        let _ = writeln!(out, r#"<text class="{class}" x="{:.1}" y="{:.1}">{value:.0}</text>"#, x + 4.0, y + 5.0);
    }
}

/// Labels from the top down, moved apart so that none covers another.
fn apart<'a>(ends: &'a mut [(f64, f64, &'static str)]) -> Vec<(f64, &'a (f64, f64, &'static str))> {
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut places: Vec<f64> = ends.iter().map(|end| end.0).collect();
    for place in 1..places.len() {
        places[place] = places[place].max(places[place - 1] + LABEL);
    }
    // What was pushed over the lower edge goes up again, and pushes others.
    let mut limit = BOTTOM;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - LABEL;
    }
    places.into_iter().zip(ends.iter()).collect()
}

fn class_of(transport: Carrier) -> &'static str {
    match transport {
        Carrier::WebSocket => "websocket",
        Carrier::WebTransport => "webtransport",
        Carrier::Quic => "quic",
    }
}

/// From figures to places.
#[derive(Debug)]
struct Axis {
    losses: Vec<f64>,
    loss_max: f64,
    step: f64,
    top: f64,
}

impl Axis {
    fn over(losses: &[f64], values: impl Iterator<Item = f64>) -> Self {
        let max = values.fold(1.0, f64::max);
        let step = [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0].into_iter().find(|step| max / step <= 6.0);
        let step = step.unwrap_or(max / 4.0);
        let loss_max = losses.iter().copied().fold(1.0, f64::max);
        Self { losses: losses.to_vec(), loss_max, step, top: (max / step).ceil() * step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (0..=(self.top / self.step) as u32).map(|tick| f64::from(tick) * self.step)
    }

    fn x(&self, left: f64, loss: f64) -> f64 {
        // Room for the points and for the labels behind the last ones.
        left + 14.0 + (PANEL - 34.0) * loss / self.loss_max
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * value / self.top
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn the_axis_holds_every_value_with_a_few_ticks() {
        for max in [3.0, 69.0, 170.0, 999.0, 25_000.0] {
            let axis = Axis::over(&[0.0, 5.0], [1.0, max].into_iter());
            assert!(axis.top >= max && axis.y(max) >= TOP && axis.y(0.0) == BOTTOM);
            assert!((2..=8).contains(&axis.ticks().count()), "{max}");
        }
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut ends = [(280.0, 1.0, "a"), (279.0, 2.0, "b"), (150.0, 3.0, "c")];
        let places: Vec<f64> = apart(&mut ends).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places[0], 150.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= LABEL) && places[2] <= BOTTOM);
    }

    #[test]
    fn each_class_has_a_panel_with_a_line_for_each_transport_inside_the_picture() {
        let drawn = draw(&report(&[(0.0, 70.0), (1.0, 90.0), (5.0, 170.0)]));
        let count = |what: &str| drawn.matches(what).count();
        for class in CLASSES {
            assert_eq!(count(&format!(">{class}</text>")), 1);
        }
        // Three panels and the legend.
        assert_eq!(count(r#"<path class="line websocket""#), 4);
        assert_eq!((count("<circle"), count("<svg"), count("</svg>")), (3 * 3 * 3, 1, 1));
        for place in drawn.split(" cy=\"").skip(1) {
            let y: f64 = place.split('"').next().unwrap().parse().unwrap();
            assert!((TOP..=BOTTOM).contains(&y));
        }
    }
}
