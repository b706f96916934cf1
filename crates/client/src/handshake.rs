//! What is said first on a connection: the handshake of a new session, or how to go on with one. JSON in every codec.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::{Goodbye, Handshake};
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::message::resume::{Reconnect, Reconnected};
use anteroom_protocol::{
    Batch, BatchBuilder, CloseCode, Codec, Data, Envelope, ErrorCode, Header, LaneId, SCHEMA, VERSION, envelope, json,
};
use anteroom_transport::{Closed, Connection, Event};
use aws_lc_rs::rand;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::error::{ConnectError, SessionEnd, TokenError};
use crate::options::SessionOptions;

/// How long the answer to `reconnect` may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// How much of the rooms' lanes may arrive before the answer to `reconnect`, in bytes.
const HELD_BYTES_MAX: usize = 4 << 20;
/// What each record counts besides its payload.
const HELD_RECORD_BYTES: usize = 64;

/// What the handshake of a new session says, but for the token. Saying it again within the grace time, on whatever connection, gives
/// the same session.
pub(crate) fn handshake(options: &SessionOptions) -> Handshake {
    Handshake {
        version: VERSION,
        name: options.name.clone(),
        token: None,
        client: options.software.clone(),
        resume: options.resume,
        codec: Some(options.codec),
        schema: (options.codec == Codec::Bincode).then(|| SCHEMA.to_owned()),
        nonce: nonce(options.seed),
    }
}

/// The same with a token, if there is to be one.
pub(crate) async fn with_token(
    handshake: Handshake,
    options: &SessionOptions,
    deadline: Instant,
) -> Result<Handshake, TokenError> {
    let token = match &options.token {
        Some(token) => Some(token.get(deadline).await?),
        None => None,
    };
    Ok(Handshake { token, ..handshake })
}

/// Says who this is and waits to be let in.
pub(crate) async fn shake(
    connection: &mut Connection,
    handshake: &Handshake,
) -> Result<HandshakeAccepted, ConnectError> {
    let batch = json_batch("handshake", handshake).map_err(|error| ConnectError::InvalidAnswer(error.to_string()))?;
    connection.send(LaneId::CONTROL, batch).await.map_err(lost)?;
    loop {
        // A lane cannot begin, nor a datagram mean anything, before the session does.
        if let Event::Record { codec, payload, .. } = connection.recv().await.map_err(lost)? {
            let accepted = accepted(codec, &payload, handshake.codec.unwrap_or_default())?;
            connection.allow_rooms(accepted.limits.rooms_max);
            return Ok(accepted);
        }
    }
}

fn accepted(codec: Codec, payload: &[u8], asked: Codec) -> Result<HandshakeAccepted, ConnectError> {
    let invalid = |why: &dyn std::fmt::Display| ConnectError::InvalidAnswer(why.to_string());
    let mut messages = decode_batch(codec, payload).map_err(|error| invalid(&error))?;
    let first = messages.next().ok_or_else(|| invalid(&"an empty batch"))?.map_err(|error| invalid(&error))?;
    if messages.next().is_some() {
        return Err(invalid(&"more than one message before the session began"));
    }
    match (first.kind.as_ref(), first.data) {
        ("handshake_accepted", Data::Json(text)) => {
            let accepted: HandshakeAccepted = serde_json::from_str(text).map_err(|error| invalid(&error))?;
            if accepted.codec == Codec::Bincode && asked == Codec::Json {
                return Err(invalid(&"it decided for a codec that was not asked for"));
            }
            Ok(accepted)
        }
        ("goodbye", Data::Json(text)) => {
            let Goodbye { code, reason } = serde_json::from_str(text).map_err(|error| invalid(&error))?;
            Err(lost(Closed::ByPeer { code, reason }))
        }
        _ => Err(refusal(first)),
    }
}

fn refusal(message: Envelope<'_>) -> ConnectError {
    match message.error {
        Some(error) => ConnectError::Server(error),
        None => ConnectError::InvalidAnswer(format!("`{}` instead of `handshake_accepted`", message.kind)),
    }
}

fn lost(closed: Closed) -> ConnectError {
    match closed {
        Closed::ByPeer { code, reason } if !is_unheard(code) => ConnectError::refused(code, reason),
        closed => ConnectError::Lost(closed),
    }
}

/// Whether the server has closed a connection because it heard nothing on it. What was said has been lost on the way
/// then, or took too long, and may get through on the next one.
fn is_unheard(code: u16) -> bool {
    code == CloseCode::HandshakeTimeout.number()
}

/// Whether the server has closed a connection for what this program said on it, and keeps the session: the same would
/// be said again, so only the program knows whether to go on.
pub(crate) fn is_programs_fault(code: u16) -> bool {
    let faults = [CloseCode::Malformed, CloseCode::MessageTooLarge, CloseCode::WrongFrameKind];
    faults.iter().any(|fault| fault.number() == code)
}

/// A connection on which the server is ready to go on with the session.
pub(crate) struct Arrived {
    pub(crate) connection: Connection,
    pub(crate) result: Reconnected,
    /// What came before and with the answer, with how many messages of it are taken already.
    pub(crate) held: Vec<(Event, usize)>,
}

/// Why the server does not go on with the session on a connection.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// Trying again may help.
    Again(Closed),
    /// It will not.
    End(SessionEnd),
}

impl Refusal {
    /// What a connection's end means for the session.
    pub(crate) fn of(closed: Closed) -> Self {
        match closed {
            Closed::ByPeer { code, reason } if !CloseCode::reconnect_may_help(code) => {
                Self::End(SessionEnd::by_server(code, reason))
            }
            closed => Self::Again(closed),
        }
    }

