//! Dice as its players see it.

use std::time::Duration;

use anteroom_core::game::{Absence, Game, Then};
use anteroom_core::testing::{Refusal, RoomState, Setup, Table, assert_deterministic};
use anteroom_core::{ErrorCode, Outcome, Rng, Seat, UserId, Viewer};
use anteroom_games::Dice;
use anteroom_games::dice::{Action, DICE, Options, Status, View, any_scores, score};

const NAMES: [&str; 6] = ["ada", "bob", "cyd", "dan", "eve", "fay"];

fn options(players: u16, target: u32) -> Options {
    Options { players, target, ..Options::default() }
}

fn table(players: u16, target: u32, seed: u64) -> Table<Dice> {
    let mut table = Table::with(Setup::default().options(&options(players, target)).seed(seed));
    for name in &NAMES[..usize::from(players)] {
        table.sit(name);
    }
    table
}

fn view(table: &Table<Dice>) -> View {
    table.view(Viewer::Spectator)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn turn(view: &View) -> &str {
    view.current_turn.as_ref().unwrap().as_str()
}

fn act(table: &mut Table<Dice>, name: &str, action: Action) -> Result<(), ErrorCode> {
    table.act(name, action).map_err(|refusal| refusal.code)
}

const fn select(dice_index: i32) -> Action {
    Action::Select { dice_index }
}

/// The places of dice that score most.
fn best(dice: &[u8]) -> Vec<i32> {
    let masks = 1..1u32 << dice.len();
    let places = |mask: u32| (0..dice.len()).filter(move |place| mask >> place & 1 == 1);
    let worth = |mask: u32| score(&places(mask).map(|place| dice[place]).collect::<Vec<_>>());
    let best = masks.filter(|mask| worth(*mask).is_some()).max_by_key(|mask| worth(*mask)).unwrap();
    places(best).map(|place| i32::try_from(place).unwrap()).collect()
}

/// Whoever's turn it is rolls, selects what scores most, and sets it aside; not if that busts.
fn take_best(table: &mut Table<Dice>, end_turn: bool) -> bool {
    let name = turn(&view(table)).to_owned();
    act(table, &name, Action::Roll {}).unwrap();
    if view(table).status == Status::Busted {
        return false;
    }
    for place in best(&view(table).dice) {
        act(table, &name, select(place)).unwrap();
    }
    act(table, &name, Action::SetAside { end_turn }).unwrap();
    true
}

/// A table of two where a first roll has come out in a way, with whose turn it is.
fn rolled(is_so: impl Fn(&[u8]) -> bool) -> Table<Dice> {
    let find = |seed| {
        let mut table = table(2, 3000, seed);
        act(&mut table, "ada", Action::Roll {}).unwrap();
        is_so(&view(&table).dice).then_some(table)
    };
    (0..5_000).find_map(find).expect("a seed")
}

#[test]
fn a_match_begins_when_all_seats_are_taken() {
    let mut table = Table::<Dice>::with(Setup::default().options(&options(3, 500)));
    table.sit("ada");
    table.sit("bob");
    let json = serde_json::to_string(&view(&table)).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"status":"waiting","current_turn":null,"dice":[],"selected":[],"set_aside":[],"roll_score":0,"turn_score":0,"#,
            r#""scores":{"ada":0,"bob":0},"target":500,"winner":null,"can_roll":false,"players":["ada","bob",null],"#,
            r#""rematch_wanted":[]}"#
        )
    );
    assert_eq!(act(&mut table, "ada", Action::Roll {}), Err(ErrorCode::NotPlaying));
    table.sit("cyd");
    let now = view(&table);
    assert_eq!((now.status, turn(&now), now.can_roll), (Status::Playing, "ada", true));
    assert_eq!(table.room_state(), RoomState::Playing);
    assert_eq!(table.try_sit("dan").unwrap_err().code, ErrorCode::RoomLocked, "a match is on");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let refused = |options: &serde_json::Value| {
        Table::<Dice>::create(Setup::default().options(options)).err().map(|refusal| refusal.code)
    };
    for (name, low, high) in
        [("players", 2, 6), ("target", 50, 100_000), ("bust_ms", 0, 10_000), ("bot_after_s", 1, 600)]
    {
        for (value, fits) in
            [(low - 1, false), (low, true), (high, true), (high + 1, false), (i64::from(u32::MAX) + 1, false)]
        {
            let refused = refused(&serde_json::json!({name: value}));
            assert_eq!(refused, (!fits).then_some(ErrorCode::InvalidOptions), "{name} {value}");
        }
        for value in [serde_json::json!(2.5), "3".into(), serde_json::Value::Null] {
            assert_eq!(refused(&serde_json::json!({name: value})), Some(ErrorCode::InvalidOptions), "{name} {value}");
        }
    }
    assert_eq!(refused(&serde_json::json!([2])), Some(ErrorCode::InvalidOptions));
    let defaults = Options { players: 2, target: 3000, bust_ms: 2000, bot_after_s: 30 };
    assert_eq!(<Options as Default>::default(), defaults);
    assert_eq!(Dice::absence(&defaults), Absence { after: Duration::from_secs(30), then: Then::Bot });
}

