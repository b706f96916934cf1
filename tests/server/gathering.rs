//! Whole stories of rooms with all that they can do, many of them: see `anteroom_tests::gathering`.
//!
//! `ANTEROOM_GATHERING_SEEDS=FROM..TO` plays other seeds than the usual 200, or a single one again.

use anteroom_tests::amount;
use anteroom_tests::gathering::simulated::{Story, run};

fn play(half: u64) {
    let (mut stories, mut all) = (0, Story::default());
    // The two tests run side by side.
    for seed in amount::gathering_seeds().filter(|seed| seed % 2 == half) {
        // Printed in front of what a failure says.
        println!("seed {seed}");
        let Story { ends, deeds, compared, knocks } = run(seed);
        stories += 1;
        (all.ends, all.deeds) = (all.ends + ends, all.deeds + deeds);
        (all.compared, all.knocks) = (all.compared + compared, all.knocks + knocks);
    }
    println!("{stories} stories: {all:?}");
    // A room in which nobody is would prove nothing.
    assert!(stories < 10 || all.compared > 5 * stories && 10 * all.knocks > stories, "{stories}: {all:?}");
}

#[test]
fn everybody_has_the_room_that_there_is_first_half() {
    play(0);
}

#[test]
fn everybody_has_the_room_that_there_is_second_half() {
    play(1);
}
