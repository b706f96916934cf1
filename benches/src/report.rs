//! The tables: medians over the repeats, and ratios within the run.

mod resuming;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anteroom_transport::Transport;
use anyhow::{Context, Result};

use crate::Outcomes;
use crate::broadcast::{OWN_SHARE_MAX, Outcome, Plan};
use crate::machine::Memory;
use crate::servers::Subject;
use crate::switching::Switches;
use crate::wire::Use;

const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->";

/// Everything measured so far.
#[derive(Debug)]
pub(crate) struct Report {
    repeats: usize,
    broadcast: BTreeMap<(&'static str, Subject), Vec<Outcome>>,
    idle: BTreeMap<Subject, Vec<Memory>>,
    /// By whether the sessions ask to be resumed.
    held: BTreeMap<bool, Vec<Memory>>,
    switches: Switches,
    wire: BTreeMap<Transport, Use>,
}

impl Report {
    pub(crate) fn new(repeats: usize) -> Self {
        Self {
            repeats,
            broadcast: BTreeMap::new(),
            idle: BTreeMap::new(),
            held: BTreeMap::new(),
            switches: Switches::default(),
            wire: BTreeMap::new(),
        }
    }

    pub(crate) fn broadcast(&mut self, subject: Subject, outcomes: &Outcomes) {
        for (load, outcome) in outcomes {
            self.broadcast.entry((load, subject)).or_default().push(*outcome);
        }
    }

    pub(crate) fn idle(&mut self, subject: Subject, memory: Memory) {
        self.idle.entry(subject).or_default().push(memory);
    }

    pub(crate) fn held(&mut self, resumes: bool, memory: Memory) {
        self.held.entry(resumes).or_default().push(memory);
    }

    pub(crate) fn switched(&mut self, switches: Switches) {
        self.switches.add(switches);
    }

    pub(crate) fn on_the_wire(&mut self, uses: BTreeMap<Transport, Use>) {
        self.wire = uses;
    }

    /// What goes between the markers.
    pub(crate) fn tables(&self, machine: &str, plan: Plan) -> String {
        let mut out = format!("{machine} Medians of {}, each measured for {} s.\n", self.repeats, plan.seconds);
        if !self.broadcast.is_empty() {
            self.closed(&mut out, plan);
            self.rates(&mut out);
        }
        if !self.idle.is_empty() {
            self.weights(&mut out);
        }
        self.retention(&mut out);
        self.retained(&mut out);
        self.switches(&mut out);
        self.wire(&mut out);
        self.remarks(&mut out);
        out
    }

    fn median(&self, load: &'static str, subject: Subject, figure: impl Fn(&Outcome) -> f64) -> Option<f64> {
        self.broadcast.get(&(load, subject)).and_then(|outcomes| median(outcomes.iter().map(figure)))
    }

    fn closed(&self, out: &mut String, plan: Plan) {
        let per_second = |subject| self.median("closed", subject, |outcome| 1.0 / outcome.cpu_us);
        let axum = per_second(Subject::AxumRoom);
        let title = format!("Closed loop, {} rooms x 10: deliveries for each second of server CPU", plan.rooms);
        let _ =
            write!(out, "\n### {title}\n\n| server | M/CPU-s | x axum | p50 ms | p99 ms | its core | generator |\n");
        out.push_str("|---|---:|---:|---:|---:|---:|---:|\n");
        for subject in Subject::BROADCAST.into_iter().filter(|subject| !subject.resumes()) {
            // A QUIC client costs what a server costs: there the ratio would compare generators.
            let axum = axum.filter(|_| matches!(subject, Subject::Websocket | Subject::AxumRoom));
            let Some(rate) = per_second(subject) else { continue };
            let median = |figure: fn(&Outcome) -> f64| self.median("closed", subject, figure).unwrap_or(f64::NAN);
            let _ = writeln!(
                out,
                "| {subject} | {rate:.3} | {} | {:.2} | {:.2} | {:.0} % | {} |",
                ratio(rate, axum),
                median(|outcome| outcome.p50_ms),
                median(|outcome| outcome.p99_ms),
                median(|outcome| outcome.server_share) * 100.0,
                share(median(|outcome| outcome.own_share)),
            );
        }
    }

