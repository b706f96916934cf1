//! Rooms as they run: one task each, reached only through its mailbox.
//!
//! A room's task drains its mailbox, lets the room react to all of it, and flushes once. It never waits for a
//! session. Players' input has a share of the mailbox for each of them, and is refused with `busy` beyond it; coming and
//! going waits its turn. A durable room is stored turn by turn, and out of memory while nobody is in it. Where there is no space
//! for another room, one that nobody is in gives way.

mod asleep;
mod door;
mod erasing;
mod hosting;
mod journal;
mod limits;
mod link;
mod mail;
mod member;
mod record;
mod restoring;
mod seeking;
mod spare;
mod task;
mod terms;
mod turn;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::game::{Kind, Registry};
use anteroom_core::room::{Command, Join, Room, RoomSpec, Terms};
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::{ErrorBody, ErrorCode, Json, RoomId};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::chat::Filter;
use crate::clock::Clock;
use crate::hooks::Hooked;
use crate::lobby::{Lobby, Reservation};
use crate::random::Randomness;
use crate::recordings::Recordings;
use crate::stores::Store;
use asleep::Asleep;
use door::Doorway;
pub(crate) use door::Stranger;
pub(crate) use erasing::{Erased, Forgotten, Mention};
use journal::Journal;
pub(crate) use limits::RoomLimits;
use link::Inbox;
pub(crate) use link::{Admitted, Declined, Entrance, Reply, RoomHandle, RoomLink, gone, unavailable};
pub(crate) use mail::Input;
use mail::Mail;
pub(crate) use member::Visitor;
pub(crate) use record::deeds;
pub(crate) use restoring::Rejoin;
pub(crate) use seeking::Sought;
use spare::Spare;
use task::{Ended, Opening};
pub(crate) use terms::Plan;

/// How many commands a room takes in before it flushes.
const TURN_MESSAGES_MAX: usize = 256;
/// The same for a room that flushes by ticks.
const TICK_MESSAGES_MAX: usize = 1024;
/// How long a room may take to let somebody in, or not: a thousand who come at once over QUIC take it that long. Beyond it the
/// room is `busy`.
pub(crate) const JOIN_PATIENCE: Duration = Duration::from_secs(15);
/// The same for whoever would be as well off in another room.
pub(crate) const SEAT_PATIENCE: Duration = Duration::from_secs(2);
/// How many rooms are read from the store at a time: many may be due at once.
const LOADS_MAX: usize = 64;
/// How often an id is made up for a room. There are 2^50, so the second is free.
const ID_TRIES: usize = 8;

/// Every room of one server.
#[derive(Debug)]
pub(crate) struct Rooms {
    registry: Registry,
    lobby: Arc<Lobby>,
    clock: Clock,
    limits: RoomLimits,
    randomness: Arc<Randomness>,
    budget: Arc<Budget>,
    /// Who is told that rooms open and close, and how matches end.
    hooks: Hooked,
    filter: Filter,
    /// Where durable rooms are stored; without it there are none.
    store: Option<Arc<dyn Store>>,
    recordings: Arc<Recordings>,
    places: Mutex<Places>,
    /// A room sleeps whose time comes before that of all others.
    due_changed: Notify,
    /// How many rooms are read from the store at a time.
    loads: Semaphore,
    tasks: TaskTracker,
}

/// What the rooms of a server need to know of it.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) registry: Registry,
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) clock: Clock,
    pub(crate) limits: RoomLimits,
    pub(crate) randomness: Arc<Randomness>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) hooks: Hooked,
    pub(crate) filter: Filter,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) recordings: Arc<Recordings>,
}

/// Where rooms are.
#[derive(Debug, Default)]
struct Places {
    /// In memory.
    running: BTreeMap<RoomId, RoomHandle>,
    /// In the store alone.
    asleep: Asleep,
    /// In the store, and not to be restored; why.
    suspended: BTreeMap<RoomId, String>,
    /// The doors that private rooms have left behind which are not in memory.
    doors: BTreeMap<RoomId, Arc<Doorway>>,
    /// Which of those in memory give way to others.
    spare: Spare,
}

impl Places {
    /// Takes a room out of memory.
    fn take_out(&mut self, room_id: &RoomId) -> Option<RoomHandle> {
        self.spare.remove(room_id);
        self.running.remove(room_id)
    }

    /// How many rooms are in memory and stay there.
    fn in_use(&self) -> usize {
        self.running.len().saturating_sub(self.spare.going())
    }

    fn has(&self, room_id: &RoomId) -> bool {
        self.running.contains_key(room_id) || self.asleep.has(room_id) || self.suspended.contains_key(room_id)
    }

    /// How many rooms there are, in memory or not.
    fn len(&self) -> usize {
        self.running.len() + self.asleep.len() + self.suspended.len()
    }
}

