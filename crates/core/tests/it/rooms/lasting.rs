//! Rooms that outlive the server, and with it the sessions of those who are in them.

use anteroom_core::flush::Outgoing;
use anteroom_core::room::{AnswerTo, MemberId, Membership};
use anteroom_core::{Command, Seat};
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::LeftReason;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::{Codec, LaneId, SessionId};

use crate::rooms::house::{APPLIED, GRACE_MS, House, SEAT_KEPT_MS, left};
use crate::rooms::probe::{Action, Open};
use crate::rooms::script::{FIRST, START, Step, room, turn};

#[test]
fn a_seat_of_a_durable_room_outlives_a_session_that_does_not_come_back() {
    let mut house = House::durable::<Open>();
    let (ada, bob) = (house.sit("ada"), house.sit("bob"));
    house.hush();
    house.lose(ada);
    assert_eq!(house.heard(bob), [format!("~ada for {SEAT_KEPT_MS} ms"), "lost 0".into()]);
    house.advance(GRACE_MS);
    house.expire(ada);
    assert!(house.heard(bob).is_empty(), "it is known that ada is away");
    assert!(house.released.contains(&ada));
    house.advance(SEAT_KEPT_MS - GRACE_MS - 1);
    let again = house.sit("ada");
    assert_eq!(house.heard(bob), ["^ada", "back 0"]);
    assert_eq!(house.heard(again), ["welcome [ada:0 bob:1] 0", "back 0"]);
    // What is not come back to is given up.
    house.lose(again);
    house.expire(again);
    house.advance(SEAT_KEPT_MS);
    let gone = [left("ada", LeftReason::TimedOut), "left 0 ada".into()];
    assert_eq!(house.heard(bob)[2..], gone);
}

#[test]
fn a_seat_of_a_durable_room_outlives_a_session_that_is_not_waited_for() {
    for expires in [false, true] {
        let mut house = House::durable::<Open>();
        let (ada, bob) = (house.sit("ada"), house.sit("bob"));
        house.hush();
        if expires {
            house.expire(ada)
        } else {
            house.disconnect(ada)
        }
        assert_eq!(house.heard(bob), [format!("~ada for {SEAT_KEPT_MS} ms"), "lost 0".into()]);
        house.advance(SEAT_KEPT_MS - 1);
        assert_eq!(house.room.seating().len(), 2);
        house.advance(1);
        assert_eq!(house.room.seating().len(), 1);
    }
}

#[test]
fn a_durable_room_is_there_while_a_seat_is_kept_in_it_and_nobody_else_is() {
    let mut house = House::durable::<Open>();
    let ada = house.sit("ada");
    house.disconnect(ada);
    house.flush();
    assert!(!house.closed);
    house.advance(SEAT_KEPT_MS);
    house.flush();
    assert!(house.closed);
}

#[test]
fn whoever_watches_a_durable_room_keeps_no_place_there() {
    let mut house = House::durable::<Open>();
    let (ada, eve) = (house.sit("ada"), house.watch("eve"));
    house.hush();
    house.lose(eve);
    house.expire(eve);
    assert_eq!(house.heard(ada), ["~eve".to_owned(), left("eve", LeftReason::Disconnected)]);
}

#[test]
fn a_room_says_whether_it_is_durable() {
    for durable in [false, true] {
        let mut house = if durable { House::durable::<Open>() } else { House::new::<Open>() };
        let ada = house.sit("ada");
        house.flush();
        assert_eq!((house.room.is_durable(), house.summary.as_ref().unwrap().durable), (durable, durable));
        let welcome = &house.lanes[&ada].batches[0];
        let welcome = decode_batch(welcome.codec(), welcome.payload()).unwrap().next().unwrap().unwrap();
        assert_eq!(welcome.data.decode::<RoomJoined>().unwrap().durable, durable);
    }
}