    fn rates(&self, out: &mut String) {
        out.push_str("\n### Fixed rate: server CPU for each delivery\n\n");
        out.push_str("| deliveries/s | server | reached/s | us | of axum's | p50 ms | p99 ms | generator |\n");
        out.push_str("|---|---|---:|---:|---:|---:|---:|---:|\n");
        for load in ["20k", "50k", "200k"] {
            for subject in Subject::BROADCAST.into_iter().filter(|subject| !subject.resumes()) {
                let Some(cpu) = self.median(load, subject, |outcome| outcome.cpu_us) else { continue };
                let axum = self.median(load, Subject::AxumRoom, |outcome| outcome.cpu_us);
                let median = |figure: fn(&Outcome) -> f64| self.median(load, subject, figure).unwrap_or(f64::NAN);
                let _ = writeln!(
                    out,
                    "| {load} | {subject} | {:.1}k | {cpu:.2} | {} | {:.2} | {:.2} | {} |",
                    median(|outcome| outcome.deliveries_per_second) / 1000.0,
                    ratio(cpu, axum),
                    median(|outcome| outcome.p50_ms),
                    median(|outcome| outcome.p99_ms),
                    share(median(|outcome| outcome.own_share)),
                );
            }
        }
    }

    fn remarks(&self, out: &mut String) {
        let all = |ours: bool| {
            let of = move |((_, subject), _): &(&(_, Subject), _)| ours == (*subject != Subject::AxumRoom);
            self.broadcast.iter().filter(of).flat_map(|(_, outcomes)| outcomes)
        };
        let wrong = |ours| all(ours).map(|outcome| outcome.wrong).sum::<u64>();
        let waited = all(true).chain(all(false)).map(|outcome| outcome.waited_share).fold(0.0, f64::max);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "\nMessages lost, repeated, out of order or more than 3 s late, in all runs together: {} from Anteroom, {} from \
             axum. Largest share of a load in which a server was ready and its core was somebody else's: {:.0} %.",
            wrong(true),
            wrong(false),
            waited * 100.0
        );
        let Switches { messages, missing, repeated_or_late, .. } = &self.switches;
        if *messages > 0 {
            let _ = writeln!(
                out,
                "\nOf {messages} messages to sessions whose connections were cut or changed, {missing} were lost and \
                 {repeated_or_late} repeated or out of order."
            );
        }
    }

    fn weights(&self, out: &mut String) {
        let median = |subject, figure: fn(&Memory) -> f64| median(self.idle.get(&subject)?.iter().map(figure));
        let resident = |subject| median(subject, |memory: &Memory| memory.resident);
        out.push_str("\n### Memory for each idle session\n\n");
        out.push_str("| session | resident KiB | anonymous KiB | x bare session |\n|---|---:|---:|---:|\n");
        for subject in Subject::IDLE.into_iter().filter(|subject| !subject.resumes()) {
            let Some(kib) = resident(subject) else { continue };
            let bare = (subject == Subject::WebtransportJson).then(|| resident(Subject::BareSessions)).flatten();
            let anonymous = median(subject, |memory: &Memory| memory.anonymous).unwrap_or(f64::NAN);
            let _ = writeln!(out, "| {subject} | {kib:.1} | {anonymous:.1} | {} |", ratio(kib, bare));
        }
    }
}

fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn ratio(figure: f64, other: Option<f64>) -> String {
    other.map(|other| format!("{:.2}", figure / other)).unwrap_or_default()
}

/// A share of the generator's core, marked where it is too large for the row to be believed.
fn share(share: f64) -> String {
    let mark = if share > OWN_SHARE_MAX { " (!)" } else { "" };
    format!("{:.0} %{mark}", share * 100.0)
}

/// Puts the tables between the markers of `benches/README.md`.
pub(crate) fn write(tables: &str) -> Result<()> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").context("run it with cargo run")?;
    let path = Path::new(&folder).join("README.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).context("the README has no begin marker")?;
    let (_, after) = rest.split_once(END).context("the README has no end marker")?;
    Ok(std::fs::write(&path, format!("{before}{BEGIN}{tables}{END}{after}"))?)
}
