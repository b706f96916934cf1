//! Rooms that are made again, of a snapshot or by replaying their log: they go on as the first one does.

use std::time::Duration;

use anteroom_core::game::Kind;
use anteroom_core::room::{Log, MemberId, RestoreError, Snapshot, SnapshotError};
use anteroom_core::{Command, Flush, Game, Room, Time};
use anteroom_protocol::Codec;
use anteroom_protocol::message::Role;
use proptest::prelude::*;

use super::probe::{Hidden, HiddenTicking, Open, Ticking};
use super::script::{FIRST, START, Step, What, rebuilt, room, session_of, step, stored, take, turn};

/// Plays a script in a room, in one that was rebuilt at some time, and in one that is rebuilt all the time.
fn goes_on<G: Game>(steps: &[Step], durable: bool, at: usize) {
    let (mut now, mut rooms) = (START, vec![room::<G>(durable)]);
    turn(&[FIRST], &mut now, &mut rooms[0]);
    rooms.push(rebuilt::<G>(&rooms[0]));
    for (place, step) in steps.iter().chain([&Step::Wait(500), &Step::Close]).enumerate() {
        if place == at % steps.len() {
            rooms.push(rebuilt::<G>(&rooms[0]));
        }
        let before = now;
        let flushes: Vec<Flush> = rooms
            .iter_mut()
            .map(|room| {
                now = before;
                turn(std::slice::from_ref(step), &mut now, room)
            })
            .collect();
        let deadline = rooms[0].next_deadline();
        for (room, flush) in rooms.iter().zip(&flushes).skip(1) {
            assert!(room.memberships().eq(rooms[0].memberships()));
            assert_eq!(flush, &flushes[0]);
            assert_eq!(room.next_deadline(), deadline);
        }
        if flushes[0].effects.closed {
            return;
        }
        let snapshot = stored(&rooms[0]);
        assert!(rooms.iter().all(|room| stored(room) == snapshot));
        rooms[1] = rebuilt::<G>(&rooms[1]);
    }
}

