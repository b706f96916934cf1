//! Rooms that are made again, of a snapshot or by replaying their log: they go on as the first one does.

use std::time::Duration;

use anteroom_core::game::Kind;
use anteroom_core::room::{Join, Log, MemberId, RestoreError, RoomPolicy, RoomSpec, Snapshot, SnapshotError};
use anteroom_core::{Command, Flush, Game, Json, Room, Time};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::{Codec, Data, LaneId, RoomId, variant};
use proptest::prelude::*;

use super::probe::{Action, Hidden, HiddenTicking, Open, SEAT_0, Ticking};

const USERS: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];
/// More than ever come in, so that some commands come from nobody.
const MEMBERS: u64 = 12;
/// A long time after the beginning of time, as on a server.
const START: Time = Time::from_millis(1_700_000_000_000);

#[derive(Debug, Clone)]
enum Step {
    Join { user: usize, watch: bool, codec: Codec },
    Leave(MemberId),
    Disconnect { member: MemberId, kept: bool },
    Reconnect(MemberId),
    Expire(MemberId),
    Abandon(MemberId),
    Snapshot(MemberId),
    Act { member: MemberId, what: What, codec: Codec, answer: bool, n: Option<u64> },
    Wait(u64),
    Close,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Say(u32),
    SayLatest(u32),
    Whisper(u32),
    Publish,
    Refuse,
    Remind(u64, u32),
    Cancel,
    Roll,
    Begin,
    Finish,
}

fn action(what: What) -> Action {
    match what {
        What::Say(n) => Action::Say { n },
        What::SayLatest(n) => Action::SayLatest { key: "x".into(), n },
        What::Whisper(n) => Action::Whisper { seat: SEAT_0, n },
        What::Publish => Action::Publish {},
        What::Refuse => Action::Refuse {},
        What::Remind(ms, n) => Action::Remind { ms, n },
        What::Cancel => Action::Cancel {},
        What::Roll => Action::Roll {},
        What::Begin => Action::Begin {},
        What::Finish => Action::Finish {},
    }
}

fn step() -> impl Strategy<Value = Step> {
    let member = || (1..=MEMBERS).prop_map(MemberId);
    let codec = || any::<bool>().prop_map(|binary| if binary { Codec::Bincode } else { Codec::Json });
    let what = prop_oneof![
        1 => any::<u8>().prop_map(|n| What::Say(n.into())),
        1 => any::<u8>().prop_map(|n| What::SayLatest(n.into())),
        1 => any::<u8>().prop_map(|n| What::Whisper(n.into())),
        3 => Just(What::Publish),
        1 => Just(What::Refuse),
        4 => (0..60_u64, any::<u8>()).prop_map(|(ms, n)| What::Remind(ms, n.into())),
        1 => Just(What::Cancel),
        2 => Just(What::Roll),
        1 => Just(What::Begin),
        1 => Just(What::Finish),
    ];
    let act = (member(), what, codec(), any::<bool>(), prop::option::of(1..40_u64));
    prop_oneof![
        8 => (0..USERS.len(), any::<bool>(), codec()).prop_map(|(user, watch, codec)| Step::Join { user, watch, codec }),
        1 => member().prop_map(Step::Leave),
        3 => (member(), any::<bool>()).prop_map(|(member, kept)| Step::Disconnect { member, kept }),
        2 => member().prop_map(Step::Reconnect),
        1 => member().prop_map(Step::Expire),
        3 => member().prop_map(Step::Abandon),
        2 => member().prop_map(Step::Snapshot),
        16 => act.prop_map(|(member, what, codec, answer, n)| Step::Act { member, what, codec, answer, n }),
        6 => (0..40_u64).prop_map(Step::Wait),
    ]
}

