//! The lobby: which rooms there are, and who wants to hear of changes.
//!
//! Changes are gathered for a moment, and published on a [topic](Topic). Lists are encoded once for all who ask until they
//! change. The lock is held for moments only, and nothing is encoded under it.

mod lists;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::listing::{Entry, Listing};
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::limits::ROOMS_LISTED_MAX;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::{Message, RoomSummary};
use anteroom_protocol::{Batch, Codec, Header, Payload, RoomId, Tally, UserId};
use tokio::sync::Notify;

use crate::carrier::Carrier;
use crate::topic::{Filter, Topic};
use lists::Lists;

/// How long changes gather before subscribers hear of them.
const GATHER: Duration = Duration::from_millis(50);

/// The rooms of one server, and those who watch the list.
#[derive(Debug)]
pub(crate) struct Lobby {
    state: Mutex<State>,
    /// Those who watch the list.
    pub(crate) topic: Topic,
    changed: Notify,
    /// Where what it says is counted as long as it is in memory.
    tally: Tally,
}

#[derive(Debug, Default)]
struct State {
    listing: Listing,
    /// Of which publication the changes are that were taken last.
    publication: u64,
    /// The list as it is.
    current: Lists,
    /// The list as it was published last.
    published: Lists,
}

/// A seat that counts as taken while its room is asked for it.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) room_id: RoomId,
    /// Nothing if there is nothing to give back.
    lobby: Option<Arc<Lobby>>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(lobby) = self.lobby.take() {
            lobby.lock().listing.release(&self.room_id);
        }
    }
}

impl Default for Lobby {
    fn default() -> Self {
        Self::new(Tally::default())
    }
}

