//! Scripts: everything that can happen to a room, in any order.

use std::time::Duration;

use anteroom_core::game::Kind;
use anteroom_core::room::{AnswerTo, Join, Lifecycle, MemberId, RoomPolicy, RoomSpec, Snapshot, Terms};
use anteroom_core::{Command, Flush, Game, Json, Room, Time};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::{Codec, Data, LaneId, RoomId, SessionId, variant};
use proptest::prelude::*;

use super::probe::{Action, SEAT_0};

pub(crate) const USERS: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];
/// More than ever come in, so that some commands come from nobody.
const MEMBERS: u64 = 12;
/// A long time after the beginning of time, as on a server.
pub(crate) const START: Time = Time::from_millis(1_700_000_000_000);
pub(crate) const GRACE: Duration = Duration::from_millis(50);
/// In a durable room.
pub(crate) const SEAT_KEPT: Duration = Duration::from_millis(120);

pub(crate) fn session_of(user: usize) -> SessionId {
    SessionId::from_bits(user as u128)
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Join {
        user: usize,
        watch: bool,
        codec: Codec,
    },
    Leave(MemberId),
    Disconnect {
        member: MemberId,
        kept: bool,
    },
    Reconnect(MemberId),
    Expire(MemberId),
    Abandon(MemberId),
    Snapshot {
        member: MemberId,
        answer: bool,
    },
    Act {
        member: MemberId,
        what: What,
        codec: Codec,
        answer: bool,
        n: Option<u64>,
    },
    Wait(u64),
    /// The clock goes back.
    Back(u64),
    Reseed(u64),
    Erase(usize),
    Close,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
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

pub(crate) fn step() -> impl Strategy<Value = Step> {
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
        2 => (member(), any::<bool>()).prop_map(|(member, answer)| Step::Snapshot { member, answer }),
        16 => act.prop_map(|(member, what, codec, answer, n)| Step::Act { member, what, codec, answer, n }),
        6 => (0..40_u64).prop_map(Step::Wait),
        1 => (0..40_u64).prop_map(Step::Back),
        1 => any::<u64>().prop_map(Step::Reseed),
        1 => (0..USERS.len()).prop_map(Step::Erase),
    ]
}

/// How long a durable room stays.
const LIFECYCLE: Lifecycle = Lifecycle {
    empty_ttl: Duration::from_millis(60),
    idle_ttl: Some(Duration::from_millis(400)),
    lifetime_max: Some(Duration::from_millis(900)),
    persistent: false,
};

pub(crate) fn room<G: Game>(durable: bool) -> Room {
    let lifecycle = if durable { LIFECYCLE } else { Lifecycle::default() };
    room_on::<G>(durable, Terms { lifecycle, ..Terms::default() })
}

pub(crate) fn room_on<G: Game>(durable: bool, terms: Terms) -> Room {
    let policy = RoomPolicy { grace: GRACE, seat_kept: Some(SEAT_KEPT), spectators_max: 2 };
    let options = Some(Json::from_text(r#"{"seats":3}"#.into()).unwrap());
    let spec = RoomSpec {
        room_id: RoomId::from_bits(5),
        name: "ADA's room".into(),
        options,
        seed: 42,
        policy,
        durable,
        terms,
    };
    Room::create(&Kind::of::<G>(), spec, START).unwrap()
}

/// Does a step, and moves the time.
pub(crate) fn take(step: &Step, now: &mut Time, room: &mut Room, flush: &mut Flush) {
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
                session_id: Some(session_of(user)),
                n: watch.then_some(3),
                password: None,
                invite: None,
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
        Step::Snapshot { member, answer } => {
            let to = AnswerTo { kind: "create_room_result", reference: Some(Ref::from(5)) };
            Command::Snapshot { member, answer: answer.then_some(to) }
        }
        Step::Back(ms) => {
            *now = Time::from_millis(now.as_millis() - ms);
            return room.advance(*now, flush);
        }
        Step::Reseed(seed) => Command::Reseed { seed },
        Step::Erase(user) => {
            Command::Erase { user_id: USERS[user].parse().unwrap(), username: Some(USERS[user].to_uppercase()) }
        }
        Step::Close => Command::Close { reason: ClosedReason::ShuttingDown },
    };
    room.handle(*now, command, flush);
}

/// What a turn of these steps yields.
pub(crate) fn turn(steps: &[Step], now: &mut Time, room: &mut Room) -> Flush {
    let mut flush = Flush::default();
    steps.iter().for_each(|step| take(step, now, room, &mut flush));
    room.flush(&mut flush).unwrap();
    flush
}

pub(crate) const FIRST: Step = Step::Join { user: 0, watch: false, codec: Codec::Json };

pub(crate) fn stored(room: &Room) -> Vec<u8> {
    let mut bytes = Vec::new();
    room.snapshot().unwrap().encode(&mut bytes).unwrap();
    bytes
}

/// A room made of what another one was stored as.
pub(crate) fn rebuilt<G: Game>(room: &Room) -> Room {
    Room::restore(&Kind::of::<G>(), Snapshot::decode(&stored(room)).unwrap()).unwrap()
}
