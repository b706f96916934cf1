//! The tables, and the files that they, the data and the plot are written to.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::cell::{CLASSES, Cell, Class, TRANSPORTS};
use super::figures::Figures;
use super::plot;
use super::run::{Plan, Run};
use super::stream::TRANSFER_BYTES;

/// A run in which this machine itself was later than that, one time in a hundred, is marked: it was busy elsewhere.
const LATE_MS_MAX: f64 = 5.0;
const BEGIN: &str = "<!-- loss: begin -->\n";
const END: &str = "<!-- loss: end -->";

/// Everything measured so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    machine: String,
    listeners: usize,
    seconds: u32,
    round_trip_ms: u64,
    seed: u64,
    pub(crate) runs: Vec<Run>,
}

impl Report {
    pub(crate) fn new(plan: &Plan) -> Self {
        let Plan { listeners, seconds, delay, seed, .. } = *plan;
        let round_trip_ms = (delay * 2).as_millis() as u64;
        Self { machine: machine(), listeners, seconds, round_trip_ms, seed, runs: Vec::new() }
    }

    /// What was written last.
    pub(crate) fn read() -> Result<Self> {
        let path = folder()?.join("loss.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Rewrites the section of the README, the plot and the data.
    pub(crate) fn write(&self) -> Result<()> {
        let folder = folder()?;
        let readme = folder.join("README.md");
        let text = between(&fs::read_to_string(&readme)?, &self.tables())?;
        fs::write(readme, text)?;
        fs::write(folder.join("loss.svg"), plot::draw(self))?;
        Ok(fs::write(folder.join("loss.json"), serde_json::to_string_pretty(self)? + "\n")?)
    }

    pub(crate) fn round_trip_ms(&self) -> u64 {
        self.round_trip_ms
    }

    /// The losses, in percent.
    pub(crate) fn losses(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.loss).collect()
    }

    /// A cell's figures at one loss.
    pub(crate) fn figures(&self, run: &Run, cell: Cell) -> Option<Figures> {
        run.cells.iter().find(|(other, _)| *other == cell).map(|(_, figures)| *figures)
    }

    /// What goes between the markers.
    pub(crate) fn tables(&self) -> String {
        let mut out = String::new();
        let congestion = self.runs.first().map_or("nothing", |run| &run.congestion);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{} {} listeners for each row, {} s for each loss, {} ms round trip, seed {}; TCP avoids congestion by {}.\n",
            self.machine, self.listeners, self.seconds, self.round_trip_ms, self.seed, congestion
        );
        out.push_str("![Staleness of the state over packet loss, by delivery class and transport](loss.svg)\n");
        self.overview(&mut out);
        for run in &self.runs {
            self.run(&mut out, run);
        }
        self.beside(&mut out);
        self.link(&mut out);
        out
    }

    fn overview(&self, out: &mut String) {
        out.push_str("\n### Staleness that one look in a hundred exceeds, ms\n\n| class | transport |");
        for loss in self.losses() {
            let _ = write!(out, " {loss} % lost |");
        }
        let _ = writeln!(out, "\n|---|---|{}", "---:|".repeat(self.runs.len()));
        for cell in CLASSES.into_iter().flat_map(|class| TRANSPORTS.map(|transport| Cell::alone(transport, class))) {
            let _ = write!(out, "| {} | {} |", cell.class, cell.transport);
            for run in &self.runs {
                let p99 = self.figures(run, cell).map(|figures| figures.staleness_ms.p99);
                let _ = write!(out, " {} |", p99.map(milliseconds).unwrap_or_default());
            }
            out.push('\n');
        }
    }

    fn run(&self, out: &mut String, run: &Run) {
        let _ = writeln!(out, "\n### {} % of the packets lost\n", run.loss);
        out.push_str("| class | transport | age p50 ms | p90 | p99 | max | never came | staleness p50 ms | p99 | ");
        out.push_str("longest pause |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        for class in CLASSES {
            for transport in TRANSPORTS {
                let Some(figures) = self.figures(run, Cell::alone(transport, class)) else { continue };
                let _ = writeln!(out, "| {class} | {transport} | {} |", row(&figures));
            }
        }
    }

    fn beside(&self, out: &mut String) {
        let kib = TRANSFER_BYTES >> 10;
        let _ = writeln!(out, "\n### A second room that is told {kib} KiB a second: reliable, staleness p99, ms\n");
        out.push_str("| transport |");
        for loss in self.losses() {
            let _ = write!(out, " {loss} % lost, alone | with it |");
        }
        let _ = writeln!(out, "\n|---|{}", "---:|---:|".repeat(self.runs.len()));
        for transport in TRANSPORTS {
            let _ = write!(out, "| {transport} |");
            for run in &self.runs {
                for cell in [Cell::alone(transport, Class::Reliable), Cell::beside(transport)] {
                    let p99 = self.figures(run, cell).map(|figures| figures.staleness_ms.p99);
                    let _ = write!(out, " {} |", p99.map(milliseconds).unwrap_or_default());
                }
            }
            out.push('\n');
        }
    }