/// What a room that is to be made has already. Nobody is told of it yet, but whoever knows the id can knock.
#[derive(Debug)]
pub(crate) struct Slot {
    handle: RoomHandle,
    mailbox: mpsc::Receiver<Mail>,
}

impl Slot {
    /// Whether the room that is to be made is durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.handle.is_durable()
    }
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub(crate) fn new(surroundings: Surroundings) -> Arc<Self> {
        let Surroundings { registry, lobby, clock, limits, randomness, budget, hooks, filter, store, recordings } =
            surroundings;
        Arc::new(Self {
            registry,
            lobby,
            clock,
            limits,
            randomness,
            budget,
            hooks,
            filter,
            store,
            recordings,
            places: Mutex::default(),
            due_changed: Notify::new(),
            loads: Semaphore::new(LOADS_MAX),
            tasks: TaskTracker::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing panics while it holds the lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room with this id. One that sleeps is woken: it takes what is said to it when it is.
    ///
    /// # Errors
    /// `room_not_found`, also for what is no room id at all; `room_suspended`.
    pub(crate) fn find(self: &Arc<Self>, room_id: &str) -> Result<RoomHandle, ErrorBody> {
        let room_id: RoomId = room_id.parse().map_err(|_| not_found())?;
        self.reach(&room_id)?.ok_or_else(not_found)
    }

    /// Checks that a game exists.
    ///
    /// # Errors
    /// `game_not_found`.
    pub(crate) fn check_game(&self, game: &str) -> Result<(), ErrorBody> {
        self.registry.kind(game).map(drop)
    }

    /// Whether a key of data is in lists of rooms of a game, or of any.
    pub(crate) fn is_searchable(&self, game: Option<&str>, key: &str) -> bool {
        self.registry.is_searchable(game, key)
    }

    /// Makes a room and asks it to let its creator in; gives where the answer comes.
    ///
    /// # Errors
    /// `invalid_data`, `invalid_options`, `limit_reached`, `shutting_down`, or what the game refuses with.
    pub(crate) fn create(
        self: &Arc<Self>,
        plan: Plan,
        join: Join,
        visitor: Visitor,
    ) -> Result<oneshot::Receiver<Reply>, Declined> {
        let Plan { kind, name, options, durable, terms } = plan;
        // Rooms are counted before the game runs, so that a flood of creations costs nothing.
        let slot = self.reserve(durable, || RoomId::from_bits(self.randomness.bits()))?;
        let spec = self.spec(&slot, name, options, terms);
        self.open(slot, &kind, spec, join, visitor, None)
    }

    fn spec(&self, slot: &Slot, name: String, options: Option<Json>, terms: Terms) -> RoomSpec {
        let (room_id, seed) = (slot.handle.room_id, self.randomness.seed());
        let durable = slot.handle.is_durable();
        RoomSpec { room_id, name, options, seed, policy: self.limits.policy(durable), durable, terms }
    }

    /// Whether a room of a kind would be durable.
    ///
    /// # Errors
    /// `invalid_options` if that is asked for and cannot be; `storage_unavailable`.
    fn settle_durable(&self, kind: &Kind, asked: Option<bool>) -> Result<bool, ErrorBody> {
        let durable = kind.durable.settle(asked)?;
        match &self.store {
            None if asked == Some(true) => {
                let sentence = "This server keeps nothing: no room outlives it.";
                Err(ErrorBody::new(ErrorCode::InvalidOptions, sentence))
            }
            None => Ok(false),
            Some(store) if durable && !store.health().is_good() => Err(unavailable()),
            Some(_) => Ok(durable),
        }
    }

    /// Makes a room in its place.
    fn open(
        self: &Arc<Self>,
        slot: Slot,
        kind: &Kind,
        spec: RoomSpec,
        join: Join,
        visitor: Visitor,
        seat: Option<Reservation>,
    ) -> Result<oneshot::Receiver<Reply>, Declined> {
        let handle = slot.handle.clone();
        let room = self.build(&handle, kind, spec)?;
        // Its creator knocks before the room runs: one that nobody is in would close.
        let answered = handle.try_join(join, visitor, seat);
        self.run(slot, room, Vec::new());
        answered
    }

    fn build(&self, handle: &RoomHandle, kind: &Kind, spec: RoomSpec) -> Result<Room, ErrorBody> {
        let (room_id, seed, now) = (handle.room_id, spec.seed, self.clock.now());
        let created = std::panic::catch_unwind(|| Room::create(kind, spec, now));
        match created {
            Ok(Ok(room)) => Ok(room.counted(self.budget.total())),
            Ok(Err(error)) => {
                self.forget(&room_id);
                Err(error)
            }
            Err(_) => {
                self.forget(&room_id);
                tracing::error!(%room_id, game = kind.name, seed, "game panicked while the room was made");
                Err(ErrorBody::new(ErrorCode::Internal, "The game failed while the room was made."))
            }
        }
    }

    /// Lets a room go on that was built, from what it is told first.
    fn run(self: &Arc<Self>, slot: Slot, room: Room, first: Vec<Command<'static>>) {
        let Slot { handle, mailbox } = slot;
        let inbox = Inbox { mailbox, filling: handle.filling.clone() };
        let journal = self.store.clone().filter(|_| room.is_durable());
        let journal = journal.map(|store| Journal::new(store, handle.room_id));
        let room = if journal.is_some() || room.is_recorded() { room.logged() } else { room };
        let opening = Opening { first, ..Opening::new(room, journal) };
        self.tasks.spawn(task::run(self.clone(), opening, inbox, handle));
    }

    /// Makes a slot for a room, under an id that no other room has.
    fn reserve(&self, durable: bool, id: impl FnMut() -> RoomId) -> Result<Slot, ErrorBody> {
        let mut places = self.lock();
        if self.tasks.is_closed() {
            return Err(ErrorBody::new(ErrorCode::ShuttingDown, "The server is shutting down."));
        }
        let is_kept_out = durable && places.len() >= self.limits.stored_rooms_max;
        if is_kept_out || !self.make_space(&mut places) {
            return Err(ErrorBody::new(ErrorCode::LimitReached, "The server has no space for another room just now."));
        }
        let free = std::iter::repeat_with(id).take(ID_TRIES).find(|room_id| !places.has(room_id));
        let Some(room_id) = free else {
            tracing::error!("made-up room ids are taken, one after the other");
            return Err(ErrorBody::new(ErrorCode::Internal, "No id was found for the room."));
        };
        Ok(self.slot(&mut places, room_id, durable))
    }

    fn slot(&self, places: &mut Places, room_id: RoomId, durable: bool) -> Slot {
        let store = self.store.clone().filter(|_| durable);
        let (handle, mailbox) = RoomHandle::new(room_id, self.tasks.clone(), store, places.take_door(&room_id));
        places.running.insert(room_id, handle.clone());
        Slot { handle, mailbox }
    }

    fn forget(&self, room_id: &RoomId) {
        self.lock().take_out(room_id);
        self.lobby.remove(room_id);
    }

    /// How many rooms are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.lock().running.len()
    }

    /// The games that can be played.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What is recorded of rooms.
    pub(crate) fn recordings(&self) -> &Arc<Recordings> {
        &self.recordings
    }

    /// Whether rooms outlive the server.
    pub(crate) fn last(&self) -> bool {
        self.store.is_some()
    }

    /// Makes no more rooms, and waits until all are gone: closed, or stored if there is where.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        let running: Vec<RoomHandle> = self.lock().running.values().cloned().collect();
        for room in running {
            if self.last() { room.park() } else { room.close(ClosedReason::ShuttingDown) }
        }
        self.tasks.wait().await;
        self.recordings.settled().await;
    }
}