fn room<G: Game>() -> Room {
    let policy = RoomPolicy { grace: Duration::from_millis(50), seat_kept: None, spectators_max: 2 };
    let options = Some(Json::from_text(r#"{"seats":3}"#.into()).unwrap());
    let spec =
        RoomSpec { room_id: RoomId::from_bits(5), name: "House".into(), options, seed: 42, policy, durable: false };
    Room::create(&Kind::of::<G>(), spec, START).unwrap()
}

/// Does a step, and moves the time.
fn take(step: &Step, now: &mut Time, room: &mut Room, flush: &mut Flush) {
    let command = match step.clone() {
        Step::Join { user, watch, codec } => {
            let join = Join {
                user_id: USERS[user].parse().unwrap(),
                username: USERS[user].to_uppercase(),
                role: if watch { Role::Spectator } else { Role::Player },
                lane: LaneId(7),
                codec,
                answer: if watch { "join_room_result" } else { "create_room_result" },
                reference: watch.then(|| Ref::from(3)),
                applied: 2,
                session_id: None,
                n: None,
            };
            return drop(room.join(*now, join, flush));
        }
        Step::Act { member, what, codec, answer, n } => {
            let mut bytes = Vec::new();
            let kind = variant::encode(codec, &action(what), &mut bytes).unwrap();
            let data = match codec {
                Codec::Json => Data::Json(std::str::from_utf8(&bytes).unwrap()),
                Codec::Bincode => Data::Binary(&bytes),
            };
            let reference = answer.then(|| Ref::from(9));
            return room.handle(*now, Command::Act { member, kind, data, reference, n }, flush);
        }
        Step::Wait(ms) => {
            *now = *now + Duration::from_millis(ms);
            return room.advance(*now, flush);
        }
        Step::Leave(member) => Command::Leave { member, reference: Some(Ref::from(4)), n: None },
        Step::Disconnect { member, kept } => Command::Disconnect { member, kept },
        Step::Reconnect(member) => Command::Reconnect { member },
        Step::Expire(member) => Command::Expire { member },
        Step::Abandon(member) => Command::Abandon { member },
        Step::Snapshot(member) => Command::Snapshot { member, answer: None },
        Step::Close => Command::Close { reason: ClosedReason::ShuttingDown },
    };
    room.handle(*now, command, flush);
}

/// What a turn of these steps yields.
fn turn(steps: &[Step], now: &mut Time, room: &mut Room) -> Flush {
    let mut flush = Flush::default();
    steps.iter().for_each(|step| take(step, now, room, &mut flush));
    room.flush(&mut flush).unwrap();
    flush
}

const FIRST: Step = Step::Join { user: 0, watch: false, codec: Codec::Json };

fn stored(room: &Room) -> Vec<u8> {
    let mut bytes = Vec::new();
    room.snapshot().unwrap().encode(&mut bytes).unwrap();
    bytes
}

/// A room made of what another one was stored as.
fn rebuilt<G: Game>(room: &Room) -> Room {
    Room::restore(&Kind::of::<G>(), Snapshot::decode(&stored(room)).unwrap()).unwrap()
}

/// Plays a script in a room, in one that was rebuilt at some time, and in one that is rebuilt all the time.
fn goes_on<G: Game>(steps: &[Step], at: usize) {
    let (mut now, mut rooms) = (START, vec![room::<G>()]);
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
fn replays<G: Game>(turns: &[Vec<Step>], at: usize) {
    let (mut now, mut first) = (START, room::<G>().logged());
    let mut again = vec![room::<G>().logged()];
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
    fn a_restored_room_goes_on_as_the_first(steps in prop::collection::vec(step(), 1..60), at: usize) {
        goes_on::<Open>(&steps, at);
        goes_on::<Hidden>(&steps, at);
        goes_on::<HiddenTicking>(&steps, at);
    }

    #[test]
    fn a_replayed_log_says_the_same(
        turns in prop::collection::vec(prop::collection::vec(step(), 0..6), 1..20),
        at in 0..20_usize,
    ) {
        replays::<Hidden>(&turns, at);
        replays::<Ticking>(&turns, at);
    }

    /// Some of it may make a room all the same: one with another name, say.
    #[test]
    fn a_damaged_snapshot_makes_no_room_that_panics(
        steps in prop::collection::vec(step(), 1..30),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<usize>()),
    ) {
        let (mut now, mut first) = (START, room::<HiddenTicking>());
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
fn a_seat_that_was_kept_expires_in_a_restored_room() {
    let (mut now, mut first) = (START, room::<Open>());
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
    let (mut now, mut first) = (START, room::<Open>());
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
    let (mut now, mut first) = (START, room::<G>());
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
    let (mut now, mut room) = (START, room::<Ticking>());
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
    let (mut now, mut first) = (START, room::<Open>());
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
    assert_eq!(refused(r#""format":2"#, r#""format":3"#), "the snapshot has format 3; 2 is known");
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
