//! How much of what repeats itself a test does: what shows a fault as a rule, or as much as a variable says.
//!
//! `./tests/run long` sets these variables, and nothing else reads them.

use std::env;
use std::ops::Range;
use std::str::FromStr;

/// The seeds of the simulated network: 80 of them, others by `ANTEROOM_SEEDS=FROM..TO`.
///
/// # Panics
/// If the variable says something else.
#[must_use]
pub fn seeds() -> Range<u64> {
    range("ANTEROOM_SEEDS", 0..80)
}

/// The seeds of servers that go away and come back, in virtual time: 2,000 of them, others by
/// `ANTEROOM_LASTING_SEEDS=FROM..TO`.
///
/// # Panics
/// If the variable says something else.
#[must_use]
pub fn lasting_seeds() -> Range<u64> {
    range("ANTEROOM_LASTING_SEEDS", 0..2000)
}

/// The seeds of rooms with all that they can do, in virtual time: 200 of them, others by `ANTEROOM_GATHERING_SEEDS=FROM..TO`.
///
/// # Panics
/// If the variable says something else.
#[must_use]
pub fn gathering_seeds() -> Range<u64> {
    range("ANTEROOM_GATHERING_SEEDS", 0..200)
}

/// How many sessions go through a storm: 100, or `ANTEROOM_SESSIONS`.
#[must_use]
pub fn sessions() -> usize {
    number("ANTEROOM_SESSIONS", 100)
}

/// Which series of cuts and reloads befalls two pages: the first, or that of `ANTEROOM_SEED`.
#[must_use]
pub fn seed() -> u32 {
    number("ANTEROOM_SEED", 1)
}

/// How often the program is killed and started again: 30 times, or `ANTEROOM_TEST_ROUNDS`.
#[must_use]
pub fn rounds() -> u64 {
    number("ANTEROOM_TEST_ROUNDS", 30)
}

/// Whether a browser looks at each view in all its looks: with `ANTEROOM_VIEWS=all`.
#[must_use]
pub fn every_look() -> bool {
    env::var("ANTEROOM_VIEWS").is_ok_and(|value| value == "all")
}

fn range(name: &str, usual: Range<u64>) -> Range<u64> {
    let Ok(text) = env::var(name) else { return usual };
    let (from, to) = text.split_once("..").unwrap_or_else(|| panic!("{name} is FROM..TO"));
    from.parse().unwrap()..to.parse().unwrap()
}

fn number<T: FromStr>(name: &str, usual: T) -> T {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => usual,
    }
}
