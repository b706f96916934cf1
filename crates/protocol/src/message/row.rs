//! What the [table](super::table) says of a type, besides its name.

use crate::codec::{Codec, Data, InvalidData, Payload};

/// One type of message.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The `type` it travels under.
    pub name: &'static str,
    /// Which part of the server it concerns.
    pub owner: Owner,
    /// Who sends it.
    pub sender: Sender,
    /// What it is to whoever gets it.
    pub form: Form,
    /// Whether it has a number on its lane: from a client its `n`, from the server the one that both ends count.
    pub is_counted: bool,
    /// Its data in the binary codec.
    pub shape: Shape,
    /// See [`Row::translate`].
    pub(super) translate: fn(Data<'_>, Codec) -> Result<Payload, InvalidData>,
}

impl Row {
    /// Reads data of the type, and writes it in a codec: the same one, or the other.
    ///
    /// # Errors
    /// [`InvalidData`] if it does not have the type's shape, or if only a game knows what that is in the other codec.
    pub fn translate(&self, data: Data<'_>, to: Codec) -> Result<Payload, InvalidData> {
        (self.translate)(data, to)
    }
}

/// Which part of the server a message concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The session, or the connection that carries it.
    Session,
    /// The list of rooms.
    Lobby,
    /// A room: who comes, who goes, who is there.
    Room,
    /// A room, and a member of it who asks.
    Member,
    /// The game in a room.
    Game,
}

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Clients alone.
    Client,
    /// The server alone.
    Server,
    /// Either.
    Both,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Asks for something, and is answered, or is refused if it cannot be done.
    Request,
    /// Answers a request.
    Answer,
    /// Said unasked.
    Push,
    /// Keeps lanes and connections going, and means nothing to a player.
    Record,
}

/// The data of a message in the binary codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The fields, in the words of `PROTOCOL.md`, appendix A; no words, no bytes.
    Binary(&'static str),
    /// The message is JSON in every session.
    Json,
    /// The game says.
    Game,
}

/// Where a request may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// On a connection without a session: it begins one, or goes on with one.
    Opening,
    /// With a session or without one.
    Always,
    /// In a session.
    Inside,
}
