//! Who hears what, in which batches, in which order.

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::envelope::{Empty, decode_batch};
use anteroom_protocol::limits::{BATCH_BYTES_SOFT_MAX, BATCH_MESSAGES_MAX};
use serde::{Deserialize, Serialize};

use super::*;

const ADA: MemberId = MemberId(1);
const BOB: MemberId = MemberId(2);
const CYD: MemberId = MemberId(3);
const EVE: MemberId = MemberId(9);

#[derive(Debug, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_protocol::bincode")]
enum Event {
    Moved { x: i32 },
    Text { text: String },
}

/// Two players and a spectator who read JSON, and a player who reads binary.
fn said() -> Said {
    let mut said = Said::default();
    said.add(ADA, Role::Player, Codec::Json);
    said.add(BOB, Role::Player, Codec::Json);
    said.add(CYD, Role::Player, Codec::Bincode);
    said.add(EVE, Role::Spectator, Codec::Json);
    said
}

fn room_id() -> RoomId {
    RoomId::from_bits(7)
}

fn say(said: &mut Said, to: To, kind: &str) {
    said.message(to, &Header::new(kind), &Empty {});
}

fn move_as(said: &mut Said, to: To, x: i32, delivery: &Delivery) {
    said.event(to, delivery, &room_id(), &Event::Moved { x });
}

fn latest(key: &'static str) -> Delivery {
    Delivery::Latest { key: key.into() }
}

fn sealed(said: &mut Said) -> Vec<Dispatch> {
    let mut out = Vec::new();
    said.seal(&mut out);
    out
}

fn batches_for(dispatches: &[Dispatch], member: MemberId) -> Vec<&Arc<Batch>> {
    let said = dispatches.iter().filter_map(Dispatch::said);
    said.filter(|(to, _)| *to == member).map(|(_, outgoing)| outgoing.batch()).collect()
}

/// What a member hears: the type of each message, and `x` if it has one.
fn heard(dispatches: &[Dispatch], member: MemberId) -> String {
    let mut words = Vec::new();
    for batch in batches_for(dispatches, member) {
        for envelope in decode_batch(batch.codec(), batch.payload()).unwrap() {
            let envelope = envelope.unwrap();
            let key = envelope.latest.as_deref().map(|key| format!(" {key}")).unwrap_or_default();
            words.push(match variant::decode(&envelope.kind, envelope.data) {
                Ok(Event::Moved { x }) => format!("{x}{key}"),
                _ => format!("{}{key}", envelope.kind),
            });
        }
    }
    words.join(", ")
}

#[test]
fn those_who_hear_the_same_share_one_batch_per_codec() {
    let mut said = said();
    say(&mut said, To::Everyone, "one");
    say(&mut said, To::Everyone, "two");
    let out = sealed(&mut said);
    let [ada, bob, cyd, eve] = [ADA, BOB, CYD, EVE].map(|member| batches_for(&out, member));
    assert_eq!([ada.len(), bob.len(), cyd.len(), eve.len()], [1; 4]);
    assert!(Arc::ptr_eq(ada[0], bob[0]) && Arc::ptr_eq(ada[0], eve[0]));
    assert_eq!((ada[0].codec(), cyd[0].codec()), (Codec::Json, Codec::Bincode));
    assert_eq!((heard(&out, ADA), heard(&out, CYD)), ("one, two".into(), "one, two".into()));
    assert_eq!(sealed(&mut said), []);
}

#[test]
fn private_messages_are_heard_in_their_place_by_one() {
    let mut said = said();
    say(&mut said, To::Everyone, "one");
    say(&mut said, To::Only(ADA), "secret");
    say(&mut said, To::Except(CYD), "gossip");
    say(&mut said, To::Everyone, "two");
    say(&mut said, To::Only(MemberId(77)), "nobody");
    let out = sealed(&mut said);
    assert_eq!(heard(&out, ADA), "one, secret, gossip, two");
    assert_eq!(heard(&out, BOB), "one, gossip, two");
    assert_eq!(heard(&out, CYD), "one, two");
    assert!(Arc::ptr_eq(batches_for(&out, BOB)[0], batches_for(&out, EVE)[0]));
    assert!(!Arc::ptr_eq(batches_for(&out, ADA)[0], batches_for(&out, BOB)[0]));
}

#[test]
fn leaving_one_out_leaves_the_others_together() {
    let mut said = said();
    say(&mut said, To::Everyone, "one");
    say(&mut said, To::Except(BOB), "gossip");
    let out = sealed(&mut said);
    let gossip = "one, gossip".to_owned();
    assert_eq!((heard(&out, ADA), heard(&out, BOB), heard(&out, EVE)), (gossip.clone(), "one".into(), gossip));
    assert!(Arc::ptr_eq(batches_for(&out, ADA)[0], batches_for(&out, EVE)[0]));
}

