//! The lobby: which rooms there are, and who wants to hear of changes.
//!
//! Changes are gathered for a moment, and published on a [topic](Topic). Lists are encoded once for all who ask until they
//! change. The lock is held for moments only, and nothing is encoded under it.

mod lists;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::listing::{Entry, Filter, Listing, Query};
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::limits::ROOMS_LISTED_MAX;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::resume::Subscription;
use anteroom_protocol::message::{Message, RoomSummary};
use anteroom_protocol::{Batch, Codec, ErrorBody, ErrorCode, Header, Payload, RoomId, Tally, UserId};
use tokio::sync::Notify;

use crate::carrier::Carrier;
use crate::topic::{Part, Topic, Unwatched};
use lists::Lists;

/// How long changes gather before subscribers hear of them.
const GATHER: Duration = Duration::from_millis(50);

/// How many different filters are watched at most. Each is looked at for every room that has changed.
pub(crate) const FILTERS_MAX: usize = 1000;

/// The rooms of one server, and those who watch the list.
#[derive(Debug)]
pub(crate) struct Lobby {
    state: Mutex<State>,
    /// Those who watch the list.
    pub(crate) topic: Topic<Filter>,
    changed: Notify,
    /// Where what it says is counted as long as it is in memory.
    tally: Tally,
}

#[derive(Debug, Default)]
struct State {
    listing: Listing,
    /// Of which publication the changes are that were taken last.
    publication: u64,
    /// Lists as they are.
    current: Lists<Query>,
    /// Lists as they were published last.
    published: Lists<Filter>,
}

impl Part for Filter {
    fn is_common(&self) -> bool {
        self.is_plain()
    }

    fn subscription(&self, to: &str) -> Subscription {
        Subscription { to: to.into(), game: self.game().map(str::to_owned), filter: self.json() }
    }
}

/// Why a session does not watch the list.
#[derive(Debug)]
pub(crate) enum NotWatched {
    /// It has no encoding.
    Invalid(InvalidData),
    /// It is told so.
    Refused(ErrorBody),
}

impl From<InvalidData> for NotWatched {
    fn from(invalid: InvalidData) -> Self {
        Self::Invalid(invalid)
    }
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
        Self { state: Mutex::default(), topic: Topic::new("rooms", FILTERS_MAX), changed: Notify::new(), tally }
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

    /// Reserves a seat for a user in a room that is wanted and `passes`, the best one.
    pub(crate) fn seek(
        self: &Arc<Self>,
        wanted: &Filter,
        user_id: &UserId,
        passes: impl Fn(&RoomId) -> bool,
    ) -> Option<Reservation> {
        let found = self.lock().listing.seek(wanted, user_id, passes)?;
        Some(self.reservation(found))
    }

    /// The same; if there is none, promises a room as it is wanted and reserves a seat in it.
    ///
    /// # Errors
    /// The seat in another room, if there is one.
    pub(crate) fn seek_or_promise(
        self: &Arc<Self>,
        wanted: &Filter,
        user_id: &UserId,
        passes: impl Fn(&RoomId) -> bool,
        room_id: RoomId,
        seats_max: u16,
    ) -> Result<Reservation, Reservation> {
        let found = {
            let listing = &mut self.lock().listing;
            let found = listing.seek(wanted, user_id, passes);
            if found.is_none() {
                listing.promise(room_id, wanted.game().unwrap_or_default(), seats_max, wanted.wanted_data());
            }
            found
        };
        found.map_or_else(|| Ok(self.reservation((room_id, true))), |found| Err(self.reservation(found)))
    }

