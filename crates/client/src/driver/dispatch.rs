//! Where each message that comes goes: to a request, to a room, to the lobby's watcher, or nowhere.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::Message;
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientJoined, ClientLeft, ClientReconnected, GAME_STATE, RoomClosed, RoomsChanged,
};
use anteroom_protocol::message::request::{Goodbye, LeaveRoom};
use anteroom_protocol::message::result::{RoomJoined, RoomList};
use anteroom_protocol::{Codec, Data, Envelope, ErrorBody, ErrorCode, Header, LaneId, RoomId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{Driver, NORMAL_CLOSURE, RoomEntry};
use crate::error::{RoomEnd, SessionEnd};
use crate::inbox::{Content, Happening, Inbox};
use crate::lobby::Listed;
use crate::shared::{Answer, Joined, Place};

impl Driver {
    pub(super) fn on_record(&mut self, lane: Option<LaneId>, codec: Codec, payload: &[u8]) -> Result<(), SessionEnd> {
        for message in decode_batch(codec, payload).map_err(malformed)? {
            let message = message.map_err(malformed)?;
            // Only a goodbye is JSON whatever the codec.
            if message.kind == Goodbye::TYPE {
                self.goodbye = Some(read_goodbye(message.data));
            } else if codec != self.shared.codec() {
                return Err(SessionEnd::Malformed(format!("{codec} in a session of {}", self.shared.codec())));
            } else {
                self.on_message(lane, message);
            }
        }
        Ok(())
    }

    /// What comes unreliably may be lost, so nothing in it ends the session, and it never makes an inbox overflow.
    pub(super) fn on_datagram(&mut self, lane: LaneId, payload: &[u8]) {
        let Some(entry) = self.rooms.values().find(|entry| entry.lane == lane) else { return };
        let Ok(messages) = decode_batch(Codec::of_payload(payload), payload) else { return };
        for message in messages.map_while(Result::ok) {
            entry.inbox.offer(happening(&message));
        }
    }

    fn on_message(&mut self, lane: Option<LaneId>, message: Envelope<'_>) {
        if let Some(reference) = &message.reference {
            return self.on_answer(lane, reference, &message);
        }
        match &message.room_id {
            Some(room_id) => self.on_room(lane, room_id, &message),
            None => self.on_control(&message),
        }
    }

    fn on_answer(&mut self, lane: Option<LaneId>, reference: &Ref, message: &Envelope<'_>) {
        let answer = match (&message.error, message.kind.as_ref()) {
            (Some(error), _) => Answer::Failed(error.clone()),
            (None, _) if message.success == Some(false) => {
                Answer::Failed(ErrorBody::new(ErrorCode::Internal, "The server did not say why."))
            }
            (None, "create_room_result" | "join_room_result") => self.joined(message),
            (None, "subscribe_rooms_result") => self.subscribed(message.data),
            (None, "leave_room_result") => {
                self.left(lane, message);
                Answer::Done(Content::new(message.data))
            }
            (None, _) => Answer::Done(Content::new(message.data)),
        };
        match self.shared.take_pending(reference) {
            // What nobody waits for any more undoes itself when it is dropped.
            Some(waiting) => drop(waiting.send(answer)),
            None => tracing::debug!(kind = %message.kind, "an answer that nobody waits for"),
        }
    }

    fn joined(&mut self, message: &Envelope<'_>) -> Answer {
        let room: RoomJoined = match message.data.decode() {
            Ok(room) => room,
            Err(error) => {
                self.leave_unknown(message);
                return Answer::Invalid(error.to_string());
            }
        };
        let (room_id, lane) = (room.room_id, room.lane);
        let inbox = Arc::new(Inbox::new(room.members.clone()));
        if let Some(before) = self.rooms.insert(room_id, RoomEntry { lane, inbox: inbox.clone() }) {
            before.inbox.end(RoomEnd::Left);
        }
        let place = Place { shared: self.shared.clone(), inbox, room_id, lane };
        Answer::Joined(Box::new(Joined { room, place }))
    }

    /// Gets out of a room that this build cannot understand.
    fn leave_unknown(&mut self, message: &Envelope<'_>) {
        if let Some(room_id) = &message.room_id {
            self.say(&Header::new(LeaveRoom::TYPE).in_room(room_id), &LeaveRoom::default());
        }
    }

    fn subscribed(&mut self, data: Data<'_>) -> Answer {
        match data.decode::<RoomList>() {
            Ok(list) => {
                let (sender, listed) = watch::channel(Listed::new(&list));
                self.lobby = Some(sender);
                Answer::Subscribed(list, listed)
            }
            Err(error) => Answer::Invalid(error.to_string()),
        }
    }

    fn left(&mut self, lane: Option<LaneId>, message: &Envelope<'_>) {
        if let Some(entry) = self.take_room(lane, message) {
            entry.inbox.end(RoomEnd::Left);
        }
    }

    fn on_room(&mut self, lane: Option<LaneId>, room_id: &str, message: &Envelope<'_>) {
        if message.kind == RoomClosed::TYPE {
            if let Some(entry) = self.take_room(lane, message) {
                entry.inbox.end(closed(message.data));
            }
            return;
        }
        match room_id.parse::<RoomId>().ok().and_then(|room_id| self.rooms.get(&room_id)) {
            Some(entry) if lane.is_none_or(|lane| lane == entry.lane) => entry.inbox.put(happening(message)),
            _ => tracing::trace!(room_id, kind = %message.kind, "a message of a room that is over"),
        }
    }

    /// Forgets the room of a message, if it is on that room's lane.
    fn take_room(&mut self, lane: Option<LaneId>, message: &Envelope<'_>) -> Option<RoomEntry> {
        let room_id = message.room_id.as_ref()?.parse().ok()?;
        match self.rooms.entry(room_id) {
            Entry::Occupied(entry) if lane.is_none_or(|lane| lane == entry.get().lane) => Some(entry.remove()),
            _ => None,
        }
    }

    fn on_control(&mut self, message: &Envelope<'_>) {
        match (message.kind.as_ref(), &message.error) {
            (RoomsChanged::TYPE, _) => self.on_rooms_changed(message.data),
            (_, Some(error)) => self.on_refusal(error),
            (kind, None) => tracing::debug!(kind, "a message that this build does not know"),
        }
    }

    fn on_rooms_changed(&mut self, data: Data<'_>) {
        let Some(lobby) = &self.lobby else { return };
        if lobby.is_closed() {
            return self.unsubscribe();
        }
        match data.decode::<RoomsChanged>() {
            Ok(changed) => lobby.send_modify(|listed| listed.apply(changed)),
            Err(error) => tracing::warn!(%error, "rooms_changed could not be read"),
        }
    }

    /// The session refuses what never reached a room on control, and names the room only in the details.
    fn on_refusal(&mut self, error: &ErrorBody) {
        #[derive(Deserialize)]
        struct Details {
            room_id: RoomId,
        }
        let room_id = error.details.as_ref().and_then(|details| details.decode::<Details>().ok());
        match room_id.and_then(|Details { room_id }| self.rooms.get(&room_id)) {
            Some(entry) => entry.inbox.put(Happening::Error(error.clone())),
            None => tracing::warn!(%error, "the server refused a message"),
        }
    }
}

fn malformed(error: impl std::fmt::Display) -> SessionEnd {
    SessionEnd::Malformed(error.to_string())
}

fn read_goodbye(data: Data<'_>) -> Goodbye {
    let plain = Goodbye { code: NORMAL_CLOSURE, reason: String::new() };
    match data {
        Data::Json(text) => serde_json::from_str(text).unwrap_or(plain),
        Data::Binary(_) => plain,
    }
}

fn closed(data: Data<'_>) -> RoomEnd {
    match data.decode() {
        Ok(closed) => RoomEnd::Closed(closed),
        Err(_) => RoomEnd::Left,
    }
}

/// Reads what a room says, except for what belongs to the game.
fn happening(message: &Envelope<'_>) -> Happening {
    let kind = message.kind.as_ref();
    let read = match kind {
        GAME_STATE => return Happening::State(Content::new(message.data)),
        ClientJoined::TYPE => read(message.data, |ClientJoined { member }| Happening::Joined(member)),
        ClientDisconnected::TYPE => read(message.data, Happening::Disconnected),
        ClientReconnected::TYPE => read(message.data, Happening::Reconnected),
        ClientLeft::TYPE => read(message.data, Happening::Left),
        "error" => Ok(Happening::Error(message.error.clone().unwrap_or_else(unexplained))),
        _ => return Happening::Game { kind: kind.into(), content: Content::new(message.data) },
    };
    read.unwrap_or_else(|error| Happening::Unreadable { kind: kind.into(), reason: error.to_string() })
}

fn read<T: DeserializeOwned + Decode<()>>(
    data: Data<'_>,
    wrap: impl FnOnce(T) -> Happening,
) -> Result<Happening, InvalidData> {
    data.decode().map(wrap)
}

fn unexplained() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "The server did not say why.")
}