#[test]
fn spectators_share_a_batch_of_their_own() {
    let mut said = said();
    said.add(MemberId(10), Role::Spectator, Codec::Json);
    say(&mut said, To::Everyone, "one");
    say(&mut said, To::Spectators, "public");
    let out = sealed(&mut said);
    assert_eq!((heard(&out, ADA), heard(&out, CYD)), ("one".into(), "one".into()));
    assert_eq!(heard(&out, EVE), "one, public");
    assert!(Arc::ptr_eq(batches_for(&out, ADA)[0], batches_for(&out, BOB)[0]));
    assert!(Arc::ptr_eq(batches_for(&out, EVE)[0], batches_for(&out, MemberId(10))[0]));
}

#[test]
fn nothing_is_heard_before_coming_or_after_going() {
    let mut said = Said::default();
    say(&mut said, To::Everyone, "early");
    assert!(!said.reaches(To::Everyone));
    said.add(ADA, Role::Player, Codec::Json);
    said.add(BOB, Role::Player, Codec::Bincode);
    say(&mut said, To::Everyone, "one");
    let mut out = sealed(&mut said);
    said.remove(ADA);
    said.remove(ADA);
    say(&mut said, To::Everyone, "two");
    say(&mut said, To::Only(ADA), "late");
    said.seal(&mut out);
    assert_eq!((heard(&out, ADA), heard(&out, BOB)), ("one".into(), "one, two".into()));
    assert!(!said.reaches(To::Only(ADA)) && !said.reaches(To::Except(BOB)) && !said.reaches(To::Spectators));
}

#[test]
fn only_codecs_that_somebody_hears_are_encoded() {
    let mut said = said();
    say(&mut said, To::Only(CYD), "one");
    say(&mut said, To::Spectators, "two");
    assert_eq!(said.items[0].spans[Codec::Json.index()], 0..0);
    assert_eq!(said.items[1].spans[Codec::Bincode.index()], 0..0);
    said.seal(&mut Vec::new());
    said.remove(CYD);
    say(&mut said, To::Everyone, "three");
    assert!(said.bytes[Codec::Bincode.index()].is_empty());
}

#[test]
fn of_latest_values_the_newest_goes_behind_what_is_reliable() {
    let mut said = said();
    for x in 1..=3 {
        move_as(&mut said, To::Everyone, x, &latest("ball"));
        move_as(&mut said, To::Everyone, -x, &latest("paddle"));
    }
    move_as(&mut said, To::Only(ADA), 4, &latest("ball"));
    move_as(&mut said, To::Everyone, 9, &Delivery::Reliable);
    let out = sealed(&mut said);
    assert_eq!(heard(&out, BOB), "9, 3 ball, -3 paddle");
    assert_eq!(heard(&out, ADA), "9, 3 ball, -3 paddle, 4 ball");
    let ball = |member| batches_for(&out, member)[1];
    assert!(Arc::ptr_eq(ball(BOB), ball(EVE)));
    assert_eq!(ball(CYD).codec(), Codec::Bincode);
}

#[test]
fn no_key_of_a_game_is_one_of_the_rooms_own() {
    let mut said = said();
    let header = Header::new("room_updated");
    said.message_latest(To::Only(ADA), "d.level", &header, &Empty {});
    let keys = ["d.level", "\0room.d.level", "\0game.\0room.d.level", "\0game.d.level"];
    for key in keys {
        move_as(&mut said, To::Only(ADA), 1, &Delivery::Latest { key: key.into() });
    }
    let out = sealed(&mut said);
    let of_lane = |dispatch: &Dispatch| match dispatch {
        Dispatch::Say { outgoing: Outgoing::Latest { key, .. }, .. } => Some(key.to_string()),
        _ => None,
    };
    let lane: std::collections::BTreeSet<String> = out.iter().filter_map(of_lane).collect();
    assert_eq!(lane.len(), 1 + keys.len(), "{lane:?}");
    assert_eq!(lane.iter().filter(|key| is_in_snapshots(key)).count(), 1);
    let told = heard(&out, ADA);
    assert!(keys.iter().all(|key| told.contains(key)), "{told}");
}

#[test]
fn unreliable_messages_all_go_one_by_one() {
    let mut said = said();
    for x in 1..=2 {
        move_as(&mut said, To::Spectators, x, &Delivery::Unreliable { key: "ball".into() });
    }
    let out = sealed(&mut said);
    assert_eq!((heard(&out, EVE), heard(&out, ADA)), ("1 ball, 2 ball".into(), String::new()));
    assert!(matches!(&out[0], Dispatch::Say { outgoing: Outgoing::Unreliable { key, message }, .. }
        if &**key == "ball" && message.messages() == 1));
}

#[test]
fn a_key_is_never_empty_and_never_too_long() {
    let mut said = said();
    move_as(&mut said, To::Only(ADA), 1, &latest(""));
    said.event(To::Only(ADA), &latest(""), &room_id(), &Event::Text { text: "x".into() });
    let long = "ü".repeat(40);
    move_as(&mut said, To::Only(ADA), 2, &Delivery::Latest { key: long.into() });
    let out = sealed(&mut said);
    assert_eq!(heard(&out, ADA), format!("1 moved, text text, 2 {}", "ü".repeat(32)));
    let keys: Vec<&str> = out
        .iter()
        .filter_map(|dispatch| match dispatch.said()?.1 {
            Outgoing::Latest { key, .. } => Some(&**key),
            _ => None,
        })
        .collect();
    assert_eq!(keys, ["moved", "text", &"ü".repeat(32)]);
}