#[test]
fn each_wrong_move_has_its_own_error_and_changes_nothing() {
    let mut table = rolled(|dice| dice.contains(&1) && dice.contains(&2) && score(dice).is_none());
    table.watch("zoe");
    let one = i32::try_from(view(&table).dice.iter().position(|die| *die == 1).unwrap()).unwrap();
    let two = i32::try_from(view(&table).dice.iter().position(|die| *die == 2).unwrap()).unwrap();
    let before = view(&table);
    assert_eq!(act(&mut table, "bob", Action::Roll {}), Err(ErrorCode::NotYourTurn));
    assert_eq!(act(&mut table, "bob", select(0)), Err(ErrorCode::NotYourTurn));
    assert_eq!(act(&mut table, "zoe", Action::Roll {}), Err(ErrorCode::NotAPlayer));
    assert_eq!(act(&mut table, "ada", Action::Roll {}), Err(ErrorCode::InvalidMove), "nothing was set aside");
    assert_eq!(act(&mut table, "ada", Action::Rematch {}), Err(ErrorCode::NotPlaying));
    for place in [-1, 6, i32::MIN, i32::MAX] {
        assert_eq!(act(&mut table, "ada", select(place)), Err(ErrorCode::InvalidMove), "{place}");
    }
    for data in ["{}", r#"{"dice_index":0.5}"#, r#"{"dice_index":"0"}"#, r#"{"dice_index":99999999999}"#] {
        assert_eq!(table.act_json("ada", "select", data).unwrap_err().code, ErrorCode::InvalidData, "{data}");
    }
    for end_turn in [false, true] {
        assert_eq!(
            act(&mut table, "ada", Action::SetAside { end_turn }),
            Err(ErrorCode::InvalidMove),
            "nothing is selected"
        );
    }
    assert_eq!(view(&table), before);
    act(&mut table, "ada", select(two)).unwrap();
    act(&mut table, "ada", select(one)).unwrap();
    let now = view(&table);
    assert_eq!((now.selected.len(), now.roll_score), (2, 0), "a 2 alone scores nothing");
    assert_eq!(act(&mut table, "ada", Action::SetAside { end_turn: true }), Err(ErrorCode::InvalidMove));
    assert_eq!(view(&table), now);
    act(&mut table, "ada", select(two)).unwrap();
    assert_eq!((view(&table).selected, view(&table).roll_score), (vec![one], 100));
    act(&mut table, "ada", Action::SetAside { end_turn: false }).unwrap();
    let now = view(&table);
    assert_eq!((now.dice.len(), now.set_aside.as_slice(), now.turn_score, now.can_roll), (5, &[1][..], 100, true));
    for action in [select(0), Action::SetAside { end_turn: true }, Action::SetAside { end_turn: false }] {
        assert_eq!(act(&mut table, "ada", action), Err(ErrorCode::InvalidMove), "a roll comes next");
    }
    let Refusal { message, .. } = table.act("ada", select(0)).unwrap_err();
    assert_eq!(message, "Roll first.");
}