/// Plays a script in a room that keeps a log, and replays that: all of it in a new room, and the rest of it in one that
/// was rebuilt after some turns.
fn replays<G: Game>(turns: &[Vec<Step>], durable: bool, at: usize) {
    let (mut now, mut first) = (START, room::<G>(durable).logged());
    let mut again = vec![room::<G>(durable).logged()];
    for (place, steps) in [vec![FIRST]].iter().chain(turns).enumerate() {
        let flush = turn(steps, &mut now, &mut first);
        assert_eq!(flush.log.len(), steps.len());
        let mut bytes = Vec::new();
        flush.log.encode(&mut bytes).unwrap();
        let log = Log::decode(&bytes).unwrap();
        for room in &mut again {
            let mut replayed = Flush::default();
            room.replay(&log, &mut replayed).unwrap();
            room.flush(&mut replayed).unwrap();
            assert_eq!(replayed, flush);
        }
        if flush.effects.closed {
            return;
        }
        if place == at {
            again.push(rebuilt::<G>(&first).logged());
        }
    }
    assert!(again.iter().all(|room| stored(room) == stored(&first)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_room_goes_on_as_the_first(
        steps in prop::collection::vec(step(), 1..60),
        durable: bool,
        at: usize,
    ) {
        goes_on::<Open>(&steps, durable, at);
        goes_on::<Hidden>(&steps, durable, at);
        goes_on::<HiddenTicking>(&steps, durable, at);
    }

    #[test]
    fn a_replayed_log_says_the_same(
        turns in prop::collection::vec(prop::collection::vec(step(), 0..6), 1..20),
        durable: bool,
        at in 0..20_usize,
    ) {
        replays::<Hidden>(&turns, durable, at);
        replays::<Ticking>(&turns, durable, at);
    }

    #[test]
    fn what_is_put_off_goes_on_later_in_the_same_order(
        steps in prop::collection::vec(step(), 1..40),
        durable: bool,
        by in 0..100_000_u64,
    ) {
        let (mut now, mut first) = (START, room::<HiddenTicking>(durable));
        turn(&[FIRST], &mut now, &mut first);
        for step in &steps {
            if turn(std::slice::from_ref(step), &mut now, &mut first).effects.closed {
                return Ok(());
            }
        }
        let (mut later, by) = (rebuilt::<HiddenTicking>(&first), Duration::from_millis(by));
        later.put_off(by);
        prop_assert_eq!(later.next_deadline(), first.next_deadline().map(|due| due + by));
        let mut again = rebuilt::<HiddenTicking>(&later);
        // The same happens, each thing so much later.
        for _ in 0..20 {
            let Some(due) = first.next_deadline() else { break };
            let happens = |room: &mut Room, now: Time| {
                let mut flush = Flush::default();
                room.advance(now, &mut flush);
                room.flush(&mut flush).unwrap();
                flush
            };
            let (early, late) = (happens(&mut first, due), happens(&mut later, due + by));
            prop_assert_eq!(&late, &happens(&mut again, due + by));
            prop_assert_eq!(early.effects.dispatches.len(), late.effects.dispatches.len());
            prop_assert_eq!(early.effects.closed, late.effects.closed);
            prop_assert_eq!(later.next_deadline(), first.next_deadline().map(|due| due + by));
        }
    }

    /// Some of it may make a room all the same: one with another name, say.
    #[test]
    fn a_damaged_snapshot_makes_no_room_that_panics(
        steps in prop::collection::vec(step(), 1..30),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<usize>()),
    ) {
        let (mut now, mut first) = (START, room::<HiddenTicking>(true));
        turn(&[FIRST], &mut now, &mut first);
        for step in &steps {
            if turn(std::slice::from_ref(step), &mut now, &mut first).effects.closed {
                return Ok(());
            }
        }
        let mut bytes = stored(&first);
        bytes.truncate(cut.map_or(usize::MAX, |cut| cut % bytes.len()));
        for (place, byte) in changes {
            if let Some(len) = std::num::NonZero::new(bytes.len()) {
                // Mostly digits, so that it stays JSON.
                bytes[place % len] = if byte < 200 { b'0' + byte % 10 } else { byte };
            }
        }
        let restored = Snapshot::decode(&bytes).and_then(|snapshot| Room::restore(&Kind::of::<HiddenTicking>(), snapshot));
        if let Ok(mut room) = restored {
            stored(&room);
            let mut flush = Flush::default();
            room.handle(now, Command::Snapshot { member: MemberId(1), answer: None }, &mut flush);
            room.handle(now, Command::Abandon { member: MemberId(1) }, &mut flush);
            drop(room.flush(&mut flush));
        }
    }
}

#[test]
fn a_restored_room_knows_whose_its_memberships_are() {
    let (mut now, mut first) = (START, room::<Open>(true));
    turn(&[FIRST, Step::Join { user: 3, watch: true, codec: Codec::Bincode }], &mut now, &mut first);
    let there: Vec<_> = rebuilt::<Open>(&first).memberships().collect();
    let known: Vec<_> = there.iter().map(|there| (there.session_id, there.n, there.role)).collect();
    assert_eq!(known, [(Some(session_of(0)), None, Role::Player), (Some(session_of(3)), Some(3), Role::Spectator)]);
    assert_eq!(there, first.memberships().collect::<Vec<_>>());
}

#[test]
fn a_seat_that_was_kept_expires_in_a_restored_room() {
    let (mut now, mut first) = (START, room::<Open>(false));
    let bob = Step::Join { user: 1, watch: false, codec: Codec::Json };
    turn(&[FIRST, bob, Step::Abandon(MemberId(1))], &mut now, &mut first);
    let mut room = rebuilt::<Open>(&first);
    assert_eq!(room.next_deadline(), Some(START + Duration::from_millis(50)));
    turn(&[Step::Wait(49)], &mut now, &mut room);
    assert_eq!(room.seating().len(), 2);
    turn(&[Step::Wait(1)], &mut now, &mut room);
    assert_eq!(room.seating().len(), 1);
    assert_eq!(room.next_deadline(), None);
}

#[test]
fn a_timer_rings_in_a_restored_room() {
    let (mut now, mut first) = (START, room::<Open>(false));
    let what = What::Remind(20, 7);
    let remind = Step::Act { member: MemberId(1), what, codec: Codec::Json, answer: false, n: None };
    turn(&[FIRST, remind], &mut now, &mut first);
    let mut room = rebuilt::<Open>(&first);
    assert_eq!(room.next_deadline(), Some(START + Duration::from_millis(20)));
    let rang = turn(&[Step::Wait(20)], &mut now, &mut room);
    assert_eq!(rang.effects.dispatches.len(), 1);
    assert_eq!(room.next_deadline(), None);
}

/// A room that was stored after this, and restored an hour later with everything put off.
fn an_hour_later<G: Game>(steps: &[Step]) -> (Time, Room) {
    let hour = Duration::from_secs(3600);
    let (mut now, mut first) = (START, room::<G>(false));
    turn(steps, &mut now, &mut first);
    let mut room = rebuilt::<G>(&first);
    room.put_off(hour);
    (now + hour, room)
}

#[test]
fn what_is_put_off_has_as_long_to_go_as_before() {
    let bob = Step::Join { user: 1, watch: false, codec: Codec::Json };
    let act = |what| Step::Act { member: MemberId(1), what, codec: Codec::Json, answer: false, n: None };
    let steps = [FIRST, bob, Step::Abandon(MemberId(2)), act(What::Remind(20, 7)), Step::Wait(5)];
    let (now, room) = an_hour_later::<Ticking>(&steps);
    assert_eq!(room.next_deadline(), Some(now + Duration::from_millis(5)), "a tick");
    let (mut now, mut room) = an_hour_later::<Open>(&steps);
    assert_eq!(room.next_deadline(), Some(now + Duration::from_millis(15)), "the timer");
    // The game knows the timer by the time at which it was due before.
    turn(&[act(What::Cancel)], &mut now, &mut room);
    assert_eq!(room.next_deadline(), Some(now + Duration::from_millis(45)), "the seat");
    turn(&[act(What::Remind(3, 8)), Step::Wait(3), act(What::Cancel)], &mut now, &mut room);
    assert_eq!(room.next_deadline(), Some(now + Duration::from_millis(42)));
}

#[test]
fn there_is_a_snapshot_between_turns_only() {
    let (mut now, mut room) = (START, room::<Ticking>(false));
    assert_eq!(room.snapshot(), Err(SnapshotError::Unfinished), "nobody has come in yet");
    let mut flush = Flush::default();
    for step in [FIRST, Step::Wait(0), Step::Reconnect(MemberId(9))] {
        take(&step, &mut now, &mut room, &mut flush);
        assert_eq!(room.snapshot(), Err(SnapshotError::Unfinished), "{step:?}");
        room.flush(&mut flush).unwrap();
        assert!(room.snapshot().is_ok());
        flush.clear();
    }
    assert!(turn(&[Step::Close], &mut now, &mut room).effects.closed);
    assert_eq!(room.snapshot(), Err(SnapshotError::Closed));
}

#[test]
fn another_game_version_or_format_is_refused_with_a_reason() {
    let (mut now, mut first) = (START, room::<Open>(false));
    turn(&[FIRST], &mut now, &mut first);
    let text = String::from_utf8(stored(&first)).unwrap();
    let refused = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let restored =
            Snapshot::decode(changed.as_bytes()).and_then(|changed| Room::restore(&Kind::of::<Open>(), changed));
        restored.err().unwrap().to_string()
    };
    assert_eq!(refused(r#""version":3"#, r#""version":4"#), "the snapshot is of version 4 of probe; this is version 3");
    assert_eq!(refused(r#""game":"probe""#, r#""game":"dice""#), "the snapshot is one of dice, not of probe");
    assert_eq!(refused(r#""format":3"#, r#""format":4"#), "the snapshot has format 4; 3 is known");
    for (from, to) in [
        (r#""members_ever":1"#, r#""members_ever":0"#),
        (r#""members_ever":1"#, r#""members_ever":18446744073709551615"#),
        (r#""next_tick":null"#, r#""next_tick":5"#),
        (r#""member":1"#, r#""member":2"#),
        (r#""member":1"#, r#""member":null"#),
        (r#""members":[{"#, r#""members":[],"x":[{"#),
        (r#"[0,{"user_id""#, r#"[3,{"user_id""#),
        (r#"{"seats":3}"#, r#"{"seats":0}"#),
        (r#""turn":0"#, r#""turn":-1"#),
    ] {
        let why = refused(from, to);
        assert!(why.starts_with("the snapshot is damaged: "), "{why}");
    }
    let long = vec![b' '; anteroom_core::room::SNAPSHOT_BYTES_MAX + 1];
    assert!(matches!(Snapshot::decode(&long), Err(RestoreError::Damaged(_))));
}
