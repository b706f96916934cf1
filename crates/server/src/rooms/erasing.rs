//! A user is forgotten in rooms.
//!
//! A room that is in memory is told so, and one that sleeps is woken for it. Where no server runs it is made again, forgets them, and
//! is stored as it is then; the turns before are deleted with that. One that cannot be made again keeps what the others have of
//! it: a stranger takes the user's place in its snapshot. If even that cannot be done, or there are turns, which nobody can
//! change, the room is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::game::Registry;
use anteroom_core::room::{Command, Flush, Room};
use anteroom_protocol::{RoomId, UserId};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::link::Mail;
use super::{RoomHandle, Rooms, journal, record};
use crate::panics::guarded;
use crate::random;
use crate::stores::{Kept, Kind, RoomRow, Sealed, Store, StoreError};

/// What a stranger is called.
const STRANGER: &str = "Stranger";

/// Who is to be forgotten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forgotten<'a> {
    pub(crate) user_id: &'a UserId,
    /// The names that they were known by.
    pub(crate) names: &'a BTreeSet<String>,
}

/// What became of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erased {
    /// It has forgotten them.
    Forgotten,
    /// It is over: nobody else was in it.
    Over,
    /// It cannot be restored, now as before, and a stranger is in their place.
    Replaced,
    /// It could not be restored, and is deleted.
    Deleted,
}

impl Forgotten<'_> {
    /// What a room is told: one command takes one name.
    fn commands(self) -> impl Iterator<Item = (UserId, Option<String>)> {
        let nameless = self.names.is_empty().then_some(None);
        let names = self.names.iter().cloned().map(Some);
        names.chain(nameless).map(|username| (self.user_id.clone(), username))
    }

    /// Lets a room forget them; nothing if there is none.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn in_stored(
        self,
        store: &dyn Store,
        registry: &Registry,
        room_id: RoomId,
    ) -> Result<Option<Erased>, StoreError> {
        let kept = match store.load(room_id).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return Ok(None),
            Err(StoreError::Damaged(_)) => return self.delete(store, room_id, Erased::Deleted).await,
            Err(error) => return Err(error),
        };
        match record::restore(registry, &kept) {
            Ok((room, index)) => self.in_restored(store, room, index, &kept.row).await,
            Err(why) => self.in_suspended(store, room_id, &kept, why).await,
        }
    }

    async fn in_restored(
        self,
        store: &dyn Store,
        mut room: Room,
        index: u64,
        row: &RoomRow,
    ) -> Result<Option<Erased>, StoreError> {
        let room_id = room.summary().room_id;
        let mut flush = Flush::default();
        // As when it wakes: what passed while no server ran takes nothing from anyone's time.
        room.put_off(Duration::from_millis(store.boot().down_ms.saturating_sub(row.down_ms)));
        let turn = guarded(|| {
            for (user_id, username) in self.commands() {
                // The room's own time: nothing falls due meanwhile.
                room.handle(Time::from_millis(0), Command::Erase { user_id, username }, &mut flush);
            }
            room.flush(&mut flush)
        });
        if !matches!(turn, Ok(Ok(()))) {
            return self.delete(store, room_id, Erased::Deleted).await;
        }
        if flush.effects.closed {
            return self.delete(store, room_id, Erased::Over).await;
        }
        let entry = serde_json::to_vec(&room.entry()).unwrap_or_default();
        let (place, now) = (store.place().await, Time::from_millis(store.boot().start_ms));
        match journal::keep(store, place, now, &room, index + 1, row.durable, &entry) {
            Ok(mut receipt) => receipt.committed().await.map(|()| Some(Erased::Forgotten)),
            Err(_) => self.delete(store, room_id, Erased::Deleted).await,
        }
    }

    /// What cannot be restored may be some day, by a program that can.
    async fn in_suspended(
        self,
        store: &dyn Store,
        room_id: RoomId,
        kept: &Kept,
        why: String,
    ) -> Result<Option<Erased>, StoreError> {
        let Some((row, snapshot)) = self.replaced(room_id, kept) else {
            return self.delete(store, room_id, Erased::Deleted).await;
        };
        let (place, again) = (store.place().await, store.place().await);
        let mut receipt = store.snapshot(place, store.boot().start_ms, room_id, kept.index + 1, row, snapshot);
        receipt.committed().await?;
        store.suspend(again, room_id, why).committed().await?;
        Ok(Some(Erased::Replaced))
    }

    fn replaced(self, room_id: RoomId, kept: &Kept) -> Option<(RoomRow, Sealed)> {
        if !kept.turns.is_empty() {
            return None;
        }
        let stranger = UserId::guest(u128::from_le_bytes(random::bytes()));
        let replace = |bytes: &[u8]| {
            let mut value: Value = serde_json::from_slice(bytes).ok()?;
            self.replace(&mut value, &stranger);
            if let Some(Value::String(name)) = value.get_mut("name")
                && self.names.iter().any(|known| name.contains(known.as_str()))
            {
                *name = format!("Room {room_id}");
            }
            serde_json::to_vec(&value).ok()
        };
        let snapshot = replace(kept.snapshot.open(Kind::Snapshot).ok()?)?;
        // The lobby does without a row that cannot be read.
        let entry = replace(&kept.row.entry).unwrap_or_default();
        Some((RoomRow { entry, ..kept.row.clone() }, Sealed::seal(Kind::Snapshot, &snapshot)?))
    }

    fn replace(self, value: &mut Value, stranger: &UserId) {
        match value {
            Value::String(text) if text == self.user_id.as_str() => *text = stranger.to_string(),
            Value::Array(values) => values.iter_mut().for_each(|value| self.replace(value, stranger)),
            Value::Object(fields) => {
                self.rename(fields);
                fields.values_mut().for_each(|value| self.replace(value, stranger));
            }
            _ => {}
        }
    }

    fn rename(self, fields: &mut Map<String, Value>) {
        let is_theirs = fields.get("user_id").and_then(Value::as_str) == Some(self.user_id.as_str());
        if is_theirs && let Some(name) = fields.get_mut("username") {
            *name = STRANGER.into();
        }
    }

    async fn delete(self, store: &dyn Store, room_id: RoomId, as_what: Erased) -> Result<Option<Erased>, StoreError> {
        store.remove(store.place().await, vec![room_id]).committed().await?;
        Ok(Some(as_what))
    }
}

