//! The table that game authors test with.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anteroom_core::testing::{ClosedReason, Heard, LeftReason, RoomState, Setup, Table, assert_deterministic};
use anteroom_core::{ErrorCode, Outcome, Seat, Seating, Viewer};

use crate::rooms::probe::{Action, Event, Hidden, Open, Ticking, View};
use crate::rooms::rounds::{Action as Play, Rounds, Told, WhenReady};

fn turns(views: Vec<View>) -> Vec<(u32, Option<u16>)> {
    views.into_iter().map(|view| (view.turn, view.seat.map(|seat| seat.0))).collect()
}

fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    panic.downcast::<String>().map_or_else(|panic| panic.downcast::<&str>().unwrap().to_string(), |words| *words)
}

#[test]
fn people_act_and_see_what_follows() {
    let mut table = Table::<Hidden>::new();
    assert_eq!((table.sit("ada"), table.sit("bob")), (Seat(0), Seat(1)));
    table.watch("eve");
    table.act("ada", Action::Publish {}).unwrap();
    table.act("bob", Action::Publish {}).unwrap();
    assert_eq!(table.act("bob", Action::Refuse {}).unwrap_err().code, ErrorCode::Rejected);
    assert_eq!(table.act_json("ada", "fly", "{}").unwrap_err().code, ErrorCode::UnknownType);
    assert_eq!(turns(table.states("ada")), [(1, Some(0)), (2, Some(0))]);
    assert_eq!(turns(table.states("bob")), [(1, Some(1)), (2, Some(1))]);
    assert_eq!(turns(table.states("eve")), [(1, None), (2, None)]);
    assert!(table.states("eve").is_empty(), "they are taken");
    assert_eq!(table.view(Viewer::Seat(Seat(1))), View { turn: 2, seat: Some(Seat(1)), unspeakable: [].into() });
}

#[test]
fn events_and_everything_else_come_in_order() {
    let mut table = Table::<Open>::new();
    table.sit("ada");
    table.sit("bob");
    table.act("bob", Action::Say { n: 3 }).unwrap();
    table.act("bob", Action::Publish {}).unwrap();
    table.leave("bob");
    let events = table.events("ada");
    assert!(matches!(&events[2], Event::Said { seat: Seat(1), n: 3 }));
    assert_eq!(events.len(), 4);
    let heard = table.heard("ada");
    assert!(matches!(
        &heard[..],
        [
            Heard::Welcome { seat: Some(Seat(0)), .. },
            Heard::Joined(_),
            Heard::System(_),
            Heard::State(_),
            Heard::Left(_, LeftReason::Left),
            Heard::System(_),
        ]
    ));
    assert!(matches!(table.heard("bob").last(), Some(Heard::Answer(Ok(())))));
    assert!(table.heard("bob").is_empty());
}

#[test]
fn time_passes_when_told() {
    let mut table = Table::<Ticking>::with(Setup::default().grace(Duration::from_millis(25)));
    table.sit("ada");
    table.sit("bob");
    table.events("ada");
    table.disconnect("bob");
    table.advance(Duration::from_millis(30));
    let notes: Vec<String> = table.events("ada").iter().map(|event| format!("{event:?}")).collect();
    let expected = ["lost 1", "tick at 10", "tick at 20", "left 1 bob", "tick at 30"];
    assert_eq!(notes, expected.map(|text| format!("Note {{ text: {text:?} }}")));
    assert_eq!((table.seat("ada"), table.seat("bob")), (Some(Seat(0)), None));
    assert_eq!(table.now().as_millis(), 30);
}

#[test]
fn people_come_back_and_take_over() {
    let mut table = Table::<Open>::new();
    table.sit("ada");
    table.sit("bob");
    table.disconnect("ada");
    table.reconnect("ada");
    table.sit("ada");
    let heard: Vec<String> = table.heard("ada").iter().map(|heard| format!("{heard:?}")).collect();
    assert_eq!(heard.iter().filter(|words| words.starts_with("Welcome")).count(), 3);
    assert_eq!(heard[heard.len() - 2], format!("Closed({:?})", ClosedReason::Replaced));
    assert_eq!(table.try_sit("cyd"), Ok(Seat(2)));
    assert_eq!(table.try_sit("dan").unwrap_err().code, ErrorCode::RoomFull);
}

#[test]
fn matches_are_seen_as_the_lobby_sees_them() {
    let mut table = Table::<Open>::new();
    table.sit("ada");
    assert_eq!(table.room_state(), RoomState::Waiting);
    table.act("ada", Action::Begin {}).unwrap();
    assert_eq!(table.room_state(), RoomState::Playing);
    table.act("ada", Action::Finish {}).unwrap();
    assert_eq!(table.room_state(), RoomState::Finished);
    assert_eq!(table.outcomes(), [Outcome::won_by(Seat(0))]);
    assert_eq!(table.outcomes(), []);
}

#[derive(serde::Serialize)]
struct Away {
    absent_ms: u64,
    then: &'static str,
}