#[test]
fn sessions_can_be_made_of_memberships_again() {
    let mut house = House::durable::<Open>();
    let (ada, eve) = (house.sit("ada"), house.watch("eve"));
    let bob = house.sit("bob");
    house.lose(ada);
    house.disconnect(bob);
    house.flush();
    let expected = |member: MemberId, user: &str, number: u32, role| Membership {
        member,
        session_id: Some(SessionId::from_bits(number.into())),
        n: Some(APPLIED),
        user_id: user.parse().unwrap(),
        role,
        lane: LaneId(number + 1),
        codec: Codec::ALL[number as usize % 2],
        connected: member != ada,
        applied: APPLIED,
    };
    let memberships: Vec<Membership> = house.room.memberships().collect();
    assert_eq!(memberships, [expected(ada, "ada", 0, Role::Player), expected(eve, "eve", 1, Role::Spectator)]);
    assert_eq!(house.room.seating().of_user(&"bob".parse().unwrap()), Some(Seat(1)), "a seat is no membership");
}

/// The request was carried out before a restart, and comes again.
#[test]
fn a_request_that_was_carried_out_is_answered_by_a_snapshot_under_its_mark() {
    let (mut now, mut room) = (START, room::<Open>(true));
    turn(&[FIRST], &mut now, &mut room);
    let member = MemberId(1);
    let answers = [None, Some(AnswerTo { kind: "create_room_result", reference: Some(Ref::from(7)) })];
    for answer in answers {
        let mut flush = anteroom_core::Flush::default();
        room.handle(now, Command::Snapshot { member, answer: answer.clone() }, &mut flush);
        room.flush(&mut flush).unwrap();
        let mut heard = flush.effects.dispatches.iter().map(|dispatch| {
            let (to, outgoing) = dispatch.said().unwrap();
            let batch = outgoing.batch();
            let message = decode_batch(batch.codec(), batch.payload()).unwrap().next().unwrap().unwrap();
            assert_eq!((to, message.success), (member, Some(true)));
            assert_eq!(message.data.decode::<RoomJoined>().unwrap().members.len(), 1);
            (outgoing, message.kind.into_owned(), message.reference)
        });
        let (snapshot, kind, reference) = heard.next().unwrap();
        assert!(matches!(snapshot, Outgoing::Snapshot { applied: 2, .. }), "dropped where there is no gap");
        assert_eq!((kind.as_str(), reference), ("join_room_result", None));
        let answered = heard.next().map(|(outgoing, kind, reference)| {
            assert!(matches!(outgoing, Outgoing::Reliable(_)), "said in any case");
            (kind, reference)
        });
        assert_eq!(answered, answer.map(|AnswerTo { kind, reference }| (kind.to_owned(), reference)));
        assert!(heard.next().is_none());
    }
}

#[test]
fn each_match_can_have_randomness_of_its_own() {
    let mut rolls = Vec::new();
    for rolled in [0, 3] {
        let mut house = House::durable::<Open>();
        let ada = house.sit("ada");
        (0..rolled).for_each(|_| house.tell(ada, Action::Roll {}));
        house.hush();
        house.handle(Command::Reseed { seed: 7 });
        assert_eq!(house.room.seed(), 7);
        house.tell(ada, Action::Roll {});
        rolls.push(house.heard(ada));
    }
    assert_eq!(rolls[0], rolls[1], "whatever was thrown before");
    let mut house = House::durable::<Open>();
    let ada = house.sit("ada");
    house.hush();
    house.tell(ada, Action::Roll {});
    assert_ne!(house.heard(ada), rolls[0]);
}

#[test]
fn a_step_that_changes_nothing_is_known_as_such() {
    let (mut now, mut room) = (START, room::<Open>(true));
    turn(&[FIRST], &mut now, &mut room);
    let act = |what| Step::Act { member: MemberId(1), what, codec: Codec::Json, answer: true, n: None };
    use crate::rooms::script::What;
    let steps = [
        (act(What::Say(1)), false),
        (act(What::Refuse), false),
        (Step::Wait(5), false),
        (Step::Snapshot { member: MemberId(1), answer: true }, false),
        (act(What::Publish), true),
        (act(What::Roll), true),
        (act(What::Remind(5, 1)), true),
        (Step::Reseed(3), true),
        (Step::Disconnect { member: MemberId(1), kept: true }, true),
        (Step::Disconnect { member: MemberId(1), kept: true }, false),
        (Step::Expire(MemberId(1)), true),
    ];
    for (step, changes) in steps {
        let before = room.snapshot().unwrap();
        turn(std::slice::from_ref(&step), &mut now, &mut room);
        let after = room.snapshot().unwrap();
        assert_eq!(after.is_as(&before), !changes, "{step:?}");
        assert_ne!(after, before, "it has flushed once more");
    }
}
