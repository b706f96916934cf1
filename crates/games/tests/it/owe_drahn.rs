//! Owe drahn as its players see it.

use std::time::Duration;

use anteroom_core::game::{Absence, Game, Then};
use anteroom_core::testing::{RoomState, Setup, Table, assert_deterministic};
use anteroom_core::{ErrorCode, Outcome, Rng, Seat, UserId, Viewer};
use anteroom_games::OweDrahn;
use anteroom_games::owe_drahn::{Action, LIVES, Options, Phase, Sidebet, Status, TOTAL_MAX, View};

const NAMES: [&str; 10] = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jon"];

fn seated(players: usize, seed: u64) -> Table<OweDrahn> {
    let mut table = Table::with(Setup::default().seed(seed));
    for name in &NAMES[..players] {
        table.sit(name);
    }
    table
}

fn started(players: usize, seed: u64) -> Table<OweDrahn> {
    let mut table = seated(players, seed);
    for name in &NAMES[..players] {
        table.ready(name, true).unwrap();
    }
    table
}

fn view(table: &Table<OweDrahn>) -> View {
    table.view(Viewer::Spectator)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn turn(view: &View) -> String {
    view.current_turn.as_ref().unwrap().to_string()
}

fn act(table: &mut Table<OweDrahn>, name: &str, action: Action) -> Result<(), ErrorCode> {
    table.act(name, action).map_err(|refusal| refusal.code)
}

fn choose(name: &str) -> Action {
    Action::ChooseNext { user_id: user(name) }
}

fn propose(name: &str, amount: i32) -> Action {
    Action::SidebetPropose { user_id: user(name), amount }
}

fn accept(name: Option<&str>) -> Action {
    Action::SidebetAccept { user_id: name.map(user) }
}

fn decline(name: Option<&str>) -> Action {
    Action::SidebetDecline { user_id: name.map(user) }
}

fn living(view: &View) -> Vec<String> {
    view.lives.iter().filter(|(_, lives)| **lives > 0).map(|(user, _)| user.to_string()).collect()
}

/// Rolls until one is left.
fn roll_on(table: &mut Table<OweDrahn>) -> View {
    while view(table).status == Status::Playing {
        let name = turn(&view(table));
        act(table, &name, Action::Roll {}).unwrap();
    }
    view(table)
}

/// The next around the table who is not out.
fn next_after(view: &View, name: &str) -> String {
    let seats: Vec<String> = view.players.iter().flatten().map(ToString::to_string).collect();
    let place = seats.iter().position(|seat| seat == name).unwrap();
    let order = seats[place + 1..].iter().chain(&seats[..place]);
    order.into_iter().find(|seat| view.lives[&user(seat)] > 0).unwrap().clone()
}

#[test]
fn a_match_begins_when_all_are_ready_and_a_random_player_begins() {
    let mut table = Table::<OweDrahn>::new();
    table.sit("ada");
    table.ready("ada", true).unwrap();
    let json = serde_json::to_string(&view(&table)).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"status":"waiting","phase":"roll","current_turn":null,"total":0,"last_roll":null,"lives":{"ada":6},"out":[],"#,
            r#""ready":["ada"],"scores":{"ada":0},"winner":null,"sidebets":[],"players":["ada"]}"#
        )
    );
    assert_eq!(act(&mut table, "ada", Action::Roll {}), Err(ErrorCode::NotPlaying));
    table.sit("bob");
    assert_eq!(view(&table).status, Status::Waiting, "bob is not ready");
    table.ready("ada", false).unwrap();
    assert!(view(&table).ready.is_empty());
    table.ready("ada", true).unwrap();
    table.ready("bob", true).unwrap();
    assert_eq!((view(&table).status, table.room_state()), (Status::Playing, RoomState::Playing));
    assert!(view(&table).ready.is_empty());
    let begins: Vec<String> = (0..40).map(|seed| turn(&view(&started(3, seed)))).collect();
    for name in &NAMES[..3] {
        assert!(begins.iter().any(|first| first == name), "{name} never begins");
    }
}

