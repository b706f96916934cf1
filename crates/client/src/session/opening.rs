//! What is said first on a connection, and how it is answered: the handshake of a new session, or how to go on with
//! one. JSON in every codec.

use std::fmt::Display;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::message::resume::Reconnected;
use anteroom_protocol::{Batch, BatchBuilder, Codec, Data, Envelope, ErrorBody, Header, LaneId, envelope, json};
use bytes::Bytes;
use serde::Serialize;

/// How much of the rooms' lanes may arrive before the answer to `reconnect`, in bytes.
const HELD_BYTES_MAX: usize = 4 << 20;
/// What each record counts besides its payload.
const HELD_RECORD_BYTES: usize = 64;
/// RFC 6455, section 7.4.1.
pub(crate) const NORMAL_CLOSURE: u16 = 1000;

/// Why a session does not begin, or does not go on, on a connection.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The server said no.
    #[error("{}", error.message)]
    Error {
        /// The type of the message that says so.
        kind: String,
        /// Why.
        error: ErrorBody,
    },
    /// The server closes the connection.
    #[error("{}", .0.reason)]
    Goodbye(Goodbye),
    /// What it said is not an answer.
    #[error("{0}")]
    Malformed(String),
    /// More came before the answer than is kept.
    #[error("{bytes} bytes came before the answer, and {max} are kept")]
    TooMuch {
        /// What came.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}

impl Refused {
    fn malformed(why: impl Display) -> Self {
        Self::Malformed(why.to_string())
    }
}

/// A message of a type that is JSON whatever the session's codec, and needs no binary shape: `handshake`, `reconnect`,
/// `goodbye`.
///
/// # Errors
/// If the data has no JSON form.
pub fn json_batch<T: Serialize>(kind: &str, data: &T) -> Result<Batch, InvalidData> {
    let mut text = Vec::new();
    json::encode(data, &mut text)?;
    let data = Data::Json(std::str::from_utf8(&text).unwrap_or_default());
    let mut message = Vec::new();
    envelope::encode_raw(&Header::new(kind), data, &mut message)?;
    let mut batch = BatchBuilder::new(Codec::Json);
    batch.push_encoded(&message);
    Ok(batch.finish())
}

/// Reads the answer to a handshake that asked for this codec: all of the first record that comes. A server that has
/// other binary shapes than this build may have decided for JSON.
///
/// # Errors
/// Why the session does not begin.
pub fn accepted(codec: Codec, payload: &[u8], asked: Codec) -> Result<HandshakeAccepted, Refused> {
    let mut messages = decode_batch(codec, payload).map_err(Refused::malformed)?;
    let first = first(messages.next())?;
    if messages.next().is_some() {
        return Err(Refused::malformed("more than one message before the session began"));
    }
    match (first.kind.as_ref(), first.data) {
        ("handshake_accepted", Data::Json(text)) => {
            let accepted: HandshakeAccepted = serde_json::from_str(text).map_err(Refused::malformed)?;
            if accepted.codec == Codec::Bincode && asked == Codec::Json {
                return Err(Refused::malformed("it decided for a codec that was not asked for"));
            }
            Ok(accepted)
        }
        _ => Err(refused(first, "handshake_accepted")),
    }
}

/// Reads the answer to `reconnect`; says whether more follows in the same record.
fn reconnected(codec: Codec, payload: &[u8]) -> Result<(Reconnected, bool), Refused> {
    let mut messages = decode_batch(codec, payload).map_err(Refused::malformed)?;
    let first = first(messages.next())?;
    match (first.kind.as_ref(), &first.error, first.data) {
        (Reconnected::TYPE, None, Data::Json(text)) => {
            let result = serde_json::from_str(text).map_err(Refused::malformed)?;
            Ok((result, messages.next().is_some()))
        }
        _ => Err(refused(first, Reconnected::TYPE)),
    }
}

fn first<'a, E: Display>(first: Option<Result<Envelope<'a>, E>>) -> Result<Envelope<'a>, Refused> {
    first.ok_or_else(|| Refused::malformed("an empty batch"))?.map_err(Refused::malformed)
}

fn refused(message: Envelope<'_>, expected: &str) -> Refused {
    match message.error {
        _ if message.kind == Goodbye::TYPE => Refused::Goodbye(read_goodbye(message.data)),
        Some(error) => Refused::Error { kind: message.kind.into_owned(), error },
        None => Refused::Malformed(format!("`{}` instead of `{expected}`", message.kind)),
    }
}

