//! A room and everything that has gone onto its members' lanes, each message as a few words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::game::Kind;
use anteroom_core::listing::{Entry, Presence};
use anteroom_core::room::{Answer, GameFailure, Join, MemberId, RoomPolicy, RoomSpec};
use anteroom_core::{Command, Flush, Game, Json, Outcome, Room, Time};
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientJoined, ClientLeft, ClientReconnected, ClosedReason, LeftReason, MemberUpdated,
    RoomClosed, RoomUpdated, SystemSaid,
};
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::row::Sender;
use anteroom_protocol::message::{Member, Message, Role, RoomSummary};
use anteroom_protocol::{Batch, Codec, Data, Envelope, ErrorBody, LaneId, RoomId, SessionId, variant};

use crate::rooms::probe::{Action, Event, View};

pub(crate) const GRACE_MS: u64 = 30;
/// How long a durable room keeps a seat that outlives its session.
pub(crate) const SEAT_KEPT_MS: u64 = 500;
pub(crate) const SPECTATORS_MAX: u16 = 2;
/// The number of everyone's last message before they came in.
pub(crate) const APPLIED: u64 = 10;

/// One member's lane.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// What came on it since this was last taken.
    pub(crate) words: Vec<String>,
    /// What the room said of itself since this was last taken.
    pub(crate) learnt: Vec<String>,
    is_open: bool,
    pub(crate) batches: Vec<Arc<Batch>>,
    /// Who is in the room, by what came on this lane.
    pub(crate) roster: BTreeMap<String, Member>,
}

pub(crate) struct House {
    pub(crate) room: Room,
    pub(crate) now: Time,
    pub(crate) lanes: BTreeMap<MemberId, Lane>,
    pub(crate) released: BTreeSet<MemberId>,
    pub(crate) summary: Option<RoomSummary>,
    pub(crate) presence: Option<Presence>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) closed: bool,
    /// What was acknowledged last, for each member.
    pub(crate) applied: BTreeMap<MemberId, u64>,
    /// Who was let in and has not been answered.
    joined: BTreeMap<LaneId, MemberId>,
    flush: Flush,
    flushes: u64,
    knocks: u64,
}

impl House {
    pub(crate) fn new<G: Game>() -> Self {
        Self::with::<G>("{}").unwrap()
    }

    pub(crate) fn durable<G: Game>() -> Self {
        Self::make::<G>("{}", true).unwrap()
    }

    pub(crate) fn with<G: Game>(options: &str) -> Result<Self, ErrorBody> {
        Self::make::<G>(options, false)
    }

    fn make<G: Game>(options: &str, durable: bool) -> Result<Self, ErrorBody> {
        let policy = RoomPolicy {
            grace: Duration::from_millis(GRACE_MS),
            seat_kept: Some(Duration::from_millis(SEAT_KEPT_MS)),
            spectators_max: SPECTATORS_MAX,
        };
        let options = Some(Json::from_text(options.into()).unwrap());
        let spec = RoomSpec {
            room_id: RoomId::from_bits(5),
            name: "House".into(),
            options,
            seed: 42,
            policy,
            durable,
            terms: anteroom_core::room::Terms::default(),
        };
        Ok(Self {
            room: Room::create(&Kind::of::<G>(), spec, Time::default())?,
            now: Time::default(),
            lanes: BTreeMap::new(),
            released: BTreeSet::new(),
            summary: None,
            presence: None,
            outcomes: Vec::new(),
            closed: false,
            applied: BTreeMap::new(),
            joined: BTreeMap::new(),
            flush: Flush::default(),
            flushes: 0,
            knocks: 0,
        })
    }

    /// A join. Every other one speaks JSON, those between binary.
    pub(crate) fn knock(&mut self, user: &str, role: Role) -> Result<MemberId, ErrorBody> {
        let number = self.knocks;
        self.knocks += 1;
        let lane = LaneId(u32::try_from(self.knocks).unwrap());
        let join = Join {
            user_id: user.parse().unwrap(),
            username: user.into(),
            role,
            lane,
            codec: Codec::ALL[number as usize % 2],
            answer: "join_room_result",
            reference: Some(Ref::from(number)),
            applied: APPLIED,
            session_id: Some(SessionId::from_bits(number.into())),
            n: Some(APPLIED),
            password: None,
            invite: None,
        };
        let member = self.room.join(self.now, join, &mut self.flush)?;
        self.lanes.insert(member, Lane::default());
        self.joined.insert(lane, member);
        Ok(member)
    }

    pub(crate) fn sit(&mut self, user: &str) -> MemberId {
        self.knock(user, Role::Player).unwrap()
    }

    pub(crate) fn watch(&mut self, user: &str) -> MemberId {
        self.knock(user, Role::Spectator).unwrap()
    }

    pub(crate) fn handle(&mut self, command: Command<'_>) {
        self.room.handle(self.now, command, &mut self.flush);
    }

    pub(crate) fn leave(&mut self, member: MemberId) {
        self.handle(Command::Leave { member, reference: None, n: None });
    }

