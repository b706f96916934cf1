//! Whole stories over a simulated network, many of them, each twice: nothing is lost, nothing comes twice, and the same
//! seed gives the same story to the microsecond.
//!
//! `ANTEROOM_SEEDS=FROM..TO` plays other seeds than the usual 80, or a single one again.

use anteroom_tests::amount;
use anteroom_tests::simulation::run;

fn play(quarter: u64) {
    let (mut stories, mut losses, mut moves) = (0, 0, 0);
    // The four tests run side by side.
    for seed in amount::seeds().filter(|seed| seed % 4 == quarter) {
        // Printed in front of what a failure says.
        println!("seed {seed}");
        let (first, again) = (run(seed), run(seed));
        for (place, (line, other)) in first.lines.iter().zip(&again.lines).enumerate() {
            assert_eq!(line, other, "seed {seed}: line {place} is another the second time");
        }
        assert_eq!(first, again, "seed {seed}");
        (stories, losses, moves) = (stories + 1, losses + first.losses, moves + first.moves);
    }
    println!("{stories} stories, each twice: {losses} losses of a connection seen by players, {moves} live moves");
    // A network in which nothing breaks would prove nothing.
    assert!(stories < 10 || (losses > stories && moves > stories), "{stories}: {losses}, {moves}");
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