#[test]
fn what_is_set_aside_counts_when_the_turn_ends() {
    let mut table = table(2, 100_000, 1);
    while !take_best(&mut table, true) {
        table.advance(Duration::from_secs(2));
    }
    let now = view(&table);
    assert_eq!(now.scores.values().filter(|points| **points > 0).count(), 1);
    assert_eq!((now.turn_score, now.dice.len(), now.set_aside.len(), now.can_roll), (0, 0, 0, true));
}

#[test]
fn a_bust_is_shown_and_then_the_turn_passes_without_points() {
    let mut table = (0..10_000)
        .find_map(|seed| {
            let mut table = table(2, 3000, seed);
            let busts = take_best(&mut table, false) && !view(&table).dice.is_empty() && {
                act(&mut table, "ada", Action::Roll {}).unwrap();
                view(&table).status == Status::Busted
            };
            busts.then_some(table)
        })
        .unwrap();
    let now = view(&table);
    assert!(!now.dice.is_empty() && !any_scores(&now.dice), "what was thrown is shown");
    assert_eq!((turn(&now), now.turn_score, now.can_roll), ("ada", 0, false));
    assert_eq!(act(&mut table, "ada", Action::Roll {}), Err(ErrorCode::InvalidMove));
    assert_eq!(act(&mut table, "bob", Action::Roll {}), Err(ErrorCode::NotYourTurn));
    table.advance(Duration::from_millis(1999));
    assert_eq!(view(&table), now);
    table.advance(Duration::from_millis(1));
    let now = view(&table);
    assert_eq!((now.status, turn(&now), now.scores[&user("ada")]), (Status::Playing, "bob", 0));
    act(&mut table, "bob", Action::Roll {}).unwrap();
    table.advance(Duration::from_secs(2));
    assert!(matches!(view(&table).status, Status::Playing), "a timer passes one turn");
}

#[test]
fn who_has_set_all_aside_rolls_six_again_and_keeps_the_points() {
    let mut table = rolled(|dice| score(dice).is_some());
    let worth = score(&view(&table).dice).unwrap();
    for place in 0..6 {
        act(&mut table, "ada", select(place)).unwrap();
    }
    act(&mut table, "ada", Action::SetAside { end_turn: false }).unwrap();
    let now = view(&table);
    assert_eq!((now.dice.len(), now.set_aside.len(), now.turn_score, now.can_roll), (0, 0, worth, true));
    act(&mut table, "ada", Action::Roll {}).unwrap();
    assert_eq!(view(&table).dice.len(), DICE);
}

#[test]
fn who_reaches_the_target_at_the_end_of_a_turn_wins_at_once() {
    let first = |seed| {
        let mut table = table(2, 50, seed);
        take_best(&mut table, true).then_some(table)
    };
    let mut table = (0..100).find_map(first).unwrap();
    let now = view(&table);
    assert_eq!((now.status, now.winner.clone(), now.current_turn), (Status::Won, Some(user("ada")), None));
    assert!(now.scores[&user("ada")] >= 50);
    assert_eq!(table.outcomes(), [Outcome::won_by(Seat(0))]);
    assert_eq!(table.room_state(), RoomState::Finished);
    for action in [Action::Roll {}, select(0), Action::SetAside { end_turn: true }] {
        assert_eq!(act(&mut table, "bob", action), Err(ErrorCode::NotPlaying));
    }
}

fn won(players: u16) -> Table<Dice> {
    let mut table = table(players, 50, 3);
    while view(&table).status != Status::Won {
        table.advance(Duration::from_secs(2));
        take_best(&mut table, true);
    }
    table.outcomes();
    table
}

