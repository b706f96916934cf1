//! What changed of the rooms that a lobby shows, and what of that concerns whoever watches some of them.

use anteroom_protocol::RoomId;
use anteroom_protocol::message::RoomSummary;
use anteroom_protocol::message::push::RoomsChanged;

use super::filter::Filter;

/// One room, before and now; nothing where it was not listed.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) room_id: RoomId,
    pub(super) before: Option<RoomSummary>,
    pub(super) now: Option<RoomSummary>,
}

/// What changed between two publications.
#[derive(Debug, Default)]
pub struct Changes(pub(super) Vec<Changed>);

impl Changes {
    /// Whether nothing did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has to change in a list of the rooms that pass a filter.
    #[must_use]
    pub fn of(&self, filter: &Filter) -> RoomsChanged {
        let mut told = RoomsChanged::default();
        for Changed { room_id, before, now } in &self.0 {
            let passes = |room: &Option<RoomSummary>| room.as_ref().is_some_and(|room| filter.passes(room));
            match (passes(before), now.as_ref().filter(|room| filter.passes(room))) {
                (false, Some(now)) => told.added.push(now.clone()),
                (true, Some(now)) => told.updated.push(now.clone()),
                (true, None) => told.removed.push(*room_id),
                (false, None) => {}
            }
        }
        told
    }
}
