//! Tic-tac-toe as its players see it.

use std::time::Duration;

use anteroom_core::game::{Absence, Game, Then};
use anteroom_core::testing::{Heard, Refusal, RoomState, Setup, Table, assert_deterministic};
use anteroom_core::{ErrorCode, Outcome, Rng, Seat, UserId, Viewer};
use anteroom_games::TicTacToe;
use anteroom_games::tic_tac_toe::{Action, Options, Status, View};

fn table() -> Table<TicTacToe> {
    let mut table = Table::new();
    table.sit("ada");
    table.sit("bob");
    table
}

fn place(table: &mut Table<TicTacToe>, name: &str, row: i32, col: i32) -> Result<(), ErrorCode> {
    table.act(name, Action::MakeMove { row, col }).map_err(|refusal| refusal.code)
}

fn rematch(table: &mut Table<TicTacToe>, name: &str) -> Result<(), ErrorCode> {
    table.act(name, Action::Rematch {}).map_err(|refusal| refusal.code)
}

/// `first` has the top row after five moves.
fn win(table: &mut Table<TicTacToe>, first: &str, second: &str) {
    for (name, row, col) in [(first, 0, 0), (second, 1, 0), (first, 0, 1), (second, 1, 1), (first, 0, 2)] {
        place(table, name, row, col).unwrap();
    }
}

fn view(table: &Table<TicTacToe>) -> View {
    table.view(Viewer::Spectator)
}

fn user(name: &str) -> Option<UserId> {
    Some(name.parse().unwrap())
}

fn json(view: &View) -> String {
    serde_json::to_string(view).unwrap()
}

#[test]
fn when_a_bot_takes_over_is_an_option() {
    let defaults = <Options as Default>::default();
    assert_eq!(TicTacToe::absence(&defaults), Absence { after: Duration::from_secs(30), then: Then::Bot });
    assert_eq!(TicTacToe::absence(&Options { bot_after_s: 5 }).after, Duration::from_secs(5));
    for (bot_after_s, fits) in [(0, false), (1, true), (600, true), (601, false)] {
        let created = Table::<TicTacToe>::create(Setup::default().options(&Options { bot_after_s }));
        assert_eq!(created.err().map(|refusal| refusal.code), (!fits).then_some(ErrorCode::InvalidOptions));
    }
}

#[test]
fn a_match_begins_when_both_are_there_and_seat_0_is_x() {
    let mut table = Table::<TicTacToe>::new();
    table.sit("ada");
    assert_eq!(
        json(&view(&table)),
        concat!(
            r#"{"board":[[null,null,null],[null,null,null],[null,null,null]],"players":{"X":"ada","O":null},"#,
            r#""x_seat":0,"current_turn":null,"status":"waiting","winner":null,"line":null,"rematch_wanted":[]}"#
        )
    );
    assert_eq!(place(&mut table, "ada", 0, 0), Err(ErrorCode::NotPlaying));
    assert_eq!(table.room_state(), RoomState::Waiting);
    table.sit("bob");
    assert_eq!(table.room_state(), RoomState::Playing);
    assert_eq!(table.states("ada").len(), 2, "each join is published");
    let now = view(&table);
    assert_eq!((now.status, now.current_turn, now.players.o), (Status::Playing, user("ada"), user("bob")));
}

#[test]
fn the_whole_story_is_seen_by_everyone() {
    let mut table = table();
    table.watch("eve");
    table.states("ada");
    win(&mut table, "ada", "bob");
    let seen: Vec<String> = table.states("ada").iter().map(json).collect();
    assert_eq!(seen.len(), 5);
    assert_eq!(
        seen[4],
        concat!(
            r#"{"board":[["X","X","X"],["O","O",null],[null,null,null]],"players":{"X":"ada","O":"bob"},"#,
            r#""x_seat":0,"current_turn":null,"status":"won","winner":"ada","line":[[0,0],[0,1],[0,2]],"rematch_wanted":[]}"#
        )
    );
    assert_eq!(seen, table.states("eve").iter().map(json).collect::<Vec<_>>());
    assert_eq!(table.outcomes(), [Outcome::won_by(Seat(0))]);
    assert_eq!(table.room_state(), RoomState::Finished);
}

