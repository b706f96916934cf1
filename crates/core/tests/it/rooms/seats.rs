//! Coming, going, and coming back.

use std::time::Duration;

use anteroom_core::game::Kind;
use anteroom_core::listing::Presence;
use anteroom_core::room::{Join, MemberId, RoomPolicy, RoomSpec, SPECTATORS_MAX};
use anteroom_core::{ErrorCode, Flush, Room, Time};
use anteroom_protocol::message::{Role, RoomState};
use anteroom_protocol::{Codec, LaneId, RoomId};

use crate::rooms::house::{GRACE_MS, House};
use crate::rooms::probe::{Action, Hidden, Open};

#[test]
fn the_welcome_opens_the_lane_and_the_others_hear_who_came() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    let bob = house.sit("bob");
    let eve = house.watch("eve");
    assert_eq!(house.heard(ada), ["welcome [ada:0] 0", "joined 0", "+bob:1", "joined 1", "+eve:w"]);
    assert_eq!(house.heard(bob), ["welcome [ada:0 bob:1] 0", "joined 1", "+eve:w"]);
    assert_eq!(house.heard(eve), ["welcome [ada:0 bob:1 eve:w] 0"]);
}

#[test]
fn a_room_fills_up_and_free_seats_are_taken_again() {
    let mut house = House::with::<Open>(r#"{"seats":2}"#).unwrap();
    let ada = house.sit("ada");
    let bob = house.sit("bob");
    assert_eq!(house.knock("cyd", Role::Player).unwrap_err().code, ErrorCode::RoomFull);
    house.leave(ada);
    let cyd = house.sit("cyd");
    assert_eq!(house.heard(ada).last().unwrap(), "ok leave_room_result");
    assert_eq!(house.heard(bob)[2..], ["-ada Left", "left 0 ada", "+cyd:0", "joined 0"]);
    assert_eq!(house.heard(cyd), ["welcome [cyd:0 bob:1] 0", "joined 0"]);
    assert_eq!(house.released.iter().copied().collect::<Vec<_>>(), [ada]);
}

#[test]
fn spectators_have_limits() {
    let mut house = House::with::<Open>(r#"{"spectators":false}"#).unwrap();
    house.sit("ada");
    assert_eq!(house.knock("eve", Role::Spectator).unwrap_err().code, ErrorCode::SpectatorsRefused);

    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    let eve = house.watch("eve");
    house.watch("fay");
    assert_eq!(house.knock("guy", Role::Spectator).unwrap_err().code, ErrorCode::RoomFull);
    house.leave(eve);
    house.watch("guy");
    assert_eq!(house.heard(eve), ["welcome [ada:0 eve:w] 0", "+fay:w", "ok leave_room_result"]);
    assert_eq!(house.heard(ada)[4..], ["-eve Left", "+guy:w"]);
}

#[test]
fn a_second_session_takes_the_seat_over_and_nobody_else_notices() {
    let mut house = House::new::<Open>();
    let before = house.sit("ada");
    let bob = house.sit("bob");
    house.hush();
    house.act(before, Action::Say { n: 1 });
    let after = house.sit("ada");
    house.act(before, Action::Say { n: 2 });
    house.act(after, Action::Say { n: 3 });
    house.disconnect(before);
    assert_eq!(house.heard(before), ["ok say_result", "0 said 1", "closed Replaced"]);
    assert_eq!(house.heard(after), ["welcome [ada:0 bob:1] 0", "ok say_result", "0 said 3"]);
    assert_eq!(house.heard(bob), ["0 said 1", "0 said 3"]);
    assert_eq!(house.released.iter().copied().collect::<Vec<_>>(), [before]);
}

#[test]
fn a_lost_player_is_back_within_the_grace_time() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.disconnect(ada);
    house.advance(GRACE_MS - 1);
    let eve = house.watch("eve");
    let again = house.sit("ada");
    house.advance(GRACE_MS * 2);
    assert_eq!(house.heard(ada), Vec::<String>::new());
    assert_eq!(house.heard(bob), ["~ada", "lost 0", "+eve:w", "^ada", "back 0"]);
    assert_eq!(house.heard(eve), ["welcome [ada:0? bob:1 eve:w] 0", "^ada", "back 0"]);
    assert_eq!(house.heard(again), ["welcome [ada:0 bob:1 eve:w] 0", "back 0"]);
    // No seat is kept any more. What is due is that the others hear how many watch.
    assert_eq!(house.room.next_deadline(), Some(Time::from_millis(GRACE_MS - 1 + 250)));
}

#[test]
fn a_member_without_a_connection_stays_and_hears_everything() {
    let mut house = House::new::<Open>();
    let (ada, bob, eve) = (house.sit("ada"), house.sit("bob"), house.watch("eve"));
    house.hush();
    house.lose(ada);
    house.lose(ada);
    house.act(bob, Action::Say { n: 1 });
    house.lose(eve);
    house.advance(GRACE_MS * 2);
    house.find(ada);
    house.find(ada);
    house.find(eve);
    assert_eq!(house.heard(ada), ["lost 0", "1 said 1", "~eve", "back 0", "^eve"]);
    assert_eq!(house.heard(bob), ["~ada", "lost 0", "ok say_result", "1 said 1", "~eve", "^ada", "back 0", "^eve"]);
    assert_eq!(house.heard(eve), ["~ada", "lost 0", "1 said 1", "^ada", "back 0"]);
    assert!(house.released.is_empty());
}

#[test]
fn a_session_that_is_over_gives_its_places_up_at_once() {
    let mut house = House::new::<Open>();
    let (ada, bob, eve) = (house.sit("ada"), house.sit("bob"), house.watch("eve"));
    house.lose(ada);
    house.hush();
    house.expire(ada);
    house.expire(eve);
    house.find(ada);
    assert_eq!(house.heard(bob), ["-ada TimedOut", "left 0 ada", "-eve Disconnected"]);
    assert_eq!(house.heard(ada), Vec::<String>::new());
    assert_eq!(house.released.iter().copied().collect::<Vec<_>>(), [ada, eve]);
}

#[test]
fn another_session_takes_the_seat_of_one_that_is_away() {
    let mut house = House::new::<Open>();
    let (before, bob) = (house.sit("ada"), house.sit("bob"));
    house.lose(before);
    house.hush();
    let after = house.sit("ada");
    assert_eq!(house.heard(before), ["closed Replaced"]);
    assert_eq!(house.heard(after), ["welcome [ada:0 bob:1] 0", "back 0"]);
    assert_eq!(house.heard(bob), ["^ada", "back 0"]);
    house.find(before);
    house.expire(before);
    assert_eq!(house.heard(bob), Vec::<String>::new(), "it is not in the room any more");
}

#[test]
fn a_session_that_goes_while_it_is_away_is_not_told_of_twice() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.lose(ada);
    house.disconnect(ada);
    assert_eq!(house.heard(bob), ["~ada", "lost 0"]);
    house.advance(GRACE_MS);
    assert_eq!(house.heard(bob), ["-ada TimedOut", "left 0 ada"]);
}