/// There is no such room, or it is one that the asker is not to know of.
pub(crate) fn not_found() -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomNotFound, "There is no such room.")
}

fn default_name(username: &str) -> String {
    let room: String = format!("{username}'s room");
    if room.chars().count() <= anteroom_protocol::limits::NAME_CHARS_MAX { room } else { username.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ChatSection;
    use crate::tables::{LimitList, Times};

    #[test]
    fn an_id_that_is_taken_is_not_given_again() {
        let games = anteroom_games::registry().unwrap();
        let limits = RoomLimits::of(&LimitList::default(), &Times::default(), ChatSection::default());
        let lobby = Arc::new(Lobby::default());
        let (randomness, budget) = (Arc::new(Randomness::seeded(1)), Arc::new(Budget::new(usize::MAX)));
        let (registry, clock, hooks, store) = (games, Clock::start(), Hooked::default(), None);
        let (filter, recordings) = (Filter::default(), Arc::default());
        let rooms = Rooms::new(Surroundings {
            registry,
            lobby,
            clock,
            limits,
            randomness,
            budget,
            hooks,
            filter,
            store,
            recordings,
        });
        let mut made_up = [1, 1, 1, 2].into_iter().chain(std::iter::repeat(2));
        let mut reserve = || rooms.reserve(false, || RoomId::from_bits(made_up.next().unwrap()));
        let (first, second) = (reserve().unwrap(), reserve().unwrap());
        assert_eq!([&first, &second].map(|slot| slot.handle.room_id), [1, 2].map(RoomId::from_bits));
        // Randomness that has nothing new to say is no reason to give somebody else's room away, or to go on for ever.
        assert_eq!(reserve().unwrap_err().code, ErrorCode::Internal);
        let found = rooms.find(first.handle.room_id.as_str()).unwrap();
        assert!(found.mailbox.same_channel(&first.handle.mailbox));
    }
}