#[test]
fn each_wrong_move_has_its_own_error_and_changes_nothing() {
    let mut table = table();
    place(&mut table, "ada", 1, 1).unwrap();
    let before = view(&table);
    assert_eq!(place(&mut table, "ada", 0, 0), Err(ErrorCode::NotYourTurn));
    assert_eq!(place(&mut table, "bob", 1, 1), Err(ErrorCode::InvalidMove));
    for (row, col) in [(-1, 0), (0, 7), (3, 3), (i32::MIN, i32::MAX)] {
        assert_eq!(place(&mut table, "bob", row, col), Err(ErrorCode::InvalidMove));
    }
    assert_eq!(rematch(&mut table, "bob"), Err(ErrorCode::NotPlaying));
    assert_eq!(view(&table), before);
    let Refusal { code, message, .. } = table.act("bob", Action::MakeMove { row: 7, col: 0 }).unwrap_err();
    assert_eq!(code, ErrorCode::InvalidMove);
    assert_eq!(message, "Row 7, column 0 is not on the board: both are 0, 1 or 2.");
}

#[test]
fn actions_travel_as_written_down() {
    let mut table = table();
    table.act_json("ada", "make_move", r#"{"col":2,"row":1}"#).unwrap();
    assert!(json(&view(&table)).starts_with(r#"{"board":[[null,null,null],[null,null,"X"],[null,null,null]],"#));
    let code = |refused: Result<(), Refusal>| refused.unwrap_err().code;
    assert_eq!(code(table.act_json("ada", "make_move", r#"{"row":1.5,"col":0}"#)), ErrorCode::InvalidData);
    assert_eq!(code(table.act_json("ada", "make_move", "{}")), ErrorCode::InvalidData);
    assert_eq!(code(table.act_json("ada", "castle", "{}")), ErrorCode::UnknownType);
}

#[test]
fn a_full_board_is_a_draw() {
    let mut table = table();
    let moves = [(0, 0), (1, 1), (0, 1), (0, 2), (2, 0), (1, 0), (1, 2), (2, 1), (2, 2)];
    for (number, (row, col)) in moves.into_iter().enumerate() {
        place(&mut table, ["ada", "bob"][number % 2], row, col).unwrap();
    }
    let now = view(&table);
    assert_eq!((now.status, now.winner, now.line, now.current_turn), (Status::Draw, None, None, None));
    assert_eq!(table.outcomes(), [Outcome::draw()]);
    assert_eq!(place(&mut table, "bob", 0, 0), Err(ErrorCode::NotPlaying));
}

#[test]
fn a_rematch_takes_both_and_swaps_the_sides() {
    let mut table = table();
    win(&mut table, "ada", "bob");
    rematch(&mut table, "bob").unwrap();
    rematch(&mut table, "bob").unwrap();
    assert_eq!(view(&table).rematch_wanted, [user("bob").unwrap()]);
    assert_eq!(view(&table).status, Status::Won);
    rematch(&mut table, "ada").unwrap();
    let now = view(&table);
    assert_eq!((now.players.x, now.players.o), (user("bob"), user("ada")));
    assert_eq!((now.current_turn, now.rematch_wanted.len()), (user("bob"), 0));
    assert_eq!(place(&mut table, "ada", 0, 0), Err(ErrorCode::NotYourTurn));
    win(&mut table, "bob", "ada");
    assert_eq!(view(&table).winner, user("bob"));
    assert_eq!(table.outcomes(), [Outcome::won_by(Seat(0)), Outcome::won_by(Seat(1))]);
    rematch(&mut table, "ada").unwrap();
    rematch(&mut table, "bob").unwrap();
    assert_eq!(view(&table).players.x, user("ada"));
}

#[test]
fn who_leaves_a_match_loses_it() {
    let mut table = table();
    place(&mut table, "ada", 1, 1).unwrap();
    table.leave("ada");
    let now = view(&table);
    assert_eq!((now.status, now.winner, now.line), (Status::Won, user("bob"), None));
    assert_eq!((now.players.x, now.players.o), (None, user("bob")));
    assert_eq!(table.outcomes(), [Outcome::won_by(Seat(1))]);
    table.sit("cyd");
    let now = view(&table);
    assert_eq!((now.status, now.current_turn, now.players.o), (Status::Playing, user("cyd"), user("bob")));
    assert_eq!(now.board.rows(), &[[None; 3]; 3]);
}

#[test]
fn a_result_stays_until_somebody_comes() {
    let mut table = table();
    win(&mut table, "ada", "bob");
    rematch(&mut table, "ada").unwrap();
    table.leave("ada");
    let now = view(&table);
    assert_eq!((now.status, now.winner, now.rematch_wanted.len()), (Status::Won, user("ada"), 0));
    assert!(now.line.is_some());
    rematch(&mut table, "bob").unwrap();
    assert_eq!(view(&table).status, Status::Won);
    assert_eq!(table.outcomes().len(), 1);
    table.sit("cyd");
    assert_eq!((view(&table).status, view(&table).rematch_wanted.len()), (Status::Playing, 0));
}

#[test]
fn a_lost_connection_only_counts_after_the_grace_time() {
    let mut table = Table::<TicTacToe>::with(Setup::default().grace(Duration::from_secs(10)));
    table.sit("ada");
    table.sit("bob");
    table.disconnect("ada");
    table.advance(Duration::from_secs(9));
    table.reconnect("ada");
    place(&mut table, "ada", 0, 0).unwrap();
    table.disconnect("bob");
    table.advance(Duration::from_secs(10));
    assert_eq!((view(&table).status, view(&table).winner), (Status::Won, user("ada")));
}

#[test]
fn an_abandoned_table_waits_for_two_again() {
    let mut table = table();
    table.watch("eve");
    table.leave("ada");
    table.leave("bob");
    table.sit("cyd");
    assert_eq!((view(&table).status, table.room_state()), (Status::Waiting, RoomState::Waiting));
    assert_eq!(view(&table).players.x, user("cyd"));
    table.sit("dan");
    assert_eq!(view(&table).status, Status::Playing);
    let left = table.heard("eve").into_iter().filter(|heard| matches!(heard, Heard::Left(..)));
    assert_eq!(left.count(), 2);
}

#[test]
fn two_bots_draw_and_want_a_rematch() {
    let mut table = table();
    let mut rng = Rng::new(1);
    for _ in 0..2 * (9 + 2) {
        let seen = view(&table);
        let bots = [("ada", Seat(0)), ("bob", Seat(1))];
        let next = bots.into_iter().find_map(|(name, seat)| Some((name, TicTacToe::bot(&seen, seat, &mut rng)?)));
        let (name, action) = next.unwrap();
        table.act(name, action).unwrap();
    }
    assert_eq!(table.outcomes(), [Outcome::draw(), Outcome::draw()]);
    assert_eq!(view(&table).status, Status::Playing);
}

#[test]
fn a_script_goes_the_same_way_twice() {
    assert_deterministic::<TicTacToe>(&Setup::default(), |table| {
        table.sit("ada");
        table.watch("eve");
        table.sit("bob");
        win(table, "ada", "bob");
        rematch(table, "ada").unwrap();
        table.disconnect("bob");
        table.advance(Duration::from_secs(61));
    });
}

/// Players come, go, drop, return, and do things that make sense or not, at random.
fn random_script(table: &mut Table<TicTacToe>, rng: &mut Rng) {
    let names = ["ada", "bob", "cyd"];
    let mut state = [0; 3];
    table.watch("zoe");
    for _ in 0..8 + rng.below(14) {
        let at = rng.below(3) as usize;
        let name = names[at];
        match (state[at], rng.below(12)) {
            (0, _) => state[at] = usize::from(table.try_sit(name).is_ok()),
            (1, 0) => {
                table.leave(name);
                state[at] = 0;
            }
            (1, 1) => {
                table.disconnect(name);
                state[at] = 2;
            }
            (1, 2) => table.advance(Duration::from_millis(rng.below(70_000).into())),
            (1, 3) => _ = rematch(table, name),
            (1, _) => {
                let [row, col] = [rng.below(4), rng.below(3)].map(|number| i32::try_from(number).unwrap());
                let _ = place(table, name, row, col);
            }
            _ if table.seat(name).is_some() => {
                table.reconnect(name);
                state[at] = 1;
            }
            // The seat was given up meanwhile.
            _ => state[at] = 0,
        }
    }
}

#[test]
fn ten_thousand_scripts_go_the_same_way_twice() {
    for seed in 0..10_000 {
        let setup = Setup::default().seed(seed);
        assert_deterministic::<TicTacToe>(&setup, |table| random_script(table, &mut Rng::new(seed)));
    }
}

#[test]
fn a_room_lasts_unless_its_creator_says_otherwise() {
    assert_eq!(TicTacToe::DURABLE.settle(None), Ok(true));
    assert_eq!(TicTacToe::DURABLE.settle(Some(false)), Ok(false));
}
