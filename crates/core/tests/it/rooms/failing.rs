//! Games that panic, or say what cannot be said.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anteroom_core::ErrorCode;
use anteroom_core::room::{GameFailure, MemberId};
use anteroom_protocol::message::Role;

use crate::rooms::house::House;
use crate::rooms::probe::{Action, Open, Ticking};

fn panics<T>(run: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "this panics");
}

fn last_words(house: &mut House, member: MemberId) -> String {
    house.heard(member).pop().unwrap_or_default()
}

fn assert_over(house: &mut House, members: &[MemberId]) {
    assert!(house.closed);
    for member in members {
        assert_eq!(last_words(house, *member), "closed GameFailed");
        assert!(house.released.contains(member));
    }
    assert_eq!(house.knock("zoe", Role::Player).unwrap_err().code, ErrorCode::RoomNotFound);
    assert_eq!(house.room.next_deadline(), None);
}

#[test]
fn a_panic_ends_the_room_and_everyone_is_told() {
    let mut house = House::new::<Open>();
    let members = [house.sit("ada"), house.sit("bob"), house.watch("eve")];
    house.act(members[1], Action::Say { n: 1 });
    panics(|| house.act(members[0], Action::Panic {}));
    house.fail();
    assert!(house.lanes[&members[1]].words.contains(&"ok say_result".into()), "what happened before has happened");
    assert_over(&mut house, &members);
    let recent: Vec<String> = house.room.recent_inputs().collect();
    assert_eq!(recent, [r#"0 ms, seat 1: say {"n":1}"#, "0 ms, seat 0: panic {}"]);
    assert_eq!(house.room.seed(), 42);
}

#[test]
fn a_panic_while_somebody_joins_tells_them_nothing_on_a_lane_they_do_not_have() {
    let mut house = House::with::<Open>(r#"{"fragile":true}"#).unwrap();
    let eve = house.watch("eve");
    house.hush();
    panics(|| house.knock("ada", Role::Player));
    house.fail();
    assert_eq!(house.lanes[&eve].words, ["+ada:0", "joined 0", "closed GameFailed"]);
    assert_eq!(house.released.len(), 1);
}

#[test]
fn a_panic_while_somebody_takes_over_ends_both_lanes() {
    let mut house = House::with::<Open>(r#"{"mute":true}"#).unwrap();
    // Binary can say what JSON cannot.
    assert_eq!(house.knock("eve", Role::Spectator).unwrap_err().code, ErrorCode::Internal);
    house.fail();
    assert!(house.lanes.is_empty() && house.released.is_empty() && house.closed);
}

#[test]
fn a_view_that_cannot_be_encoded_refuses_the_join_and_fails_the_room() {
    let mut house = House::with::<Open>(r#"{"mute":true}"#).unwrap();
    assert_eq!(house.knock("ada", Role::Player).unwrap_err().code, ErrorCode::Internal);
    assert!(matches!(house.try_flush(), Err(GameFailure::Unencodable(_))));
    assert!(matches!(house.try_flush(), Err(GameFailure::Unencodable(_))), "until somebody calls fail");
    house.fail();
    assert_over(&mut house, &[]);
}

#[test]
fn what_cannot_be_encoded_fails_the_flush() {
    let mut house = House::new::<Open>();
    let members = [house.sit("ada"), house.sit("bob")];
    house.act(members[1], Action::Choke {});
    let failure = house.try_flush().unwrap_err();
    assert!(failure.to_string().contains("cannot be encoded"), "{failure}");
    house.fail();
    assert_over(&mut house, &members);
}

#[test]
fn what_is_too_large_fails_the_flush() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.act(ada, Action::Big { bytes: 1_000_000 });
    house.flush();
    house.act(ada, Action::Big { bytes: 2_000_000 });
    assert!(matches!(house.try_flush(), Err(GameFailure::TooLarge { bytes }) if bytes > 2_000_000));
    house.fail();
    assert_over(&mut house, &[ada]);
}

#[test]
fn a_game_may_fail_when_nobody_is_there() {
    let mut house = House::new::<Ticking>();
    house.fail();
    assert_over(&mut house, &[]);
    house.fail();
}

#[test]
fn options_are_refused_by_kind_and_by_game() {
    for options in [r#"{"seats":0}"#, r#"{"seats":1025}"#, r#"{"seats":"many"}"#, r#"{"refuse":true}"#, "[]"] {
        let refusal = House::with::<Open>(options).err().unwrap();
        assert_eq!(refusal.code, ErrorCode::InvalidOptions, "{options}");
    }
    assert!(House::with::<Open>(r#"{"seats":1024}"#).is_ok());
}