#[test]
fn a_rematch_takes_all_and_another_one_begins() {
    let mut table = won(3);
    for name in ["ada", "bob", "bob"] {
        act(&mut table, name, Action::Rematch {}).unwrap();
    }
    assert_eq!(view(&table).rematch_wanted, [user("ada"), user("bob")]);
    assert_eq!(view(&table).status, Status::Won);
    act(&mut table, "cyd", Action::Rematch {}).unwrap();
    let now = view(&table);
    assert_eq!((now.status, turn(&now), now.rematch_wanted.len()), (Status::Playing, "bob", 0));
    assert!(now.scores.values().all(|points| *points == 0));
    assert_eq!(table.room_state(), RoomState::Playing);
}

#[test]
fn a_rematch_waits_for_free_seats() {
    let mut table = won(3);
    let winner = view(&table).winner;
    table.leave("cyd");
    assert_eq!((view(&table).status, view(&table).winner), (Status::Won, winner));
    act(&mut table, "ada", Action::Rematch {}).unwrap();
    act(&mut table, "bob", Action::Rematch {}).unwrap();
    assert_eq!((view(&table).status, table.room_state()), (Status::Waiting, RoomState::Waiting));
    table.sit("dan");
    let now = view(&table);
    assert_eq!((now.status, now.players[2].clone()), (Status::Playing, Some(user("dan"))));
    let mut table = won(2);
    act(&mut table, "ada", Action::Rematch {}).unwrap();
    table.leave("bob");
    assert_eq!(view(&table).status, Status::Waiting, "all who are left want one");
    table.sit("cyd");
    assert_eq!(view(&table).status, Status::Playing);
}

#[test]
fn who_leaves_a_match_of_two_loses_it() {
    let mut table = table(2, 3000, 1);
    act(&mut table, "ada", Action::Roll {}).unwrap();
    table.leave("ada");
    let now = view(&table);
    assert_eq!((now.status, now.winner, now.players), (Status::Won, Some(user("bob")), vec![None, Some(user("bob"))]));
    assert_eq!(table.outcomes(), [Outcome::won_by(Seat(1))]);
    table.sit("cyd");
    assert_eq!((view(&table).status, view(&table).scores[&user("bob")]), (Status::Playing, 0));
}

#[test]
fn a_match_of_more_goes_on_without_who_leaves() {
    let mut table = table(3, 3000, 1);
    act(&mut table, "ada", Action::Roll {}).unwrap();
    table.leave("ada");
    let now = view(&table);
    assert_eq!((now.status, turn(&now), now.dice.len(), now.can_roll), (Status::Playing, "bob", 0, true));
    assert_eq!(table.try_sit("dan").unwrap_err().code, ErrorCode::RoomLocked, "not into a match");
    table.leave("cyd");
    assert_eq!((view(&table).status, view(&table).winner), (Status::Won, Some(user("bob"))));
}

#[test]
fn a_bust_of_who_has_left_passes_no_turn() {
    let mut table = (0..10_000)
        .find_map(|seed| {
            let mut table = table(3, 3000, seed);
            act(&mut table, "ada", Action::Roll {}).unwrap();
            (view(&table).status == Status::Busted).then_some(table)
        })
        .unwrap();
    table.advance(Duration::from_millis(1000));
    table.leave("ada");
    assert_eq!((view(&table).status, turn(&view(&table))), (Status::Playing, "bob"));
    table.advance(Duration::from_secs(5));
    assert_eq!(turn(&view(&table)), "bob", "nobody's bust");
}

#[test]
fn a_bot_plays_for_who_is_away_until_they_are_back() {
    let mut table = table(2, 100_000, 1);
    table.disconnect("ada");
    table.advance(Duration::from_secs(50));
    let now = view(&table);
    assert!(table.member("ada").unwrap().bot);
    assert_eq!(turn(&now), "bob", "the bot has played ada's turn");
    table.reconnect("ada");
    assert!(!table.member("ada").unwrap().bot);
}

