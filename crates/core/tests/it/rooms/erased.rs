//! Users that a room has to forget.

use std::time::Duration;

use anteroom_core::room::{Ask, MemberId, Terms, is_named_after};
use anteroom_core::{Command, Flush, Game, Room, Seat, Time, Viewer};
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::OwnerPolicy;
use anteroom_protocol::message::push::LeftReason;
use anteroom_protocol::{Codec, Data};
use proptest::prelude::*;

use super::house::{House, SEAT_KEPT_MS, left};
use super::probe::{Action, Hidden, HiddenTicking, Open};
use super::script::{FIRST, START, Step, USERS, rebuilt, room, room_on, step, stored, take, turn};

fn erase(user: &str) -> Command<'static> {
    Command::Erase { user_id: user.parse().unwrap(), username: Some(user.to_uppercase()) }
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

fn assert_unknown(bytes: &[u8], context: &str) {
    for name in ["ada", "ADA"] {
        assert!(!contains(bytes, name), "{context}: {}", String::from_utf8_lossy(bytes));
    }
}

/// Nothing that the room keeps has the user in it.
fn assert_forgotten(room: &Room) {
    assert_unknown(&stored(room), "the snapshot");
    assert!(!room.snapshot().unwrap().mentions(&"ada".parse().unwrap()));
    assert!(room.memberships().all(|there| there.user_id.as_str() != "ada"));
    assert!(room.recent_inputs().all(|line| !line.contains("ada")));
    for viewer in [Viewer::Spectator, Viewer::Seat(Seat(0)), Viewer::Seat(Seat(2))] {
        for codec in Codec::ALL {
            let view = room.view(viewer, codec).unwrap();
            let Data::Json(view) = view.data() else { continue };
            assert_unknown(view.as_bytes(), "a view");
        }
    }
}

