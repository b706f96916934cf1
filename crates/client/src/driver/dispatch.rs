//! Where each message that comes goes: to a request, to a room, to the lobby's watcher, or nowhere.

use std::sync::Arc;

use anteroom_protocol::bincode::Decode;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::{Ref, decode_batch};
use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientJoined, ClientLeft, ClientReconnected, GAME_STATE, MemberUpdated, PresenceChanged,
    RoomClosed, RoomUpdated, RoomsChanged, SystemSaid,
};
use anteroom_protocol::message::request::{Goodbye, SubscribeRooms};
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{Answered, Message};
use anteroom_protocol::{Codec, Data, Envelope, ErrorBody, ErrorCode, LaneId, RoomId};
use anteroom_transport::Closed;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Driver, RoomEntry};
use crate::error::{RoomEnd, SessionEnd};
use crate::handshake::Refusal;
use crate::inbox::{Content, Happening, Inbox};
use crate::record::RoomInfo;
use crate::session::opening::read_goodbye;
use crate::session::{Arrival, ConnectionId, Opened, is_farewell};
use crate::shared::{Answer, Joined, Place};

/// What a `resume` that comes at the wrong time is answered by.
const RESUME_RESULT: &str = "resume_result";

impl Driver {
    /// Takes a record apart, except for the messages of it that were taken before.
    pub(super) fn on_record(
        &mut self,
        pipe: ConnectionId,
        lane: Option<LaneId>,
        codec: Codec,
        payload: &[u8],
        taken: usize,
    ) -> Result<(), Refusal> {
        for message in decode_batch(codec, payload).map_err(malformed)?.skip(taken) {
            let message = message.map_err(malformed)?;
            // Only a goodbye is JSON whatever the codec.
            if message.kind == Goodbye::TYPE {
                if self.links.is_current(pipe) {
                    self.goodbye = Some(read_goodbye(message.data));
                }
            } else if codec != self.shared.codec() {
                return Err(malformed(format_args!("{codec} in a session of {}", self.shared.codec())));
            } else {
                self.on_arrival(pipe, lane, &message)?;
            }
        }
        Ok(())
    }

    fn on_arrival(&mut self, pipe: ConnectionId, lane: Option<LaneId>, message: &Envelope<'_>) -> Result<(), Refusal> {
        if let Some(error) = message.error.as_ref().filter(|_| message.kind == RESUME_RESULT) {
            return Err(Refusal::Again(Closed::Lost(error.message.clone().into())));
        }
        match self.session.arrive(self.now_ms(), pipe, lane, message).map_err(malformed)? {
            Arrival::Deliver(lane) => self.on_message(lane, message),
            Arrival::Snapshot { lane, missed } if lane == LaneId::CONTROL => {
                self.on_session_state(missed, message.data)
            }
            Arrival::Snapshot { lane, missed } => self.on_snapshot(lane, missed, message),
            Arrival::Opened(opened) => self.on_opened(opened),
            Arrival::Dropped => {}
        }
        self.leave_unclaimed();
        Ok(())
    }

    fn on_opened(&mut self, opened: Opened) {
        if opened.lane == LaneId::CONTROL {
            self.attached();
        }
        for batch in opened.resend {
            self.links.send(batch);
        }
        self.unanswered(opened.unanswered);
        self.settle();
    }

    /// Tells those who wait for an answer that it will not come.
    pub(super) fn unanswered(&mut self, references: Vec<u64>) {
        for reference in references {
            if self.subscribing.take_if(|(subscribing, _)| *subscribing == reference).is_some() && self.lobby.is_some()
            {
                self.subscribe_again();
            }
            self.answer(Some(reference), Answer::Lost);
        }
    }

    /// What comes unreliably may be lost, so nothing in it ends the session, and it never makes an inbox overflow.
    pub(super) fn on_datagram(&mut self, lane: LaneId, payload: &[u8]) {
        let Some(inbox) = self.rooms.get(&lane).and_then(|entry| entry.inbox.as_ref()) else { return };
        let Ok(messages) = decode_batch(Codec::of_payload(payload), payload) else { return };
        for message in messages.map_while(Result::ok) {
            inbox.offer(happening(&message));
        }
    }

    fn on_message(&mut self, lane: LaneId, message: &Envelope<'_>) {
        match &message.reference {
            Some(reference) => self.on_answer(lane, reference, message),
            None if lane == LaneId::CONTROL => self.on_control(message),
            None if is_farewell(message) => {}
            None => self.tell(lane, happening(message)),
        }
        if lane != LaneId::CONTROL && is_farewell(message) {
            self.farewell(lane, message);
        }
    }