#[test]
fn a_match_begins_when_all_are_ready_and_bots_play_in_it() {
    let mut table = Table::<Rounds<WhenReady>>::new();
    table.sit("ada");
    table.watch("eve");
    assert_eq!(table.add_bot("ada"), Ok(Seat(1)));
    assert_eq!(table.choose_seat("ada", Seat(2)), Ok(Seat(2)));
    assert_eq!(table.ready("eve", true).unwrap_err().code, ErrorCode::NotAPlayer);
    assert_eq!(table.remove_bot("ada", Seat(0)).unwrap_err().code, ErrorCode::Conflict);
    assert_eq!(table.add_bot("ada"), Ok(Seat(0)));
    assert_eq!(table.add_bot("ada").unwrap_err().code, ErrorCode::RoomFull);
    table.remove_bot("ada", Seat(0)).unwrap();
    table.ready("ada", true).unwrap();
    assert_eq!(table.room_state(), RoomState::Playing);
    assert!(!table.member("ada").unwrap().ready, "not for the next match yet");
    assert!(table.member("bot-1").unwrap().bot && table.member("bot-2").is_none());
    table.advance(Duration::from_millis(1400));
    assert!(table.events("eve").iter().any(|event| format!("{event:?}").starts_with("Counted { seat: Seat(1)")));
}

#[test]
fn a_bot_plays_for_who_is_away_and_others_vote() {
    let away = |then| Setup::default().options(&Away { absent_ms: 5000, then }).grace(Duration::from_secs(60));
    let playing = |setup| {
        let mut table = Table::<Rounds<Told>>::with(setup);
        table.sit("ada");
        table.sit("bob");
        table.act("ada", Play::Begin {}).unwrap();
        table.disconnect("bob");
        table.advance(Duration::from_millis(5000));
        table
    };
    let mut table = playing(away("bot"));
    let bob = table.member("bob").unwrap();
    assert!(bob.bot && !bob.connected);
    table.reconnect("bob");
    assert!(!table.member("bob").unwrap().bot);
    table.pause("ada").unwrap();
    assert_eq!(table.act("ada", Play::Finish {}).unwrap_err().code, ErrorCode::NotPlaying);
    table.unpause("bob").unwrap();
    let mut table = playing(away("vote"));
    assert_eq!(table.room_state(), RoomState::Paused);
    table.vote("ada", true).unwrap();
    assert_eq!(table.room_state(), RoomState::Playing);
    assert_eq!(table.vote("ada", true).unwrap_err().code, ErrorCode::Conflict);
    assert!(table.member("bob").unwrap().bot);
}

#[test]
fn bots_and_absences_are_deterministic() {
    let setup = Setup::default().options(&Away { absent_ms: 5000, then: "vote" });
    assert_deterministic::<Rounds<Told>>(&setup, |table| {
        table.sit("ada");
        table.sit("bob");
        table.add_bot("ada").unwrap();
        table.ready("bob", true).unwrap();
        table.act("ada", Play::Begin {}).unwrap();
        table.disconnect("bob");
        table.advance(Duration::from_secs(6));
        table.vote("ada", true).unwrap();
        table.advance(Duration::from_secs(6));
    });
}

#[test]
fn options_and_spectators_are_as_set_up() {
    #[derive(serde::Serialize)]
    struct Options {
        seats: u16,
    }
    let mut table = Table::<Open>::with(Setup::default().options(&Options { seats: 1 }).spectators_max(0));
    table.sit("ada");
    assert_eq!(table.try_sit("bob").unwrap_err().code, ErrorCode::RoomFull);
    assert_eq!(table.try_watch("eve").unwrap_err().code, ErrorCode::RoomFull);
    let refusal = Table::<Open>::create(Setup::default().options(&Options { seats: 0 })).err().unwrap();
    assert_eq!(refusal.code, ErrorCode::InvalidOptions);
}

#[test]
fn the_game_itself_can_be_looked_at() {
    let mut table = Table::<Open>::new();
    table.sit("ada");
    table.act("ada", Action::Publish {}).unwrap();
    let game = table.game();
    assert_eq!(anteroom_core::Game::view(&game, Viewer::Spectator, &Seating::default()).turn, 1);
}

#[test]
fn mistakes_of_the_test_and_of_the_game_are_named() {
    let mut table = Table::<Open>::new();
    table.sit("ada");
    assert_eq!(panic_of(|| table.leave("bob")), r#"nobody here is named "bob""#);
    assert_eq!(panic_of(|| table.watch("ada")), "ada is here in another role");
    assert!(panic_of(|| drop(table.act("ada", Action::Choke {}))).starts_with("probe failed: the game said something"));
}

#[test]
fn a_game_that_does_the_same_twice_is_deterministic() {
    assert_deterministic::<Ticking>(&Setup::default().seed(3), |table| {
        table.sit("ada");
        table.sit("bob");
        for _ in 0..20 {
            table.act("ada", Action::Roll {}).unwrap();
            table.act("bob", Action::SayLatest { key: "x".into(), n: 1 }).unwrap();
            table.act("bob", Action::Remind { ms: 7, n: 1 }).unwrap();
            table.advance(Duration::from_millis(5));
        }
        table.disconnect("ada");
    });
}

#[test]
fn a_difference_is_shown_where_it_begins() {
    let run = Cell::new(0);
    let words = panic_of(|| {
        assert_deterministic::<Open>(&Setup::default(), |table| {
            run.set(run.get() + 1);
            table.sit("ada");
            table.act("ada", Action::Say { n: run.get() }).unwrap();
        });
    });
    assert!(words.starts_with("probe sent something else when run again:\n  0 ms, to ada: "), "{words}");
    assert!(words.contains("\n1 0 ms, to ada: ") && words.contains("\n2 0 ms, to ada: "), "{words}");

    let words = panic_of(|| {
        assert_deterministic::<Open>(&Setup::default(), |table| {
            run.set(run.get() + 1);
            table.sit("ada");
            table.act("ada", Action::Remind { ms: run.get().into(), n: 1 }).unwrap();
        });
    });
    assert!(words.starts_with("probe ended up in another state when run again:"), "{words}");
}
