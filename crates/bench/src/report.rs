//! What a workload found out, before it is put into words, JSON or a page.

use crate::outcome::{Latencies, Outcome, Sample, WAITED_MAX};

/// One number, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Its name in JSON, with the unit.
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    /// Unknown without the server's process, or where nothing happened.
    pub(crate) value: Option<f64>,
    pub(crate) unit: &'static str,
}

/// A distribution of times.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) latencies: Latencies,
    /// From when to when.
    pub(crate) meaning: &'static str,
}

/// Everything that a workload found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) figures: Vec<Figure>,
    pub(crate) times: Vec<Times>,
    pub(crate) course: Vec<Sample>,
    /// What the course counts each second.
    pub(crate) course_unit: &'static str,
    /// What somebody who reads the figures has to know.
    pub(crate) notes: Vec<String>,
    /// What must not be; with any of them the run has failed.
    pub(crate) failures: Vec<String>,
}

/// The findings, and where they are from.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) workload: &'static str,
    pub(crate) command: String,
    pub(crate) machine: String,
    /// What it was done to, in words.
    pub(crate) subject: String,
    pub(crate) transport: &'static str,
    pub(crate) codec: &'static str,
    pub(crate) server: String,
    pub(crate) pid: Option<u32>,
    pub(crate) findings: Findings,
}

/// The shares that tables show.
pub(crate) const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Findings {
    pub(crate) fn add(
        &mut self,
        key: &'static str,
        name: &'static str,
        value: impl Into<Option<f64>>,
        unit: &'static str,
    ) {
        self.figures.push(Figure { key, name, value: value.into().filter(|value| value.is_finite()), unit });
    }

    /// What every workload tells of the server's process, for each of something.
    pub(crate) fn add_server(&mut self, outcome: &Outcome, per: &PerServer) {
        self.add(per.rate_key, per.rate_name, outcome.per_cpu_second(), "");
        self.add(per.cpu_key, per.cpu_name, outcome.cpu_us(), "us");
        let seconds = outcome.measured.as_secs_f64();
        let share = outcome.server.map(|server| server.cpu.used.as_secs_f64() / seconds * 100.0);
        self.add("server_cpu_percent", "server's CPU, of one core", share, "%");
        let waited = outcome.server.map(|server| server.cpu.waited.as_secs_f64() / seconds);
        self.add("server_waited_percent", "server waiting for its core", waited.map(|share| share * 100.0), "%");
        if let Some(share) = waited.filter(|share| *share > WAITED_MAX) {
            self.notes.push(format!(
                "The machine was busy: for {:.0} % of the time the server was ready to run and something else was on its \
                 core, which counts as latency.",
                share * 100.0
            ));
        }
    }

    /// What every workload tells of the generator.
    pub(crate) fn add_generator(&mut self, outcome: &Outcome) {
        let share = outcome.generator.busiest * 100.0;
        let known = (share > 0.0).then_some(share);
        self.add("generator_cpu_percent", "generator's busiest thread, of a core", known, "%");
        self.notes.extend(outcome.generator.bottleneck());
    }
}

/// What the server's CPU is told per.
pub(crate) struct PerServer {
    pub(crate) rate_key: &'static str,
    pub(crate) rate_name: &'static str,
    pub(crate) cpu_key: &'static str,
    pub(crate) cpu_name: &'static str,
}
