//! A user is forgotten in rooms.
//!
//! A room that is in memory is told so, and one that sleeps is woken for it. Where no server runs it is made again, forgets them, and
//! is stored as it is then; the turns before are deleted with that. One that cannot be made again keeps what the others have of
//! it: a stranger takes the user's place in its snapshot. If even that cannot be done, or there are turns, which nobody can
//! change, the room is deleted; one that has only their name is left alone, since others may be called the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::game::Registry;
use anteroom_core::room::{Command, Flush, Room, is_named_after};
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId, UserId};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::mail::Mail;
use super::{RoomHandle, Rooms, journal, record};
use crate::panics::guarded;
use crate::random;
use crate::stores::{Kept, Kind, RoomRow, Sealed, Store, StoreError};

/// How often a room is asked that does not answer, and how long it may take to get where it can.
const TRIES_MAX: usize = 40;
const AGAIN_AFTER: Duration = Duration::from_millis(50);
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
    /// It cannot be restored and has only a name in it that may be another's, too: nothing was done.
    Left,
}

/// What of a user was found in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mention {
    /// Their id, which nobody else has.
    Id,
    /// Only a name of theirs.
    Name,
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
        mention: Mention,
    ) -> Result<Option<Erased>, StoreError> {
        let kept = match store.load(room_id).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return Ok(None),
            Err(StoreError::Damaged(_)) if mention == Mention::Name => return Ok(Some(Erased::Left)),
            Err(StoreError::Damaged(_)) => return self.delete(store, room_id, Erased::Deleted).await,
            Err(error) => return Err(error),
        };
        match record::restore(registry, &kept) {
            Ok((room, index)) => self.in_restored(store, room, index, &kept.row, mention).await,
            Err(_) if mention == Mention::Name => Ok(Some(Erased::Left)),
            Err(why) => self.in_suspended(store, room_id, &kept, why).await,
        }
    }

    async fn in_restored(
        self,
        store: &dyn Store,
        mut room: Room,
        index: u64,
        row: &RoomRow,
        mention: Mention,
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
        match turn {
            Ok(Ok(())) => {}
            _ if mention == Mention::Name => return Ok(Some(Erased::Left)),
            _ => return self.delete(store, room_id, Erased::Deleted).await,
        }
        if flush.effects.closed {
            return self.delete(store, room_id, Erased::Over).await;
        }
        let entry = serde_json::to_vec(&room.entry()).unwrap_or_default();
        let (place, now) = (store.place().await, Time::from_millis(store.boot().start_ms));
        match journal::keep(store, place, now, &room, index + 1, row.durable, &entry) {
            Ok(mut receipt) => receipt.committed().await.map(|()| Some(Erased::Forgotten)),
            Err(_) if mention == Mention::Name => Ok(Some(Erased::Left)),
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
                && self.names.iter().any(|known| is_named_after(name, known, true))
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
                self.replace_key(fields, stranger);
                fields.values_mut().for_each(|value| self.replace(value, stranger));
            }
            _ => {}
        }
    }

    /// Of what is kept by user.
    fn replace_key(self, fields: &mut Map<String, Value>, stranger: &UserId) {
        let Some(mut kept) = fields.remove(self.user_id.as_str()) else { return };
        if let Some(name) = kept.get_mut("username") {
            *name = STRANGER.into();
        }
        fields.insert(stranger.to_string(), kept);
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
    /// the latter.
    ///
    /// # Errors
    /// A sentence: a room cannot be read or asked. What was done stays done; it can be begun anew.
    pub(crate) async fn erase(
        self: &Arc<Self>,
        forgotten: Forgotten<'_>,
        mut stored: BTreeMap<RoomId, Mention>,
    ) -> Result<BTreeMap<RoomId, Erased>, String> {
        let running: Vec<RoomHandle> = self.lock().running.values().cloned().collect();
        let mut waiting = Vec::new();
        for room in running {
            let done = ask(&room, forgotten);
            waiting.push((room, done));
        }
        let mut erased = BTreeMap::new();
        for (room, done) in waiting {
            if !done.await && room.is_durable() {
                // It is over, or has left memory without having heard it: what is stored tells.
                stored.entry(room.room_id).or_insert(Mention::Name);
            } else if stored.remove(&room.room_id).is_some() {
                erased.insert(room.room_id, Erased::Forgotten);
            }
        }
        // Rooms of which there are many: one is woken after the other.
        for (room_id, mention) in stored {
            erased.insert(room_id, self.erase_in(forgotten, room_id, mention).await?);
        }
        Ok(erased)
    }

    /// Only what a room has said itself, or what is stored, tells what became of it.
    async fn erase_in(
        self: &Arc<Self>,
        forgotten: Forgotten<'_>,
        room_id: RoomId,
        mention: Mention,
    ) -> Result<Erased, String> {
        let Some(store) = &self.store else { return Ok(Erased::Over) };
        for _ in 0..TRIES_MAX {
            match self.rouse(&room_id) {
                Ok(Some(room)) => {
                    if ask(&room, forgotten).await {
                        return Ok(Erased::Forgotten);
                    }
                }
                Ok(None) => match store.load(room_id).await {
                    Ok(None) => return Ok(Erased::Over),
                    // It is between two places.
                    Ok(Some(_)) => {}
                    Err(error) => return Err(error.to_string()),
                },
                Err(ErrorBody { code: ErrorCode::RoomSuspended, .. }) => {
                    let erased = forgotten.in_stored(store.as_ref(), &self.registry, room_id, mention).await;
                    let erased = erased.map_err(|error| error.to_string())?.unwrap_or(Erased::Over);
                    let mut places = self.lock();
                    // It says who may come back.
                    drop(places.take_door(&room_id));
                    if matches!(erased, Erased::Over | Erased::Deleted) {
                        places.suspended.remove(&room_id);
                    }
                    return Ok(erased);
                }
                Err(error) => return Err(format!("room {room_id} cannot be asked: {}", error.message)),
            }
            sleep(AGAIN_AFTER).await;
        }
        Err(format!("room {room_id} cannot be read just now, so it has not forgotten them; see the log, and ask again"))
    }
}