#[test]
fn a_snapshot_stands_where_it_was_asked_for_and_is_for_one_member() {
    let mut house = House::new::<Hidden>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.act(ada, Action::Publish {});
    house.lose(bob);
    house.snapshot(ada);
    house.act(ada, Action::Say { n: 1 });
    let before = house.pending();
    house.snapshot(MemberId(u64::MAX));
    assert_eq!(house.pending(), before);
    let heard = house.heard(ada);
    let expected = [
        "ok publish_result",
        "state 1 as 0",
        "~bob",
        "lost 1",
        "welcome [ada:0 bob:1?] 1 as 0",
        "ok say_result",
        "0 said 1",
    ];
    assert_eq!(heard, expected);
    assert!(house.heard(bob).iter().all(|words| !words.starts_with("welcome")));
}

#[test]
fn a_seat_is_lost_after_the_grace_time() {
    let mut house = House::with::<Open>(r#"{"seats":2}"#).unwrap();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.disconnect(ada);
    house.hush();
    assert_eq!(house.knock("cyd", Role::Player).unwrap_err().code, ErrorCode::RoomFull);
    house.advance(GRACE_MS);
    house.sit("cyd");
    assert_eq!(house.heard(bob), ["-ada TimedOut", "left 0 ada", "+cyd:0", "joined 0"]);
    assert!(house.knock("ada", Role::Player).is_err());
}

#[test]
fn a_lost_spectator_is_gone_at_once() {
    let mut house = House::new::<Open>();
    let (ada, eve) = (house.sit("ada"), house.watch("eve"));
    house.hush();
    house.disconnect(eve);
    assert_eq!(house.heard(ada), ["-eve Disconnected"]);
    assert_eq!(house.summary.as_ref().map(|row| row.spectators), Some(0));
}

#[test]
fn someone_who_plays_and_watches_is_one_person_to_the_others() {
    let mut house = House::new::<Open>();
    let bob = house.sit("bob");
    let playing = house.sit("ada");
    house.hush();
    let watching = house.watch("ada");
    assert_eq!(house.heard(watching), ["welcome [bob:0 ada:1] 0"]);
    house.leave(playing);
    assert_eq!(house.heard(bob), ["-ada Left", "+ada:w", "left 1 ada"]);
    house.sit("ada");
    house.disconnect(watching);
    assert_eq!(house.heard(bob), ["+ada:1", "joined 1"]);
    let cyd = house.watch("cyd");
    assert_eq!(house.heard(cyd), ["welcome [bob:0 ada:1 cyd:w] 0"]);
}

#[test]
fn two_windows_of_one_spectator_are_one_person_to_the_others() {
    let mut house = House::new::<Open>();
    let bob = house.sit("bob");
    house.hush();
    let windows = [house.watch("eve"), house.watch("eve")];
    house.leave(windows[0]);
    assert_eq!(house.heard(bob), ["+eve:w"]);
    house.leave(windows[1]);
    assert_eq!(house.heard(bob), ["-eve Left"]);
}

#[test]
fn who_watches_from_two_windows_is_away_when_both_are() {
    let mut house = House::new::<Open>();
    let bob = house.sit("bob");
    let windows = [house.watch("eve"), house.watch("eve")];
    house.hush();
    house.lose(windows[1]);
    assert_eq!(house.heard(bob), Vec::<String>::new());
    house.disconnect(windows[0]);
    assert_eq!(house.heard(bob), ["~eve"], "one is gone, and the other is waited for");
    house.find(windows[1]);
    assert_eq!(house.heard(bob), ["^eve"]);
}

#[test]
fn a_room_closes_when_it_is_empty() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    let eve = house.watch("eve");
    house.disconnect(ada);
    house.leave(eve);
    house.flush();
    assert!(!house.closed, "a seat is kept");
    house.advance(GRACE_MS);
    house.flush();
    assert!(house.closed);
    assert_eq!(house.knock("bob", Role::Player).unwrap_err().code, ErrorCode::RoomNotFound);
    house.act(ada, Action::Say { n: 1 });
    assert_eq!(house.room.next_deadline(), None);
}