    pub(crate) fn disconnect(&mut self, member: MemberId) {
        self.handle(Command::Abandon { member });
    }

    /// The connection is lost, and the session stays.
    pub(crate) fn lose(&mut self, member: MemberId) {
        self.handle(Command::Disconnect { member, kept: true });
    }

    /// The session has a connection again.
    pub(crate) fn find(&mut self, member: MemberId) {
        self.handle(Command::Reconnect { member });
    }

    /// The session was without a connection for too long.
    pub(crate) fn expire(&mut self, member: MemberId) {
        self.handle(Command::Expire { member });
    }

    /// The lane has lost messages.
    pub(crate) fn snapshot(&mut self, member: MemberId) {
        self.handle(Command::Snapshot { member, answer: None });
    }

    pub(crate) fn close(&mut self) {
        self.handle(Command::Close { reason: ClosedReason::ShuttingDown });
    }

    /// Acts with a `ref`.
    pub(crate) fn act(&mut self, member: MemberId, action: Action) {
        self.send(member, action, Some(Ref::from(7)));
    }

    /// Acts without one.
    pub(crate) fn tell(&mut self, member: MemberId, action: Action) {
        self.send(member, action, None);
    }

    fn send(&mut self, member: MemberId, action: Action, reference: Option<Ref>) {
        let mut text = Vec::new();
        let kind = variant::encode(Codec::Json, &action, &mut text).unwrap();
        self.send_json(member, kind, std::str::from_utf8(&text).unwrap(), reference);
    }

    pub(crate) fn send_json(&mut self, member: MemberId, kind: &str, data: &str, reference: Option<Ref>) {
        self.handle(Command::Act { member, kind, data: Data::Json(data), reference, n: None });
    }

    /// Time passes, in one go.
    pub(crate) fn advance(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.room.advance(self.now, &mut self.flush);
    }

    /// How many dispatches there are before the flush.
    pub(crate) fn pending(&self) -> usize {
        self.flush.effects.dispatches.len()
    }

    pub(crate) fn try_flush(&mut self) -> Result<(), GameFailure> {
        let result = self.room.flush(&mut self.flush);
        self.deliver();
        result
    }

    pub(crate) fn flush(&mut self) {
        self.try_flush().unwrap();
    }

    pub(crate) fn fail(&mut self) {
        self.room.fail(&mut self.flush);
        self.deliver();
    }

    fn deliver(&mut self) {
        let mut flush = std::mem::take(&mut self.flush);
        if flush.index > 0 {
            self.flushes += 1;
            assert_eq!(flush.index, self.flushes, "flushes are numbered without gaps");
        }
        for Answer { lane, joined, .. } in flush.answers.drain(..) {
            assert_eq!(joined.ok(), self.joined.remove(&lane), "who knocked is answered");
        }
        let effects = &mut flush.effects;
        for dispatch in effects.dispatches.drain(..) {
            let (to, outgoing) = match dispatch {
                Dispatch::Enter(member) => {
                    assert!(self.lanes.get(&member).is_some_and(|lane| lane.batches.is_empty() && !lane.is_open));
                    self.lanes.entry(member).or_default().is_open = true;
                    continue;
                }
                Dispatch::Lose(_) => continue,
                Dispatch::Say { to, outgoing } => (to, outgoing),
            };
            assert!(!self.released.contains(&to), "nothing comes after the end of {to:?}");
            let lane = self.lanes.get_mut(&to).expect("only members hear");
            assert!(lane.is_open, "who hears something has come in");
            if let Outgoing::Latest { key, message } | Outgoing::Unreliable { key, message } = &outgoing {
                assert_eq!(message.messages(), 1);
                lane.words.push(format!("[{key}]"));
            }
            for envelope in decode_batch(outgoing.batch().codec(), outgoing.batch().payload()).unwrap() {
                lane.hear(&envelope.unwrap());
            }
            lane.batches.push(outgoing.batch().clone());
        }
        for (member, n) in effects.applied.drain(..) {
            assert!(self.lanes.contains_key(&member), "only members' messages are acknowledged");
            assert!(self.applied.insert(member, n).is_none_or(|before| before < n), "a mark only rises");
        }
        for member in effects.released.drain(..) {
            assert!(self.lanes.contains_key(&member), "only members are released");
            assert!(self.released.insert(member), "{member:?} is released once");
        }
        if let Some(Entry { summary, presence }) = effects.entry.take() {
            (self.summary, self.presence) = (Some(summary), Some(presence));
        }
        self.outcomes.append(&mut effects.outcomes);
        self.closed |= effects.closed;
        flush.clear();
        self.flush = flush;
    }

    /// Flushes, and takes what a member heard since this was last asked.
    pub(crate) fn heard(&mut self, member: MemberId) -> Vec<String> {
        if !self.closed {
            self.flush();
        }
        std::mem::take(&mut self.lanes.get_mut(&member).unwrap().words)
    }

