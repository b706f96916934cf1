//! The tables: medians over the repeats, ratios within a run, and what was aimed at beside what was reached.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::asleep::Asleep;
use super::moves::{Beside, Figures, Pair};
use super::restart::Restart;

/// Between which marks of the README the tables are.
const MARKS: (&str, &str) = ("<!-- durable: begin -->\n", "<!-- durable: end -->");

/// Everything measured so far.
#[derive(Debug)]
pub(super) struct Report {
    repeats: usize,
    seconds: u64,
    pub(super) moves: BTreeMap<usize, Vec<Pair>>,
    pub(super) beside: BTreeMap<Beside, Vec<Figures>>,
    pub(super) restart: Option<Restart>,
    pub(super) asleep: Option<Asleep>,
}

impl Report {
    pub(super) fn new(repeats: usize, seconds: u64) -> Self {
        Self { repeats, seconds, moves: BTreeMap::new(), beside: BTreeMap::new(), restart: None, asleep: None }
    }

    /// All that was measured.
    pub(super) fn tables(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let (repeats, seconds) = (self.repeats, self.seconds);
        let mut out = format!("{cores} shared cores. Medians of {repeats}, each load measured for {seconds} s.\n");
        self.moves(&mut out);
        self.beside(&mut out);
        self.restart(&mut out);
        self.asleep(&mut out);
        out
    }