#[test]
fn a_room_with_spectators_only_goes_on() {
    let mut house = House::new::<Open>();
    let (ada, eve) = (house.sit("ada"), house.watch("eve"));
    house.leave(ada);
    assert_eq!(house.heard(eve)[1..], ["-ada Left", "left 0 ada"]);
    assert!(!house.closed);
    house.leave(eve);
    house.flush();
    assert!(house.closed);
}

#[test]
fn closing_is_the_last_thing_everyone_hears() {
    let mut house = House::new::<Open>();
    let members = [house.sit("ada"), house.sit("bob"), house.watch("eve")];
    house.act(members[0], Action::Say { n: 1 });
    house.close();
    house.flush();
    assert!(house.closed);
    for member in members {
        let heard = house.heard(member);
        assert_eq!(heard[heard.len() - 2..], ["0 said 1", "closed ShuttingDown"]);
    }
    assert_eq!(house.released.len(), 3);
}

#[test]
fn the_lobby_is_told_when_its_row_changes() {
    let mut house = House::new::<Open>();
    let row = |house: &mut House| {
        house.flush();
        house.summary.take().map(|row| (row.players, row.spectators, row.state))
    };
    let ada = house.sit("ada");
    let eve = house.watch("eve");
    assert_eq!(row(&mut house), Some((1, 1, RoomState::Waiting)));
    house.act(ada, Action::Say { n: 1 });
    assert_eq!(row(&mut house), None);
    house.act(ada, Action::Begin {});
    assert_eq!(row(&mut house), Some((1, 1, RoomState::Playing)));
    house.act(ada, Action::Finish {});
    assert_eq!(row(&mut house), Some((1, 1, RoomState::Finished)));
    assert_eq!(house.outcomes.len(), 1);
    // Who is there, and who may come back.
    let present = |house: &mut House| {
        house.flush();
        let Presence { players, spectators, away, .. } = house.presence.take()?;
        Some((players, spectators, away.iter().map(ToString::to_string).collect::<Vec<_>>()))
    };
    assert_eq!(present(&mut house), Some((1, 1, vec![])));
    house.lose(ada);
    assert_eq!(present(&mut house), Some((0, 1, vec!["ada".into()])));
    assert_eq!(row(&mut house), Some((1, 1, RoomState::Finished)), "the seat is kept");
    house.lose(eve);
    assert_eq!(present(&mut house), Some((0, 0, vec!["ada".into()])));
    house.find(ada);
    assert_eq!(present(&mut house), Some((1, 0, vec![])));
    house.disconnect(ada);
    assert_eq!(present(&mut house), Some((0, 0, vec!["ada".into()])));
    house.advance(GRACE_MS);
    assert_eq!(present(&mut house), Some((0, 0, vec![])), "the seat is free");
    assert_eq!(house.room.summary().seats_max, 3);
}