impl Lobby {
    /// A lobby without rooms, which counts what it says.
    pub(crate) fn new(tally: Tally) -> Self {
        Self { state: Mutex::default(), topic: Topic::new("rooms"), changed: Notify::new(), tally }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the listing is valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a room says of itself: what there is to know of it, if that has changed, and which of the seats that were
    /// reserved there it has given, or not.
    pub(crate) fn settle(&self, room_id: &RoomId, entry: Option<Entry>, seats: Vec<Reservation>) {
        let is_changed = entry.is_some();
        {
            // All at once: in between a seat would count twice, or not at all.
            let listing = &mut self.lock().listing;
            listing.heed(room_id);
            for mut seat in seats {
                if seat.lobby.take().is_some() {
                    listing.release(room_id);
                }
            }
            if let Some(entry) = entry {
                listing.put(entry);
            }
        }
        if is_changed {
            self.changed.notify_one();
        }
    }

    /// Removes a room.
    pub(crate) fn remove(&self, room_id: &RoomId) {
        self.lock().listing.remove(room_id);
        self.changed.notify_one();
    }

    /// Reserves a seat for a user in a room of a game that `passes`, the best one.
    pub(crate) fn seek(
        self: &Arc<Self>,
        game: &str,
        user_id: &UserId,
        passes: impl Fn(&RoomId) -> bool,
    ) -> Option<Reservation> {
        let found = self.lock().listing.seek(game, user_id, passes)?;
        Some(self.reservation(found))
    }

    /// The same; if there is none, promises a room and reserves a seat in it.
    ///
    /// # Errors
    /// The seat in another room, if there is one.
    pub(crate) fn seek_or_promise(
        self: &Arc<Self>,
        game: &str,
        user_id: &UserId,
        passes: impl Fn(&RoomId) -> bool,
        room_id: RoomId,
        seats_max: u16,
    ) -> Result<Reservation, Reservation> {
        let found = {
            let listing = &mut self.lock().listing;
            let found = listing.seek(game, user_id, passes);
            if found.is_none() {
                listing.promise(room_id, game, seats_max);
            }
            found
        };
        found.map_or_else(|| Ok(self.reservation((room_id, true))), |found| Err(self.reservation(found)))
    }

    /// Promises a room, and reserves a seat in it.
    pub(crate) fn promise(self: &Arc<Self>, game: &str, room_id: RoomId, seats_max: u16) -> Reservation {
        self.lock().listing.promise(room_id, game, seats_max);
        self.reservation((room_id, true))
    }

    fn reservation(self: &Arc<Self>, (room_id, is_counted): (RoomId, bool)) -> Reservation {
        Reservation { room_id, lobby: is_counted.then(|| self.clone()) }
    }

    /// Leads nobody to a room until it is heard of again.
    pub(crate) fn shun(&self, room_id: &RoomId) {
        self.lock().listing.shun(room_id);
    }

    /// The rooms there are now, encoded once until they change.
    ///
    /// # Errors
    /// [`InvalidData`] if they have no encoding.
    pub(crate) fn list(&self, game: Option<&str>, codec: Codec) -> Result<Arc<Payload>, InvalidData> {
        let (version, list) = {
            let State { listing, current, .. } = &mut *self.lock();
            let version = listing.version();
            if let Some(known) = current.get(version, game, codec) {
                return Ok(known);
            }
            (version, listing.list(game))
        };
        let encoded = Arc::new(Payload::encode(codec, &list)?);
        self.lock().current.keep(version, game, &list, codec, &encoded);
        Ok(encoded)
    }

    /// The rooms there were at the last publication, and which that was.
    ///
    /// # Errors
    /// [`InvalidData`] if they have no encoding.
    pub(crate) fn published(&self, game: Option<&str>, codec: Codec) -> Result<(u64, Arc<Payload>), InvalidData> {
        let (publication, list) = {
            let State { listing, published, publication, .. } = &mut *self.lock();
            if let Some(known) = published.get(*publication, game, codec) {
                return Ok((*publication, known));
            }
            (*publication, listing.published(game))
        };
        let encoded = Arc::new(Payload::encode(codec, &list)?);
        self.lock().published.keep(publication, game, &list, codec, &encoded);
        Ok((publication, encoded))
    }

    /// Has a session watch the list: gives it the list as it was published last, with a header, and tells of every change from
    /// then on.
    ///
    /// # Errors
    /// [`InvalidData`] if the list has no encoding.
    pub(crate) fn watch(
        &self,
        carrier: &Arc<Carrier>,
        filter: &Filter,
        header: &Header<'_>,
    ) -> Result<usize, InvalidData> {
        loop {
            let (publication, list) = self.published(filter.as_deref(), carrier.codec)?;
            let answer = Batch::of_encoded(header, list.data())?;
            let bytes = answer.payload().len();
            // Changes are published many times a second at most, so it is not long before it is done.
            if self.topic.watch(carrier, filter.clone(), publication, answer).is_ok() {
                return Ok(bytes);
            }
        }
    }

    /// Gives the list anew to a session that was behind, and has read what there was.
    ///
    /// # Errors
    /// [`InvalidData`] if the list has no encoding.
    pub(crate) fn catch_up(&self, carrier: &Arc<Carrier>) -> Result<(), InvalidData> {
        let Some(filter) = self.topic.filter_of(carrier.id) else { return Ok(()) };
        let header = Header { success: Some(true), ..Header::new("subscribe_rooms_result") };
        self.watch(carrier, &filter, &header).map(drop)
    }

    /// Publishes changes as they come, for ever.
    pub(crate) async fn run(&self) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(GATHER).await;
            self.publish().await;
        }
    }

    /// Tells everyone what has changed. What changes meanwhile waits for the next publication, and so does whoever comes
    /// meanwhile.
    async fn publish(&self) {
        if !self.lock().listing.has_changes() {
            return;
        }
        let (publication, changes) = self.topic.begin(|publication| {
            let mut state = self.lock();
            state.publication = publication;
            state.listing.take_changes()
        });
        let encode = |filter: &Filter, codec| {
            let changed = changes.get(&filter.as_deref().map(str::to_owned));
            changed.map(|changed| encode(changed, codec, &self.tally)).unwrap_or_default()
        };
        self.topic.publish(publication, encode).await;
    }
}