fn forgets<G: Game>(before: &[Step], after: &[Step], durable: bool) {
    let (mut now, mut room): (Time, Room) = (START, room::<G>(durable));
    turn(&[FIRST], &mut now, &mut room);
    for step in before {
        if turn(std::slice::from_ref(step), &mut now, &mut room).effects.closed {
            return;
        }
    }
    let theirs: Vec<MemberId> =
        room.memberships().filter(|there| there.user_id.as_str() == "ada").map(|there| there.member).collect();
    let mut flush = Flush::default();
    room.handle(now, erase("ada"), &mut flush);
    room.flush(&mut flush).unwrap();
    assert_eq!(flush.effects.released, theirs);
    if flush.effects.closed {
        return;
    }
    assert_forgotten(&room);
    let mut again = rebuilt::<G>(&room);
    for step in after.iter().filter(|step| !matches!(step, Step::Join { user: 0, .. })) {
        for room in [&mut room, &mut again] {
            let (mut flush, mut now) = (Flush::default(), now);
            take(step, &mut now, room, &mut flush);
            room.flush(&mut flush).unwrap();
            for (_, outgoing) in flush.effects.dispatches.iter().filter_map(|dispatch| dispatch.said()) {
                assert_unknown(outgoing.batch().payload(), "a message");
            }
            if let Some(entry) = &flush.effects.entry {
                assert_unknown(format!("{entry:?}").as_bytes(), "the lobby's entry");
            }
            if flush.effects.closed {
                return;
            }
            assert_forgotten(room);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_left_of_a_user_who_is_erased(
        before in prop::collection::vec(step(), 1..40),
        after in prop::collection::vec(step(), 1..20),
        durable: bool,
    ) {
        assert_eq!(USERS[0], "ada");
        forgets::<Open>(&before, &after, durable);
        forgets::<Hidden>(&before, &after, durable);
        forgets::<HiddenTicking>(&before, &after, durable);
    }
}

#[test]
fn whoever_is_erased_is_gone_for_the_others_and_the_seat_is_free() {
    let mut house = House::durable::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    let window = house.watch("ada");
    house.hush();
    house.handle(erase("ada"));
    assert_eq!(house.heard(ada).last().unwrap(), "ok leave_room_result");
    assert_eq!(house.heard(window).last().unwrap(), "ok leave_room_result");
    let heard = house.heard(bob);
    assert_eq!(heard.first(), Some(&left("ada", LeftReason::Left)));
    assert_eq!(heard.last(), Some(&left("ada", LeftReason::Left)), "in the other window, too");
    assert_eq!(house.room.seating().free(), Some(Seat(0)));
    assert_eq!(house.room.seating().last_user(Seat(0)), None);
    let cyd = house.sit("cyd");
    assert_eq!(house.heard(cyd)[0], "welcome [cyd:0 bob:1] 0");
}

#[test]
fn a_seat_that_is_kept_for_somebody_who_is_erased_is_given_up() {
    let mut house = House::durable::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.disconnect(ada);
    house.hush();
    house.handle(erase("ada"));
    assert_eq!(house.heard(bob), [left("ada", LeftReason::Left), "left 0 ada".into()]);
    house.advance(SEAT_KEPT_MS);
    assert!(house.heard(bob).is_empty(), "it is not given up twice");
    house.handle(erase("nobody"));
    assert!(house.heard(bob).is_empty());
}

#[test]
fn a_room_that_is_named_after_somebody_who_is_erased_gets_another_name() {
    for (user, name) in [("ada", "Room 0000000005"), ("bob", "ADA's room")] {
        let (mut now, mut room) = (START, room::<Open>(true));
        let join = |user| Step::Join { user, watch: false, codec: Codec::Json };
        // The name is not known to the room any more.
        turn(&[join(0), join(1), join(2), Step::Leave(MemberId(1))], &mut now, &mut room);
        let mut flush = Flush::default();
        room.handle(now, erase(user), &mut flush);
        room.flush(&mut flush).unwrap();
        assert_eq!(room.summary().name, name);
        assert_eq!(flush.effects.entry.map(|entry| entry.summary.name), Some(name.into()));
    }
}

#[test]
fn a_room_keeps_its_name_though_somebody_is_erased_who_is_called_like_a_part_of_it() {
    let erased = |name: &str, username: &str, was_there| is_named_after(name, username, was_there);
    for (name, username) in [("ADA's room", "room"), ("ADA's room", "AD"), ("ADA's room", ""), ("chess for ADA", "ADA")]
    {
        assert!(!erased(name, username, false), "{name}, {username}");
    }
    // In a room that they were in, words that are theirs are told of them.
    for (name, username) in [("chess for ADA", "ADA"), ("(ADA)", "ADA"), ("room of ADA B.", "ADA B.")] {
        assert!(erased(name, username, true), "{name}, {username}");
    }
    assert!(!erased("MADAM and ADAM", "ADA", true));
    assert!(erased("ADA", "ADA", false) && erased("ADA's room", "ADA", false));

    let (mut now, mut room) = (START, room::<Open>(true));
    turn(&[Step::Join { user: 0, watch: false, codec: Codec::Json }], &mut now, &mut room);
    let mut flush = Flush::default();
    let (user_id, username) = ("guest".parse().unwrap(), Some("room".to_owned()));
    room.handle(now, Command::Erase { user_id, username }, &mut flush);
    room.flush(&mut flush).unwrap();
    assert_eq!(room.summary().name, "ADA's room");
}

/// A turn in which a member asks, and is not refused.
fn asks(room: &mut Room, member: u64, kind: &str, data: &str) {
    let mut flush = Flush::default();
    let ask = Ask { kind, data: Data::Json(data), with: None, reference: Some(Ref::from(3)), n: None };
    room.handle(START, Command::Ask { member: MemberId(member), ask }, &mut flush);
    room.flush(&mut flush).unwrap();
    let answer = flush.effects.dispatches.iter().filter_map(|dispatch| dispatch.said()).next().unwrap().1;
    let answer = decode_batch(answer.batch().codec(), answer.batch().payload()).unwrap().next().unwrap().unwrap();
    assert_eq!(answer.success, Some(true), "{kind}: {:?}", answer.error);
}

#[test]
fn whoever_made_a_room_and_owned_it_is_forgotten_and_the_next_one_owns_it() {
    for owner_policy in [OwnerPolicy::Automatic, OwnerPolicy::Manual] {
        let created_by = Some("ada".parse().unwrap());
        let mut room = room_on::<Open>(true, Terms { created_by, owner_policy, ..Terms::default() });
        let mut now = START;
        let join = |user| Step::Join { user, watch: false, codec: Codec::Json };
        turn(&[join(0), join(1)], &mut now, &mut room);
        // Under one policy the room stays theirs though they are away.
        turn(&[Step::Leave(MemberId(1))], &mut now, &mut room);
        assert!(room.snapshot().unwrap().mentions(&"ada".parse().unwrap()));
        let mut flush = Flush::default();
        room.handle(now, erase("ada"), &mut flush);
        room.flush(&mut flush).unwrap();
        assert_forgotten(&room);
        asks(&mut room, 2, "update_room", r#"{"locked":true}"#);
    }
}

#[test]
fn whoever_has_to_stay_outside_or_is_waited_for_is_forgotten_too() {
    for kind in ["kick", "ban", "mute"] {
        let created_by = Some("bob".parse().unwrap());
        let mut room = room_on::<Open>(true, Terms { created_by, ..Terms::default() });
        let mut now = START;
        let join = |user| Step::Join { user, watch: false, codec: Codec::Json };
        turn(&[join(1), join(0)], &mut now, &mut room);
        let muted = if kind == "mute" { r#","muted":true"# } else { "" };
        asks(&mut room, 1, kind, &format!(r#"{{"user_id":"ada"{muted}}}"#));
        assert!(room.snapshot().unwrap().mentions(&"ada".parse().unwrap()), "{kind}");
        let mut flush = Flush::default();
        room.handle(now, erase("ada"), &mut flush);
        room.flush(&mut flush).unwrap();
        assert_forgotten(&room);
    }
    let mut room = room_on::<Open>(true, Terms::default());
    let mut flush = Flush::default();
    let reserve = Command::Reserve { users: vec!["ada".parse().unwrap()], until: START + Duration::from_secs(60) };
    turn(&[Step::Join { user: 1, watch: false, codec: Codec::Json }], &mut { START }, &mut room);
    room.handle(START, reserve, &mut flush);
    room.flush(&mut flush).unwrap();
    assert!(room.snapshot().unwrap().mentions(&"ada".parse().unwrap()));
    flush.clear();
    room.handle(START, erase("ada"), &mut flush);
    room.flush(&mut flush).unwrap();
    assert_forgotten(&room);
}

#[test]
fn what_was_done_before_is_not_in_a_report() {
    let mut house = House::new::<Open>();
    let ada = house.sit("ada");
    house.sit("bob");
    house.tell(ada, Action::SayLatest { key: "from ada".into(), n: 1 });
    assert!(house.room.recent_inputs().any(|line| line.contains("ada")));
    house.handle(erase("ada"));
    assert_eq!(house.room.recent_inputs().count(), 0);
}
