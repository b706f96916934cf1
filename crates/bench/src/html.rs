//! The report as a page: one file without scripts, with plots drawn as SVG, dark or light as the reader's system is.

use std::fmt::Write;

use crate::number::shown;
use crate::outcome::{Latencies, Sample};
use crate::report::{QUANTILES, Report, Times};

const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1b1f24;--soft:#5b6470;--line:#d8dde3;--page:#fbfbfa;--first:#2563a8;--second:#b45f1b}
@media(prefers-color-scheme:dark){:root{--text:#e4e7eb;--soft:#9aa4b0;--line:#333b45;--page:#15191e;--first:#78aee8;--second:#e0a06a}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:52rem;margin:2.5rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.4rem 0}.soft{color:var(--soft)}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}
td,th{padding:.25rem .5rem;border-bottom:1px solid var(--line);text-align:left;font-weight:normal}
td.number,th.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.failed{border-left:4px solid #c0392b;padding-left:.75rem}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:12px}svg .grid{stroke:var(--line)}
svg.key{display:inline-block;width:1.5rem;height:.5rem}
svg .first{stroke:var(--first)}svg .second{stroke:var(--second)}svg path{fill:none;stroke-width:2}
@media(max-width:40rem){svg text{font-size:20px}table{font-size:.85em}td,th{padding:.25rem}}";

/// Where a plot is drawn.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 100.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut out = String::new();
    let title = escaped(&format!("anteroom bench {}", report.workload));
    // Strings never refuse to be written to, here and below.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&report.subject)
    );
    for failure in &report.findings.failures {
        let _ = writeln!(out, "<p class=\"failed\"><strong>Failed.</strong> {}</p>", escaped(failure));
    }
    figures(report, &mut out);
    for times in &report.findings.times {
        distribution(times, &mut out);
    }
    if !report.findings.course.is_empty() {
        let _ = writeln!(out, "<h2>Rate over time</h2>");
        rates(&report.findings.course, report.findings.course_unit, &mut out);
    }
    for note in &report.findings.notes {
        let _ = writeln!(out, "<p class=\"soft\">{}</p>", escaped(note));
    }
    let _ = write!(
        out,
        "<h2>How it was measured</h2>\n<p><code>{}</code></p>\n<p>{}</p>\n<p class=\"soft\">Anteroom {}</p>\n</body>\n\
         </html>\n",
        escaped(&report.command),
        escaped(&report.machine),
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn figures(report: &Report, out: &mut String) {
    let _ = writeln!(out, "<h2>Figures</h2>\n<table>");
    for figure in &report.findings.figures {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            escaped(figure.name),
            shown(figure.value),
            escaped(figure.unit)
        );
    }
    let _ = writeln!(out, "</table>");
}

fn distribution(times: &Times, out: &mut String) {
    let _ = writeln!(
        out,
        "<h2>{}</h2>\n<p class=\"soft\">{}.</p>\n<table>\n<tr>",
        escaped(times.name),
        escaped(times.meaning)
    );
    for (name, _) in QUANTILES {
        let _ = write!(out, "<th class=\"number\">{name}</th>");
    }
    let _ = writeln!(out, "</tr>\n<tr>");
    for (_, share) in QUANTILES {
        let _ = write!(out, "<td class=\"number\">{} ms</td>", shown(Some(times.latencies.quantile_ms(share))));
    }
    let _ = writeln!(out, "</tr>\n</table>");
    if times.latencies.count() > 0 {
        percentiles(&times.latencies, out);
    }
}

/// Latency by percentile. To the right each step is a tenth of what is left, so that the tail has room.
fn percentiles(latencies: &Latencies, out: &mut String) {
    let nines = (latencies.count() as f64).log10().clamp(2.0, 6.0);
    let left_over = |place: f64| 10f64.powf(-place * nines);
    let points: Vec<(f64, f64)> =
        (0..=200).map(|step| f64::from(step) / 200.0).map(|x| (x, latencies.quantile_ms(1.0 - left_over(x)))).collect();
    let (low, high) = decades(latencies.quantile_ms(0.0), latencies.max_ms());
    let height = |ms: f64| (ms.max(low).log10() - low.log10()) / (high.log10() - low.log10());
    let curve: Vec<(f64, f64)> = points.iter().map(|(x, ms)| (*x, height(*ms))).collect();
    let mut plot = Plot::begin("Latency by percentile", out);
    let mut ms = low;
    while ms <= high * 1.001 {
        plot.across(height(ms), &format!("{} ms", plain(ms)));
        ms *= 10.0;
    }
    for (name, share) in
        [("50 %", 0.5), ("90 %", 0.1), ("99 %", 0.01), ("99.9 %", 0.001), ("99.99 %", 1e-4), ("99.999 %", 1e-5)]
    {
        let left: f64 = if name == "50 %" { 0.5 } else { share };
        let x = -left.log10() / nines;
        if x <= 1.0 {
            plot.up(x, name);
        }
    }
    plot.curve("first", &curve);
    plot.end();
}

/// What happened each second, and what the server used for it.
fn rates(course: &[Sample], unit: &str, out: &mut String) {
    let seconds = course.last().map_or(1.0, |sample| sample.at).max(1e-3);
    let highest = course.iter().map(|sample| sample.rate).fold(0.0, f64::max);
    let top = round_up(highest);
    let mut plot = Plot::begin(&format!("{unit} over time"), out);
    for part in 0..=4 {
        let height = f64::from(part) / 4.0;
        plot.across(height, &shown(Some(top * height)));
    }
    for part in 0..=5 {
        let x = f64::from(part) / 5.0;
        plot.up(x, &format!("{} s", plain((seconds * x * 10.0).round() / 10.0)));
    }
    let rate: Vec<(f64, f64)> = course.iter().map(|sample| (sample.at / seconds, sample.rate / top)).collect();
    plot.curve("first", &rate);
    let share = |sample: &Sample| Some((sample.at / seconds, sample.server_share?.min(1.0)));
    let shares: Vec<(f64, f64)> = course.iter().filter_map(share).collect();
    plot.curve("second", &shares);
    plot.end();
    let key = |class: &str| {
        format!(
            "<svg class=\"key\" aria-hidden=\"true\" viewBox=\"0 0 24 8\"><path class=\"{class}\" d=\"M0 4L24 4\"/></svg>"
        )
    };
    let _ = write!(out, "<p class=\"soft\">{} {}, by the scale on the left", key("first"), escaped(unit));
    if !shares.is_empty() {
        let _ = write!(out, "<br>{} the server's CPU, with one core at the top", key("second"));
    }
    let _ = writeln!(out, ".</p>");
}

/// An SVG in the making.
struct Plot<'a>(&'a mut String);

impl<'a> Plot<'a> {
    fn begin(title: &str, out: &'a mut String) -> Self {
        let title = escaped(title);
        let _ = writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
        );
        Self(out)
    }

    fn place((x, y): (f64, f64)) -> (f64, f64) {
        (LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM))
    }

    fn across(&mut self, height: f64, label: &str) {
        let ((from, y), (to, _)) = (Self::place((0.0, height)), Self::place((1.0, height)));
        let (text, middle) = (from - 8.0, y + 4.0);
        let _ = writeln!(
            self.0,
            "<line class=\"grid\" x1=\"{from:.1}\" y1=\"{y:.1}\" x2=\"{to:.1}\" y2=\"{y:.1}\"/><text x=\"{text:.1}\" \
             y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            escaped(label)
        );
    }

    fn up(&mut self, x: f64, label: &str) {
        let ((x, from), (_, to)) = (Self::place((x, 0.0)), Self::place((x, 1.0)));
        let (below, anchor) = (from + 20.0, if x > WIDTH - 60.0 { "end" } else { "middle" });
        let _ = writeln!(
            self.0,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\"/><text x=\"{x:.1}\" \
             y=\"{below:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(label)
        );
    }

    fn curve(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (place, point) in points.iter().enumerate() {
            let (x, y) = Self::place(*point);
            let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { "M" } else { "L" });
        }
        if !path.is_empty() {
            let _ = writeln!(self.0, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    fn end(self) {
        self.0.push_str("</svg>\n");
    }
}

/// The powers of ten around a range.
fn decades(low: f64, high: f64) -> (f64, f64) {
    let low = 10f64.powf(low.max(0.001).log10().floor());
    let high = 10f64.powf(high.max(0.001).log10().ceil());
    (low, if high > low { high } else { low * 10.0 })
}

/// The next of 1, 2, 4, 6, 8, 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let value = value.max(1.0);
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0].into_iter().map(|times| times * power).find(|top| *top >= value).unwrap_or(power * 10.0)
}

fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Findings;

    fn report(findings: Findings) -> Report {
        Report {
            workload: "broadcast",
            command: "anteroom bench broadcast --token '<&>'".to_owned(),
            machine: "a machine".to_owned(),
            subject: "10 rooms".to_owned(),
            transport: "websocket",
            codec: "json",
            server: "127.0.0.1:7350".to_owned(),
            pid: None,
            findings,
        }
    }

    #[test]
    fn a_page_has_its_plots_and_needs_nothing_else() {
        let mut findings = Findings { course_unit: "deliveries/s", ..Findings::default() };
        let mut latencies = Latencies::default();
        (1..5000).for_each(|latency| latencies.record_us(latency));
        findings.times.push(Times { key: "latency", name: "Latency", latencies, meaning: "from due to heard" });
        findings.course =
            (1..=20).map(|tenth| Sample { at: f64::from(tenth) / 10.0, rate: 1e5, server_share: Some(0.5) }).collect();
        let page = page(&report(findings));
        assert_eq!(page.matches("<svg viewBox").count(), 2);
        // Three curves, and one of each colour in the legend, which names both.
        assert_eq!(page.matches("<path").count(), 5);
        for (class, name) in [("first", "deliveries/s, by the scale on the left"), ("second", "the server's CPU")] {
            let legend = format!("<path class=\"{class}\" d=\"M0 4L24 4\"/></svg> {name}");
            assert!(page.contains(&legend), "{legend}: {page}");
        }
        assert!(page.contains("99.9 %") && page.contains("'&lt;&amp;&gt;'"), "{page}");
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        for foreign in ["<script", "http:", "https:", "src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn nothing_heard_leaves_no_plot_but_a_page() {
        let mut findings = Findings::default();
        findings.times.push(Times { key: "t", name: "Latency", latencies: Latencies::default(), meaning: "none" });
        findings.failures.push("Nothing was delivered.".to_owned());
        let page = page(&report(findings));
        assert!(page.contains("Nothing was delivered.") && !page.contains("<svg"), "{page}");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(round_up(123_456.0), 200_000.0);
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(9.5), 10.0);
        let (low, high) = decades(0.12, 45.0);
        assert!((low - 0.1).abs() < 1e-9 && (high - 100.0).abs() < 1e-9);
        let (low, high) = decades(1.0, 1.0);
        assert!(high > low);
    }
}