    /// The same, of a connection on which nothing was answered yet.
    fn before_the_answer(closed: Closed) -> Self {
        match closed {
            Closed::ByPeer { code, .. } if is_unheard(code) => Self::Again(closed),
            closed => Self::of(closed),
        }
    }

    fn malformed(why: impl std::fmt::Display) -> Self {
        Self::End(SessionEnd::Malformed(why.to_string()))
    }
}

/// Asks to go on with a session, and waits for the answer.
pub(crate) async fn introduce(connection: Connection, reconnect: Reconnect) -> Result<Arrived, Refusal> {
    let answered = timeout(ANSWERED_WITHIN, ask_to_go_on(connection, reconnect)).await;
    answered.unwrap_or_else(|_| Err(Refusal::Again(Closed::Lost("the server does not answer".into()))))
}

async fn ask_to_go_on(mut connection: Connection, reconnect: Reconnect) -> Result<Arrived, Refusal> {
    let batch = json_batch("reconnect", &reconnect).map_err(Refusal::malformed)?;
    connection.send(LaneId::CONTROL, batch).await.map_err(Refusal::before_the_answer)?;
    let mut waiting = Waiting::default();
    loop {
        let event = connection.recv().await.map_err(Refusal::before_the_answer)?;
        if let Some(result) = waiting.take(event)? {
            return Ok(Arrived { connection, result, held: waiting.held });
        }
    }
}

/// Waits for the answer to `reconnect`. Rooms' lanes may be faster.
#[derive(Debug, Default)]
struct Waiting {
    held: Vec<(Event, usize)>,
    bytes: usize,
}

impl Waiting {
    fn take(&mut self, event: Event) -> Result<Option<Reconnected>, Refusal> {
        let Event::Record { lane, codec, payload } = &event else { return Ok(None) };
        if lane.is_none_or(|lane| lane == LaneId::CONTROL) {
            let (result, more) = reconnected(*codec, payload)?;
            if more {
                self.held.push((event, 1));
            }
            return Ok(Some(result));
        }
        // Even an empty record takes some memory.
        self.bytes += payload.len() + HELD_RECORD_BYTES;
        if self.bytes > HELD_BYTES_MAX {
            return Err(Refusal::Again(Closed::TooLarge { len: self.bytes as u64, max: HELD_BYTES_MAX }));
        }
        self.held.push((event, 0));
        Ok(None)
    }
}

/// Reads the answer; says whether more follows in the same record.
fn reconnected(codec: Codec, payload: &[u8]) -> Result<(Reconnected, bool), Refusal> {
    let mut messages = decode_batch(codec, payload).map_err(Refusal::malformed)?;
    let first = messages.next().ok_or_else(|| Refusal::malformed("an empty batch"))?.map_err(Refusal::malformed)?;
    match (first.kind.as_ref(), first.error, first.data) {
        (Reconnected::TYPE, None, Data::Json(text)) => {
            let result = serde_json::from_str(text).map_err(Refusal::malformed)?;
            Ok((result, messages.next().is_some()))
        }
        (Goodbye::TYPE, _, data) => {
            let Goodbye { code, reason } = read_goodbye(data);
            Err(Refusal::before_the_answer(Closed::ByPeer { code, reason }))
        }
        (_, Some(error), _) if error.code == ErrorCode::SessionUnknown => Err(Refusal::End(SessionEnd::Unknown)),
        (_, Some(error), _) if error.retryable => Err(Refusal::Again(Closed::Lost(error.message.into()))),
        (_, Some(error), _) => Err(Refusal::End(SessionEnd::Refused(error.message))),
        (kind, ..) => Err(Refusal::malformed(format_args!("`{kind}` instead of `{}`", Reconnected::TYPE))),
    }
}

/// Reads a goodbye; one that cannot be read is one all the same.
pub(crate) fn read_goodbye(data: Data<'_>) -> Goodbye {
    let plain = Goodbye { code: NORMAL_CLOSURE, reason: String::new() };
    match data {
        Data::Json(text) => serde_json::from_str(text).unwrap_or(plain),
        Data::Binary(_) => plain,
    }
}

/// RFC 6455, section 7.4.1.
pub(crate) const NORMAL_CLOSURE: u16 = 1000;

/// A message that is JSON whatever the session's codec; its type needs no binary shape.
fn json_batch<T: Serialize>(kind: &str, data: &T) -> Result<Arc<Batch>, InvalidData> {
    let mut text = Vec::new();
    json::encode(data, &mut text)?;
    let data = Data::Json(std::str::from_utf8(&text).unwrap_or_default());
    let mut message = Vec::new();
    envelope::encode_raw(&Header::new(kind), data, &mut message)?;
    let mut batch = BatchBuilder::new(Codec::Json);
    batch.push_encoded(&message);
    Ok(Arc::new(batch.finish()))
}

/// 128 random bits in hexadecimal. Whoever repeats it gets the same session, so it must not be guessed.
fn nonce(seed: Option<u64>) -> Option<String> {
    let bits = match seed {
        Some(seed) => u128::from(seed),
        None => {
            let mut bits = [0; 16];
            rand::fill(&mut bits).ok()?;
            u128::from_be_bytes(bits)
        }
    };
    Some(format!("{bits:032x}"))
}

/// What the session's random waits are drawn from.
pub(crate) fn seed(options: &SessionOptions) -> u64 {
    options.seed.unwrap_or_else(|| {
        let mut bits = [0; 8];
        // Without randomness every client waits equally long; nothing worse.
        let _ = rand::fill(&mut bits);
        u64::from_be_bytes(bits)
    })
}
