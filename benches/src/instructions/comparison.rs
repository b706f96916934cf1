//! What was counted beside what is committed.

use std::collections::BTreeSet;
use std::fmt;

use crate::committed::Committed;

/// A comparison that grows with every operation that is counted.
pub(crate) struct Comparison<'a> {
    committed: &'a Committed,
    counted: BTreeSet<String>,
    worse: Vec<String>,
    better: Vec<String>,
    /// Without a committed figure.
    new: Vec<String>,
    /// With a figure, but not among the operations.
    gone: Vec<String>,
}

/// One operation.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    path: String,
    committed: Option<u64>,
    counted: u64,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// In percent of what is committed, as the two that follow.
    Within(f64),
    Worse(f64),
    Better(f64),
    New,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(committed: &'a Committed) -> Self {
        let (worse, better, new, gone) = Default::default();
        Self { committed, counted: BTreeSet::new(), worse, better, new, gone }
    }

    /// Compares one operation.
    pub(crate) fn count(&mut self, path: String, counted: u64) -> Row {
        let committed = self.committed.instructions.get(&path).copied();
        let verdict = judge(committed, counted, self.committed.tolerance_percent);
        match verdict {
            Verdict::Within(_) => {}
            Verdict::Worse(percent) => self.worse.push(format!("{path} by {percent:.1} %")),
            Verdict::Better(percent) => self.better.push(format!("{path} by {:.1} %", -percent)),
            Verdict::New => self.new.push(path.clone()),
        }
        self.counted.insert(path.clone());
        Row { path, committed, counted, verdict }
    }

    /// All operations were counted: what else has a figure is none.
    pub(crate) fn complete(&mut self) {
        let paths = self.committed.instructions.keys();
        self.gone = paths.filter(|path| !self.counted.contains(*path)).cloned().collect();
    }

    /// What is worth knowing, whether or not something is worse.
    pub(crate) fn remarks(&self) -> String {
        let tolerance = self.committed.tolerance_percent;
        let mut remarks = format!("{} operations counted, {tolerance} % tolerated.", self.counted.len());
        if !self.better.is_empty() {
            remarks += &format!(
                "\nBetter than committed: {}. benches/instructions --write keeps it so.",
                self.better.join(", ")
            );
        }
        remarks
    }

    /// What is wrong, if something is.
    pub(crate) fn complaint(&self) -> Option<String> {
        let sentences = [
            ("Worse than committed", &self.worse, "if that is worth it, benches/instructions --write"),
            ("Not in the file of figures", &self.new, "benches/instructions --write puts them there"),
            ("In the file of figures and no operation", &self.gone, "benches/instructions --write takes them out"),
        ];
        let told = sentences.into_iter().filter(|(_, paths, _)| !paths.is_empty());
        let told: Vec<String> =
            told.map(|(what, paths, hint)| format!("{what}: {}; {hint}.", paths.join(", "))).collect();
        (!told.is_empty()).then(|| told.join("\n"))
    }
}

fn judge(committed: Option<u64>, counted: u64, tolerance_percent: f64) -> Verdict {
    let Some(committed) = committed else { return Verdict::New };
    // The difference first, so that what lies exactly on the border is not moved over it.
    let percent = (counted as f64 - committed as f64) * 100.0 / committed as f64;
    if percent > tolerance_percent {
        Verdict::Worse(percent)
    } else if percent < -tolerance_percent {
        Verdict::Better(percent)
    } else {
        Verdict::Within(percent)
    }
}

impl Row {
    /// What stands above the rows.
    pub(crate) const HEAD: &str = "operation                                  committed     counted    change";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let committed = self.committed.map_or_else(|| "-".into(), |count| count.to_string());
        write!(f, "{:<40} {committed:>11} {:>11}", self.path, self.counted)?;
        match self.verdict {
            Verdict::Within(percent) => write!(f, " {percent:>+7.2} %"),
            Verdict::Worse(percent) => write!(f, " {percent:>+7.2} %  worse"),
            Verdict::Better(percent) => write!(f, " {percent:>+7.2} %  better"),
            Verdict::New => write!(f, "            new"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committed::example;

    #[test]
    fn what_lies_within_the_tolerance_is_fine() {
        let committed = example(&[("lane/put", 1000)]);
        for counted in [970, 1000, 1030] {
            let mut comparison = Comparison::new(&committed);
            assert!(matches!(comparison.count("lane/put".into(), counted).verdict, Verdict::Within(_)), "{counted}");
            comparison.complete();
            assert_eq!(comparison.complaint(), None);
            assert_eq!(comparison.remarks(), "1 operations counted, 3 % tolerated.");
        }
    }

    #[test]
    fn what_is_worse_is_named_with_how_much() {
        let committed = example(&[("lane/put", 1000), ("codec/encode", 200)]);
        let mut comparison = Comparison::new(&committed);
        let row = comparison.count("lane/put".into(), 1031);
        assert!(row.to_string().ends_with("1000        1031   +3.10 %  worse"), "{row}");
        comparison.count("codec/encode".into(), 400);
        comparison.complete();
        let complaint = comparison.complaint().unwrap();
        assert!(
            complaint.starts_with("Worse than committed: lane/put by 3.1 %, codec/encode by 100.0 %;"),
            "{complaint}"
        );
    }

    #[test]
    fn what_is_better_is_no_complaint_and_is_to_be_kept() {
        let committed = example(&[("lane/put", 1000)]);
        let mut comparison = Comparison::new(&committed);
        comparison.count("lane/put".into(), 900);
        comparison.complete();
        assert_eq!(comparison.complaint(), None);
        let remarks = comparison.remarks();
        assert!(
            remarks.contains("Better than committed: lane/put by 10.0 %. benches/instructions --write"),
            "{remarks}"
        );
    }

    #[test]
    fn operations_and_figures_have_to_be_the_same_ones() {
        let committed = example(&[("lane/put", 1000), ("lane/gone", 5)]);
        let mut comparison = Comparison::new(&committed);
        comparison.count("lane/put".into(), 1000);
        assert_eq!(comparison.complaint(), None, "the rest was not asked for");
        comparison.count("lane/fresh".into(), 1);
        comparison.complete();
        let complaint = comparison.complaint().unwrap();
        assert!(complaint.contains("Not in the file of figures: lane/fresh;"), "{complaint}");
        assert!(complaint.contains("In the file of figures and no operation: lane/gone;"), "{complaint}");
    }
}
