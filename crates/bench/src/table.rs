//! The figures for a terminal, in 80 columns.

use std::fmt::Write;

use crate::number::shown;
use crate::report::{QUANTILES, Report};

const COLUMNS: usize = 80;
const NAME_COLUMNS: usize = 42;
const VALUE_COLUMNS: usize = 16;

/// The whole report as text, with a line break at its end.
pub(crate) fn table(report: &Report) -> String {
    let mut out = String::new();
    paragraph(&report.subject, "", &mut out);
    line("", &mut out);
    for figure in &report.findings.figures {
        let row = format!("  {:<NAME_COLUMNS$}{:>VALUE_COLUMNS$} {}", figure.name, shown(figure.value), figure.unit);
        line(row.trim_end(), &mut out);
    }
    for times in &report.findings.times {
        line("", &mut out);
        paragraph(&format!("{}, {}:", times.name, times.meaning), "  ", &mut out);
        let mut names = String::from("  ms");
        let mut values = String::from("    ");
        for (name, share) in QUANTILES {
            // A string never refuses to be written to.
            let _ = write!(names, "{name:>13}");
            let _ = write!(values, "{:>13}", shown(Some(times.latencies.quantile_ms(share))));
        }
        line(&names, &mut out);
        line(&values, &mut out);
    }
    for (mark, words) in [("", &report.findings.notes), ("FAILED: ", &report.findings.failures)] {
        for sentence in words {
            line("", &mut out);
            paragraph(&format!("{mark}{sentence}"), "", &mut out);
        }
    }
    out
}

fn line(text: &str, out: &mut String) {
    out.push_str(text);
    out.push('\n');
}

/// Breaks a text into lines that fit.
fn paragraph(text: &str, indent: &str, out: &mut String) {
    let mut columns = 0;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if columns > 0 && columns + 1 + len > COLUMNS {
            out.push('\n');
            columns = 0;
        }
        let before = if columns == 0 { indent } else { " " };
        out.push_str(before);
        out.push_str(word);
        columns += before.len() + len;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Latencies;
    use crate::report::{Findings, Times};

    #[test]
    fn a_table_fits_80_columns_and_says_what_failed() {
        let mut findings = Findings::default();
        findings.add("rate", "deliveries per second of the server's CPU", 1_234_567_890.0, "");
        findings.add("cpu", "CPU", None, "us");
        let mut latencies = Latencies::default();
        latencies.record_us(1500);
        findings.times.push(Times { key: "t", name: "Latency", latencies, meaning: "from being due to being heard" });
        findings.notes.push("a note that goes on for longer than one line has columns, ".repeat(3));
        findings.failures.push("3 messages were lost.".to_owned());
        let report = Report {
            workload: "broadcast",
            command: String::new(),
            machine: String::new(),
            subject: "100 rooms of 10 members".to_owned(),
            transport: "websocket",
            codec: "json",
            server: String::new(),
            pid: None,
            findings,
        };
        let text = table(&report);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("1,234,567,890") && text.contains("FAILED: 3 messages were lost."), "{text}");
        assert!(text.lines().any(|line| line.contains("CPU") && line.ends_with("- us")), "{text}");
    }
}