    fn link(&self, out: &mut String) {
        out.push_str("\n### The link and the sender\n\n| loss asked for | TCP packets | lost | sent again | lost again | timeouts | UDP packets | lost | ");
        out.push_str("queue full | late out of the link p99 ms | late from the sender p99 ms |\n");
        let _ = writeln!(out, "{}|", "|---:".repeat(11));
        for run in &self.runs {
            let Run { loss, tcp, recovery, udp, link_late_ms, sent_late_ms, .. } = run;
            let share = |lost: u64, passed: u64| percent(lost as f64 / (lost + passed).max(1) as f64);
            let _ = writeln!(
                out,
                "| {loss} % | {} | {} | {} | {} | {} | {} | {} | {} | {:.2} | {:.2}{} |",
                tcp.passed + tcp.lost,
                share(tcp.lost, tcp.passed),
                recovery.resent,
                recovery.lost_again,
                recovery.timeouts,
                udp.passed + udp.lost,
                share(udp.lost, udp.passed),
                tcp.refused + udp.refused,
                link_late_ms.p99,
                sent_late_ms.p99,
                if link_late_ms.p99.max(sent_late_ms.p99) > LATE_MS_MAX { " (!)" } else { "" }
            );
        }
    }
}

fn row(figures: &Figures) -> String {
    let Figures { age_ms, missing, staleness_ms, pause_ms } = figures;
    let cells = [age_ms.p50, age_ms.p90, age_ms.p99, age_ms.max].map(milliseconds).join(" | ");
    let staleness = [staleness_ms.p50, staleness_ms.p99, *pause_ms].map(milliseconds).join(" | ");
    format!("{cells} | {} | {staleness}", percent(*missing))
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.0}")
}

fn percent(share: f64) -> String {
    if share == 0.0 { "0".to_owned() } else { format!("{:.2} %", share * 100.0) }
}

/// The text with something else between the markers.
fn between(text: &str, tables: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the README has no begin marker")?;
    let (_, after) = rest.split_once(END).context("the README has no end marker")?;
    Ok(format!("{before}{BEGIN}{tables}{END}{after}"))
}

fn folder() -> Result<PathBuf> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").context("run it by benches/loss")?;
    Ok(Path::new(&folder).to_owned())
}

/// The machine and the versions, in a sentence.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('.').take(2).collect::<Vec<_>>().join(".");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let versions: Vec<_> = ["quinn-proto", "wtransport"].iter().filter_map(|name| version(&lock, name)).collect();
    format!("{cores} shared cores, Linux {kernel}, {}.", versions.join(", "))
}

/// The newest version of a crate in a lock file.
fn version(lock: &str, name: &str) -> Option<String> {
    let (_, rest) = lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(format!("{name} {}", rest.split('"').next()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::cell::Carrier;
    use super::super::figures::Spread;
    use super::super::recovery::Recovery;
    use super::super::run::Packets;
    use super::*;

    fn spread(p99: f64) -> Spread {
        Spread { p50: 20.0, p90: 30.0, p99, max: 200.0 }
    }

    /// Staleness by loss: the same for all but QUIC, which is better by ten.
    pub(in crate::loss) fn report(staleness: &[(f64, f64)]) -> Report {
        let figures = |cell: Cell, p99: f64| {
            let p99 = if cell.transport == Carrier::Quic { p99 - 10.0 } else { p99 };
            (cell, Figures { age_ms: spread(99.0), missing: 0.015, staleness_ms: spread(p99), pause_ms: 310.0 })
        };
        let packets = Packets { passed: 990, lost: 10, refused: 0 };
        let run = |(loss, p99): &(f64, f64)| Run {
            loss: *loss,
            congestion: "reno".to_owned(),
            cells: Cell::all().into_iter().map(|cell| figures(cell, *p99)).collect(),
            tcp: packets,
            recovery: Recovery { resent: 7, lost_again: 3, timeouts: 2 },
            udp: packets,
            sent_late_ms: spread(if *loss == 5.0 { 6.0 } else { 2.0 }),
            link_late_ms: spread(0.5),
        };
        let machine = "A machine.".to_owned();
        let runs = staleness.iter().map(run).collect();
        Report { machine, listeners: 10, seconds: 60, round_trip_ms: 40, seed: 1, runs }
    }

    #[test]
    fn tables_say_what_was_measured() {
        let tables = report(&[(0.0, 70.0), (5.0, 170.0)]).tables();
        for line in [
            "A machine. 10 listeners for each row, 60 s for each loss, 40 ms round trip, seed 1; TCP avoids congestion by reno.",
            "| class | transport | 0 % lost | 5 % lost |",
            "| latest | WebSocket | 70 | 170 |",
            "| latest | QUIC | 60 | 160 |",
            "### 5 % of the packets lost",
            "| unreliable | WebTransport | 20 | 30 | 99 | 200 | 1.50 % | 20 | 170 | 310 |",
            "| QUIC | 60 | 60 | 160 | 160 |",
            "| 0 % | 1000 | 1.00 % | 7 | 3 | 2 | 1000 | 1.00 % | 0 | 0.50 | 2.00 |",
            "| 5 % | 1000 | 1.00 % | 7 | 3 | 2 | 1000 | 1.00 % | 0 | 0.50 | 6.00 (!) |",
        ] {
            assert!(tables.lines().any(|other| other == line), "{line}\nis not in\n{tables}");
        }
    }

    #[test]
    fn data_is_read_as_it_was_written() {
        let report = report(&[(0.0, 70.0), (5.0, 170.0)]);
        let again: Report = serde_json::from_str(&serde_json::to_string_pretty(&report).unwrap()).unwrap();
        assert_eq!(again.tables(), report.tables());
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        assert_eq!(between(&text, "new\n").unwrap(), format!("a\n{BEGIN}new\n{END}\nb\n"));
        between("no markers", "new").unwrap_err();
    }

    #[test]
    fn versions_are_read_from_a_lock_file() {
        let lock = "name = \"quinn\"\nversion = \"0.11.12\"\nname = \"quinn\"\nversion = \"0.12.0\"\n";
        assert_eq!(version(lock, "quinn").as_deref(), Some("quinn 0.12.0"));
        assert_eq!(version(lock, "quin"), None);
    }
}
