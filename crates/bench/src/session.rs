//! One session of Anteroom as a player's client has it, without IO: it asks to be resumed, numbers what it sends, counts
//! what it hears, and acknowledges that as the protocol says.
//!
//! In a room it counts without decoding: a payload in which every message is one of the room's needs nothing else. All
//! others are decoded.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anteroom_games::relay;
use anteroom_protocol::envelope::{Envelope, decode_batch, encode, encode_raw};
use anteroom_protocol::lane::{ACK_AFTER, AckDue, is_counted};
use anteroom_protocol::message::request::{CreateRoom, Goodbye, Handshake, JoinRoom};
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined};
use anteroom_protocol::message::resume::{Ack, LaneOpened, Reconnect, Reconnected};
use anteroom_protocol::{Codec, Data, Header, Json, LaneId, RoomId, SCHEMA, VERSION, variant};
use memchr::memmem::Finder;

use crate::error::BenchError;
use crate::stamp::{BODY, Stamp, put_digits};

/// The number of a session's first message. Those that follow are as long, to be changed in place: 8 digits in JSON, 4
/// bytes behind a mark in binary.
const FIRST_N: u64 = 10_000_000;
const N_DIGITS: usize = 8;

/// How many lanes that have ended a server remembers.
const TOLD_MAX: usize = 64;

static TYPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""type":""#));
/// What a relay says in JSON, behind [`TYPE`].
const RELAYED: &[u8] = b"message\"";

/// What a session asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) codec: Codec,
    pub(crate) token: Option<String>,
    pub(crate) destination: Destination,
}

/// Where a session is going.
#[derive(Debug, Clone, Default)]
pub(crate) enum Destination {
    /// Nowhere: the handshake is enough.
    #[default]
    Lobby,
    /// Into a relay room of its own, with these options.
    New(Option<Json>),
    /// Into a room that is there.
    Room(String),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    wish: Wish,
    pub(crate) accepted: Option<HandshakeAccepted>,
    attempt: u64,
    /// The room that was entered last.
    pub(crate) room: Option<(RoomId, LaneId)>,
    /// What was heard on that room's lane.
    in_room: u64,
    /// What was heard on the lanes of other rooms that the session is in.
    others: BTreeMap<RoomId, (LaneId, u64)>,
    control: u64,
    /// Lanes that have ended since the last `ack`.
    ended: Vec<(LaneId, u64)>,
    /// Lanes that have ended before it; the `ack` may be lost with its connection.
    told: Vec<(LaneId, u64)>,
    due: AckDue,
    now_ms: u64,
    next_n: u64,
    message: Option<Message>,
    /// The server's words for the first message that it refused.
    pub(crate) refused: Option<String>,
}

/// What a member says, of which a number and a stamp change.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    stamp: usize,
    n: usize,
}

/// What follows from what was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// What to say at once: a payload, and its codec.
    pub(crate) say: Option<(Codec, Vec<u8>)>,
    /// Whether the session is where it was going now, and was not before.
    pub(crate) arrived: bool,
}

