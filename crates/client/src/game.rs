//! The types of one kind of game, as its clients see it: messages and the view, none of the rules.

use anteroom_protocol::bincode::de::{BorrowDecoder, Decoder};
use anteroom_protocol::bincode::error::DecodeError;
use anteroom_protocol::bincode::{BorrowDecode, Decode};
use anteroom_protocol::codec::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What a [`Room`](crate::Room) is typed by; implement it for a marker type, which derives
/// what its [`RoomEvent`](crate::RoomEvent)s shall be able to do, such as `Debug`. The types are the ones that the game's
/// server crate declares, or copies of them with the same shape.
pub trait Game: 'static {
    /// The kind's name, as in `create_room.game`.
    const KIND: &'static str;
    /// The version of the binary shapes below. A server with another one is only understood in JSON.
    const VERSION: u16;
    /// What players do: an enum of struct variants, whose names in snake_case are the messages' types.
    type Action: Body + DeserializeOwned + Sync;
    /// What the game tells besides the view: an enum of the same form, or [`NoEvents`].
    type Event: DeserializeOwned + Decode<()> + Send + 'static;
    /// What this player sees of the game.
    type View: DeserializeOwned + Decode<()> + Clone + Send + Sync + 'static;
}

/// The event type of games whose view says it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum NoEvents {}

impl<C> Decode<C> for NoEvents {
    fn decode<D: Decoder<Context = C>>(_decoder: &mut D) -> Result<Self, DecodeError> {
        Err(DecodeError::Other("this game has no events"))
    }
}

impl<'de, C> BorrowDecode<'de, C> for NoEvents {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(_decoder: &mut D) -> Result<Self, DecodeError> {
        Err(DecodeError::Other("this game has no events"))
    }
}
