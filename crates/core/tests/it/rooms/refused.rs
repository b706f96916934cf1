//! What is refused, and what it leaves behind: nothing, not even where the dice lie.

use anteroom_core::Game;
use anteroom_core::room::MemberId;
use anteroom_protocol::Codec;
use proptest::prelude::*;

use super::probe::{Hidden, Open};
use super::script::{FIRST, START, Step, What, room, step, turn};

/// Plays a script in two rooms; in one of them everybody tries something else in between that the game refuses.
fn leaves_no_trace<G: Game>(steps: &[Step]) {
    let mut now = START;
    let (mut plain, mut tried) = (room::<G>(true), room::<G>(true));
    turn(&[FIRST], &mut now, &mut plain);
    turn(&[FIRST], &mut now, &mut tried);
    for (place, step) in steps.iter().enumerate() {
        let member = MemberId(1 + place as u64 % 5);
        let refused = Step::Act { member, what: What::Refuse, codec: Codec::Json, answer: true, n: None };
        let mut time = now;
        let ended = turn(std::slice::from_ref(step), &mut time, &mut plain).effects.closed;
        turn(&[refused, step.clone()], &mut now, &mut tried);
        if ended {
            return;
        }
        let (plain, tried) = (plain.snapshot().unwrap(), tried.snapshot().unwrap());
        assert!(tried.is_as(&plain), "{plain:?}\n{tried:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_refusal_changes_nothing_that_is_stored(steps in prop::collection::vec(step(), 1..60)) {
        leaves_no_trace::<Open>(&steps);
        leaves_no_trace::<Hidden>(&steps);
    }
}
