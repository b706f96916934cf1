//! What is said first on a connection: the handshake of a new session, or how to go on with one. JSON in every codec.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::message::request::{Goodbye, Handshake};
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::message::resume::{Reconnect, Reconnected};
use anteroom_protocol::{CloseCode, Codec, ErrorCode, LaneId, SCHEMA, VERSION};
use anteroom_transport::{Closed, Connection, Event};
use aws_lc_rs::rand;
use tokio::time::{Instant, timeout};

use crate::error::{ConnectError, SessionEnd, TokenError};
use crate::options::SessionOptions;
use crate::session::opening::{self, Held, Refused, Waiting, json_batch};

/// How long the answer to `reconnect` may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
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
    connection.send(LaneId::CONTROL, Arc::new(batch)).await.map_err(lost)?;
    loop {
        // A lane cannot begin, nor a datagram mean anything, before the session does.
        if let Event::Record { codec, payload, .. } = connection.recv().await.map_err(lost)? {
            let asked = handshake.codec.unwrap_or_default();
            let accepted = opening::accepted(codec, &payload, asked).map_err(refused)?;
            connection.allow_rooms(accepted.limits.rooms_max);
            return Ok(accepted);
        }
    }
}

fn refused(refused: Refused) -> ConnectError {
    match refused {
        Refused::Error { error, .. } => ConnectError::Server(error),
        Refused::Goodbye(Goodbye { code, reason }) => lost(Closed::ByPeer { code, reason }),
        malformed => ConnectError::InvalidAnswer(malformed.to_string()),
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
    /// What came before and with the answer.
    pub(crate) held: Vec<Held>,
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
    connection.send(LaneId::CONTROL, Arc::new(batch)).await.map_err(Refusal::before_the_answer)?;
    let mut waiting = Waiting::default();
    loop {
        let event = connection.recv().await.map_err(Refusal::before_the_answer)?;
        let Event::Record { lane, codec, payload } = event else { continue };
        if let Some(result) = waiting.take(lane, codec, payload)? {
            return Ok(Arrived { connection, result, held: waiting.into_held() });
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Goodbye(Goodbye { code, reason }) => Self::before_the_answer(Closed::ByPeer { code, reason }),
            Refused::TooMuch { bytes, max } => Self::Again(Closed::TooLarge { len: bytes as u64, max }),
            Refused::Malformed(why) => Self::malformed(why),
            Refused::Error { error, .. } if error.code == ErrorCode::SessionUnknown => Self::End(SessionEnd::Unknown),
            Refused::Error { error, .. } if error.retryable => Self::Again(Closed::Lost(error.message.into())),
            Refused::Error { error, .. } => Self::End(SessionEnd::Refused(error.message)),
        }
    }
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