fn text(said: &mut Said, length: usize) {
    let text = "x".repeat(length);
    said.event(To::Everyone, &Delivery::Reliable, &room_id(), &Event::Text { text });
}

#[test]
fn a_batch_is_cut_before_it_grows_too_large() {
    let mut said = said();
    for length in [10, BATCH_BYTES_SOFT_MAX, 10, 20, BATCH_BYTES_SOFT_MAX / 2, BATCH_BYTES_SOFT_MAX / 2, 30] {
        text(&mut said, length);
    }
    let out = sealed(&mut said);
    for member in [ADA, CYD] {
        let batches = batches_for(&out, member);
        assert_eq!(batches.iter().map(|batch| batch.messages()).collect::<Vec<_>>(), [1, 1, 3, 2]);
        for batch in batches.iter().filter(|batch| batch.messages() > 1) {
            assert!(batch.payload().len() <= BATCH_BYTES_SOFT_MAX + 2);
        }
    }
    for (mine, theirs) in batches_for(&out, ADA).iter().zip(batches_for(&out, BOB)) {
        assert!(Arc::ptr_eq(mine, theirs));
    }
}

#[test]
fn a_batch_is_cut_before_it_has_too_many_messages() {
    let mut said = said();
    for x in 0..2 * BATCH_MESSAGES_MAX + 1 {
        move_as(&mut said, To::Everyone, x as i32, &Delivery::Reliable);
    }
    let out = sealed(&mut said);
    let expected: Vec<String> = (0..2 * BATCH_MESSAGES_MAX + 1).map(|x| x.to_string()).collect();
    for member in [ADA, CYD] {
        let messages: Vec<usize> = batches_for(&out, member).iter().map(|batch| batch.messages()).collect();
        assert_eq!(messages, [BATCH_MESSAGES_MAX, BATCH_MESSAGES_MAX, 1]);
        assert_eq!(heard(&out, member), expected.join(", "));
    }
}

#[test]
fn memory_is_given_back_after_a_large_flush() {
    let mut said = said();
    for _ in 0..2000 {
        text(&mut said, 1000);
    }
    sealed(&mut said);
    for bytes in said.bytes.iter().chain([&said.scratch]) {
        assert!(bytes.capacity() <= BATCH_BYTES_SOFT_MAX);
    }
    assert!(said.items.capacity() < 2000);
}

#[test]
fn what_is_too_large_is_a_failure() {
    let mut said = said();
    text(&mut said, SERVER_FRAME_BYTES_MAX - 200);
    assert_eq!(said.failure(), None);
    text(&mut said, SERVER_FRAME_BYTES_MAX);
    assert!(matches!(said.failure(), Some(GameFailure::TooLarge { bytes }) if *bytes > SERVER_FRAME_BYTES_MAX));
    assert_eq!(said.items.len(), 1);
}

/// Refuses to be JSON only.
#[derive(Encode)]
#[bincode(crate = "anteroom_protocol::bincode")]
struct BinaryOnly;

impl Serialize for BinaryOnly {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn what_cannot_be_encoded_is_a_failure_where_it_is_heard() {
    let mut said = said();
    said.view(To::Only(CYD), &Delivery::Reliable, &room_id(), &BinaryOnly);
    assert_eq!(said.failure(), None);
    said.view(To::Everyone, &Delivery::Reliable, &room_id(), &BinaryOnly);
    assert!(matches!(said.failure(), Some(GameFailure::Unencodable(_))));
    assert_eq!(heard(&sealed(&mut said), CYD), "game_state");
}

#[test]
fn what_was_said_can_be_taken_back() {
    let mut said = said();
    say(&mut said, To::Everyone, "one");
    let (mark, bytes) = (said.mark(), said.bytes.clone());
    say(&mut said, To::Everyone, "two");
    said.view(To::Everyone, &Delivery::Reliable, &room_id(), &BinaryOnly);
    said.take_back(mark);
    assert_eq!((said.failure(), &said.bytes), (None, &bytes));
    said.view(To::Everyone, &Delivery::Reliable, &room_id(), &BinaryOnly);
    let mark = said.mark();
    say(&mut said, To::Everyone, "three");
    said.take_back(mark);
    assert!(said.failure().is_some(), "that was before the mark");
    assert_eq!(heard(&sealed(&mut said), ADA), "one");
}

#[test]
fn an_answer_is_moved_in_front_of_what_it_caused() {
    let mut said = said();
    say(&mut said, To::Everyone, "before");
    let mark = said.mark();
    said.move_last_to(mark);
    for kind in ["one", "two", "answer"] {
        say(&mut said, To::Everyone, kind);
    }
    said.move_last_to(mark);
    assert_eq!(heard(&sealed(&mut said), ADA), "before, answer, one, two");
}