/// Reads a goodbye; one that cannot be read is one all the same.
#[must_use]
pub fn read_goodbye(data: Data<'_>) -> Goodbye {
    let plain = Goodbye { code: NORMAL_CLOSURE, reason: String::new() };
    match data {
        Data::Json(text) => serde_json::from_str(text).unwrap_or(plain),
        Data::Binary(_) => plain,
    }
}

/// A record that came before the answer to `reconnect`, or with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What the pipe told of its lane.
    pub lane: Option<LaneId>,
    /// Its codec.
    pub codec: Codec,
    /// What it says.
    pub payload: Bytes,
    /// How many of its messages are taken already.
    pub taken: usize,
}

/// Waits for the answer to `reconnect`. Rooms' lanes may be faster where they have streams of their own.
#[derive(Debug, Default)]
pub struct Waiting {
    held: Vec<Held>,
    bytes: usize,
}

impl Waiting {
    /// Takes a record; gives the answer when it has come. Then [`into_held`](Self::into_held) has what else came.
    ///
    /// # Errors
    /// Why the session does not go on here.
    pub fn take(&mut self, lane: Option<LaneId>, codec: Codec, payload: Bytes) -> Result<Option<Reconnected>, Refused> {
        if lane.is_none_or(|lane| lane == LaneId::CONTROL) {
            let (result, more) = reconnected(codec, &payload)?;
            if more {
                self.held.push(Held { lane, codec, payload, taken: 1 });
            }
            return Ok(Some(result));
        }
        // Even an empty record takes some memory.
        self.bytes += payload.len() + HELD_RECORD_BYTES;
        if self.bytes > HELD_BYTES_MAX {
            return Err(Refused::TooMuch { bytes: self.bytes, max: HELD_BYTES_MAX });
        }
        self.held.push(Held { lane, codec, payload, taken: 0 });
        Ok(None)
    }

    /// What came besides the answer, in order, for the session once it knows of the pipe.
    #[must_use]
    pub fn into_held(self) -> Vec<Held> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str =
        r#"{"type":"reconnect_result","success":true,"data":{"resume_token":"T","lanes":[],"last_n":7}}"#;

    fn said(payload: &str) -> Result<HandshakeAccepted, Refused> {
        accepted(Codec::Json, payload.as_bytes(), Codec::Json)
    }

    #[test]
    fn a_session_that_does_not_begin_says_why() {
        let gone = said(r#"{"type":"goodbye","data":{"code":4401,"reason":"No."}}"#);
        assert_eq!(gone, Err(Refused::Goodbye(Goodbye { code: 4401, reason: "No.".into() })));
        let refused =
            said(r#"{"type":"error","success":false,"error":{"code":"busy","message":"Later.","retryable":true}}"#);
        let Err(Refused::Error { kind, error }) = refused else { panic!("{refused:?}") };
        assert_eq!((&*kind, &*error.message), ("error", "Later."));
        for (payload, why) in [
            ("[]", "an empty batch"),
            (r#"{"type":"pong"}"#, "`pong` instead of `handshake_accepted`"),
            (r#"[{"type":"pong"},{"type":"pong"}]"#, "more than one message before the session began"),
        ] {
            assert_eq!(said(payload), Err(Refused::Malformed(why.to_owned())));
        }
    }

    #[test]
    fn lanes_that_are_faster_than_the_answer_are_held() {
        let mut waiting = Waiting::default();
        let early = || Bytes::from_static(b"{}");
        assert_eq!(waiting.take(Some(LaneId(3)), Codec::Json, early()), Ok(None));
        let answer = Bytes::from(format!(r#"[{RESULT},{{"type":"pong"}}]"#));
        let result = waiting.take(None, Codec::Json, answer.clone()).unwrap().unwrap();
        assert_eq!((&*result.resume_token, result.last_n), ("T", 7));
        let held = [
            Held { lane: Some(LaneId(3)), codec: Codec::Json, payload: early(), taken: 0 },
            Held { lane: None, codec: Codec::Json, payload: answer, taken: 1 },
        ];
        assert_eq!(waiting.into_held(), held);
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let mut waiting = Waiting::default();
        let large = Bytes::from(vec![b' '; HELD_BYTES_MAX / 2]);
        assert_eq!(waiting.take(Some(LaneId(3)), Codec::Json, large.clone()), Ok(None));
        let refused = waiting.take(Some(LaneId(3)), Codec::Json, large);
        assert!(matches!(refused, Err(Refused::TooMuch { max: HELD_BYTES_MAX, .. })), "{refused:?}");
    }
}