#[test]
fn a_kept_seat_has_its_own_view_again() {
    let mut house = House::new::<Hidden>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.act(ada, Action::Publish {});
    house.disconnect(bob);
    house.act(ada, Action::Publish {});
    let again = house.sit("bob");
    assert_eq!(house.heard(again), ["welcome [ada:0 bob:1] 2 as 1", "back 1"]);
}

fn spectator(user: &str) -> Join {
    Join {
        user_id: user.parse().unwrap(),
        username: user.into(),
        role: Role::Spectator,
        lane: LaneId(1),
        codec: Codec::Json,
        answer: "join_room_result",
        reference: None,
        applied: 0,
        session_id: None,
        n: None,
        password: None,
        invite: None,
    }
}

#[test]
fn no_policy_lets_in_more_spectators_than_a_list_can_hold() {
    let policy = RoomPolicy { grace: Duration::ZERO, seat_kept: None, spectators_max: u16::MAX };
    let spec = RoomSpec {
        room_id: RoomId::from_bits(1),
        name: "Arena".into(),
        options: None,
        seed: 0,
        policy,
        durable: false,
        terms: anteroom_core::room::Terms::default(),
    };
    let (now, mut flush) = (Time::default(), Flush::default());
    let mut room = Room::create(&Kind::of::<Open>(), spec, now).unwrap();
    for _ in 0..SPECTATORS_MAX {
        room.join(now, spectator("eve"), &mut flush).unwrap();
        flush.clear();
    }
    let refused = room.join(now, spectator("eve"), &mut flush);
    assert_eq!(refused.unwrap_err().code, ErrorCode::RoomFull);
}

#[test]
fn a_room_numbers_its_memberships_and_none_twice() {
    let mut house = House::with::<Open>(r#"{"seats":2}"#).unwrap();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    assert!(house.knock("cyd", Role::Player).is_err(), "a refusal takes no number");
    let again = house.sit("ada");
    house.leave(again);
    let (eve, cyd) = (house.watch("eve"), house.sit("cyd"));
    assert_eq!([ada, bob, again, eve, cyd], [1, 2, 3, 4, 5].map(MemberId));
}