    fn moves(&self, out: &mut String) {
        if self.moves.is_empty() {
            return;
        }
        out.push_str("\n### Durable moves, stored before they are shown, beside a bare SQLite\n\n");
        out.push_str("| rooms | moves/s | bare rows/s | of the bare | p50 ms | bare | p99 ms | bare | record, bytes |");
        out.push_str(" rows a commit, bare | server CPU us | generator | not durable, moves/s | CPU us |\n");
        out.push_str("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        let mut least = f64::INFINITY;
        for (rooms, pairs) in &self.moves {
            let cell = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure));
            let ratio = cell(|pair| pair.per_second / pair.bare.per_second);
            least = least.min(ratio);
            let _ = writeln!(
                out,
                "| {rooms} | {:.0} | {:.0} | {ratio:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} | {:.0} % | {:.0} | {:.1} |",
                cell(|pair| pair.per_second),
                cell(|pair| pair.bare.per_second),
                cell(|pair| pair.p50_ms),
                cell(|pair| pair.bare.p50_ms),
                cell(|pair| pair.p99_ms),
                cell(|pair| pair.bare.p99_ms),
                cell(|pair| pair.record_bytes as f64),
                cell(|pair| pair.bare.group),
                cell(|pair| pair.cpu_us),
                cell(|pair| pair.own_share) * 100.0,
                cell(|pair| pair.fleeting_per_second),
                cell(|pair| pair.fleeting_cpu_us),
            );
        }
        let wrong: u64 = self.moves.values().flatten().map(|pair| pair.wrong).sum();
        let _ = writeln!(out, "\nMoves lost, repeated or out of order: {wrong}.\n");
        verdict(out, "at least 0.7 of the bare", least >= 0.7, &format!("{least:.2} at the least"));
    }

    fn beside(&self, out: &mut String) {
        if self.beside.is_empty() {
            return;
        }
        out.push_str("\n### Rooms that are not durable, beside rooms that are\n\n");
        out.push_str("| beside | p50 ms | p99 ms | those beside, p50 ms | p99 ms |\n|---|---:|---:|---:|---:|\n");
        for (beside, figures) in &self.beside {
            let cell = |figure: fn(&Figures) -> f64| median(figures.iter().map(figure));
            let _ = writeln!(
                out,
                "| {beside} | {:.2} | {:.2} | {} | {} |",
                cell(|figures| figures.p50_ms),
                cell(|figures| figures.p99_ms),
                known(cell(|figures| figures.beside_p50_ms)),
                known(cell(|figures| figures.beside_p99_ms)),
            );
        }
        let wrong: u64 = self.beside.values().flatten().map(|figures| figures.wrong).sum();
        let _ = writeln!(out, "\nMoves lost, repeated or out of order: {wrong}.");
    }

    fn restart(&self, out: &mut String) {
        let Some(restart) = &self.restart else { return };
        let _ = writeln!(
            out,
            "\n### A server killed with {} sessions in durable rooms of their own, and started again\n\n\
             | listens, s | all back in play, s | from dialing to the move, p50 ms | p99 ms | as many new sessions, rooms and moves, s |\n\
             |---:|---:|---:|---:|---:|\n| {:.2} | {:.2} | {:.1} | {:.1} | {:.2} |",
            restart.sessions,
            restart.listened.as_secs_f64(),
            restart.all_back.as_secs_f64(),
            restart.p50_ms,
            restart.p99_ms,
            restart.anew.as_secs_f64(),
        );
    }

    fn asleep(&self, out: &mut String) {
        let Some(asleep) = &self.asleep else { return };
        let _ = writeln!(
            out,
            "\n### {} rooms that sleep, two players each\n\n\
             | | with them | without |\n|---|---:|---:|\n\
             | memory of each, bytes | {:.0} | |\n| memory of the server, MiB | {:.0} | |\n| on the disk, bytes each | {:.0} | |\n\
             | from the start until somebody is let in, s | {:.2} | {:.2} |\n| list of rooms, p50 ms | {:.2} | {:.2} |\n| p99 ms | {:.2} | {:.2} |\n\
             | asking in a room that sleeps; that is awake: p50 ms | {:.2} | {:.2} |\n| p99 ms | {:.2} | {:.2} |\n",
            asleep.rooms,
            asleep.bytes_each,
            asleep.memory_mib,
            asleep.disk_bytes_each,
            asleep.started.as_secs_f64(),
            asleep.started_empty.as_secs_f64(),
            asleep.list_ms[0],
            asleep.list_empty_ms[0],
            asleep.list_ms[1],
            asleep.list_empty_ms[1],
            asleep.wake_ms[0],
            asleep.awake_ms[0],
            asleep.wake_ms[1],
            asleep.awake_ms[1],
        );
        let reached = |figure: f64| format!("{figure:.2}");
        verdict(out, "at most 1024 bytes for each", asleep.bytes_each <= 1024.0, &reached(asleep.bytes_each));
        verdict(out, "a list in at most 50 ms, p99", asleep.list_ms[1] <= 50.0, &reached(asleep.list_ms[1]));
        verdict(out, "at most 5 ms to wake, p99", asleep.wake_ms[1] <= 5.0, &reached(asleep.wake_ms[1]));
    }

    /// Puts the tables into the README.
    pub(super) fn write(&self) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let text = std::fs::read_to_string(&path)?;
        let (before, rest) = text.split_once(MARKS.0).context("benches/README.md has no place for the tables")?;
        let (_, after) = rest.split_once(MARKS.1).context("benches/README.md has no end of the tables")?;
        Ok(std::fs::write(path, format!("{before}{}{}{}{after}", MARKS.0, self.tables(), MARKS.1))?)
    }
}

fn verdict(out: &mut String, goal: &str, is_met: bool, reached: &str) {
    let word = if is_met { "met" } else { "missed" };
    let _ = writeln!(out, "- {goal}: **{word}**, {reached}.");
}

fn known(figure: f64) -> String {
    if figure.is_nan() { "-".to_owned() } else { format!("{figure:.2}") }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    quantile_ms(&mut figures.collect::<Vec<_>>(), 0.5)
}

/// What such a share of them is not above.
pub(super) fn quantile_ms(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let place = ((figures.len() as f64 * share).ceil() as usize).clamp(1, figures.len().max(1));
    figures.get(place - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_there_is() {
        let mut figures: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((quantile_ms(&mut figures, 0.5), quantile_ms(&mut figures, 0.99)), (100.0, 198.0));
        assert_eq!(quantile_ms(&mut [7.0], 0.99), 7.0);
        assert!(quantile_ms(&mut [], 0.5).is_nan());
    }
}
