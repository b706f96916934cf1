//! Whatever people do in the games that come with the server, a recording of it comes out as it did.

use std::time::Duration;

use anteroom_core::replay::{Ended, Player, Step};
use anteroom_core::testing::Table;
use anteroom_core::{Game, Rng};
use anteroom_games::{Dice, OweDrahn, Relay, TicTacToe};

const NAMES: [&str; 4] = ["ada", "bob", "eve", "joe"];

/// Two hundred things that happen, some of which are refused.
fn play<G: Game>(actions: &[(&str, &str)], seed: u64) {
    let mut rng = Rng::new(seed);
    let mut table = Table::<G>::new();
    let mut here = [false; 4];
    for _ in 0..200 {
        let who = rng.below(4) as usize;
        let name = NAMES[who];
        match (rng.below(12), here[who]) {
            (0..4, false) => here[who] = table.try_sit(name).is_ok(),
            (4, false) => here[who] = table.try_watch(name).is_ok(),
            (0, true) => {
                table.disconnect(name);
                here[who] = false;
            }
            (1, true) => {
                table.leave(name);
                here[who] = false;
            }
            (2, true) => drop(table.ready(name, true)),
            (11, _) => table.advance(Duration::from_millis(u64::from(rng.below(40_000)))),
            (_, true) => {
                let (kind, data) = actions[rng.below(actions.len() as u32) as usize];
                drop(table.act_json(name, kind, data));
            }
            _ => {}
        }
        // What has closed is not played on.
        if !here.contains(&true) {
            break;
        }
    }
    let bytes = table.recording();
    let games = anteroom_games::registry().unwrap();
    let mut player = Player::open(&games, &bytes[..]).unwrap();
    let ended = loop {
        match player.step().unwrap_or_else(|error| panic!("{} with seed {seed}: {error}", G::KIND)) {
            Step::Turn(_) => {}
            Step::Failing(failing) => panic!("{} with seed {seed}: {failing:?}", G::KIND),
            Step::End(ended) => break ended,
        }
    };
    assert_eq!(ended, Ended::Stopped("The test has gone on.".into()));
}

#[test]
fn every_game_comes_out_as_it_did() {
    for seed in 1..=15 {
        play::<TicTacToe>(
            &[
                ("make_move", r#"{"row":0,"col":1}"#),
                ("make_move", r#"{"row":1,"col":1}"#),
                ("make_move", r#"{"row":2,"col":0}"#),
                ("rematch", "{}"),
                ("junk", "{}"),
            ],
            seed,
        );
        play::<Relay>(
            &[
                ("send", r#"{"payload":[1]}"#),
                ("send", r#"{"payload":"x","delivery":"latest","key":"k"}"#),
                ("send", "7"),
            ],
            seed,
        );
        play::<Dice>(
            &[
                ("roll", "{}"),
                ("select", r#"{"dice_index":0}"#),
                ("select", r#"{"dice_index":3}"#),
                ("set_aside", r#"{"end_turn":true}"#),
                ("set_aside", r#"{"end_turn":false}"#),
            ],
            seed,
        );
        play::<OweDrahn>(
            &[
                ("roll", "{}"),
                ("lose_life", "{}"),
                ("choose_next", r#"{"user_id":"bob"}"#),
                ("sidebet_propose", r#"{"user_id":"ada","amount":5}"#),
                ("sidebet_accept", "{}"),
            ],
            seed,
        );
    }
}
