//! What a member of a table hears: messages from the wire, in the types of the game.

use std::fmt;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientJoined, ClientLeft, ClientReconnected, ClosedReason, GAME_STATE, LeftReason,
    MemberUpdated, RoomClosed, RoomUpdated, SystemSaid,
};
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{Member, Message};
use anteroom_protocol::{Data, Envelope, ErrorBody, UserId, variant};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::game::{Game, Seat};

/// One thing that a member was told.
pub enum Heard<G: Game> {
    /// What opens the lane: the place taken, who is there, and what the game looks like.
    Welcome {
        /// The seat; none for spectators.
        seat: Option<Seat>,
        /// Everyone in the room.
        members: Vec<Member>,
        /// The game, as this member sees it.
        view: G::View,
    },
    /// What the game looks like now.
    State(G::View),
    /// Something the game said.
    Event(G::Event),
    /// What became of one's own action or leave.
    Answer(Result<(), ErrorBody>),
    /// Someone else came in.
    Joined(Member),
    /// A player's connection is lost; the seat is kept for a while.
    Disconnected(UserId),
    /// The player of a kept seat is back.
    Reconnected(UserId),
    /// Someone is gone.
    Left(UserId, LeftReason),
    /// Something of the room has changed.
    Room(Box<RoomUpdated>),
    /// Something of a member has changed.
    Member(Box<MemberUpdated>),
    /// A line of the room itself.
    System(SystemSaid),
    /// The room is closed to this member.
    Closed(ClosedReason),
}

impl<G: Game> Heard<G> {
    /// Reads a message as a client of the game would. Panics if no client could.
    pub(super) fn read(envelope: &Envelope<'_>) -> Self {
        if let Some(success) = envelope.success {
            return match (success, &envelope.error) {
                (true, _) if has_view(&envelope.kind) => Self::welcome(decoded(envelope)),
                (true, _) => Self::Answer(Ok(())),
                (false, error) => Self::Answer(Err(error.clone().expect("a failure says why"))),
            };
        }
        match envelope.kind.as_ref() {
            GAME_STATE => Self::State(decoded(envelope)),
            ClientJoined::TYPE => Self::Joined(decoded::<ClientJoined>(envelope).member),
            ClientDisconnected::TYPE => Self::Disconnected(decoded::<ClientDisconnected>(envelope).user_id),
            ClientReconnected::TYPE => Self::Reconnected(decoded::<ClientReconnected>(envelope).user_id),
            RoomClosed::TYPE => Self::Closed(decoded::<RoomClosed>(envelope).reason),
            RoomUpdated::TYPE => Self::Room(Box::new(decoded(envelope))),
            MemberUpdated::TYPE => Self::Member(Box::new(decoded(envelope))),
            SystemSaid::TYPE => Self::System(decoded(envelope)),
            ClientLeft::TYPE => {
                let left = decoded::<ClientLeft>(envelope);
                Self::Left(left.user_id, left.reason)
            }
            kind => match variant::decode(kind, envelope.data) {
                Ok(event) => Self::Event(event),
                Err(error) => panic!("an event {kind:?} cannot be read back: {error}"),
            },
        }
    }

    fn welcome(RoomJoined { seat, members, view, .. }: RoomJoined) -> Self {
        let view = read_data("view", view.data());
        Self::Welcome { seat: seat.map(Seat), members, view }
    }
}

/// Answers to those who come in; everyone else's answers have no data.
fn has_view(kind: &str) -> bool {
    kind == super::table::JOINED
}

fn decoded<T: DeserializeOwned + Decode<()>>(envelope: &Envelope<'_>) -> T {
    read_data(&envelope.kind, envelope.data)
}

pub(super) fn read_data<T: DeserializeOwned + Decode<()>>(kind: &str, data: Data<'_>) -> T {
    data.decode().unwrap_or_else(|error| panic!("{kind:?} cannot be read back: {error}"))
}

/// A game's types need no `Debug`, so they are shown as JSON.
impl<G: Game> fmt::Debug for Heard<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Welcome { seat, members, view } => {
                f.debug_tuple("Welcome").field(seat).field(members).field(&json(view)).finish()
            }
            Self::State(view) => write!(f, "State({})", json(view)),
            Self::Event(event) => write!(f, "Event({})", json(event)),
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Joined(member) => f.debug_tuple("Joined").field(member).finish(),
            Self::Disconnected(user) => write!(f, "Disconnected({user})"),
            Self::Reconnected(user) => write!(f, "Reconnected({user})"),
            Self::Left(user, reason) => write!(f, "Left({user}, {reason:?})"),
            Self::Room(update) => f.debug_tuple("Room").field(update).finish(),
            Self::Member(update) => f.debug_tuple("Member").field(update).finish(),
            Self::System(said) => f.debug_tuple("System").field(said).finish(),
            Self::Closed(reason) => write!(f, "Closed({reason:?})"),
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}