/// Asks a room to forget a user. Whether it has, and is stored so; if not, it is over, or never heard of it.
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
    use crate::chat::ChatSection;
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
        let spec = RoomSpec {
            room_id: the_room(),
            name,
            options: None,
            seed: 1,
            policy,
            durable: true,
            terms: anteroom_core::room::Terms::default(),
        };
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
                password: None,
                invite: None,
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
        erase_as(store, Mention::Id).await
    }

    async fn erase_as(store: &Memory, mention: Mention) -> Option<Erased> {
        let (user_id, names) = (ADA.0.parse().unwrap(), BTreeSet::from([ADA.1.to_owned()]));
        let forgotten = Forgotten { user_id: &user_id, names: &names };
        forgotten.in_stored(store, &anteroom_games::registry().unwrap(), the_room(), mention).await.unwrap()
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

    /// Others may be called the same.
    #[tokio::test]
    async fn a_room_that_cannot_be_restored_is_left_alone_if_it_only_has_the_name() {
        let mut other: Value = serde_json::from_slice(&snapshot(&[BOB])).unwrap();
        other["version"] = 999.into();
        let store = stored(&serde_json::to_vec(&other).unwrap()).await;
        let before = store.load(the_room()).await.unwrap();
        assert_eq!(erase_as(&store, Mention::Name).await, Some(Erased::Left));
        assert_eq!(store.load(the_room()).await.unwrap(), before);
    }

    fn rooms_of(store: Arc<dyn Store>, limits: &LimitList) -> Arc<Rooms> {
        Rooms::new(Surroundings {
            registry: anteroom_games::registry().unwrap(),
            lobby: Arc::default(),
            clock: Clock::start_at(store.boot().start_ms),
            limits: RoomLimits::of(limits, &Times::default(), ChatSection::default()),
            randomness: Arc::new(Randomness::seeded(1)),
            budget: Arc::new(Budget::new(usize::MAX)),
            hooks: Hooked::default(),
            filter: Default::default(),
            store: Some(store),
            recordings: Arc::default(),
        })
    }

    /// As many rooms are in memory as may be, and theirs sleeps.
    #[tokio::test(start_paused = true)]
    async fn a_user_is_erased_in_a_room_for_which_there_is_no_space() {
        let store = Arc::new(stored(&snapshot(&[ADA, BOB])).await);
        let limits = LimitList { rooms_max: 1, ..LimitList::default() };
        let rooms = rooms_of(store.clone(), &limits);
        rooms.lock().asleep.add(the_room(), None);
        let other = rooms.reserve(false, || RoomId::from_bits(6)).unwrap();
        assert!(rooms.find(the_room().as_str()).is_err(), "there is no space");
        // Its mailbox is closed: it has nothing of anybody.
        drop(other.mailbox);
        let (user_id, names) = (ADA.0.parse().unwrap(), BTreeSet::from([ADA.1.to_owned()]));
        let forgotten = Forgotten { user_id: &user_id, names: &names };
        let erased = rooms.erase(forgotten, BTreeMap::from([(the_room(), Mention::Id)])).await.unwrap();
        assert_eq!(erased, BTreeMap::from([(the_room(), Erased::Forgotten)]));
        let kept = store.load(the_room()).await.unwrap().unwrap();
        assert!(!has(&kept, ADA.0) && has(&kept, BOB.0), "{kept:?}");
    }

    /// One that does not answer has not forgotten anything.
    #[tokio::test(start_paused = true)]
    async fn a_room_that_cannot_be_asked_is_not_said_to_have_forgotten() {
        let store = Arc::new(stored(&snapshot(&[ADA, BOB])).await);
        let rooms = rooms_of(store.clone(), &LimitList::default());
        drop(rooms.reserve(true, the_room).unwrap().mailbox);
        let (user_id, names) = (ADA.0.parse().unwrap(), BTreeSet::new());
        let forgotten = Forgotten { user_id: &user_id, names: &names };
        let failed = rooms.erase(forgotten, BTreeMap::from([(the_room(), Mention::Id)])).await.unwrap_err();
        assert!(failed.contains("has not forgotten them"), "{failed}");
        assert!(has(&store.load(the_room()).await.unwrap().unwrap(), ADA.0));
        // It lies down meanwhile.
        {
            let mut places = rooms.lock();
            places.running.clear();
            places.asleep.add(the_room(), None);
        }
        let erased = rooms.erase(forgotten, BTreeMap::from([(the_room(), Mention::Id)])).await.unwrap();
        assert_eq!(erased, BTreeMap::from([(the_room(), Erased::Forgotten)]));
        assert!(!has(&store.load(the_room()).await.unwrap().unwrap(), ADA.0));
    }

    /// A stranger takes the place in a server that has found it when it started, too.
    #[tokio::test]
    async fn a_server_erases_a_user_in_a_room_that_is_suspended() {
        let mut other: Value = serde_json::from_slice(&snapshot(&[ADA, BOB])).unwrap();
        other["version"] = 999.into();
        let store = Arc::new(stored(&serde_json::to_vec(&other).unwrap()).await);
        let rooms = rooms_of(store.clone(), &LimitList::default());
        rooms.recover().await.unwrap();
        let (user_id, names) = (ADA.0.parse().unwrap(), BTreeSet::new());
        let forgotten = Forgotten { user_id: &user_id, names: &names };
        let erased = rooms.erase(forgotten, BTreeMap::from([(the_room(), Mention::Id)])).await.unwrap();
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
