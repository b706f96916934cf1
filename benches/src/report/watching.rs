//! The table about many who watch.

use std::fmt::Write;

use super::target::{Bound, Target, verdicts};
use super::{OWN_SHARE_MAX, Report, median, ms};
use crate::watching::{WATCHERS, Watched};

impl Report {
    /// What each who watches costs, with more and more of them.
    pub(super) fn watches(&self, out: &mut String) {
        if self.watched.is_empty() {
            return;
        }
        out.push_str("\n### Many who watch: server CPU for each who is told, four times a second\n\n");
        out.push_str("| who | server | how many | us | of 1,000 | p50 ms | p99 ms | max ms | missing | its core |");
        out.push_str(" generator |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        let (mut worst, mut missing) = (f64::NAN, 0);
        for ((show, count, contender), watched) in &self.watched {
            let of = |watched: &[Watched], figure: fn(&Watched) -> f64| median(watched.iter().map(figure));
            let cell = |figure: fn(&Watched) -> f64| of(watched, figure).unwrap_or(f64::NAN);
            let fewest = self.watched.get(&(*show, WATCHERS[0], contender.clone()));
            let fewest = fewest.and_then(|fewest| of(fewest, |watched| watched.cpu_us)).unwrap_or(f64::NAN);
            let ratio = cell(|watched| watched.cpu_us) / fewest;
            let lost = watched.iter().map(|watched| watched.missing).sum::<u64>();
            (worst, missing) = (worst.max(ratio), missing + lost);
            let own = cell(|watched| watched.own_share);
            let _ = writeln!(
                out,
                "| {show} | {contender} | {count} | {:.2} | {ratio:.2} | {} | {} | {} | {lost} | {:.0} % | {:.0} %{} |",
                cell(|watched| watched.cpu_us),
                ms(cell(|watched| watched.p50_ms)),
                ms(cell(|watched| watched.p99_ms)),
                ms(watched.iter().map(|watched| watched.max_ms).fold(f64::NAN, f64::max)),
                cell(|watched| watched.server_share) * 100.0,
                own * 100.0,
                if own > OWN_SHARE_MAX { " (!)" } else { "" },
            );
        }
        verdicts(
            out,
            &[
                Target::new(
                    "of the CPU for each with 1,000, the worst of all",
                    Bound::AtMost(1.25),
                    None,
                    Some(worst).filter(|worst| !worst.is_nan()),
                ),
                Target::new("lost", Bound::AtMost(0.0), None, Some(missing as f64)),
            ],
        );
    }
}
