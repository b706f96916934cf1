//! The tables about what some may take from others: time, and memory.

use std::fmt::Write;

use super::target::{Bound, Target, verdicts};
use super::{Report, median, ms};
use crate::budget::{self, Away};
use crate::fair::{Beat, Pair};
use crate::stalled::{self, Stall, Waits};

impl Report {
    /// Moves beside disturbances.
    pub(super) fn fairness(&self, out: &mut String) {
        if self.fair.is_empty() {
            return;
        }
        out.push_str("\n### Moves in quiet rooms beside others' work, ms from when they were due\n\n");
        out.push_str("| beside | server | p50 | without | p99 | without | ratio | max | without | refused | lost |");
        out.push_str(" sent late p99 | max |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        let (mut worst, mut slowest) = (f64::NAN, f64::NAN);
        for ((kind, contender), pairs) in &self.fair {
            let beside = |figure: fn(&Beat) -> f64| median(pairs.iter().map(|pair| figure(&pair.beside)));
            let without = |figure: fn(&Beat) -> f64| median(pairs.iter().map(|pair| figure(&pair.without)));
            let cell = |figure: Option<f64>| ms(figure.unwrap_or(f64::NAN));
            let longest = |figure: fn(&Pair) -> f64| pairs.iter().map(figure).fold(f64::NAN, f64::max);
            let sum = |figure: fn(&Beat) -> u64| pairs.iter().map(|pair| figure(&pair.beside)).sum::<u64>();
            let ratio = median(pairs.iter().map(|pair| pair.beside.p99_ms / pair.without.p99_ms)).unwrap_or(f64::NAN);
            let max = longest(|pair| pair.beside.max_ms);
            (worst, slowest) = (worst.max(ratio), slowest.max(max));
            let _ = writeln!(
                out,
                "| {kind} | {contender} | {} | {} | {} | {} | {ratio:.2} | {} | {} | {} of {} | {} | {} | {} |",
                cell(beside(|beat| beat.p50_ms)),
                cell(without(|beat| beat.p50_ms)),
                cell(beside(|beat| beat.p99_ms)),
                cell(without(|beat| beat.p99_ms)),
                ms(max),
                ms(longest(|pair| pair.without.max_ms)),
                sum(|beat| beat.refused),
                sum(|beat| beat.moves),
                sum(|beat| beat.lost),
                cell(beside(|beat| beat.late_p99_ms)),
                ms(longest(|pair| pair.beside.late_max_ms)),
            );
        }
        let known = |figure: f64| Some(figure).filter(|figure| !figure.is_nan());
        verdicts(
            out,
            &[
                Target::new("ms, the longest of all", Bound::AtMost(20.0), None, known(slowest)),
                Target::new("of the p99 without, the worst of all", Bound::AtMost(2.0), None, known(worst)),
            ],
        );
    }

    /// Readers who stall.
    pub(super) fn stalls(&self, out: &mut String) {
        if self.stalled.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n### {} stalled readers in a busy room, beside 10 who read\n", stalled::READERS);
        out.push_str(
            "| readers on | server | KiB each, entered | stalled | p50 ms | without | p99 ms | without | max ms |",
        );
        out.push_str(" missing | woke to the newest | told of a gap |\n");
        out.push_str("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        for ((carrier, contender), stalls) in &self.stalled {
            let cell = |figure: fn(&Stall) -> f64| median(stalls.iter().map(figure)).unwrap_or(f64::NAN);
            let sum = |figure: fn(&Stall) -> u64| stalls.iter().map(figure).sum::<u64>();
            let longest =
                |of: fn(&Stall) -> Waits| stalls.iter().map(|stall| of(stall).max_ms).fold(f64::NAN, f64::max);
            let _ = writeln!(
                out,
                "| {carrier} | {contender} | {:.1} | {:.1} | {} | {} | {} | {} | {} | {} | {} of {} | {} |",
                cell(|stall| stall.entered),
                cell(|stall| stall.stalled),
                ms(cell(|stall| stall.beside.p50_ms)),
                ms(cell(|stall| stall.without.p50_ms)),
                ms(cell(|stall| stall.beside.p99_ms)),
                ms(cell(|stall| stall.without.p99_ms)),
                ms(longest(|stall| stall.beside)),
                sum(|stall| stall.beside.missing + stall.without.missing),
                sum(|stall| stall.newest),
                stalls.len() * stalled::READERS,
                sum(|stall| stall.gaps),
            );
        }
        let all = self.stalled.values().flatten();
        let asleep = all.map(|stall| stalled::READERS as f64 - stall.newest as f64).sum();
        let of = "readers that wake without the newest state";
        verdicts(out, &[Target::new(of, Bound::AtMost(0.0), None, Some(asleep))]);
    }

    /// Sessions that are away.
    pub(super) fn budgets(&self, out: &mut String) {
        if self.away.is_empty() {
            return;
        }
        out.push_str("\n### Sessions that asked for 60 lists of 500 rooms and went away: the server's memory, MiB\n\n");
        out.push_str(
            "| budget | server | sessions | before | after | growth | of the budget | peak | growth if they asked for",
        );
        out.push_str(" nothing | who keeps up was told | lost | twice |\n");
        out.push_str("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        let mut worst = f64::NAN;
        for ((budget, contender), aways) in &self.away {
            let cell = |figure: fn(&Away) -> f64| median(aways.iter().map(figure)).unwrap_or(f64::NAN);
            let sum = |figure: fn(&Away) -> u64| aways.iter().map(figure).sum::<u64>();
            let fewest = aways.iter().map(|away| away.sessions).min().unwrap_or_default();
            let mark = if fewest < budget::SESSIONS { " (!)" } else { "" };
            let growth = cell(Away::growth);
            let share = budget.mib().map(|mib| growth / mib);
            worst = share.map_or(worst, |share| worst.max(share));
            let _ = writeln!(
                out,
                "| {budget} | {contender} | {fewest}{mark} | {:.0} | {:.0} | {growth:.0} | {} | {:.0} | {:.0} | {} | {} | {} |",
                cell(|away| away.before),
                cell(|away| away.after),
                share.map_or("-".to_owned(), |share| format!("{share:.2}")),
                cell(|away| away.peak),
                cell(|away| away.plain),
                sum(|away| away.told),
                sum(|away| away.missing),
                sum(|away| away.repeated),
            );
        }
        let lost = self.away.values().flatten().map(|away| (away.missing + away.repeated) as f64).sum();
        verdicts(
            out,
            &[
                Target::new("of the budget", Bound::AtMost(1.2), None, Some(worst).filter(|worst| !worst.is_nan())),
                Target::new("messages lost or repeated for who keeps up", Bound::AtMost(0.0), None, Some(lost)),
            ],
        );
    }
}