#[test]
fn a_hundred_inputs_at_once_are_each_answered() {
    let mut table = rolled(|dice| dice.contains(&5));
    let before = view(&table);
    for number in 0..100 {
        let answer = act(&mut table, "ada", select(number % 7));
        assert_eq!(answer, if number % 7 == 6 { Err(ErrorCode::InvalidMove) } else { Ok(()) });
    }
    // 14 whole rounds, and then 0 and 1 once more.
    assert_eq!(view(&table), View { selected: view(&table).selected, roll_score: view(&table).roll_score, ..before });
    assert_eq!(view(&table).selected, [0, 1]);
}

/// A random action that the rules allow.
fn random_action(view: &View, rng: &mut Rng) -> Action {
    if view.can_roll {
        return Action::Roll {};
    }
    let chosen: Vec<u8> = view.selected.iter().map(|place| view.dice[usize::try_from(*place).unwrap()]).collect();
    if score(&chosen).is_some() && rng.below(2) == 0 {
        return Action::SetAside { end_turn: rng.below(2) == 0 };
    }
    select(i32::try_from(rng.below(u32::try_from(view.dice.len()).unwrap())).unwrap())
}

/// What must hold of every view, and of every step from one to the next.
fn check_step(before: &View, action: Action, after: &View) {
    let is_on = matches!(after.status, Status::Playing | Status::Busted);
    assert_eq!(after.current_turn.is_some(), is_on);
    assert_eq!(after.winner.is_some(), after.status == Status::Won);
    let on_table = after.dice.len() + after.set_aside.len();
    assert!(on_table == DICE || on_table == 0, "{after:?}");
    let chosen: Vec<u8> = after.selected.iter().map(|place| after.dice[usize::try_from(*place).unwrap()]).collect();
    assert_eq!(after.roll_score, score(&chosen).unwrap_or(0));
    let total = |view: &View| view.scores.values().sum::<u32>();
    match action {
        Action::Roll {} => {
            assert_eq!(after.dice.len(), if before.dice.is_empty() { DICE } else { before.dice.len() });
            assert!(after.dice.iter().all(|die| (1..=6).contains(die)) && after.selected.is_empty());
            assert_eq!(after.status == Status::Busted, !any_scores(&after.dice));
            assert_eq!(after.turn_score, if after.status == Status::Busted { 0 } else { before.turn_score });
            assert_eq!(total(after), total(before));
        }
        Action::Select { .. } => {
            assert_eq!(before.selected.len().abs_diff(after.selected.len()), 1);
            assert_eq!((&after.dice, after.turn_score, total(after)), (&before.dice, before.turn_score, total(before)));
        }
        Action::SetAside { end_turn: false } => {
            assert_eq!((after.turn_score, total(after)), (before.turn_score + before.roll_score, total(before)));
            assert!(after.can_roll && after.current_turn == before.current_turn);
        }
        Action::SetAside { end_turn: true } => {
            assert_eq!(total(after), total(before) + before.turn_score + before.roll_score);
            let who = before.current_turn.as_ref().unwrap();
            assert_eq!(after.status == Status::Won, after.scores[who] >= after.target);
            assert!(after.current_turn != before.current_turn);
        }
        Action::Rematch {} => {}
    }
}

/// Plays a match to its end: each seat as its player does. Yields who won.
fn play(table: &mut Table<Dice>, mut decide: impl FnMut(&View, Seat) -> Action) -> UserId {
    for _ in 0..20_000 {
        let before = view(table);
        match before.status {
            Status::Won => return before.winner.unwrap(),
            Status::Busted => table.advance(Duration::from_secs(2)),
            Status::Playing => {
                let name = turn(&before).to_owned();
                let action = decide(&before, table.seat(&name).unwrap());
                act(table, &name, action).unwrap();
                check_step(&before, action, &view(table));
            }
            Status::Waiting => panic!("the table is full"),
        }
    }
    panic!("no end");
}

