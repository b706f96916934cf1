//! What happened to a room in one turn, in a form that can be stored and replayed: what came in, when, and what was
//! seen of the outside, such as who was connected.
//!
//! A replay needs nothing else, no session and no clock. The log does not say what followed: a room that has the same
//! turns again says the same again. That a game has failed is not among what happened: a room that [fails](Room::fail) is over,
//! and whoever stores logs stores that.

mod deeds;
mod events;
mod secrets;

use std::fmt;

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::{AccessMap, DataMap, Role};
use anteroom_protocol::{Codec, Data, LaneId, SessionId, UserId, binary};

use super::{AnswerTo, Ask, Change, Command, Flush, Join, MemberId, Room};
use crate::time::Time;
pub use deeds::Deed;
pub(super) use secrets::HIDDEN;
pub use secrets::Secrets;

/// The types that a join is answered with.
const ANSWERS: [&str; 2] = ["create_room_result", "join_room_result"];

/// A log that no room has kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log of a turn is damaged: {0}")]
pub struct DamagedLog(String);

fn damaged(why: impl fmt::Display) -> DamagedLog {
    DamagedLog(why.to_string())
}

/// What happened in one turn, in order.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
pub struct Log {
    records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
struct Record {
    at: Time,
    what: What,
}

/// A command in memory of its own.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
enum What {
    /// Time passed: how many ticks a late room drops depends on when it looks.
    Advance {},
    Join {
        user_id: UserId,
        username: String,
        role: Role,
        lane: LaneId,
        is_binary: bool,
        answer: String,
        reference: Option<String>,
        applied: u64,
        session_id: Option<SessionId>,
        n: Option<u64>,
        password: Option<u32>,
        invite: Option<String>,
    },
    Leave {
        member: MemberId,
        reference: Option<String>,
        n: Option<u64>,
    },
    Disconnect {
        member: MemberId,
        kept: bool,
    },
    Reconnect {
        member: MemberId,
    },
    Expire {
        member: MemberId,
    },
    Abandon {
        member: MemberId,
    },
    Snapshot {
        member: MemberId,
        /// The `type` of the answer, and the mark of the request.
        answer: Option<(String, Option<String>)>,
    },
    Act {
        member: MemberId,
        kind: String,
        is_binary: bool,
        data: Vec<u8>,
        reference: Option<String>,
        n: Option<u64>,
    },
    Ask {
        member: MemberId,
        kind: String,
        is_binary: bool,
        data: Vec<u8>,
        with: Option<String>,
        reference: Option<String>,
        n: Option<u64>,
    },
    Reserve {
        users: Vec<UserId>,
        until: Time,
    },
    SetData {
        whose: Option<UserId>,
        data: DataMap,
        access: AccessMap,
    },
    History {
        member: MemberId,
        reference: Option<String>,
        page: Option<ChatPage>,
        change: Option<Change>,
    },
    Close {
        reason: ClosedReason,
    },
    Reseed {
        seed: u64,
    },
    Erase {
        user_id: UserId,
        username: Option<String>,
    },
}

impl Log {
    /// How many things happened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing did, or nobody kept a log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Appends the log's stored form.
    ///
    /// # Errors
    /// [`InvalidData`] if it cannot be encoded, which does not happen.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), InvalidData> {
        binary::encode(self, out)
    }

    /// Reads what [`Log::encode`] wrote. What it allocates is bounded by the size of the input.
    ///
    /// # Errors
    /// [`DamagedLog`] if it is something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DamagedLog> {
        binary::decode(bytes).map_err(|error| DamagedLog(error.to_string()))
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
    }

    pub(super) fn push_advance(&mut self, at: Time) {
        self.records.push(Record { at, what: What::Advance {} });
    }

    pub(super) fn push_join(&mut self, at: Time, join: &Join) {
        let what = What::Join {
            user_id: join.user_id.clone(),
            username: join.username.clone(),
            role: join.role,
            lane: join.lane,
            is_binary: join.codec == Codec::Bincode,
            answer: join.answer.to_owned(),
            reference: text_of(join.reference.as_ref()),
            applied: join.applied,
            session_id: join.session_id,
            n: join.n,
            password: join.password,
            invite: join.invite.clone(),
        };
        self.records.push(Record { at, what });
    }

    pub(super) fn push(&mut self, at: Time, command: &Command<'_>) {
        let what = match *command {
            Command::Leave { member, ref reference, n } => {
                What::Leave { member, reference: text_of(reference.as_ref()), n }
            }
            Command::Disconnect { member, kept } => What::Disconnect { member, kept },
            Command::Reconnect { member } => What::Reconnect { member },
            Command::Expire { member } => What::Expire { member },
            Command::Abandon { member } => What::Abandon { member },
            Command::Snapshot { member, ref answer } => {
                let text_of = |to: &AnswerTo| (to.kind.to_owned(), text_of(to.reference.as_ref()));
                What::Snapshot { member, answer: answer.as_ref().map(text_of) }
            }
            Command::Act { member, kind, data, ref reference, n } => {
                let ((is_binary, data), kind) = (bytes_of(data), kind.to_owned());
                What::Act { member, kind, is_binary, data, reference: text_of(reference.as_ref()), n }
            }
            Command::Ask { member, ref ask } => {
                let (is_binary, data) = bytes_of(ask.data);
                let (kind, with) = (ask.kind.to_owned(), ask.with.map(str::to_owned));
                What::Ask { member, kind, is_binary, data, with, reference: text_of(ask.reference.as_ref()), n: ask.n }
            }
            Command::Reserve { ref users, until } => What::Reserve { users: users.clone(), until },
            Command::SetData { ref whose, ref data, ref access } => {
                What::SetData { whose: whose.clone(), data: data.clone(), access: access.clone() }
            }
            Command::History { member, ref reference, ref page, ref change } => {
                let (page, change) = (page.clone(), change.clone());
                What::History { member, reference: text_of(reference.as_ref()), page, change }
            }
            Command::Close { reason } => What::Close { reason },
            Command::Reseed { seed } => What::Reseed { seed },
            Command::Erase { ref user_id, ref username } => {
                What::Erase { user_id: user_id.clone(), username: username.clone() }
            }
        };
        self.records.push(Record { at, what });
    }
}

