//! What was aimed at, and whether it was reached.

use std::fmt::Write;

/// A bound on a figure.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("at least {bound}"),
            Self::AtMost(bound) => format!("at most {bound}"),
        }
    }
}

/// One target: what it is about, what is asked now, and where it goes.
pub(super) struct Target {
    /// Goes behind the number, such as "of the limit".
    pub(super) of: &'static str,
    pub(super) bound: Bound,
    /// What is asked in the end, if that is more.
    pub(super) later: Option<f64>,
    pub(super) reached: Option<f64>,
}

impl Target {
    pub(super) fn new(of: &'static str, bound: Bound, later: impl Into<Option<f64>>, reached: Option<f64>) -> Self {
        Self { of, bound, later: later.into(), reached }
    }
}

/// Says of each whether it is met.
pub(super) fn verdicts(out: &mut String, targets: &[Target]) {
    out.push_str("\nTargets:\n");
    for Target { of, bound, later, reached } in targets {
        let later = later.map(|later| format!(" (in the end {later})")).unwrap_or_default();
        let verdict = match reached {
            Some(figure) if bound.holds(*figure) => format!("**met**, {figure:.2}"),
            Some(figure) => format!("**missed**, {figure:.2}"),
            None => "not measured".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "- {} {of}{later}: {verdict}.", bound.words());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reached_is_said_plainly() {
        let mut out = String::new();
        let targets = [
            Target::new("of the limit", Bound::AtLeast(0.6), 0.8, Some(0.6)),
            Target::new("KiB", Bound::AtMost(6.0), None, Some(6.004)),
            Target::new("x Colyseus", Bound::AtLeast(10.0), None, None),
        ];
        verdicts(&mut out, &targets);
        let lines: Vec<_> = out.lines().filter(|line| line.starts_with('-')).collect();
        assert_eq!(
            lines,
            [
                "- at least 0.6 of the limit (in the end 0.8): **met**, 0.60.",
                "- at most 6 KiB: **missed**, 6.00.",
                "- at least 10 x Colyseus: not measured.",
            ]
        );
    }
}
