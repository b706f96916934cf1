//! Where each message goes: answered here, handed to the lobby, or handed to a room.

use std::borrow::Cow;
use std::sync::Arc;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::Message;
use anteroom_protocol::message::request::{ListRooms, Ping, SubscribeRooms, UnsubscribeRooms};
use anteroom_protocol::message::result::Pong;
use anteroom_protocol::{Batch, Codec, Data, Envelope, ErrorBody, ErrorCode, Header, LaneId};
use bytes::Bytes;

use super::ending::End;
use super::{Carried, ConnectionTask, answer};
use crate::rooms::Input;
use crate::session::{Membership, Session};

/// What became of a message.
pub(super) enum Route {
    /// It was answered, handed on, or is to be refused.
    Done(Result<(), ErrorBody>),
    /// The session answers: [`ConnectionTask::on_control`].
    Control,
}

impl Route {
    /// It was taken before, or does not belong here.
    pub(super) const IGNORED: Self = Self::Done(Ok(()));
}

impl ConnectionTask {
    /// Sends a message where it belongs.
    pub(super) fn route(&mut self, payload: &Bytes, message: &Envelope<'_>) -> Result<Route, End> {
        let Some(Carried { session, .. }) = &self.carried else { return Ok(Route::IGNORED) };
        let kind = message.kind.as_ref();
        Ok(match (kind, message.room_id.as_deref()) {
            ("ping", _) => Route::Done(self.ping(message)),
            ("ack", _) => Route::Done(self.on_ack(message)?),
            ("resume", _) => Route::Done(self.resume(message)?),
            ("goodbye", _) => return Err(End::Goodbye),
            ("create_room" | "join_room", _) | ("leave_room", None) => self.ask(message),
            ("leave_room", Some(room_id)) => self.leave_room(room_id, message),
            // Whatever room they name, these are the session's.
            ("list_rooms" | "subscribe_rooms" | "unsubscribe_rooms" | "handshake" | "reconnect", _) | (_, None) => {
                self.take_control(message, Route::Control)
            }
            (_, Some(room_id)) => {
                // Mostly there are no questions.
                if session.is_asking()
                    && let Some(waits) = self.act_later(room_id, payload, message)
                {
                    return Ok(Route::Done(waits));
                }
                let Some(Carried { session, place, .. }) = &self.carried else { return Ok(Route::IGNORED) };
                let act = |membership: &Membership| {
                    membership.room.act(
                        membership.member,
                        membership.share.as_ref(),
                        input(session.codec, payload, message),
                    )
                };
                Route::Done(session.hand_over(place.id, room_id, message.n, bytes_of(message.data), act))
            }
        })
    }

    /// Takes a message of the control lane, if it is new.
    pub(super) fn take_control(&self, message: &Envelope<'_>, new: Route) -> Route {
        let Some(Carried { session, place, .. }) = &self.carried else { return Route::IGNORED };
        let is_new = session.take(place.id, LaneId::CONTROL, message.n, bytes_of(message.data));
        if is_new { new } else { Route::IGNORED }
    }

    /// Does what the session itself answers.
    pub(super) fn on_control(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Some(Carried { session, .. }) = self.carried.clone() else { return Ok(()) };
        match message.kind.as_ref() {
            "list_rooms" => self.list_rooms(&session, message),
            "subscribe_rooms" => self.subscribe_rooms(&session, message),
            "unsubscribe_rooms" => self.unsubscribe_rooms(&session, message),
            "handshake" | "reconnect" => {
                self.refuse_second_handshake(message);
                Ok(())
            }
            _ => Err(ErrorBody::new(ErrorCode::UnknownType, "There is no message of that type outside a room.")),
        }
    }

    fn ping(&mut self, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let Some(Carried { session, .. }) = &self.carried else { return Ok(()) };
        let codec = session.codec;
        let Ping { ts } = read(message.data)?;
        if ts.text().len() > PING_BYTES_MAX {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "`ts` may have at most 64 bytes."));
        }
        let pong = Pong { ts, server_time_ms: self.shared.clock.server_time_ms() };
        let header = Header { reference: message.reference.as_ref(), ..Header::new(Pong::TYPE) };
        self.say(Batch::one(codec, &header, &pong));
        Ok(())
    }

    fn list_rooms(&mut self, session: &Session, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let ListRooms { game } = read(message.data)?;
        let list = self.shared.lobby.list(game.as_deref(), session.codec);
        let header = answer::success("list_rooms_result", message.reference.as_ref());
        self.put(list.and_then(|list| Batch::of_encoded(&header, list.data())));
        Ok(())
    }

    fn subscribe_rooms(&mut self, session: &Arc<Session>, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let SubscribeRooms { game } = read(message.data)?;
        if let Some(game) = &game {
            self.shared.rooms.check_game(game)?;
        }
        let header = answer::success("subscribe_rooms_result", message.reference.as_ref());
        let (lobby, slice) = (&self.shared.lobby, &mut self.slice);
        let subscribed = lobby.subscribe(session, game, |list| {
            let answer = Batch::of_encoded(&header, list.data())?;
            slice.spend_more(answer.payload().len());
            Ok(answer)
        });
        if let Err(error) = subscribed {
            tracing::error!(%error, "an answer could not be encoded");
        }
        Ok(())
    }

    fn unsubscribe_rooms(&mut self, session: &Session, message: &Envelope<'_>) -> Result<(), ErrorBody> {
        let UnsubscribeRooms {} = read(message.data)?;
        session.stop_watching();
        self.shared.lobby.unsubscribe(session.id);
        self.answer(session.codec, "unsubscribe_rooms_result", message.reference.as_ref(), &Empty {});
        Ok(())
    }
}

/// A player's input. The room reads it where it lies.
pub(super) fn input(codec: Codec, payload: &Bytes, message: &Envelope<'_>) -> Input {
    let data = match message.data {
        Data::Json(text) => slice_of(payload, text.as_bytes()),
        Data::Binary(bytes) => slice_of(payload, bytes),
    };
    let kind = match &message.kind {
        Cow::Borrowed(kind) => slice_of(payload, kind.as_bytes()),
        Cow::Owned(kind) => Bytes::copy_from_slice(kind.as_bytes()),
    };
    Input { kind, data, codec, reference: message.reference.clone() }
}

/// How many bytes of data a message has.
pub(super) fn bytes_of(data: Data<'_>) -> usize {
    match data {
        Data::Json(text) => text.len(),
        Data::Binary(bytes) => bytes.len(),
    }
}

/// The longest `ts` that is echoed, in bytes of JSON.
const PING_BYTES_MAX: usize = 64;

/// A part of a payload that shares its memory. Copied if it is a constant that a decoder filled in, or so small a
/// part that it would keep much more in memory than it is.
fn slice_of(payload: &Bytes, part: &[u8]) -> Bytes {
    let is_within = payload.as_ptr_range().contains(&part.as_ptr());
    if is_within && part.len() >= payload.len() / 8 { payload.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}

pub(super) fn read<T: serde::de::DeserializeOwned + anteroom_protocol::bincode::Decode<()>>(
    data: Data<'_>,
) -> Result<T, ErrorBody> {
    data.decode().map_err(|error: InvalidData| {
        ErrorBody::new(ErrorCode::InvalidData, format!("The data does not fit the message: {error}."))
    })
}