impl Room {
    /// Lets everything happen again that is in a turn's log, which must follow on what happened before; flush
    /// afterwards.
    ///
    /// # Errors
    /// [`DamagedLog`] if it is not one that a room has kept. The room is of no use then.
    pub fn replay(&mut self, log: &Log, flush: &mut Flush) -> Result<(), DamagedLog> {
        for Record { at, what } in &log.records {
            match what {
                What::Advance {} => self.advance(*at, flush),
                // Who was refused is refused again, which is in the flush.
                What::Join { .. } => drop(self.join(*at, what.join()?, flush)),
                _ => self.handle(*at, what.command()?, flush),
            }
        }
        Ok(())
    }
}

impl What {
    fn join(&self) -> Result<Join, DamagedLog> {
        let Self::Join {
            user_id,
            username,
            role,
            lane,
            is_binary,
            answer,
            reference,
            applied,
            session_id,
            n,
            password,
            invite,
        } = self
        else {
            return Err(damaged("a join expected"));
        };
        Ok(Join {
            user_id: user_id.clone(),
            username: username.clone(),
            role: *role,
            lane: *lane,
            codec: if *is_binary { Codec::Bincode } else { Codec::Json },
            answer: answer_of(answer)?,
            reference: reference_of(reference.as_deref())?,
            applied: *applied,
            session_id: *session_id,
            n: *n,
            password: *password,
            invite: invite.clone(),
        })
    }

    fn command(&self) -> Result<Command<'_>, DamagedLog> {
        Ok(match *self {
            Self::Advance {} | Self::Join { .. } => return Err(damaged("a command expected")),
            Self::Leave { member, ref reference, n } => {
                Command::Leave { member, reference: reference_of(reference.as_deref())?, n }
            }
            Self::Disconnect { member, kept } => Command::Disconnect { member, kept },
            Self::Reconnect { member } => Command::Reconnect { member },
            Self::Expire { member } => Command::Expire { member },
            Self::Abandon { member } => Command::Abandon { member },
            Self::Snapshot { member, ref answer } => {
                let read = |(kind, reference): &(String, Option<String>)| {
                    Ok(AnswerTo { kind: answer_of(kind)?, reference: reference_of(reference.as_deref())? })
                };
                Command::Snapshot { member, answer: answer.as_ref().map(read).transpose()? }
            }
            Self::Act { member, ref kind, is_binary, ref data, ref reference, n } => {
                let reference = reference_of(reference.as_deref())?;
                Command::Act { member, kind, data: data_of(is_binary, data)?, reference, n }
            }
            Self::Ask { member, ref kind, is_binary, ref data, ref with, ref reference, n } => {
                let reference = reference_of(reference.as_deref())?;
                let (data, with) = (data_of(is_binary, data)?, with.as_deref());
                Command::Ask { member, ask: Ask { kind, data, with, reference, n } }
            }
            Self::Reserve { ref users, until } => Command::Reserve { users: users.clone(), until },
            Self::SetData { ref whose, ref data, ref access } => {
                Command::SetData { whose: whose.clone(), data: data.clone(), access: access.clone() }
            }
            Self::History { member, ref reference, ref page, ref change } => {
                let reference = reference_of(reference.as_deref())?;
                Command::History { member, reference, page: page.clone(), change: change.clone() }
            }
            Self::Close { reason } => Command::Close { reason },
            Self::Reseed { seed } => Command::Reseed { seed },
            Self::Erase { ref user_id, ref username } => {
                Command::Erase { user_id: user_id.clone(), username: username.clone() }
            }
        })
    }
}

fn answer_of(kind: &str) -> Result<&'static str, DamagedLog> {
    ANSWERS.into_iter().find(|known| *known == kind).ok_or_else(|| damaged("the answer to a join expected"))
}

fn bytes_of(data: Data<'_>) -> (bool, Vec<u8>) {
    match data {
        Data::Json(text) => (false, text.as_bytes().to_owned()),
        Data::Binary(bytes) => (true, bytes.to_owned()),
    }
}

fn data_of(is_binary: bool, data: &[u8]) -> Result<Data<'_>, DamagedLog> {
    Ok(match is_binary {
        true => Data::Binary(data),
        false => Data::Json(std::str::from_utf8(data).map_err(|_| damaged("text expected"))?),
    })
}

fn text_of(reference: Option<&Ref>) -> Option<String> {
    reference.map(|reference| reference.as_str().to_owned())
}

fn reference_of(text: Option<&str>) -> Result<Option<Ref>, DamagedLog> {
    text.map(|text| Ref::from_json(text).map_err(damaged)).transpose()
}
