//! What players do, and what they are answered.

use anteroom_core::ErrorCode;
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::RoomState;

use crate::rooms::house::House;
use crate::rooms::probe::{Action, Open, SEAT_0};

#[test]
fn the_answer_comes_before_what_the_action_caused() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.act(ada, Action::Say { n: 1 });
    house.act(bob, Action::Publish {});
    house.tell(bob, Action::Say { n: 2 });
    assert_eq!(house.heard(ada), ["ok say_result", "0 said 1", "state 1", "1 said 2"]);
    assert_eq!(house.heard(bob), ["0 said 1", "ok publish_result", "state 1", "1 said 2"]);
}

#[test]
fn a_rejected_action_leaves_no_trace() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.act(ada, Action::Say { n: 1 });
    house.act(ada, Action::Refuse {});
    house.tell(ada, Action::Refuse {});
    house.act(bob, Action::Say { n: 2 });
    assert_eq!(house.heard(ada), ["ok say_result", "0 said 1", "refuse_result rejected", "error rejected", "1 said 2"]);
    assert_eq!(house.heard(bob), ["0 said 1", "ok say_result", "1 said 2"]);
    assert_eq!(house.room.summary().state, RoomState::Waiting);
    assert!(house.outcomes.is_empty());
}

#[test]
fn spectators_may_not_act() {
    let mut house = House::new::<Open>();
    let (ada, eve) = (house.sit("ada"), house.watch("eve"));
    house.hush();
    house.act(eve, Action::Say { n: 1 });
    house.tell(eve, Action::Say { n: 1 });
    assert_eq!(house.heard(eve), ["say_result not_a_player", "error not_a_player"]);
    assert!(house.heard(ada).is_empty());
}

#[test]
fn what_does_not_fit_is_answered() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    let long = "x".repeat(64);
    for (kind, data) in [("fly", "{}"), ("say", "{}"), ("say", "[1]"), ("say", r#"{"n":-1}"#), (&long, "{}")] {
        house.send_json(ada, kind, data, Some(Ref::from(1)));
    }
    house.send_json(ada, "fly", "{}", None);
    assert_eq!(
        house.heard(ada),
        [
            "fly_result unknown_type",
            "say_result invalid_data",
            "say_result invalid_data",
            "say_result invalid_data",
            // `x..._result` would be too long for a type.
            "error unknown_type",
            "error unknown_type",
        ]
    );
}

#[test]
fn an_unknown_action_is_named_with_those_there_are() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    house.send_json(ada, "fly\n", "{}", Some(Ref::from(1)));
    house.flush();
    let batch = house.lanes[&ada].batches.last().unwrap();
    let envelope = decode_batch(batch.codec(), batch.payload()).unwrap().next().unwrap().unwrap();
    let error = envelope.error.unwrap();
    assert_eq!(envelope.reference, Some(Ref::from(1)));
    assert!(error.message.starts_with(r#"probe has no action "fly\n"; there is say, say_latest, "#), "{error}");
    assert_eq!((error.code, error.details.unwrap().text()), (ErrorCode::UnknownType, r#"{"type":"fly\n"}"#));
}

#[test]
fn a_whisper_is_heard_by_one_in_its_place() {
    let mut house = House::new::<Open>();
    let (ada, bob, eve) = (house.sit("ada"), house.sit("bob"), house.watch("eve"));
    house.hush();
    house.tell(ada, Action::Say { n: 1 });
    house.tell(ada, Action::Whisper { seat: SEAT_0, n: 2 });
    house.tell(bob, Action::Whisper { seat: SEAT_0, n: 3 });
    house.tell(ada, Action::Say { n: 4 });
    assert_eq!(house.heard(ada), ["0 said 1", "0 said 2", "1 said 3", "0 said 4"]);
    assert_eq!(house.heard(bob), ["0 said 1", "0 said 4"]);
    assert_eq!(house.heard(eve), ["0 said 1", "0 said 4"]);
}

#[test]
fn a_whisper_to_a_lost_player_is_heard_by_nobody() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.disconnect(ada);
    house.hush();
    house.tell(bob, Action::Whisper { seat: SEAT_0, n: 1 });
    assert!(house.heard(ada).is_empty() && house.heard(bob).is_empty());
    house.sit("ada");
    assert_eq!(house.heard(bob), ["^ada", "back 0"]);
}

#[test]
fn latest_values_come_after_what_is_reliable() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    for n in 1..=3 {
        house.tell(ada, Action::SayLatest { key: "x".into(), n });
        house.tell(ada, Action::Say { n: 10 * n });
    }
    assert_eq!(house.heard(bob), ["0 said 10", "0 said 20", "0 said 30", "[x]", "0 said 3"]);
}

#[test]
fn much_talk_goes_into_batches_before_the_flush_and_stays_in_order() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    for n in 0..40 {
        house.tell(ada, Action::Big { bytes: 60_000 });
        house.act(ada, Action::Say { n });
    }
    assert!(house.pending() > 10, "some of it is in batches already");
    for member in [ada, bob] {
        let said: Vec<String> = house.heard(member).into_iter().filter(|words| words.starts_with("0 said")).collect();
        assert_eq!(said, (0..40).map(|n| format!("0 said {n}")).collect::<Vec<_>>());
    }
}

#[test]
fn equal_seeds_roll_equal_numbers() {
    let rolls = || {
        let mut house = House::new::<Open>();
        let ada = house.sit("ada");
        (0..10).for_each(|_| house.tell(ada, Action::Roll {}));
        house.heard(ada)
    };
    assert_eq!(rolls(), rolls());
}