/// Cuts changes into messages of at most [`ROOMS_LISTED_MAX`] rows of each sort.
fn encode(changed: &RoomsChanged, codec: Codec, tally: &Tally) -> Vec<Arc<Batch>> {
    let part = |rows: &[RoomSummary], place: usize| rows.chunks(ROOMS_LISTED_MAX).nth(place).map(<[_]>::to_vec);
    let most = changed.added.len().max(changed.updated.len()).max(changed.removed.len());
    (0..most.div_ceil(ROOMS_LISTED_MAX))
        .filter_map(|place| {
            let message = RoomsChanged {
                added: part(&changed.added, place).unwrap_or_default(),
                updated: part(&changed.updated, place).unwrap_or_default(),
                removed: changed.removed.chunks(ROOMS_LISTED_MAX).nth(place).unwrap_or_default().to_vec(),
            };
            let batch = Batch::one(codec, &Header::new(RoomsChanged::TYPE), &message).ok()?;
            Some(Arc::new(batch.counted(tally)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use anteroom_core::listing::Presence;
    use anteroom_protocol::message::RoomState;

    use super::*;

    fn entry(bits: u128, players: u16) -> Entry {
        let summary = RoomSummary {
            room_id: RoomId::from_bits(bits),
            game: "relay".into(),
            name: "A room".into(),
            players,
            seats_max: 2,
            spectators: 0,
            state: RoomState::Waiting,
            durable: false,
            locked: false,
            has_password: false,
            created_at_ms: 0,
            data: std::collections::BTreeMap::new(),
        };
        Entry { summary, presence: Presence { players, ..Presence::default() } }
    }

    fn put(lobby: &Lobby, entry: Entry) {
        lobby.settle(&entry.summary.room_id.clone(), Some(entry), Vec::new());
    }

    #[test]
    fn a_list_is_encoded_once_until_it_changes() {
        let lobby = Lobby::default();
        put(&lobby, entry(1, 1));
        for codec in Codec::ALL {
            for game in [None, Some("relay")] {
                let first = lobby.list(game, codec).unwrap();
                assert!(Arc::ptr_eq(&first, &lobby.list(game, codec).unwrap()));
                let (publication, first) = lobby.published(game, codec).unwrap();
                assert_eq!(publication, 0);
                // Before anything was published a game has no rooms, and lists of games without are not kept.
                let again = lobby.published(game, codec).unwrap().1;
                assert_eq!(Arc::ptr_eq(&first, &again), game.is_none());
            }
        }
        let before = lobby.list(None, Codec::Json).unwrap();
        put(&lobby, entry(1, 2));
        let after = lobby.list(None, Codec::Json).unwrap();
        assert!(!Arc::ptr_eq(&before, &after));
        assert_ne!(before.data(), after.data());
        for number in 0..99 {
            lobby.list(Some(&format!("no game {number}")), Codec::Json).unwrap();
        }
        assert!(lobby.lock().current.len() <= 4, "what a client makes up is not kept");
    }

    #[test]
    fn a_seat_is_free_again_when_nobody_is_on_the_way_to_it() {
        let lobby = Arc::new(Lobby::default());
        put(&lobby, entry(1, 1));
        let seek = || lobby.seek("relay", &"eve".parse().unwrap(), |_| true);
        let seat = seek().unwrap();
        assert!(seek().is_none());
        drop(seat);
        let seat = seek().unwrap();
        // The room has let them in.
        lobby.settle(&RoomId::from_bits(1), Some(entry(1, 2)), vec![seat]);
        assert!(seek().is_none());
        put(&lobby, entry(1, 1));
        let _seat = seek().unwrap();
        let mine = RoomId::from_bits(2);
        let promised = lobby.seek_or_promise("relay", &"eve".parse().unwrap(), |_| true, mine, 2).unwrap();
        assert_eq!((promised.room_id, seek().unwrap().room_id), (mine, mine), "others find a seat there");
    }
}
