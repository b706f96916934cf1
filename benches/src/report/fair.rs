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
        out.push_str(" sent late p99 | max | its core | waited |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
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
                "| {kind} | {contender} | {} | {} | {} | {} | {ratio:.2} | {} | {} | {} of {} | {} | {} | {} | {:.0} % | {:.0} % |",
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
                beside(|beat| beat.server_share).unwrap_or(f64::NAN) * 100.0,
                longest(|pair| pair.beside.waited_share.max(pair.without.waited_share)) * 100.0,
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
        out.push_str("\n### Sessions that asked for 8 lists of 500 rooms and went away: the server's memory, MiB\n\n");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::carrier::Carrier;
    use crate::disturb::Kind;
    use crate::servers::{Contender, Subject};

    const BEAT: Beat = Beat {
        p50_ms: 0.2,
        p99_ms: 1.0,
        max_ms: 9.0,
        moves: 2000,
        refused: 0,
        lost: 0,
        late_p99_ms: 0.1,
        late_max_ms: 0.3,
        server_share: 0.1,
        waited_share: 0.0,
    };
    const WAITS: Waits = Waits { p50_ms: 0.5, p99_ms: 1.0, max_ms: 2.0, missing: 0 };

    fn lines(write: impl Fn(&Report, &mut String), report: &Report) -> Vec<String> {
        let mut out = String::new();
        write(report, &mut out);
        let lines: Vec<String> = out.lines().map(str::to_owned).collect();
        let cells = |line: &String| line.matches('|').count();
        let widths: Vec<usize> = lines.iter().filter(|line| line.starts_with('|')).map(cells).collect();
        assert!(widths.len() > 2 && widths.iter().all(|width| *width == widths[0]), "{out}");
        lines
    }

    #[test]
    fn the_longest_and_the_worst_of_all_moves_are_judged() {
        let (mut report, anteroom) = (Report::default(), Contender::plain(Subject::Anteroom));
        let pair = |p99_ms, max_ms| Pair { without: BEAT, beside: Beat { p99_ms, max_ms, refused: 3, ..BEAT } };
        report.fair.insert((Kind::Flood, anteroom.clone()), vec![pair(1.5, 12.0), pair(1.2, 30.0), pair(1.6, 11.0)]);
        report.fair.insert((Kind::Storm, anteroom), vec![pair(2.5, 10.0)]);
        let lines = lines(Report::fairness, &report);
        assert!(
            lines.iter().any(|line| line.contains("| 1.50 | 1.00 | 1.50 | 30.00 | 9.00 | 9 of 6000 |")),
            "{lines:?}"
        );
        assert!(lines.contains(&"- at most 20 ms, the longest of all: **missed**, 30.00.".to_owned()), "{lines:?}");
        let ratio = "- at most 2 of the p99 without, the worst of all: **missed**, 2.50.";
        assert!(lines.contains(&ratio.to_owned()), "{lines:?}");
    }

    #[test]
    fn readers_who_do_not_wake_are_counted() {
        let mut report = Report::default();
        let stall = Stall { entered: 5.0, stalled: 40.0, without: WAITS, beside: WAITS, newest: 998, gaps: 1000 };
        report.stalled.insert((Carrier::Quic, Contender::plain(Subject::Anteroom)), vec![stall, stall]);
        let lines = lines(Report::stalls, &report);
        assert!(lines.iter().any(|line| line.contains("| 1996 of 2000 | 2000 |")), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("**missed**, 4.00.")), "{lines:?}");
    }

    #[test]
    fn memory_is_judged_by_the_budget_if_there_is_one() {
        let (mut report, anteroom) = (Report::default(), Contender::plain(Subject::Anteroom));
        let away = Away {
            sessions: 600,
            before: 20.0,
            after: 1044.0,
            peak: 1100.0,
            plain: 3.0,
            told: 100,
            missing: 0,
            repeated: 0,
        };
        report.away.insert((Budget::None, anteroom.clone()), vec![away]);
        assert!(lines(Report::budgets, &report).contains(&"- at most 1.2 of the budget: not measured.".to_owned()));
        let away = Away { sessions: budget::SESSIONS, ..away };
        report.away.insert((Budget::Default, anteroom.clone()), vec![away]);
        report.away.insert((Budget::Small, anteroom), vec![Away { after: 110.0, missing: 2, ..away }]);
        let lines = lines(Report::budgets, &report);
        assert!(
            lines.iter().any(|line| line.starts_with("| none | Anteroom | 600 (!) | 20 | 1044 | 1024 | - |")),
            "{lines:?}"
        );
        assert!(lines.contains(&"- at most 1.2 of the budget: **missed**, 1.41.".to_owned()), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("keeps up: **missed**, 2.00.")), "{lines:?}");
    }
}