impl Session {
    pub(crate) fn new(wish: Wish) -> Self {
        Self {
            wish,
            accepted: None,
            attempt: 0,
            room: None,
            in_room: 0,
            others: BTreeMap::new(),
            control: 0,
            ended: Vec::new(),
            told: Vec::new(),
            due: AckDue::default(),
            now_ms: 0,
            next_n: FIRST_N,
            message: None,
            refused: None,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.wish.codec
    }

    /// The first payload of a new session, which is JSON.
    pub(crate) fn handshake(&self) -> Result<Vec<u8>, BenchError> {
        let handshake = Handshake {
            version: VERSION,
            codec: Some(self.wish.codec),
            schema: Some(SCHEMA.to_owned()),
            client: Some(concat!("anteroom-bench/", env!("CARGO_PKG_VERSION")).to_owned()),
            token: self.wish.token.clone(),
            resume: true,
            nonce: Some(nonce()),
            ..Handshake::default()
        };
        encoded(Codec::Json, &Header::new("handshake"), &Json::new(&handshake).map_err(BenchError::failed)?)
    }

    /// The first payload of another connection of the session, which is JSON.
    pub(crate) fn reconnect(&mut self) -> Result<Vec<u8>, BenchError> {
        let Some(accepted) = &self.accepted else { return self.handshake() };
        self.attempt += 1;
        let reconnect = Reconnect {
            session_id: accepted.session_id,
            resume_token: accepted.resume_token.clone(),
            attempt: self.attempt,
            received: Some(self.told.iter().copied().chain(self.counts()).collect()),
            fresh: false,
        };
        encoded(Codec::Json, &Header::new("reconnect"), &Json::new(&reconnect).map_err(BenchError::failed)?)
    }

    /// The last payload of a session, which is JSON.
    pub(crate) fn goodbye() -> Vec<u8> {
        let goodbye = Goodbye { code: 1000, reason: String::new() };
        Json::new(&goodbye)
            .map_err(BenchError::failed)
            .and_then(|goodbye| encoded(Codec::Json, &Header::new("goodbye"), &goodbye))
            .unwrap_or_default()
    }

    /// A request with a `ref`, as a payload of its own.
    pub(crate) fn request<T: anteroom_protocol::codec::Body>(
        &self,
        kind: &str,
        data: &T,
    ) -> Result<Vec<u8>, BenchError> {
        let reference = 1.into();
        encoded(self.wish.codec, &Header { reference: Some(&reference), ..Header::new(kind) }, data)
    }

    /// Hears a payload, and shows each message of it that is not a room's usual one.
    pub(crate) fn hear(
        &mut self,
        codec: Codec,
        payload: &[u8],
        now_ms: u64,
        mut show: impl FnMut(&Envelope<'_>),
    ) -> Result<Heard, BenchError> {
        self.now_ms = now_ms;
        let mut heard = Heard::default();
        if codec == Codec::Json
            && let Some(count) = relayed(payload)
        {
            self.in_room += count;
            self.note(count, payload.len());
            return Ok(heard);
        }
        for message in decode_batch(codec, payload).map_err(unreadable)? {
            let message = message.map_err(unreadable)?;
            self.count(&message, payload.len());
            if message.kind != "message" {
                self.hear_one(&message, &mut heard)?;
                show(&message);
            }
        }
        Ok(heard)
    }

    fn count(&mut self, message: &Envelope<'_>, bytes: usize) {
        if !is_counted(message) {
            return;
        }
        self.note(1, bytes.min(1024));
        let Some(room_id) = &message.room_id else {
            self.control += 1;
            return;
        };
        if is_join(message) {
            // The first of the lane that it opens, which is counted there.
            return;
        }
        let room_id = room_id.parse().ok();
        if self.room.is_some_and(|(room, _)| Some(room) == room_id) {
            self.in_room += 1;
        } else if let Some((_, count)) = room_id.and_then(|room_id| self.others.get_mut(&room_id)) {
            *count += 1;
        }
    }

    fn note(&mut self, count: u64, bytes: usize) {
        let each = bytes / (count.max(1) as usize);
        (0..count).for_each(|_| self.due.note(self.now_ms, each));
    }

    fn hear_one(&mut self, message: &Envelope<'_>, heard: &mut Heard) -> Result<(), BenchError> {
        match &*message.kind {
            "goodbye" => return Err(said_goodbye(message.data)),
            "room_closed" => return Err(BenchError::failed("the server closed the room")),
            _ if message.error.is_some() => return self.hear_refusal(message),
            "handshake_accepted" => self.hear_accepted(message.data, heard)?,
            "reconnect_result" => {
                let Reconnected { resume_token, .. } = json(message.data)?;
                if let Some(accepted) = &mut self.accepted {
                    accepted.resume_token = resume_token;
                }
                self.told.clear();
                heard.arrived = true;
            }
            _ if is_join(message) => {
                let RoomJoined { room_id, lane, .. } = message.data.decode().map_err(unreadable)?;
                if let Some((earlier, lane)) = self.room.replace((room_id, lane)) {
                    self.others.insert(earlier, (lane, self.in_room));
                }
                self.in_room = 1;
                heard.arrived = true;
            }
            "leave_room_result" => self.hear_left(message),
            "lane" => self.hear_lane(message.data.decode().map_err(unreadable)?),
            _ => {}
        }
        Ok(())
    }

    fn hear_left(&mut self, message: &Envelope<'_>) {
        let room_id: Option<RoomId> = message.room_id.as_ref().and_then(|room_id| room_id.parse().ok());
        if let Some((room, lane)) = self.room
            && Some(room) == room_id
        {
            self.ended.push((lane, self.in_room));
            self.room = None;
        } else if let Some(ended) = room_id.and_then(|room_id| self.others.remove(&room_id)) {
            self.ended.push(ended);
        }
    }

    fn hear_refusal(&mut self, message: &Envelope<'_>) -> Result<(), BenchError> {
        let Some(error) = &message.error else { return Ok(()) };
        let sentence = format!("the server refuses {}: {}", message.kind.trim_end_matches("_result"), error.message);
        if message.kind == "error" && self.room.is_some() {
            let words = format!("{} ({})", error.message, error.code);
            self.refused.get_or_insert(words);
            return Ok(());
        }
        Err(BenchError::failed(sentence.trim_end_matches('.')))
    }

    fn hear_accepted(&mut self, data: Data<'_>, heard: &mut Heard) -> Result<(), BenchError> {
        let accepted: HandshakeAccepted = json(data)?;
        if accepted.codec != self.wish.codec {
            let (offered, codec) = (accepted.codec, self.wish.codec);
            return Err(BenchError::failed(format_args!(
                "the server has other binary shapes and speaks {offered} instead of {codec}; use a bench of its version"
            )));
        }
        self.accepted = Some(accepted);
        let codec = self.wish.codec;
        let say = match &self.wish.destination {
            Destination::Lobby => None,
            Destination::New(options) => Some(self.request(
                "create_room",
                &CreateRoom { game: "relay".to_owned(), options: options.clone(), ..CreateRoom::default() },
            )?),
            Destination::Room(room_id) => {
                Some(self.request("join_room", &JoinRoom { room_id: Some(room_id.clone()), ..JoinRoom::default() })?)
            }
        };
        heard.arrived = say.is_none();
        heard.say = say.map(|say| (codec, say));
        Ok(())
    }

    /// What was dropped behind a gap counts as heard; the stamps tell that it is missing.
    fn hear_lane(&mut self, state: LaneOpened) {
        let received = state.next.saturating_sub(1);
        match (state.gap, state.lane == LaneId::CONTROL) {
            (true, true) => self.control = received,
            (true, false) => self.in_room = received,
            (false, _) => {}
        }
    }

    /// Prepares what a member says from now on.
    pub(crate) fn prepare(&mut self) -> Result<(), BenchError> {
        let Some((room_id, _)) = self.room else { return Err(BenchError::failed("the session is in no room")) };
        let bytes = message(self.wish.codec, room_id)?;
        let place = match self.wish.codec {
            Codec::Json => Finder::new(br#""n":"#).find(&bytes).map(|place| place + 4),
            Codec::Bincode => {
                let mut n = vec![0xFC];
                n.extend_from_slice(&(FIRST_N as u32).to_le_bytes());
                Finder::new(&n).find(&bytes).map(|place| place + 1)
            }
        };
        let places = Stamp::place(&bytes).zip(place);
        let (stamp, n) = places.ok_or_else(|| BenchError::failed("a message has no place for its stamp"))?;
        self.message = Some(Message { bytes, stamp, n });
        self.spread();
        Ok(())
    }

    /// Players do not all begin at the same moment. Sessions that did would all acknowledge at the same moment, too, for
    /// ever, and the messages of that moment would wait for a thousand acknowledgements.
    fn spread(&mut self) {
        let id = self.accepted.as_ref().map(|accepted| accepted.session_id);
        let places: u32 = id.iter().flat_map(|id| id.as_str().bytes()).map(u32::from).sum();
        (0..places % ACK_AFTER.messages).for_each(|_| self.due.note(self.now_ms, 0));
    }

    /// The next message to the room, encoded.
    pub(crate) fn say(&mut self, stamp: Stamp) -> &[u8] {
        let n = self.next_n;
        self.next_n += 1;
        let codec = self.wish.codec;
        let Some(message) = &mut self.message else { return &[] };
        stamp.put(&mut message.bytes, message.stamp);
        match codec {
            Codec::Json => put_digits(&mut message.bytes[message.n..message.n + N_DIGITS], n),
            Codec::Bincode => message.bytes[message.n..message.n + 4].copy_from_slice(&(n as u32).to_le_bytes()),
        }
        &message.bytes
    }

    /// What to say if it is time to acknowledge, encoded.
    pub(crate) fn acknowledgement(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        if !self.due.is_due(now_ms) {
            return None;
        }
        self.due.reset();
        let counts = self.counts();
        self.told.append(&mut self.ended);
        let forgotten = self.told.len().saturating_sub(TOLD_MAX);
        self.told.drain(..forgotten);
        let mut ack = Vec::new();
        encode(self.wish.codec, &Header::new("ack"), &Ack { counts }, &mut ack).ok()?;
        Some(ack)
    }

    /// Whether anything has to be acknowledged by what was heard last.
    pub(crate) fn owes(&self) -> bool {
        self.due.is_due(self.now_ms)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn counts(&self) -> anteroom_protocol::message::resume::Counts {
        let room = self.room.map(|(_, lane)| (lane, self.in_room));
        let control = (self.control > 0).then_some((LaneId::CONTROL, self.control));
        self.ended.iter().chain(self.others.values()).copied().chain(room).chain(control).collect()
    }
}

/// Whether it answers a request to enter a room; the snapshot behind a gap looks the same and answers none.
fn is_join(message: &Envelope<'_>) -> bool {
    message.reference.is_some() && matches!(&*message.kind, "create_room_result" | "join_room_result")
}

/// How many messages a payload has, if all of them are what a relay says.
fn relayed(payload: &[u8]) -> Option<u64> {
    let mut count = 0;
    for place in TYPE.find_iter(payload) {
        if !payload[place + TYPE.needle().len()..].starts_with(RELAYED) {
            return None;
        }
        count += 1;
    }
    (count > 0).then_some(count)
}

/// What a member of a relay room sends.
fn message(codec: Codec, room_id: RoomId) -> Result<Vec<u8>, BenchError> {
    let payload = Json::from_text(BODY.to_owned()).map_err(BenchError::failed)?;
    let action = relay::Action::Send { payload, delivery: None, key: None };
    let mut data = Vec::new();
    let kind = variant::encode(codec, &action, &mut data).map_err(BenchError::failed)?;
    let data = match codec {
        Codec::Json => Data::Json(std::str::from_utf8(&data).map_err(BenchError::failed)?),
        Codec::Bincode => Data::Binary(&data),
    };
    let mut message = Vec::new();
    let header = Header { n: Some(FIRST_N), ..Header::new(kind) };
    encode_raw(&header.in_room(room_id.as_str()), data, &mut message).map_err(BenchError::failed)?;
    Ok(message)
}

fn encoded<T: anteroom_protocol::codec::Body>(
    codec: Codec,
    header: &Header<'_>,
    data: &T,
) -> Result<Vec<u8>, BenchError> {
    let mut out = Vec::new();
    encode(codec, header, data, &mut out).map_err(BenchError::failed)?;
    Ok(out)
}

/// Something that no other session has said in its handshake.
fn nonce() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}{:016x}{count:08x}", std::process::id(), since.as_nanos() as u64)
}

fn json<T: serde::de::DeserializeOwned>(data: Data<'_>) -> Result<T, BenchError> {
    match data {
        Data::Json(text) => serde_json::from_str(text).map_err(unreadable),
        Data::Binary(_) => Err(unreadable("a message that is always JSON is not")),
    }
}

fn said_goodbye(data: Data<'_>) -> BenchError {
    match json::<Goodbye>(data) {
        Ok(Goodbye { code, reason }) => {
            let reason = reason.trim_end_matches('.');
            BenchError::failed(format_args!("the server closed the connection: {code} {reason}"))
        }
        Err(error) => error,
    }
}

fn unreadable(why: impl std::fmt::Display) -> BenchError {
    BenchError::failed(format_args!("what the server says is not Anteroom's protocol: {why}"))
}