#[test]
fn whole_matches_keep_the_rules() {
    for seed in 0..60 {
        let players = 2 + u16::try_from(seed % 5).unwrap();
        let mut table = table(players, 1500, seed);
        let mut rng = Rng::new(seed);
        let winner = play(&mut table, |view, _| random_action(view, &mut rng));
        assert!(view(&table).scores[&winner] >= 1500);
    }
}

#[test]
fn the_bot_beats_who_plays_at_random() {
    let won = (0..1_000).filter(|seed| {
        let mut table = table(2, 3000, *seed);
        let mut rng = Rng::new(seed + 1);
        let bot = Seat(u16::try_from(seed % 2).unwrap());
        let winner = play(&mut table, |view, seat| {
            if seat == bot { Dice::bot(view, seat, &mut rng).unwrap() } else { random_action(view, &mut rng) }
        });
        table.seat(winner.as_str()) == Some(bot)
    });
    let won = won.count();
    assert!(won >= 700, "the bot has won {won} of 1000");
}

#[test]
fn bots_play_whole_matches_and_want_a_rematch() {
    let mut table = Table::<Dice>::with(Setup::default().options(&options(3, 500)));
    table.sit("ada");
    table.add_bot("ada").unwrap();
    table.add_bot("ada").unwrap();
    let mut rng = Rng::new(1);
    for _ in 0..2_000 {
        let now = view(&table);
        if now.status == Status::Won {
            break;
        }
        if now.current_turn == Some(user("ada")) && now.status == Status::Playing {
            let action = Dice::bot(&now, Seat(0), &mut rng).unwrap();
            act(&mut table, "ada", action).unwrap();
        }
        table.advance(Duration::from_secs(1));
    }
    assert_eq!(view(&table).status, Status::Won);
    table.advance(Duration::from_secs(20));
    assert_eq!(view(&table).rematch_wanted.len(), 2, "the bots want one as well");
    act(&mut table, "ada", Action::Rematch {}).unwrap();
    assert_eq!(view(&table).status, Status::Playing);
}

/// Players come, go, drop, return, and do things that make sense or not, at random.
fn random_script(table: &mut Table<Dice>, rng: &mut Rng) {
    let mut state = [0; 3];
    table.watch("zoe");
    for _ in 0..8 + rng.below(12) {
        let now = view(table);
        let place = match &now.current_turn {
            Some(who) if rng.below(4) > 0 => NAMES.iter().position(|name| *name == who.as_str()).unwrap(),
            _ => rng.below(3) as usize,
        };
        let name = NAMES[place];
        match (state[place], rng.below(20)) {
            (0, _) => state[place] = usize::from(table.try_sit(name).is_ok()),
            (1, 0) => {
                table.leave(name);
                state[place] = 0;
            }
            (1, 1) => {
                table.disconnect(name);
                state[place] = 2;
            }
            (1, 2) => table.advance(Duration::from_millis(rng.below(40_000).into())),
            (1, 3) => drop(table.act_json(name, "select", r#"{"dice_index":-7}"#)),
            (1, 4) => drop(table.act(name, Action::Rematch {})),
            (1, 5) => drop(table.act(name, Action::SetAside { end_turn: false })),
            (1, _) if now.can_roll || !now.dice.is_empty() => drop(table.act(name, random_action(&now, rng))),
            (1, _) => drop(table.act(name, Action::Roll {})),
            _ if table.seat(name).is_some() => {
                table.reconnect(name);
                state[place] = 1;
            }
            // The seat was given up meanwhile.
            _ => state[place] = 0,
        }
    }
}

#[test]
fn ten_thousand_scripts_go_the_same_way_twice() {
    for seed in 0..10_000 {
        let setup = Setup::default().options(&options(2 + u16::try_from(seed % 2).unwrap(), 500)).seed(seed);
        assert_deterministic::<Dice>(&setup, |table| random_script(table, &mut Rng::new(seed)));
    }
}

#[test]
fn a_room_lasts_unless_its_creator_says_otherwise() {
    assert_eq!(Dice::DURABLE.settle(None), Ok(true));
    assert_eq!(Dice::DURABLE.settle(Some(false)), Ok(false));
}
