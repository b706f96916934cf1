//! How far a run is, on stderr: a bar on a terminal, else a line for each stage.

use std::io::{self, IsTerminal, Write};

use crate::number::shown;
use crate::run::Live;

const BAR: usize = 24;

/// Shows one run.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    colours: bool,
    stage: &'static str,
    /// Columns of the line that stands there, to be written over.
    columns: usize,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colours, stage: "", columns: 0 }
    }

    pub(crate) fn show(&mut self, live: Live) {
        let mut stderr = io::stderr().lock();
        // Nobody is there to be told that stderr is closed.
        let _ = if self.terminal {
            let (text, columns) = bar(live, self.colours);
            let rest = " ".repeat(self.columns.saturating_sub(columns));
            self.columns = columns;
            write!(stderr, "\r{text}{rest}").and_then(|()| stderr.flush())
        } else if live.stage == self.stage {
            Ok(())
        } else {
            writeln!(stderr, "{} ...", live.stage)
        };
        self.stage = live.stage;
    }
}

impl Drop for Progress {
    /// Leaves an empty line for what comes next.
    fn drop(&mut self) {
        if self.columns > 0 {
            let _ = write!(io::stderr(), "\r{}\r", " ".repeat(self.columns));
        }
    }
}

/// The bar, and how many columns it takes.
fn bar(live: Live, colours: bool) -> (String, usize) {
    let full = (live.done.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let (done, left) = ("#".repeat(full), "-".repeat(BAR - full));
    let figure = shown(Some(live.figure.round()));
    let tail = format!("] {:>3.0} %  {figure} {}", live.done * 100.0, live.unit);
    let columns = 14 + BAR + tail.len();
    let (on, off) = if colours { ("\u{1b}[36m", "\u{1b}[0m") } else { ("", "") };
    (format!("{:<13}[{on}{done}{off}{left}{tail}", live.stage), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_80_columns() {
        let live = Live { stage: "warming up", done: 0.5, figure: 12_345_678.9, unit: "handshakes/s" };
        let (text, columns) = bar(live, false);
        assert_eq!(text, "warming up   [############------------]  50 %  12,345,679 handshakes/s");
        assert_eq!(text.len(), columns);
        assert!(columns < 80);
        assert!(bar(live, true).0.contains("\u{1b}[36m############\u{1b}[0m"));
    }
}
