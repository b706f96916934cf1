//! A user is forgotten: first in every room, then for themselves, and what was deleted is overwritten.

use std::collections::BTreeMap;

use anteroom_core::game::Registry;
use anteroom_protocol::{RoomId, UserId};

use super::searching::Wanted;
use crate::rooms::{Erased, Forgotten};
use crate::stores::{Store, StoreError};

/// What became of the rooms of a user who was forgotten.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) is_known: bool,
    pub(crate) sessions: usize,
    pub(crate) rooms: BTreeMap<RoomId, Erased>,
    /// How many recordings they were in.
    pub(crate) recordings: usize,
}

/// Forgets a user in a store that nobody else has.
///
/// # Errors
/// The store cannot be used. What was done stays done; it can be begun anew.
pub(crate) async fn erase(store: &dyn Store, games: &Registry, user_id: UserId) -> Result<Report, StoreError> {
    let wanted = Wanted::find(store, user_id).await?;
    let forgotten = Forgotten { user_id: &wanted.user_id, names: &wanted.names };
    let mut rooms = BTreeMap::new();
    for (room_id, mention) in wanted.rooms_with_names(store).await? {
        if let Some(erased) = forgotten.in_stored(store, games, room_id, mention).await? {
            rooms.insert(room_id, erased);
        }
    }
    store.erase(store.place().await, wanted.user_id).committed().await?;
    Ok(Report { is_known: wanted.row.is_some(), sessions: wanted.sessions.len(), rooms, recordings: 0 })
}

impl Report {
    /// In words.
    pub(crate) fn words(&self, user: &UserId) -> String {
        if !self.is_known && self.sessions == 0 && self.rooms.is_empty() && self.recordings == 0 {
            return format!("Nothing was stored of {user}.\n");
        }
        let mut words = format!(
            "{user} is forgotten: {} and {}.\n",
            counted(self.sessions, "session"),
            counted(self.rooms.len(), "room")
        );
        if self.recordings > 0 {
            words += &format!("{} of rooms that they were in: deleted\n", counted(self.recordings, "recording"));
        }
        for (what, said) in [
            (Erased::Over, "closed, since nobody else was in it"),
            (Erased::Replaced, "cannot be restored; a stranger is in their place there"),
            (Erased::Deleted, "could not be restored and had something of them, so it is deleted"),
            (
                Erased::Left,
                "cannot be restored and has their name, or that of somebody else who is called so; it is left alone",
            ),
        ] {
            for (room_id, _) in self.rooms.iter().filter(|(_, erased)| **erased == what) {
                words += &format!("room {room_id} {said}\n");
            }
        }
        words
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