#[test]
fn who_takes_another_seat_stays_ready() {
    let mut table = seated(2, 1);
    table.ready("ada", true).unwrap();
    table.choose_seat("ada", Seat(4)).unwrap();
    assert_eq!(view(&table).ready, [user("ada")]);
    table.ready("ada", false).unwrap();
    assert!(view(&table).ready.is_empty());
    table.ready("ada", true).unwrap();
    table.ready("bob", true).unwrap();
    assert_eq!(view(&table).status, Status::Playing);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (name, low, high) in [("pause_ms", 0, 60_000), ("bot_after_s", 1, 600)] {
        for (value, fits) in [(low - 1, false), (low, true), (high, true), (high + 1, false), (70_000, false)] {
            let options = serde_json::json!({name: value});
            let refused = Table::<OweDrahn>::create(Setup::default().options(&options)).err();
            let code = refused.map(|refusal| refusal.code);
            assert_eq!(code, (!fits).then_some(ErrorCode::InvalidOptions), "{name} {value}");
        }
    }
    let defaults = <Options as Default>::default();
    assert_eq!(defaults, Options { pause_ms: 5000, bot_after_s: 15 });
    assert_eq!(OweDrahn::absence(&defaults), Absence { after: Duration::from_secs(15), then: Then::Bot });
    let seats = OweDrahn::seats(&defaults);
    assert_eq!((seats.min, seats.max), (2, 10));
}

