//! The lobby: which rooms there are, and who wants to hear of changes.
//!
//! Changes are gathered for a moment, encoded once per filter and codec, and shared among all who asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::flush::Outgoing;
use anteroom_core::listing::{Entry, Listing};
use anteroom_protocol::limits::ROOMS_LISTED_MAX;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::message::{Message, RoomSummary};
use anteroom_protocol::{Batch, Codec, Header, LaneId, RoomId, SessionId, UserId};
use tokio::sync::Notify;

use crate::session::Session;

/// How long changes gather before subscribers hear of them.
const GATHER: Duration = Duration::from_millis(50);

/// The rooms of one server, and those who watch the list.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    listing: Listing,
    subscribers: BTreeMap<SessionId, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    game: Option<String>,
    session: Arc<Session>,
}

impl Lobby {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the listing is valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a room, or replaces what is known of it.
    pub(crate) fn put(&self, entry: Entry) {
        self.lock().listing.put(entry);
        self.changed.notify_one();
    }

    /// Removes a room.
    pub(crate) fn remove(&self, room_id: &RoomId) {
        self.lock().listing.remove(room_id);
        self.changed.notify_one();
    }

    /// The rooms there are now.
    pub(crate) fn list(&self, game: Option<&str>) -> RoomList {
        self.lock().listing.list(game)
    }

    /// A few rooms of a game where a user found a seat just now, the best first.
    pub(crate) fn open(&self, game: &str, user_id: &UserId, most: usize) -> Vec<RoomId> {
        self.lock().listing.open(game, user_id).take(most).collect()
    }

    /// Gives the rooms there are now, and tells of every change from then on. `answer` puts the list in front of
    /// the first change.
    pub(crate) fn subscribe(&self, session: &Arc<Session>, game: Option<String>, answer: impl FnOnce(&RoomList)) {
        let mut state = self.lock();
        // What is gathered already is in the list, so it goes to the others now and not to this one later.
        state.publish();
        answer(&state.listing.list(game.as_deref()));
        // Whoever ends a session takes it off the list afterwards, so one that has ended before must not come on it.
        if !session.has_ended() {
            state.subscribers.insert(session.id, Subscriber { game, session: session.clone() });
        }
    }

    /// Tells this session of no more changes.
    pub(crate) fn unsubscribe(&self, session: SessionId) {
        self.lock().subscribers.remove(&session);
    }

    /// Publishes changes as they come, for ever.
    pub(crate) async fn run(&self) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(GATHER).await;
            self.lock().publish();
        }
    }
}

impl State {
    fn publish(&mut self) {
        if !self.listing.has_changes() {
            return;
        }
        let changes = self.listing.take_changes();
        let mut encoded: BTreeMap<(Option<&str>, Codec), Vec<Arc<Batch>>> = BTreeMap::new();
        for subscriber in self.subscribers.values() {
            let Some(changed) = changes.get(&subscriber.game) else { continue };
            let batches = encoded
                .entry((subscriber.game.as_deref(), subscriber.session.codec))
                .or_insert_with(|| encode(changed, subscriber.session.codec));
            for batch in batches {
                subscriber.session.leave(LaneId::CONTROL, Outgoing::Reliable(batch.clone()));
            }
        }
    }
}

/// Cuts changes into messages of at most [`ROOMS_LISTED_MAX`] rows of each sort.
fn encode(changed: &RoomsChanged, codec: Codec) -> Vec<Arc<Batch>> {
    let part = |rows: &[RoomSummary], place: usize| rows.chunks(ROOMS_LISTED_MAX).nth(place).map(<[_]>::to_vec);
    let most = changed.added.len().max(changed.updated.len()).max(changed.removed.len());
    (0..most.div_ceil(ROOMS_LISTED_MAX))
        .filter_map(|place| {
            let message = RoomsChanged {
                added: part(&changed.added, place).unwrap_or_default(),
                updated: part(&changed.updated, place).unwrap_or_default(),
                removed: changed.removed.chunks(ROOMS_LISTED_MAX).nth(place).unwrap_or_default().to_vec(),
            };
            Batch::one(codec, &Header::new(RoomsChanged::TYPE), &message).ok().map(Arc::new)
        })
        .collect()
}
