//! The list of rooms as it changes.

use anteroom_protocol::message::RoomSummary;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::result::RoomList;
use tokio::sync::watch;

/// How many rooms are kept; further ones are not listed until others are gone.
const ROOMS_MAX: usize = 10_000;

/// The rooms of a subscription, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listed(Vec<RoomSummary>);

impl Listed {
    pub(crate) fn new(list: &RoomList) -> Self {
        Self(list.rooms.clone())
    }

    pub(crate) fn apply(&mut self, changed: RoomsChanged) {
        self.0.retain(|room| !changed.removed.contains(&room.room_id));
        for room in changed.added.into_iter().chain(changed.updated) {
            match self.0.iter().position(|known| known.room_id == room.room_id) {
                Some(place) => self.0[place] = room,
                None if self.0.len() < ROOMS_MAX => self.0.insert(0, room),
                None => {}
            }
        }
    }
}

/// A subscription to the list of rooms, from [`Client::subscribe_rooms`](crate::Client::subscribe_rooms). Dropping
/// it ends it.
///
/// Only the newest list counts: a slow reader skips those in between, so nothing queues up.
#[derive(Debug)]
pub struct RoomsWatch {
    rooms: Vec<RoomSummary>,
    total: u32,
    listed: watch::Receiver<Listed>,
}

impl RoomsWatch {
    pub(crate) fn new(list: RoomList, listed: watch::Receiver<Listed>) -> Self {
        Self { rooms: list.rooms, total: list.total, listed }
    }

    /// The rooms as of the last [`next`](Self::next), the newest first; at first at most
    /// [`ROOMS_LISTED_MAX`](anteroom_protocol::limits::ROOMS_LISTED_MAX).
    #[must_use]
    pub fn rooms(&self) -> &[RoomSummary] {
        &self.rooms
    }

    /// How many rooms there were when the subscription began.
    #[must_use]
    pub fn total_at_first(&self) -> u32 {
        self.total
    }

    /// Waits until the list has changed and gives it; `None` once the session has ended or a later subscription has
    /// replaced this one. Cancel-safe.
    pub async fn next(&mut self) -> Option<&[RoomSummary]> {
        self.listed.changed().await.ok()?;
        self.rooms.clone_from(&self.listed.borrow_and_update().0);
        Some(&self.rooms)
    }
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::RoomId;
    use anteroom_protocol::message::RoomState;

    use super::*;

    fn room(number: u128, players: u16) -> RoomSummary {
        RoomSummary {
            room_id: RoomId::from_bits(number),
            game: "dice".into(),
            name: String::new(),
            players,
            seats_max: 2,
            spectators: 0,
            state: RoomState::Waiting,
            durable: false,
            locked: false,
            has_password: false,
            created_at_ms: 0,
            data: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn changes_keep_the_list() {
        let mut listed = Listed(vec![room(2, 1), room(1, 1)]);
        listed.apply(RoomsChanged {
            added: vec![room(3, 1)],
            updated: vec![room(1, 2)],
            removed: vec![RoomId::from_bits(2), RoomId::from_bits(9)],
        });
        assert_eq!(listed.0, [room(3, 1), room(1, 2)]);
    }
}
