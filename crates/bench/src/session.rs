//! One session of Anteroom as a player's client has it, without IO: the client's own
//! [`Session`](anteroom_client::session::Session), which counts, acknowledges and resumes, with what a generator adds:
//! where it is going, and one message that changes in place.
//!
//! What it says has a number and is not kept: the connection that it is lost with ends the run. In a room it is counted
//! without decoding: a payload in which every message is one of the room's needs nothing else. All others are decoded.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anteroom_client::session::opening::{self, Held, Refused, Waiting, json_batch, read_goodbye};
use anteroom_client::session::{self, Arrival, ConnectionId, is_farewell};
use anteroom_games::relay;
use anteroom_protocol::envelope::{Envelope, decode_batch, encode, encode_raw};
use anteroom_protocol::lane::ACK_AFTER;
use anteroom_protocol::message::request::{CreateRoom, Goodbye, Handshake, JoinRoom};
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined};
use anteroom_protocol::{Codec, Data, Header, Json, LaneId, RoomId, SCHEMA, VERSION, variant};
use bytes::Bytes;
use memchr::memmem::Finder;

use crate::error::BenchError;
use crate::stamp::{BODY, Stamp, put_digits};

/// The number of a session's first message. Those that follow are as long, to be changed in place: 8 digits in JSON, 4
/// bytes behind a mark in binary.
const FIRST_N: u64 = 10_000_000;
const N_DIGITS: usize = 8;

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
    /// Into a relay room of its own, with these options; durable or not, if that is said.
    New(Option<Json>, Option<bool>),
    /// Into a room that is there.
    Room(String),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    wish: Wish,
    begun: Option<Begun>,
    /// The answer to `reconnect` that is waited for.
    waiting: Option<Waiting>,
    /// The connection, of those that it has had one after the other.
    pipe: ConnectionId,
    /// The room that was entered last.
    pub(crate) room: Option<(RoomId, LaneId)>,
    now_ms: u64,
    message: Option<Message>,
    /// The server's words for the first message that it refused.
    pub(crate) refused: Option<String>,
}