    /// Promises a room as it is wanted, and reserves a seat in it.
    pub(crate) fn promise(self: &Arc<Self>, wanted: &Filter, room_id: RoomId, seats_max: u16) -> Reservation {
        self.lock().listing.promise(room_id, wanted.game().unwrap_or_default(), seats_max, wanted.wanted_data());
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
    pub(crate) fn list(&self, query: Query, codec: Codec) -> Result<Arc<Payload>, InvalidData> {
        let query = Arc::new(query);
        let (version, list) = {
            let State { listing, current, .. } = &mut *self.lock();
            let version = listing.version();
            if let Some(known) = current.get(version, &query, codec) {
                return Ok(known);
            }
            (version, listing.list(&query))
        };
        let encoded = Arc::new(Payload::encode(codec, &list)?);
        // Games without rooms may be any.
        let is_made_up = !query.is_plain() || query.filter().game().is_some() && list.rooms.is_empty();
        self.lock().current.keep(version, &query, is_made_up, codec, &encoded);
        Ok(encoded)
    }

    /// The rooms there were at the last publication, and which that was.
    ///
    /// # Errors
    /// [`InvalidData`] if they have no encoding.
    pub(crate) fn published(&self, filter: &Arc<Filter>, codec: Codec) -> Result<(u64, Arc<Payload>), InvalidData> {
        let (publication, list) = {
            let State { listing, published, publication, .. } = &mut *self.lock();
            if let Some(known) = published.get(*publication, filter, codec) {
                return Ok((*publication, known));
            }
            (*publication, listing.published(filter))
        };
        let encoded = Arc::new(Payload::encode(codec, &list)?);
        self.lock().published.keep(publication, filter, !filter.is_plain(), codec, &encoded);
        Ok((publication, encoded))
    }

    /// Has a session watch the list: gives it the list as it was published last, with a header, and tells of every change from
    /// then on.
    ///
    /// # Errors
    /// See [`NotWatched`].
    pub(crate) fn watch(
        &self,
        carrier: &Arc<Carrier>,
        filter: &Arc<Filter>,
        header: &Header<'_>,
    ) -> Result<usize, NotWatched> {
        let too_many = || {
            let sentence = "Too many different filters are watched; list the rooms, or watch those of a game.";
            NotWatched::Refused(ErrorBody::new(ErrorCode::LimitReached, sentence))
        };
        if !self.topic.has_place(filter, carrier.id) {
            return Err(too_many());
        }
        loop {
            let (publication, list) = self.published(filter, carrier.codec)?;
            let answer = Batch::of_encoded(header, list.data())?;
            let bytes = answer.payload().len();
            // Changes are published many times a second at most, so it is not long before it is done.
            match self.topic.watch(carrier, filter, publication, answer) {
                Ok(()) => return Ok(bytes),
                Err(Unwatched::Outdated) => {}
                Err(Unwatched::TooMany) => return Err(too_many()),
            }
        }
    }

    /// Gives the list anew to a session that was behind, and has read what there was.
    ///
    /// # Errors
    /// See [`NotWatched`].
    pub(crate) fn catch_up(&self, carrier: &Arc<Carrier>) -> Result<(), NotWatched> {
        let Some(filter) = self.topic.part_of(carrier.id) else { return Ok(()) };
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
        let encode = |filter: &Filter, codec| encode(&changes.of(filter), codec, &self.tally);
        self.topic.publish(publication, encode).await;
    }
}

/// Cuts changes into messages of at most [`ROOMS_LISTED_MAX`] rows, and as many ids.
fn encode(changed: &RoomsChanged, codec: Codec, tally: &Tally) -> Vec<Arc<Batch>> {
    let RoomsChanged { added, updated, removed } = changed;
    let most = (added.len() + updated.len()).max(removed.len());
    let part = |rows: &[RoomSummary], from: usize| {
        let end = |at: usize| at.min(rows.len());
        rows[end(from)..end(from + ROOMS_LISTED_MAX)].to_vec()
    };
    (0..most)
        .step_by(ROOMS_LISTED_MAX)
        .filter_map(|from| {
            let added = part(added, from);
            // Those that are updated come behind those that are added.
            let space = ROOMS_LISTED_MAX - added.len();
            let mut updated = part(updated, (from + added.len()).saturating_sub(changed.added.len()));
            updated.truncate(space);
            let removed = removed.chunks(ROOMS_LISTED_MAX).nth(from / ROOMS_LISTED_MAX).unwrap_or_default().to_vec();
            let message = RoomsChanged { added, updated, removed };
            let batch = Batch::one(codec, &Header::new(RoomsChanged::TYPE), &message).ok()?;
            Some(Arc::new(batch.counted(tally)))
        })
        .collect()
}

#[cfg(test)]
mod tests;