impl Rooms {
    /// Lets rooms forget a user: all that are in memory, stored or not, and of the others those that are named. What became of
    /// the latter, and of those in memory that are stored.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn erase(
        self: &Arc<Self>,
        forgotten: Forgotten<'_>,
        stored: BTreeSet<RoomId>,
    ) -> Result<BTreeMap<RoomId, Erased>, StoreError> {
        let running: Vec<RoomHandle> = self.lock().running.values().cloned().collect();
        let mut waiting = Vec::new();
        for room in running {
            waiting.push((room.room_id, ask(&room, forgotten)));
        }
        let mut erased = BTreeMap::new();
        for (room_id, done) in waiting {
            let is_open = done.await;
            if stored.contains(&room_id) {
                erased.insert(room_id, if is_open { Erased::Forgotten } else { Erased::Over });
            }
        }
        // Rooms of which there are many: one is woken after the other.
        for room_id in stored {
            if !erased.contains_key(&room_id)
                && let Some(what) = self.erase_in(forgotten, room_id).await?
            {
                erased.insert(room_id, what);
            }
        }
        Ok(erased)
    }

    async fn erase_in(
        self: &Arc<Self>,
        forgotten: Forgotten<'_>,
        room_id: RoomId,
    ) -> Result<Option<Erased>, StoreError> {
        let is_suspended = |rooms: &Self| rooms.lock().suspended.contains_key(&room_id);
        if let Ok(Some(room)) = self.reach(&room_id)
            && (ask(&room, forgotten).await || !is_suspended(self))
        {
            return Ok(Some(Erased::Forgotten));
        }
        let (true, Some(store)) = (is_suspended(self), &self.store) else { return Ok(None) };
        let erased = forgotten.in_stored(store.as_ref(), &self.registry, room_id).await?;
        if matches!(erased, None | Some(Erased::Over | Erased::Deleted)) {
            self.lock().suspended.remove(&room_id);
        }
        Ok(erased)
    }
}

/// Asks a room to forget a user. Whether it goes on afterwards; if not, it is over, or could not be made again.
fn ask(room: &RoomHandle, forgotten: Forgotten<'_>) -> impl Future<Output = bool> + use<> {
    let done: Vec<_> = forgotten
        .commands()
        .map(|(user_id, username)| {
            let (done, is_done) = oneshot::channel();
            room.insist(Mail::Erase { user_id, username, done });
            is_done
        })
        .collect();
    async move {
        let mut goes_on = true;
        for is_done in done {
            goes_on &= is_done.await.is_ok();
        }
        goes_on
    }
}
