//! Random stories of a session: whatever happens to its connections, both ends agree in the end on what was said.
//!
//! `SESSION_CASES` says how many stories each test tells, `SESSION_SEED` tells the same ones again; a failure prints
//! the seed and the shortest story that shows it.
//!
//! A million of each test take about two minutes of one core, all together, in an optimised build:
//!
//! ```text
//! SESSION_CASES=1000000 CARGO_PROFILE_TEST_OPT_LEVEL=2 CARGO_TARGET_DIR=target/optimized \
//!     cargo test -p anteroom-core --test it lanes::stories
//! ```

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};

use crate::lanes::climate::{Climate, Space};
use crate::lanes::world::World;

fn from_environment(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} has to be a number")))
}

fn new_seed() -> u64 {
    TestRunner::new(ProptestConfig::default()).rng().random()
}

/// Tells many stories, each a list of dice.
fn tell(cases: u32, climates: &[Climate]) {
    let seed = from_environment("SESSION_SEED").unwrap_or_else(new_seed);
    let cases = from_environment("SESSION_CASES").map_or(cases, |cases| cases as u32);
    println!("SESSION_SEED={seed} SESSION_CASES={cases}");
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    let story = (prop::sample::select(climates.to_vec()), prop::collection::vec(any::<u32>(), 1..150));
    let told = TestRunner::new(config).run(&story, |(climate, dice)| {
        let mut world = World::new(climate);
        dice.into_iter().for_each(|dice| world.step(dice));
        world.come_to_rest();
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = told {
        panic!("{error}\nSESSION_SEED={seed} tells it again");
    }
}

#[test]
fn nothing_is_lost_where_there_is_room_for_everything() {
    tell(9000, &Climate::all(true, &[Space::All]));
}

#[test]
fn what_has_to_be_dropped_is_told() {
    tell(10_000, &Climate::all(true, &[Space::Few, Space::Little]));
}

#[test]
fn a_client_that_does_not_acknowledge_goes_on_by_snapshots() {
    tell(3000, &Climate::all(false, &[Space::All, Space::Few, Space::Little]));
}
