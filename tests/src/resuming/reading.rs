//! What the client insists on for each lane, beside what its session counts: a snapshot behind every gap and nowhere
//! else, the answer that opens it in front, and nothing behind its end.

use crate::message::Message;

/// One lane as the client reads it. It outlives connections.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Its room; none for control.
    pub(super) room_id: Option<String>,
    /// A gap was told, and the next counted message is a snapshot.
    awaits_snapshot: bool,
    /// A counted message has come.
    began: bool,
    /// Its last message has come.
    pub(super) ended: bool,
}

impl Reading {
    pub(super) fn new(room_id: Option<String>) -> Self {
        Self { room_id, ..Self::default() }
    }

    /// Goes on, as an announcement says. Whether that told a gap.
    pub(super) fn opened(&mut self, announcement: &Message) -> bool {
        let data = &announcement.data;
        assert_eq!(data["room_id"].as_str(), self.room_id.as_deref(), "another room's: {announcement:?}");
        assert_eq!(announcement.room_id, self.room_id, "{announcement:?}");
        let gap = data["gap"].as_bool().unwrap();
        self.awaits_snapshot |= gap;
        gap
    }

    /// Checks that a counted message fits where it stands. `outlives` says whether the server may be another process by now.
    pub(super) fn take(&mut self, message: &Message, outlives: bool) {
        let is_end = self.room_id.is_some() && is_farewell(message);
        if std::mem::take(&mut self.awaits_snapshot) {
            let stands_for_all =
                if self.room_id.is_some() { is_snapshot(message) || is_end } else { is_state(message) };
            assert!(stands_for_all, "no snapshot behind a gap: {message:?}");
        } else {
            assert!(!is_state(message), "a snapshot without a gap: {message:?}");
            // A request that was carried out by the process before is answered again.
            let again = outlives && self.began && opens(message) && message.reference.is_some();
            assert!(self.room_id.is_none() || again || opens(message) != self.began, "in front of it: {message:?}");
        }
        self.began = true;
        self.ended = is_end;
    }

    /// Checks a counted message behind the end: the server may say the end again behind a gap, because it could not know
    /// that it had arrived.
    pub(super) fn take_again(&mut self, message: &Message) {
        let again = std::mem::take(&mut self.awaits_snapshot) && is_farewell(message);
        assert!(again, "behind the end of its lane: {message:?}");
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