    fn on_answer(&mut self, lane: LaneId, reference: &Ref, message: &Envelope<'_>) {
        let Ok(reference) = reference.as_str().parse() else {
            return tracing::debug!(kind = %message.kind, "an answer to what was never asked");
        };
        let answer = match (&message.error, message.kind.as_ref()) {
            (Some(error), _) => Answer::Failed(error.clone()),
            (None, _) if message.success == Some(false) => Answer::Failed(unexplained()),
            (None, "create_room_result" | "join_room_result") => self.joined(lane, message),
            (None, "subscribe_rooms_result") => self.subscribed(reference, message.data),
            (None, _) => Answer::Done(Content::new(message.data)),
        };
        self.answer(Some(reference), answer);
    }

    fn joined(&mut self, lane: LaneId, message: &Envelope<'_>) -> Answer {
        let room: RoomJoined = match message.data.decode() {
            Ok(room) => room,
            Err(error) => {
                self.leave_unknown(lane, room_of(message));
                return Answer::Invalid(error.to_string());
            }
        };
        let room_id = room.room_id;
        let inbox = Arc::new(Inbox::new(room.members.clone(), RoomInfo::of(&room)));
        self.rooms.insert(lane, RoomEntry { room_id, inbox: Some(inbox.clone()) });
        self.unclaimed.remove(&lane);
        let place = Place { shared: self.shared.clone(), inbox, room_id, lane };
        Answer::Joined(Box::new(Joined { room, place }))
    }

    /// Everything in a room as it is now, because what led to it was lost.
    fn on_snapshot(&mut self, lane: LaneId, missed: u64, message: &Envelope<'_>) {
        let Some(entry) = self.rooms.get(&lane) else {
            // The answer of some request was lost, unless it comes again.
            self.unclaimed.extend(room_of(message).map(|room_id| (lane, room_id)));
            return;
        };
        let Some(inbox) = &entry.inbox else { return };
        match message.data.decode::<RoomJoined>() {
            Ok(room) => {
                let info = Box::new(RoomInfo::of(&room));
                inbox.put(Happening::Gap { missed, members: room.members, info });
                inbox.put(Happening::State(Content::new(room.view.data())));
            }
            Err(error) => {
                inbox.put(Happening::Unreadable { kind: message.kind.as_ref().into(), reason: error.to_string() });
            }
        }
    }

    /// The last message of a room's lane.
    fn farewell(&mut self, lane: LaneId, message: &Envelope<'_>) {
        let end = if message.kind == RoomClosed::TYPE { closed(message.data) } else { RoomEnd::Left };
        match self.rooms.remove(&lane) {
            Some(entry) => entry.end(end),
            None => self.unclaimed.extend(room_of(message).map(|room_id| (lane, room_id))),
        }
        let ended = self.session.end_lane(lane);
        self.unanswered(ended.unanswered);
        self.settle();
    }

    fn tell(&self, lane: LaneId, happening: Happening) {
        match self.rooms.get(&lane).and_then(|entry| entry.inbox.as_ref()) {
            Some(inbox) => inbox.put(happening),
            None => tracing::trace!(%lane, "a message of a room that nobody listens to"),
        }
    }

    fn on_control(&mut self, message: &Envelope<'_>) {
        match (message.kind.as_ref(), &message.error) {
            (RoomsChanged::TYPE, _) => self.on_rooms_changed(message.data),
            (SubscribeRooms::RESULT, None) => self.on_rooms_listed(message.data),
            (_, Some(error)) => self.on_refusal(error),
            (kind, None) => tracing::debug!(kind, "a message that this build does not know"),
        }
    }

    /// The session refuses what never reached a room on control, and names the room only in the details.
    fn on_refusal(&mut self, error: &ErrorBody) {
        #[derive(Deserialize)]
        struct Details {
            room_id: RoomId,
            n: Option<u64>,
        }
        let details = error.details.as_ref().and_then(|details| details.decode::<Details>().ok());
        let Some(Details { room_id, n }) = details else {
            return tracing::warn!(%error, "the server refused a message");
        };
        if let Some(n) = n {
            self.session.refused(n);
        }
        let entry = self.rooms.values().rev().find(|entry| entry.room_id == room_id);
        if let Some(inbox) = entry.and_then(|entry| entry.inbox.as_ref()) {
            inbox.put(Happening::Error(error.clone()));
        }
    }
}

/// The room that a message names.
pub(super) fn room_of(message: &Envelope<'_>) -> Option<RoomId> {
    message.room_id.as_ref().and_then(|room_id| room_id.parse().ok())
}

fn malformed(error: impl std::fmt::Display) -> Refusal {
    Refusal::End(SessionEnd::Malformed(error.to_string()))
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
        RoomUpdated::TYPE => read(message.data, |changes| Happening::RoomUpdated(Box::new(changes))),
        MemberUpdated::TYPE => read(message.data, Happening::MemberUpdated),
        PresenceChanged::TYPE => read(message.data, Happening::Presence),
        ChatEntry::TYPE => read(message.data, Happening::Chat),
        SystemSaid::TYPE => read(message.data, Happening::System),
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
