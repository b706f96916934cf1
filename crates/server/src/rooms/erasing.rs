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

#[cfg(test)]
mod tests {
    use anteroom_core::room::{Join, RoomPolicy, RoomSpec, Snapshot};
    use anteroom_protocol::message::Role;
    use anteroom_protocol::{Codec, LaneId, SessionId};

    use super::super::{RoomLimits, Surroundings};
    use super::*;
    use crate::budget::Budget;
    use crate::clock::Clock;
    use crate::hooks::Hooked;
    use crate::random::Randomness;
    use crate::stores::{Medium, Memory, RoomStore};
    use crate::tables::{LimitList, Times};

    const ADA: (&str, &str) = ("user:ada-51c9", "Ada Xylander");
    const BOB: (&str, &str) = ("user:bob-93e7", "Bob Quandt");
    fn the_room() -> RoomId {
        RoomId::from_bits(5)
    }

    /// A room that is named after ada, as it is stored when these players are in it.
    fn snapshot(players: &[(&str, &str)]) -> Vec<u8> {
        let games = anteroom_games::registry().unwrap();
        let policy = RoomPolicy { grace: Duration::from_secs(60), seat_kept: None, spectators_max: 8 };
        let name = format!("{}'s room", ADA.1);
        let spec = RoomSpec { room_id: the_room(), name, options: None, seed: 1, policy, durable: true };
        let mut room = Room::create(games.kind("tic_tac_toe").unwrap(), spec, Time::from_millis(1000)).unwrap();
        let mut flush = Flush::default();
        for (at, (user_id, username)) in players.iter().enumerate() {
            let join = Join {
                user_id: user_id.parse().unwrap(),
                username: (*username).into(),
                role: Role::Player,
                lane: LaneId(1),
                codec: Codec::Json,
                answer: "join_room_result",
                reference: None,
                applied: 0,
                session_id: Some(SessionId::from_bits(at as u128)),
                n: None,
            };
            room.join(Time::from_millis(1000), join, &mut flush).unwrap();
        }
        room.flush(&mut flush).unwrap();
        let mut bytes = Vec::new();
        room.snapshot().unwrap().encode(&mut bytes).unwrap();
        bytes
    }

    async fn stored(snapshot: &[u8]) -> Memory {
        let store = Memory::new(5000);
        let row =
            RoomRow { durable: true, members: 2, entry: br#"{"away":["user:ada-51c9"]}"#.into(), ..RoomRow::default() };
        let sealed = Sealed::seal(Kind::Snapshot, snapshot).unwrap();
        store.snapshot(store.place().await, 5000, the_room(), 3, row, sealed).committed().await.unwrap();
        store
    }

    async fn erase(store: &Memory) -> Option<Erased> {
        let (user_id, names) = (ADA.0.parse().unwrap(), BTreeSet::from([ADA.1.to_owned()]));
        let forgotten = Forgotten { user_id: &user_id, names: &names };
        forgotten.in_stored(store, &anteroom_games::registry().unwrap(), the_room()).await.unwrap()
    }

    fn has(kept: &Kept, text: &str) -> bool {
        let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        has(kept.snapshot.stored()) || has(&kept.row.entry)
    }

    #[tokio::test]
    async fn a_room_forgets_a_user_and_goes_on_with_the_others() {
        let store = stored(&snapshot(&[ADA, BOB])).await;
        assert_eq!(erase(&store).await, Some(Erased::Forgotten));
        let kept = store.load(the_room()).await.unwrap().unwrap();
        assert!(!has(&kept, ADA.0) && !has(&kept, ADA.1), "{kept:?}");
        assert_eq!((kept.index, kept.row.members, kept.row.durable), (4, 1, true));
        let (room, _) = record::restore(&anteroom_games::registry().unwrap(), &kept).unwrap();
        assert_eq!(room.memberships().map(|there| there.user_id.to_string()).collect::<Vec<_>>(), [BOB.0]);
        assert_eq!(room.summary().name, format!("Room {}", the_room()));
    }

    #[tokio::test]
    async fn a_room_that_nobody_else_is_in_is_over() {
        let store = stored(&snapshot(&[ADA])).await;
        assert_eq!(erase(&store).await, Some(Erased::Over));
        assert_eq!(store.load(the_room()).await.unwrap(), None);
        assert_eq!(erase(&store).await, None);
    }

    /// A program that knows its version may still make it again.
    #[tokio::test]
    async fn in_a_room_that_cannot_be_restored_a_stranger_takes_the_place() {
        let other = snapshot(&[ADA, BOB]);
        let mut other: Value = serde_json::from_slice(&other).unwrap();
        other["version"] = 999.into();
        let store = stored(&serde_json::to_vec(&other).unwrap()).await;
        assert_eq!(erase(&store).await, Some(Erased::Replaced));
        let kept = store.load(the_room()).await.unwrap().unwrap();
        assert!(!has(&kept, ADA.0) && !has(&kept, ADA.1) && has(&kept, BOB.0) && has(&kept, STRANGER), "{kept:?}");
        assert!(kept.suspended.as_ref().is_some_and(|why| why.contains("999")), "{kept:?}");
        // All that was stored is still there, in its shape.
        let mut value: Value = serde_json::from_slice(kept.snapshot.open(Kind::Snapshot).unwrap()).unwrap();
        value["version"] = serde_json::from_slice::<Value>(&snapshot(&[BOB])).unwrap()["version"].clone();
        let snapshot = Snapshot::decode(&serde_json::to_vec(&value).unwrap()).unwrap();
        let games = anteroom_games::registry().unwrap();
        let room = Room::restore(games.kind("tic_tac_toe").unwrap(), snapshot).unwrap();
        assert_eq!(room.memberships().count(), 2);
    }

    /// The same in a server that has found it when it started.
    #[tokio::test]
    async fn a_server_erases_a_user_in_a_room_that_is_suspended() {
        let mut other: Value = serde_json::from_slice(&snapshot(&[ADA, BOB])).unwrap();
        other["version"] = 999.into();
        let store = Arc::new(stored(&serde_json::to_vec(&other).unwrap()).await);
        let rooms = Rooms::new(Surroundings {
            registry: anteroom_games::registry().unwrap(),
            lobby: Arc::default(),
            clock: Clock::start(),
            limits: RoomLimits::of(&LimitList::default(), &Times::default()),
            randomness: Arc::new(Randomness::seeded(1)),
            budget: Arc::new(Budget::new(usize::MAX)),
            hooks: Hooked::default(),
            store: Some(store.clone()),
        });
        rooms.recover().await.unwrap();
        let (user_id, names) = (ADA.0.parse().unwrap(), BTreeSet::new());
        let forgotten = Forgotten { user_id: &user_id, names: &names };
        let erased = rooms.erase(forgotten, BTreeSet::from([the_room()])).await.unwrap();
        assert_eq!(erased, BTreeMap::from([(the_room(), Erased::Replaced)]));
        assert!(!has(&store.load(the_room()).await.unwrap().unwrap(), ADA.0));
        assert!(rooms.find(the_room().as_str()).is_err(), "it is suspended still");
    }

    #[tokio::test]
    async fn a_room_with_turns_that_cannot_be_replayed_is_deleted() {
        let store = stored(&snapshot(&[ADA, BOB])).await;
        let turn = Sealed::seal(Kind::Turn, b"user:ada-51c9 was here").unwrap();
        store.turn(store.place().await, 6000, the_room(), 4, RoomRow::default(), turn).committed().await.unwrap();
        assert_eq!(erase(&store).await, Some(Erased::Deleted));
        assert_eq!(store.load(the_room()).await.unwrap(), None);
    }
}