    /// Flushes, and forgets what everyone heard.
    pub(crate) fn hush(&mut self) {
        self.flush();
        for lane in self.lanes.values_mut() {
            lane.words.clear();
            lane.batches.clear();
        }
    }
}

impl Lane {
    fn hear(&mut self, envelope: &Envelope<'_>) {
        assert_eq!(envelope.room_id.as_deref(), Some(RoomId::from_bits(5).as_str()));
        let words = match (envelope.success, &envelope.error) {
            (Some(true), None) if envelope.kind == "join_room_result" => self.welcome(&envelope.data.decode().unwrap()),
            (Some(true), None) => format!("ok {}", envelope.kind),
            (Some(false), Some(error)) => format!("{} {}", envelope.kind, error.code),
            // What it says of itself beside who comes and goes.
            _ if matches!(&*envelope.kind, "system" | "room_updated" | "member_updated" | "chat" | "presence") => {
                return self.learn(envelope);
            }
            _ => self.push(envelope),
        };
        self.words.push(words);
    }

    /// Keeps what the room says of itself, as JSON, in a list of its own.
    fn learn(&mut self, envelope: &Envelope<'_>) {
        let row = anteroom_protocol::message::table::ROWS.iter();
        let mut rows = row.filter(|row| row.name == &*envelope.kind && row.sender == Sender::Server);
        let data = rows.next().unwrap().translate(envelope.data, Codec::Json).unwrap();
        let Data::Json(text) = data.data() else { unreachable!("it is JSON") };
        self.learnt.push(format!("{} {text}", envelope.kind));
    }

    fn welcome(&mut self, joined: &RoomJoined) -> String {
        assert_eq!((joined.game.as_str(), joined.game_version, joined.name.as_str()), ("probe", 3, "House"));
        self.roster = joined.members.iter().map(|member| (member.user_id.to_string(), member.clone())).collect();
        assert_eq!(self.roster.len(), joined.members.len(), "everyone is listed once");
        let members: Vec<String> = joined.members.iter().map(shown).collect();
        let View { turn, seat, .. } = joined.view.data().decode().unwrap();
        let seat = seat.map(|seat| format!(" as {}", seat.0)).unwrap_or_default();
        format!("welcome [{}] {turn}{seat}", members.join(" "))
    }

    fn push(&mut self, envelope: &Envelope<'_>) -> String {
        fn read<T: serde::de::DeserializeOwned + anteroom_core::bincode::Decode<()>>(envelope: &Envelope<'_>) -> T {
            envelope.data.decode().unwrap()
        }
        match &*envelope.kind {
            "game_state" => {
                let View { turn, seat, .. } = read(envelope);
                let seat = seat.map(|seat| format!(" as {}", seat.0)).unwrap_or_default();
                format!("state {turn}{seat}")
            }
            ClientJoined::TYPE => {
                let ClientJoined { member } = read(envelope);
                let words = format!("+{}", shown(&member));
                self.roster.insert(member.user_id.to_string(), member);
                words
            }
            ClientDisconnected::TYPE => {
                let ClientDisconnected { user_id, grace_ms, .. } = read(envelope);
                let kept = if grace_ms == GRACE_MS { String::new() } else { format!(" for {grace_ms} ms") };
                self.roster.get_mut(user_id.as_str()).expect("someone who is there").connected = false;
                format!("~{user_id}{kept}")
            }
            ClientReconnected::TYPE => {
                let ClientReconnected { user_id, .. } = read(envelope);
                self.roster.get_mut(user_id.as_str()).expect("someone who is there").connected = true;
                format!("^{user_id}")
            }
            ClientLeft::TYPE => {
                let ClientLeft { user_id, reason, .. } = read(envelope);
                self.roster.remove(user_id.as_str()).expect("someone who is there");
                left(user_id.as_str(), reason)
            }
            RoomClosed::TYPE => format!("closed {:?}", read::<RoomClosed>(envelope).reason),
            RoomUpdated::TYPE => updated(&read(envelope)),
            MemberUpdated::TYPE => format!("member {}", read::<MemberUpdated>(envelope).user_id),
            SystemSaid::TYPE => format!("system {:?}", read::<SystemSaid>(envelope).event),
            kind => match variant::decode(kind, envelope.data).unwrap() {
                Event::Said { seat, n } => format!("{} said {n}", seat.0),
                Event::Note { text } => text,
                Event::Choked { .. } => unreachable!("it has no encoding"),
            },
        }
    }
}

pub(crate) fn left(user: &str, reason: LeftReason) -> String {
    format!("-{user} {reason:?}")
}

/// `ada:0`, `ada:0?` while the connection is lost, `eve:w` for one who watches.
pub(crate) fn shown(member: &Member) -> String {
    let place = member.seat.map_or("w".into(), |seat| seat.to_string());
    format!("{}:{place}{}", member.user_id, if member.connected { "" } else { "?" })
}

/// Where the match stands, or that something else of the room has changed.
fn updated(update: &RoomUpdated) -> String {
    update.state.map_or_else(|| "room".into(), |state| format!("{state:?}").to_lowercase())
}