#[test]
fn each_wrong_move_has_its_own_error_and_changes_nothing() {
    let mut table = started(3, 1);
    table.watch("zoe");
    let before = view(&table);
    let name = turn(&before);
    let other = next_after(&before, &name);
    assert_eq!(act(&mut table, "zoe", Action::Roll {}), Err(ErrorCode::NotAPlayer));
    for action in [Action::Roll {}, Action::LoseLife {}, choose(&name)] {
        assert_eq!(act(&mut table, &other, action), Err(ErrorCode::NotYourTurn));
    }
    assert_eq!(act(&mut table, &name, choose(&other)), Err(ErrorCode::InvalidMove), "no life was given");
    for bet in [propose(&other, 5), accept(None), decline(None)] {
        assert_eq!(act(&mut table, &name, bet), Err(ErrorCode::Conflict), "a match is on");
    }
    assert_eq!(table.ready(&name, true).unwrap_err().code, ErrorCode::Conflict);
    for (kind, data) in
        [("choose_next", "{}"), ("choose_next", r#"{"user_id":7}"#), ("choose_next", r#"{"user_id":""}"#)]
    {
        assert_eq!(table.act_json(&name, kind, data).unwrap_err().code, ErrorCode::InvalidData, "{kind} {data}");
    }
    assert_eq!(view(&table), before);
    act(&mut table, &name, Action::LoseLife {}).unwrap();
    let before = view(&table);
    assert_eq!((before.phase, before.total, before.lives[&user(&name)]), (Phase::ChooseNext, 0, LIVES - 1));
    for action in [Action::Roll {}, Action::LoseLife {}, choose(&name), choose("zoe"), choose("nobody")] {
        assert_eq!(act(&mut table, &name, action.clone()), Err(ErrorCode::InvalidMove), "{action:?}");
    }
    assert_eq!(view(&table), before);
    let last = NAMES[..3].iter().find(|third| **third != name && **third != other).unwrap();
    act(&mut table, &name, choose(last)).unwrap();
    assert_eq!((turn(&view(&table)).as_str(), view(&table).phase), (*last, Phase::Roll));
}

#[test]
fn the_last_life_cannot_be_given() {
    let mut table = started(2, 1);
    let name = turn(&view(&table));
    let other = next_after(&view(&table), &name);
    for lives in (1..LIVES).rev() {
        act(&mut table, &name, Action::LoseLife {}).unwrap();
        assert_eq!(view(&table).lives[&user(&name)], lives);
        act(&mut table, &name, choose(&other)).unwrap();
        act(&mut table, &other, Action::Roll {}).unwrap();
    }
    assert_eq!(act(&mut table, &name, Action::LoseLife {}), Err(ErrorCode::InvalidMove));
    act(&mut table, &name, Action::Roll {}).unwrap();
}

#[test]
fn who_gets_the_total_above_15_is_out_and_the_next_begins_at_0() {
    let mut table = started(4, 2);
    loop {
        let before = view(&table);
        let name = turn(&before);
        act(&mut table, &name, Action::Roll {}).unwrap();
        let after = view(&table);
        let rolled = after.last_roll.unwrap();
        let total = before.total + if rolled == 3 { 0 } else { rolled };
        if total <= TOTAL_MAX {
            assert_eq!((after.total, turn(&after)), (total, next_after(&after, &name)));
            continue;
        }
        assert_eq!((after.total, after.lives[&user(&name)], after.out.clone()), (0, 0, vec![user(&name)]));
        assert_eq!(turn(&after), next_after(&after, &name));
        assert_eq!(act(&mut table, &name, Action::Roll {}), Err(ErrorCode::NotYourTurn), "out is out");
        let next = turn(&after);
        act(&mut table, &next, Action::LoseLife {}).unwrap();
        assert_eq!(act(&mut table, &next, choose(&name)), Err(ErrorCode::InvalidMove), "out is out");
        break;
    }
}

#[test]
fn the_last_one_wins_and_a_new_game_is_set_up_after_a_pause() {
    let mut table = started(4, 3);
    let over = roll_on(&mut table);
    let winner = over.winner.clone().unwrap();
    assert_eq!((over.status, over.out.len(), over.current_turn.clone()), (Status::Over, 3, None));
    for name in &NAMES[..4] {
        assert_eq!(over.scores[&user(name)], if user(name) == winner { 3 } else { -1 });
    }
    assert_eq!(table.outcomes(), [Outcome::won_by(table.seat(winner.as_str()).unwrap())]);
    assert_eq!(table.room_state(), RoomState::Finished);
    for action in [Action::Roll {}, Action::LoseLife {}, choose("ada")] {
        assert_eq!(act(&mut table, "bob", action), Err(ErrorCode::NotPlaying));
    }
    table.ready("cyd", true).unwrap();
    table.advance(Duration::from_millis(4999));
    assert_eq!(view(&table).status, Status::Over);
    table.advance(Duration::from_millis(1));
    let now = view(&table);
    assert_eq!((now.status, table.room_state(), now.winner.clone()), (Status::Waiting, RoomState::Waiting, None));
    assert_eq!((now.scores, now.ready), (over.scores, vec![user("cyd")]));
    assert!(now.lives.values().all(|lives| *lives == LIVES) && now.out.is_empty());
    for name in ["ada", "bob", "dan"] {
        table.ready(name, true).unwrap();
    }
    let over = roll_on(&mut table);
    assert_eq!(over.scores.values().sum::<i32>(), 0, "what one wins the others lose");
}

#[test]
fn all_who_are_ready_need_not_wait_for_the_pause() {
    let mut table = started(2, 3);
    roll_on(&mut table);
    table.ready("ada", true).unwrap();
    table.ready("bob", true).unwrap();
    let begun = view(&table);
    assert_eq!(begun.status, Status::Playing);
    table.advance(Duration::from_secs(6));
    assert_eq!(view(&table), begun, "the timer of the game before does not end this one");
}

#[test]
fn who_leaves_is_out() {
    let mut table = started(3, 1);
    let name = turn(&view(&table));
    act(&mut table, &name, Action::Roll {}).unwrap();
    let (total, next) = (view(&table).total, turn(&view(&table)));
    table.leave(&name);
    let now = view(&table);
    assert_eq!((now.total, turn(&now), living(&now).len()), (total, next.clone(), 2), "it was not their turn");
    table.leave(&next);
    let now = view(&table);
    assert_eq!((now.status, now.winner.clone().map(|winner| now.scores[&winner])), (Status::Over, Some(2)));
    assert_eq!(now.scores.len(), 1);

    let mut table = started(3, 1);
    let name = turn(&view(&table));
    act(&mut table, &name, Action::LoseLife {}).unwrap();
    let next = next_after(&view(&table), &name);
    table.leave(&name);
    assert_eq!((turn(&view(&table)), view(&table).phase), (next, Phase::Roll), "who was to choose is gone");
    assert_eq!(table.try_sit("eve").unwrap_err().code, ErrorCode::RoomLocked, "not into a match");
}

#[test]
fn who_takes_the_winners_seat_has_not_won() {
    let mut table = started(2, 1);
    let winner = roll_on(&mut table).winner.unwrap();
    table.leave(winner.as_str());
    assert_eq!(view(&table).winner, Some(winner));
    table.sit("zoe");
    let now = view(&table);
    assert_eq!((now.status, now.winner, now.scores[&user("zoe")]), (Status::Waiting, None, 0));
    table.advance(Duration::from_secs(6));
    assert_eq!(view(&table).status, Status::Waiting);
}

#[test]
fn side_bets_are_proposed_accepted_and_declined() {
    let mut table = seated(4, 1);
    table.watch("zoe");
    for amount in [0, -1, 101, i32::MIN, i32::MAX] {
        assert_eq!(act(&mut table, "ada", propose("bob", amount)), Err(ErrorCode::InvalidMove), "{amount}");
    }
    for amount in ["1.5", "99999999999", "\"5\"", "null"] {
        let sent = table.act_json("ada", "sidebet_propose", &format!(r#"{{"user_id":"bob","amount":{amount}}}"#));
        assert_eq!(sent.unwrap_err().code, ErrorCode::InvalidData, "{amount}");
    }
    for name in ["ada", "zoe", "nobody"] {
        assert_eq!(act(&mut table, "ada", propose(name, 5)), Err(ErrorCode::InvalidMove), "{name}");
    }
    act(&mut table, "ada", propose("bob", 100)).unwrap();
    assert_eq!(act(&mut table, "ada", propose("bob", 1)), Err(ErrorCode::Conflict));
    assert_eq!(act(&mut table, "bob", propose("ada", 1)), Err(ErrorCode::Conflict), "one between two");
    assert_eq!(act(&mut table, "ada", accept(None)), Err(ErrorCode::InvalidMove), "one's own");
    assert_eq!(act(&mut table, "cyd", accept(Some("ada"))), Err(ErrorCode::InvalidMove), "somebody else's");
    act(&mut table, "cyd", propose("bob", 1)).unwrap();
    assert_eq!(act(&mut table, "bob", accept(None)), Err(ErrorCode::InvalidMove), "whose?");
    assert_eq!(act(&mut table, "bob", decline(None)), Err(ErrorCode::InvalidMove), "whose?");
    act(&mut table, "bob", accept(Some("ada"))).unwrap();
    assert_eq!(act(&mut table, "bob", accept(Some("ada"))), Err(ErrorCode::InvalidMove), "it is already");
    let bet = |from, to, amount, accepted| Sidebet { from: user(from), to: user(to), amount, accepted };
    assert_eq!(view(&table).sidebets, [bet("ada", "bob", 100, true), bet("cyd", "bob", 1, false)]);
    act(&mut table, "bob", decline(None)).unwrap();
    assert_eq!(act(&mut table, "ada", decline(Some("bob"))), Err(ErrorCode::InvalidMove), "it holds");
    act(&mut table, "dan", propose("cyd", 7)).unwrap();
    act(&mut table, "dan", decline(Some("cyd"))).unwrap();
    act(&mut table, "dan", propose("cyd", 8)).unwrap();
    act(&mut table, "dan", propose("bob", 9)).unwrap();
    assert_eq!(view(&table).sidebets.len(), 3);
    table.leave("cyd");
    assert_eq!(view(&table).sidebets, [bet("ada", "bob", 100, true), bet("dan", "bob", 9, false)]);
    for name in ["ada", "bob", "dan"] {
        table.ready(name, true).unwrap();
    }
    assert_eq!(view(&table).sidebets, [bet("ada", "bob", 100, true)], "nobody has accepted the other");
}

#[test]
fn a_side_bet_goes_to_who_outlives_the_other() {
    for seed in 0..20 {
        let mut table = seated(4, seed);
        act(&mut table, "ada", propose("bob", 100)).unwrap();
        act(&mut table, "bob", accept(None)).unwrap();
        act(&mut table, "cyd", propose("ada", 10)).unwrap();
        act(&mut table, "ada", accept(None)).unwrap();
        act(&mut table, "dan", propose("ada", 1)).unwrap();
        for name in &NAMES[..4] {
            table.ready(name, true).unwrap();
        }
        let over = roll_on(&mut table);
        let fell = |name: &str| over.out.iter().position(|out| out.as_str() == name).unwrap_or(usize::MAX);
        let sign = |one: &str, other: &str| if fell(one) > fell(other) { 1 } else { -1 };
        let place = |name: &str| if fell(name) == usize::MAX { 3 } else { -1 };
        let scores = ["ada", "bob", "cyd", "dan"].map(|name| over.scores[&user(name)]);
        let (bob, cyd) = (100 * sign("ada", "bob"), 10 * sign("ada", "cyd"));
        assert_eq!(
            scores,
            [place("ada") + bob + cyd, place("bob") - bob, place("cyd") - cyd, place("dan")],
            "seed {seed}"
        );
        assert!(over.sidebets.is_empty());
    }
}

#[test]
fn a_side_bet_is_lost_by_leaving() {
    let mut table = seated(3, 1);
    act(&mut table, "ada", propose("bob", 50)).unwrap();
    act(&mut table, "bob", accept(None)).unwrap();
    for name in &NAMES[..3] {
        table.ready(name, true).unwrap();
    }
    table.leave("ada");
    let over = roll_on(&mut table);
    let own = if over.winner == Some(user("bob")) { 2 } else { -1 };
    assert_eq!(over.scores[&user("bob")], own + 50);
}

#[test]
fn a_bot_is_ready_turns_bets_down_and_plays_to_the_end() {
    let mut table = seated(1, 5);
    table.add_bot("ada").unwrap();
    table.add_bot("ada").unwrap();
    let bot = view(&table).players[1].clone().unwrap();
    assert_eq!(view(&table).ready.len(), 2, "bots are ready");
    act(&mut table, "ada", propose(bot.as_str(), 5)).unwrap();
    table.advance(Duration::from_secs(20));
    assert!(view(&table).sidebets.is_empty());
    table.ready("ada", true).unwrap();
    let mut rng = Rng::new(1);
    for _ in 0..2_000 {
        let now = view(&table);
        if now.status != Status::Playing {
            break;
        }
        if now.current_turn == Some(user("ada")) {
            let action = OweDrahn::bot(&now, Seat(0), &mut rng).unwrap();
            act(&mut table, "ada", action).unwrap();
        }
        table.advance(Duration::from_secs(1));
    }
    assert_ne!(view(&table).status, Status::Playing);
}

#[test]
fn who_is_away_is_played_for_until_they_are_back() {
    let mut table = started(2, 1);
    let name = turn(&view(&table));
    let other = next_after(&view(&table), &name);
    table.disconnect(&name);
    table.advance(Duration::from_millis(14_999));
    assert_eq!(turn(&view(&table)), name);
    table.advance(Duration::from_secs(15));
    assert_eq!(turn(&view(&table)), other, "a bot has played the turn");
    assert!(table.member(&name).unwrap().bot);
    table.reconnect(&name);
    act(&mut table, &other, Action::Roll {}).unwrap();
    table.advance(Duration::from_secs(30));
    assert_eq!(turn(&view(&table)), name, "nobody plays for who is there");
}

#[test]
fn a_hundred_inputs_at_once_are_each_answered() {
    let mut table = started(2, 4);
    let mut rolls = 0;
    for _ in 0..100 {
        let playing = view(&table).status == Status::Playing;
        let is_turn = playing && turn(&view(&table)) == "ada";
        let answer = act(&mut table, "ada", Action::Roll {});
        let expected =
            if is_turn { Ok(()) } else { Err(if playing { ErrorCode::NotYourTurn } else { ErrorCode::NotPlaying }) };
        assert_eq!(answer, expected);
        rolls += usize::from(answer.is_ok());
    }
    assert!(rolls <= 1, "every roll passes the turn");
}

/// A random action that the rules allow.
fn random_action(view: &View, rng: &mut Rng) -> Action {
    let me = turn(view);
    if view.phase == Phase::ChooseNext {
        let others: Vec<String> = living(view).into_iter().filter(|name| *name != me).collect();
        return choose(&others[rng.below(u32::try_from(others.len()).unwrap()) as usize]);
    }
    if view.lives[&user(&me)] > 1 && rng.below(4) == 0 { Action::LoseLife {} } else { Action::Roll {} }
}

/// What must hold of every view.
fn check(view: &View) {
    assert!(view.total <= TOTAL_MAX);
    assert!(view.lives.values().all(|lives| *lives <= LIVES));
    assert_eq!(view.current_turn.is_some(), view.status == Status::Playing);
    assert_eq!(view.winner.is_some(), view.status == Status::Over);
    let users: Vec<&UserId> = view.players.iter().flatten().collect();
    assert_eq!(users.len(), view.lives.len());
    assert!(users.iter().all(|user| view.lives.contains_key(*user) && view.scores.contains_key(*user)));
    if let Some(turn) = &view.current_turn {
        assert!(view.lives[turn] > 0, "whose turn it is lives");
        assert!(living(view).len() >= 2, "one alone has won");
        assert!(view.sidebets.iter().all(|bet| bet.accepted));
    }
    if view.status == Status::Playing {
        assert!(view.out.iter().all(|user| view.lives[user] == 0));
    }
    for bet in &view.sidebets {
        assert!((1..=100).contains(&bet.amount) && bet.from != bet.to);
        let pair = |other: &&Sidebet| [&other.from, &other.to].iter().all(|user| [&bet.from, &bet.to].contains(user));
        assert_eq!(view.sidebets.iter().filter(pair).count(), 1, "one between two");
    }
}

#[test]
fn whole_matches_keep_the_rules_and_end() {
    for seed in 0..200 {
        let players = 2 + usize::try_from(seed % 9).unwrap();
        let mut table = started(players, seed);
        let mut rng = Rng::new(seed);
        for step in 0.. {
            let now = view(&table);
            check(&now);
            if now.status != Status::Playing {
                break;
            }
            assert!(step < 2_000, "seed {seed} does not end");
            let action = random_action(&now, &mut rng);
            act(&mut table, &turn(&now), action).unwrap();
        }
        let over = view(&table);
        assert_eq!(over.scores.values().sum::<i32>(), 0);
        assert_eq!(over.scores.values().filter(|score| **score > 0).count(), 1);
        assert_eq!(over.out.len(), players - 1);
    }
}

#[test]
fn the_bot_wins_more_than_its_share() {
    let won = (0..1_000).filter(|seed| {
        let mut table = started(3, *seed);
        let mut rng = Rng::new(seed + 1);
        let bot = NAMES[usize::try_from(seed % 3).unwrap()];
        while view(&table).status == Status::Playing {
            let now = view(&table);
            let name = turn(&now);
            let action = if name == bot {
                OweDrahn::bot(&now, table.seat(bot).unwrap(), &mut rng).unwrap()
            } else {
                random_action(&now, &mut rng)
            };
            act(&mut table, &name, action).unwrap();
        }
        view(&table).winner == Some(user(bot))
    });
    let won = won.count();
    assert!(won >= 500, "the bot has won {won} of 1000 against two");
}

/// Players come, go, drop, return, and do things that make sense or not, at random.
fn random_script(table: &mut Table<OweDrahn>, rng: &mut Rng) {
    let mut state = [0; 4];
    table.watch("zoe");
    for _ in 0..10 + rng.below(14) {
        let now = view(table);
        check(&now);
        let place = match &now.current_turn {
            Some(who) if rng.below(4) > 0 => NAMES.iter().position(|name| *name == who.as_str()).unwrap(),
            _ => rng.below(4) as usize,
        };
        let (name, other) = (NAMES[place], NAMES[rng.below(4) as usize]);
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
            (1, 3) => drop(table.act_json(name, "sidebet_propose", r#"{"user_id":"ada","amount":-7}"#)),
            (1, 4) => drop(table.act(name, propose(other, 1 + i32::try_from(rng.below(100)).unwrap()))),
            (1, 5) => drop(table.act(name, accept(None))),
            (1, 6) => drop(table.act(name, decline(Some(other)))),
            (1, 7) => drop(table.act(name, choose(other))),
            (1, _) if now.status == Status::Playing && now.current_turn == Some(user(name)) => {
                table.act(name, random_action(&now, rng)).unwrap();
            }
            (1, _) => drop(table.ready(name, true)),
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
        assert_deterministic::<OweDrahn>(&Setup::default().seed(seed), |table| {
            random_script(table, &mut Rng::new(seed))
        });
    }
}

#[test]
fn a_room_lasts_unless_its_creator_says_otherwise() {
    assert_eq!(OweDrahn::DURABLE.settle(None), Ok(true));
    assert_eq!(OweDrahn::DURABLE.settle(Some(false)), Ok(false));
}
