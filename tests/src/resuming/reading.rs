//! What the client knows of one lane, and what it insists on: everything once, in order, or a gap that is told.

use anteroom_protocol::lane::{Inbound, Opened};

use crate::message::Message;

/// One lane as the client reads it. It outlives connections.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) inbound: Inbound,
    /// Its room; none for control.
    pub(super) room_id: Option<String>,
    /// The connection that it is on now.
    pub(super) on: Option<u64>,
    /// A gap was told, and the next counted message is a snapshot.
    awaits_snapshot: bool,
    /// Its last message has come.
    pub(super) ended: bool,
}

impl Reading {
    pub(super) fn new(room_id: Option<String>, on: u64) -> Self {
        Self { room_id, on: Some(on), ..Self::default() }
    }

    /// Goes on on a connection, as an announcement says. Whether that told a gap.
    pub(super) fn opened(&mut self, on: u64, announcement: &Message) -> bool {
        let data = &announcement.data;
        assert_eq!(data["room_id"].as_str(), self.room_id.as_deref(), "another room's: {announcement:?}");
        assert_eq!(announcement.room_id, self.room_id, "{announcement:?}");
        self.on = Some(on);
        let (next, gap) = (data["next"].as_u64().unwrap(), data["gap"].as_bool().unwrap());
        match self.inbound.opened(next, gap).unwrap_or_else(|untold| panic!("{announcement:?}: {untold}")) {
            Opened::GoesOn => false,
            Opened::Gap { .. } => {
                self.awaits_snapshot = true;
                true
            }
        }
    }

    /// Counts a message. Whether it is new, and fits where it stands.
    pub(super) fn take(&mut self, message: &Message) -> bool {
        if !self.inbound.take() {
            return false;
        }
        let is_end = self.room_id.is_some() && is_farewell(message);
        if std::mem::take(&mut self.awaits_snapshot) {
            if self.ended && is_end {
                // The server could not know that it had arrived.
                return false;
            }
            let stands_for_all =
                if self.room_id.is_some() { is_snapshot(message) || is_end } else { is_state(message) };
            assert!(stands_for_all, "no snapshot behind a gap: {message:?}");
        } else {
            assert!(!is_state(message), "a snapshot without a gap: {message:?}");
            let number = self.inbound.received();
            assert!(self.room_id.is_none() || opens(message) == (number == 1), "number {number}: {message:?}");
        }
        assert!(!self.ended, "behind the end of its lane: {message:?}");
        self.ended = is_end;
        true
    }
}

/// Whether it is the answer that lets us into a room.
pub(super) fn opens(message: &Message) -> bool {
    message.success == Some(true) && matches!(&*message.kind, "create_room_result" | "join_room_result")
}

fn is_snapshot(message: &Message) -> bool {
    message.kind == "join_room_result" && message.success == Some(true) && message.reference.is_none()
}

fn is_state(message: &Message) -> bool {
    message.kind == "session_state"
}

/// Whether it is the last message of a room's lane.
fn is_farewell(message: &Message) -> bool {
    message.kind == "room_closed" || message.kind == "leave_room_result" && message.success == Some(true)
}
