//! Checking that a game does the same thing twice, and goes on after a snapshot as before.

use super::{Setup, Table};
use crate::game::Game;

/// How many lines a report shows before the first that differs.
const CONTEXT_LINES: usize = 4;

/// Runs a script twice and compares every byte that was sent to anyone, and the whole state at the end: the game, its
/// timers, and the room's randomness. What makes a game differ is usually the order of a `HashMap`, a clock, or
/// randomness that is not the context's.
///
/// Then runs it once more while the room is made anew from its snapshot after every step, and compares again. What is
/// lost there is mostly a field that serde skips.
///
/// # Panics
/// If the runs differ, showing where; and like [`Table`].
pub fn assert_deterministic<G: Game>(setup: &Setup, script: impl Fn(&mut Table<G>)) {
    let run = |setup: Setup| {
        let mut table = Table::<G>::with(setup);
        script(&mut table);
        table
    };
    let first = run(setup.clone());
    compare(&first, &run(setup.clone()), "when run again");
    compare(&first, &run(setup.clone().rebuilt()), "when made anew from its snapshots");
}

fn compare<G: Game>(first: &Table<G>, second: &Table<G>, when: &str) {
    if let Some(report) = difference(first.transcript(), second.transcript()) {
        panic!("{} sent something else {when}:\n{report}", G::KIND);
    }
    let (first, second) = (first.state(), second.state());
    assert!(first == second, "{} ended up in another state {when}:\n  {first}\n  {second}", G::KIND);
}

fn difference(first: &[String], second: &[String]) -> Option<String> {
    let place = (0..first.len().max(second.len())).find(|place| first.get(*place) != second.get(*place))?;
    let same = &first[place.saturating_sub(CONTEXT_LINES)..place];
    let show = |sign: char, lines: &[String]| lines.iter().map(|line| format!("{sign} {line}\n")).collect::<String>();
    let at = |lines: &[String]| lines.get(place).cloned().unwrap_or_else(|| "(nothing more)".into());
    Some(show(' ', same) + &show('1', &[at(first)]) + &show('2', &[at(second)]))
}
