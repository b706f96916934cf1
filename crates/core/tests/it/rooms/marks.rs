//! Which messages a room says that it has dealt with, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anteroom_core::Command;
use anteroom_core::room::MemberId;
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::{Codec, Data, variant};

use crate::rooms::house::{APPLIED, House};
use crate::rooms::probe::{Action, Open};

fn send(house: &mut House, member: MemberId, kind: &str, data: &str, n: u64) {
    let reference = Some(Ref::from(n));
    house.handle(Command::Act { member, kind, data: Data::Json(data), reference, n: Some(n) });
}

fn act(house: &mut House, member: MemberId, action: &Action, n: u64) {
    let mut data = Vec::new();
    let kind = variant::encode(Codec::Json, action, &mut data).unwrap();
    send(house, member, kind, std::str::from_utf8(&data).unwrap(), n);
}

#[test]
fn what_was_acted_on_or_refused_is_applied_with_the_flush_that_shows_it() {
    let mut house = House::new::<Open>();
    let (ada, bob, eve) = (house.sit("ada"), house.sit("bob"), house.watch("eve"));
    house.hush();
    assert!(house.applied.is_empty(), "nobody has said anything yet");
    act(&mut house, ada, &Action::Say { n: 1 }, 11);
    act(&mut house, ada, &Action::Say { n: 2 }, 14);
    house.tell(bob, Action::Say { n: 3 });
    assert!(house.applied.is_empty(), "nobody has been told yet");
    house.flush();
    assert_eq!(house.applied, [(ada, 14)].into());
    // Each way to be refused by the room.
    let mut n = 20;
    for (kind, data) in [("refuse", "{}"), ("fly", "{}"), ("say", r#"{"n":-1}"#)] {
        n += 1;
        send(&mut house, bob, kind, data, n);
        send(&mut house, eve, kind, data, n);
        house.flush();
        assert_eq!(house.applied, [(ada, 14), (bob, n), (eve, n)].into(), "{kind}");
    }
}

#[test]
fn what_comes_twice_is_done_once() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.hush();
    for n in [APPLIED, 11, 11, 12, 11, 13] {
        act(&mut house, ada, &Action::Say { n: u32::try_from(n).unwrap() }, n);
    }
    let heard = house.heard(ada);
    let said: Vec<&String> = heard.iter().filter(|words| words.contains("said")).collect();
    assert_eq!(said, ["0 said 11", "0 said 12", "0 said 13"]);
    assert_eq!(house.applied, [(ada, 13)].into());
}

#[test]
fn a_members_last_message_is_applied_with_its_end() {
    let mut house = House::new::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    act(&mut house, ada, &Action::Say { n: 1 }, 11);
    house.handle(Command::Leave { member: ada, reference: None, n: Some(12) });
    act(&mut house, ada, &Action::Say { n: 2 }, 13);
    act(&mut house, bob, &Action::Say { n: 3 }, 11);
    house.flush();
    assert!(house.released.contains(&ada));
    assert_eq!(house.applied, [(ada, 12), (bob, 11)].into());
}

#[test]
fn a_game_that_fails_has_applied_nothing_of_that_turn() {
    for last in [Action::Panic {}, Action::Choke {}] {
        let mut house = House::new::<Open>();
        let (ada, bob) = (house.sit("ada"), house.sit("bob"));
        act(&mut house, ada, &Action::Say { n: 1 }, 11);
        house.flush();
        act(&mut house, bob, &Action::Say { n: 1 }, 11);
        // One who goes in the same turn is told no more of it than those who stay.
        house.handle(Command::Leave { member: bob, reference: None, n: Some(12) });
        let failed = catch_unwind(AssertUnwindSafe(|| act(&mut house, ada, &last, 12)));
        assert!(failed.is_err() || house.try_flush().is_err());
        house.fail();
        assert!(house.closed);
        assert_eq!(house.applied, [(ada, 11)].into(), "only what was shown");
    }
}
