//! The report for machines.

use serde_json::{Map, Value, json};

use crate::report::{QUANTILES, Report, Times};

/// The report as one JSON value. Figures that are not known are null.
pub(crate) fn json(report: &Report) -> Value {
    let findings = &report.findings;
    let figures: Map<String, Value> =
        findings.figures.iter().map(|figure| (figure.key.to_owned(), figure.value.into())).collect();
    let times: Map<String, Value> =
        findings.times.iter().map(|times| (times.key.to_owned(), distribution(times))).collect();
    let course: Vec<Value> = findings
        .course
        .iter()
        .map(|sample| json!({"at_s": sample.at, "rate": sample.rate, "server_share": sample.server_share}))
        .collect();
    json!({
        "workload": report.workload,
        "transport": report.transport,
        "codec": report.codec,
        "server": report.server,
        "pid": report.pid,
        "version": env!("CARGO_PKG_VERSION"),
        "command": report.command,
        "machine": report.machine,
        "ok": findings.failures.is_empty(),
        "figures": figures,
        "times_ms": times,
        "course": {"unit": findings.course_unit, "samples": course},
        "notes": findings.notes,
        "failures": findings.failures,
    })
}

fn distribution(times: &Times) -> Value {
    let mut quantiles: Map<String, Value> = QUANTILES
        .iter()
        .map(|(name, share)| ((*name).to_owned(), times.latencies.quantile_ms(*share).into()))
        .collect();
    quantiles.insert("count".to_owned(), times.latencies.count().into());
    quantiles.insert("meaning".to_owned(), times.meaning.into());
    Value::Object(quantiles)
}