/// What there is once the server has let it in.
#[derive(Debug)]
struct Begun {
    rooms_max: u32,
    protocol: session::Session,
    /// Where in a cycle it begins: sessions differ mostly.
    place: u32,
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
            begun: None,
            waiting: None,
            pipe: ConnectionId(0),
            room: None,
            now_ms: 0,
            message: None,
            refused: None,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.wish.codec
    }

    /// How many rooms the server lets it be in; none before it is let in itself.
    pub(crate) fn rooms_max(&self) -> Option<u32> {
        self.begun.as_ref().map(|begun| begun.rooms_max)
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
        first_words("handshake", &handshake)
    }

    /// The first payload of another connection of the session, which is JSON. The one before it is gone.
    pub(crate) fn reconnect(&mut self) -> Result<Vec<u8>, BenchError> {
        let Some(begun) = &mut self.begun else { return self.handshake() };
        begun.protocol.lost(self.pipe);
        self.pipe = ConnectionId(self.pipe.0 + 1);
        self.waiting = Some(Waiting::default());
        first_words("reconnect", &begun.protocol.reconnect())
    }

    /// The last payload of a session, which is JSON.
    pub(crate) fn goodbye() -> Vec<u8> {
        first_words("goodbye", &Goodbye { code: 1000, reason: String::new() }).unwrap_or_default()
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

    /// Hears a payload, on the lane that its connection tells, if it does, and shows each message of it that is not a
    /// room's usual one.
    pub(crate) fn hear(
        &mut self,
        lane: Option<LaneId>,
        codec: Codec,
        payload: &[u8],
        now_ms: u64,
        mut show: impl FnMut(&Envelope<'_>),
    ) -> Result<Heard, BenchError> {
        self.now_ms = now_ms;
        if let Some(waiting) = &mut self.waiting {
            let payload = Bytes::copy_from_slice(payload);
            let Some(result) = waiting.take(lane, codec, payload).map_err(refused)? else {
                return Ok(Heard::default());
            };
            let held = self.waiting.take().map(Waiting::into_held).unwrap_or_default();
            let ended = self.begun.as_mut().map(|begun| begun.protocol.reconnected(self.pipe, result));
            for ended in ended.into_iter().flatten() {
                self.room = self.room.filter(|(_, lane)| *lane != ended.lane);
            }
            for Held { lane, codec, payload, taken } in held {
                self.read(lane, codec, &payload, taken, &mut show)?;
            }
            return Ok(Heard { arrived: true, ..Heard::default() });
        }
        let Some(begun) = &mut self.begun else { return self.begin(codec, payload) };
        if codec == Codec::Json
            && let Some(count) = relayed(payload)
            && let Some(lane) = lane.or_else(|| self.room.map(|(_, lane)| lane))
        {
            let counted = begun.protocol.arrive_counted(now_ms, self.pipe, lane, count, payload.len());
            counted.map_err(unreadable)?;
            return Ok(Heard::default());
        }
        self.read(lane, codec, payload, 0, &mut show)
    }

    /// The server lets it in.
    fn begin(&mut self, codec: Codec, payload: &[u8]) -> Result<Heard, BenchError> {
        let accepted = opening::accepted(codec, payload, self.wish.codec).map_err(refused)?;
        if accepted.codec != self.wish.codec {
            let (offered, codec) = (accepted.codec, self.wish.codec);
            return Err(BenchError::failed(format_args!(
                "the server has other binary shapes and speaks {offered} instead of {codec}; use a bench of its version"
            )));
        }
        self.begun = Some(Begun::new(&accepted, self.pipe));
        let say = match &self.wish.destination {
            Destination::Lobby => None,
            Destination::New(options, durable) => {
                let (game, options, durable) = ("relay".to_owned(), options.clone(), *durable);
                Some(self.request("create_room", &CreateRoom { game, options, durable, ..CreateRoom::default() })?)
            }
            Destination::Room(room_id) => {
                Some(self.request("join_room", &JoinRoom { room_id: Some(room_id.clone()), ..JoinRoom::default() })?)
            }
        };
        Ok(Heard { arrived: say.is_none(), say: say.map(|say| (self.wish.codec, say)) })
    }

    /// Reads the messages of a payload but for the first, which are taken.
    fn read(
        &mut self,
        lane: Option<LaneId>,
        codec: Codec,
        payload: &[u8],
        taken: usize,
        show: &mut dyn FnMut(&Envelope<'_>),
    ) -> Result<Heard, BenchError> {
        let mut heard = Heard::default();
        for message in decode_batch(codec, payload).map_err(unreadable)?.skip(taken) {
            let message = message.map_err(unreadable)?;
            if message.kind == "goodbye" {
                let Goodbye { code, reason } = read_goodbye(message.data);
                return Err(closed(code, &reason));
            }
            let Some(begun) = &mut self.begun else { break };
            let arrival = begun.protocol.arrive(self.now_ms, self.pipe, lane, &message).map_err(unreadable)?;
            if let Arrival::Deliver(lane) = arrival
                && message.kind != "message"
            {
                self.take(lane, &message, &mut heard)?;
                show(&message);
            }
        }
        Ok(heard)
    }

    fn take(&mut self, lane: LaneId, message: &Envelope<'_>, heard: &mut Heard) -> Result<(), BenchError> {
        if message.kind == "room_closed" {
            return Err(BenchError::failed("the server closed the room"));
        }
        if message.error.is_some() {
            return self.hear_refusal(message);
        }
        if is_join(message) {
            let RoomJoined { room_id, lane, .. } = message.data.decode().map_err(unreadable)?;
            self.room = Some((room_id, lane));
            heard.arrived = true;
        }
        if lane != LaneId::CONTROL && is_farewell(message) {
            if let Some(begun) = &mut self.begun {
                begun.protocol.end_lane(lane);
            }
            self.room = self.room.filter(|(_, of_room)| *of_room != lane);
        }
        Ok(())
    }

    fn hear_refusal(&mut self, message: &Envelope<'_>) -> Result<(), BenchError> {
        let Some(error) = &message.error else { return Ok(()) };
        if message.kind == "error" && self.room.is_some() {
            let words = format!("{} ({})", error.message, error.code);
            self.refused.get_or_insert(words);
            return Ok(());
        }
        Err(refusal(&message.kind, &error.message))
    }

    /// Prepares what a member says from now on.
    pub(crate) fn prepare(&mut self) -> Result<(), BenchError> {
        let (Some((room_id, _)), Some(begun)) = (self.room, &mut self.begun) else {
            return Err(BenchError::failed("the session is in no room"));
        };
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
        // Players do not all begin at the same moment, and a thousand acknowledgements are not waited for at once.
        begun.protocol.acknowledge_earlier(self.now_ms, begun.place % ACK_AFTER.messages);
        Ok(())
    }

    /// The next message to the room, encoded.
    pub(crate) fn say(&mut self, stamp: Stamp) -> &[u8] {
        let codec = self.wish.codec;
        let (Some(message), Some(begun)) = (&mut self.message, &mut self.begun) else { return &[] };
        let n = begun.protocol.next_n();
        stamp.put(&mut message.bytes, message.stamp);
        match codec {
            Codec::Json => put_digits(&mut message.bytes[message.n..message.n + N_DIGITS], n),
            Codec::Bincode => message.bytes[message.n..message.n + 4].copy_from_slice(&(n as u32).to_le_bytes()),
        }
        &message.bytes
    }

    /// What to say if it is time to acknowledge, encoded.
    pub(crate) fn acknowledgement(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        let ack = self.begun.as_mut()?.protocol.ack(now_ms)?;
        let mut message = Vec::new();
        encode(self.wish.codec, &Header::new("ack"), &ack, &mut message).ok()?;
        Some(message)
    }

    /// Whether anything has to be acknowledged by what was heard last.
    pub(crate) fn owes(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.protocol.owes_ack(self.now_ms))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

impl Begun {
    fn new(accepted: &HandshakeAccepted, pipe: ConnectionId) -> Self {
        let mut protocol = session::Session::new(accepted, true, pipe);
        protocol.skip_to(FIRST_N - 1);
        let place = accepted.session_id.as_str().bytes().map(u32::from).sum();
        Self { rooms_max: accepted.limits.rooms_max, protocol, place }
    }
}

/// Whether it answers a request to enter a room.
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
    let action = relay::Action::Send { payload, delivery: None, key: None, to: None };
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

fn first_words<T: serde::Serialize>(kind: &str, data: &T) -> Result<Vec<u8>, BenchError> {
    json_batch(kind, data).map(|batch| batch.payload().to_vec()).map_err(BenchError::failed)
}

/// Why the server does not let a session in, or go on.
fn refused(why: Refused) -> BenchError {
    match why {
        Refused::Error { kind, error } => refusal(&kind, &error.message),
        Refused::Goodbye(Goodbye { code, reason }) => closed(code, &reason),
        why => unreadable(why),
    }
}

fn refusal(kind: &str, sentence: &str) -> BenchError {
    let sentence = format!("the server refuses {}: {sentence}", kind.trim_end_matches("_result"));
    BenchError::failed(sentence.trim_end_matches('.'))
}

fn closed(code: u16, reason: &str) -> BenchError {
    let reason = reason.trim_end_matches('.');
    BenchError::failed(format_args!("the server closed the connection: {code} {reason}"))
}

fn unreadable(why: impl std::fmt::Display) -> BenchError {
    BenchError::failed(format_args!("what the server says is not Anteroom's protocol: {why}"))
}
