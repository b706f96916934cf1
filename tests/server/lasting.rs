//! Whole stories of rooms that outlive their server, many of them: see `anteroom_tests::lasting`.
//!
//! `ANTEROOM_LASTING_SEEDS=FROM..TO` plays other seeds than the usual 2,000, or a single one again.

use anteroom_tests::amount;
use anteroom_tests::lasting::simulated::{Story, run};

fn play(quarter: u64) {
    let (mut stories, mut all) = (0, Story::default());
    // The four tests run side by side.
    for seed in amount::lasting_seeds().filter(|seed| seed % 4 == quarter) {
        // Printed in front of what a failure says.
        println!("seed {seed}");
        let Story { ends, returns, moves, sleeps, took_ms } = run(seed);
        stories += 1;
        (all.ends, all.returns, all.moves) = (all.ends + ends, all.returns + returns, all.moves + moves);
        (all.sleeps, all.took_ms) = (all.sleeps + sleeps, all.took_ms + took_ms);
    }
    println!("{stories} stories: {all:?}");
    // A server that never went away would prove nothing.
    assert!(stories < 10 || all.returns > stories && all.moves > stories && all.sleeps > 0, "{stories}: {all:?}");
}

#[test]
fn nothing_is_lost_first_quarter() {
    play(0);
}

#[test]
fn nothing_is_lost_second_quarter() {
    play(1);
}

#[test]
fn nothing_is_lost_third_quarter() {
    play(2);
}

#[test]
fn nothing_is_lost_last_quarter() {
    play(3);
}
