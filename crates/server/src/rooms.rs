//! Rooms as they run: one task each, reached only through its mailbox.
//!
//! A room's task drains its mailbox, lets the room react to all of it, and flushes once. It never waits for a
//! session. Players' input has a share of the mailbox for each of them, and is refused with `busy` beyond it; coming and
//! going waits its turn.

mod limits;
mod link;
mod member;
mod seeking;
mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::game::{Kind, Registry};
use anteroom_core::name;
use anteroom_core::room::{Join, Room, RoomSpec};
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::{ErrorBody, ErrorCode, Json, RoomId};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::hooks::Hooked;
use crate::lobby::{Lobby, Reservation};
use crate::random::Randomness;
pub(crate) use limits::RoomLimits;
pub(crate) use link::{Admitted, Declined, Entrance, Input, Reply, RoomHandle, RoomLink, gone};
use link::{Inbox, Mail};
pub(crate) use member::Visitor;
pub(crate) use seeking::Sought;

/// How many commands a room takes in before it flushes.
const TURN_MESSAGES_MAX: usize = 256;
/// The same for a room that flushes by ticks.
const TICK_MESSAGES_MAX: usize = 1024;
/// How long a room may take to let somebody in, or not: a thousand who come at once over QUIC take it that long. Beyond it the
/// room is `busy`.
pub(crate) const JOIN_PATIENCE: Duration = Duration::from_secs(15);
/// The same for whoever would be as well off in another room.
pub(crate) const SEAT_PATIENCE: Duration = Duration::from_secs(2);
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
    running: Mutex<BTreeMap<RoomId, RoomHandle>>,
    tasks: TaskTracker,
}

/// What a room that is to be made has already. Nobody is told of it yet, but whoever knows the id can knock.
#[derive(Debug)]
pub(crate) struct Slot {
    handle: RoomHandle,
    mailbox: mpsc::Receiver<Mail>,
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub(crate) fn new(
        registry: Registry,
        lobby: Arc<Lobby>,
        clock: Clock,
        limits: RoomLimits,
        randomness: Arc<Randomness>,
        budget: Arc<Budget>,
        hooks: Hooked,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry,
            lobby,
            clock,
            limits,
            randomness,
            budget,
            hooks,
            running: Mutex::default(),
            tasks: TaskTracker::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomId, RoomHandle>> {
        // Nothing panics while it holds the lock.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room with this id.
    ///
    /// # Errors
    /// `room_not_found`, also for what is no room id at all.
    pub(crate) fn find(&self, room_id: &str) -> Result<RoomHandle, ErrorBody> {
        let found = room_id.parse().ok().and_then(|room_id: RoomId| self.lock().get(&room_id).cloned());
        found.ok_or_else(|| ErrorBody::new(ErrorCode::RoomNotFound, "There is no such room."))
    }

    /// Checks that a game exists.
    ///
    /// # Errors
    /// `game_not_found`.
    pub(crate) fn check_game(&self, game: &str) -> Result<(), ErrorBody> {
        self.registry.kind(game).map(drop)
    }

    /// Makes a room and asks it to let its creator in; gives where the answer comes.
    ///
    /// # Errors
    /// `game_not_found`, `invalid_name`, `invalid_options`, `limit_reached`, `shutting_down`, or what the game
    /// refuses with.
    pub(crate) fn create(
        self: &Arc<Self>,
        request: &CreateRoom,
        join: Join,
        visitor: Visitor,
    ) -> Result<oneshot::Receiver<Reply>, Declined> {
        let kind = *self.registry.kind(&request.game)?;
        let name = match &request.name {
            Some(name) => name::checked(name)?,
            None => default_name(&join.username),
        };
        // Rooms are counted before the game runs, so that a flood of creations costs nothing.
        let slot = self.reserve(|| RoomId::from_bits(self.randomness.bits()))?;
        let spec = self.spec(&slot, name, request.options.clone());
        self.open(slot, &kind, spec, join, visitor, None)
    }

    fn spec(&self, slot: &Slot, name: String, options: Option<Json>) -> RoomSpec {
        let (room_id, seed) = (slot.handle.room_id, self.randomness.seed());
        RoomSpec { room_id, name, options, seed, policy: self.limits.policy, durable: false }
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
        let Slot { handle, mailbox } = slot;
        let (room_id, seed, now) = (handle.room_id, spec.seed, self.clock.now());
        let created = std::panic::catch_unwind(|| Room::create(kind, spec, now));
        let room = match created {
            Ok(Ok(room)) => room.counted(self.budget.total()),
            Ok(Err(error)) => {
                self.forget(&room_id);
                return Err(error.into());
            }
            Err(_) => {
                self.forget(&room_id);
                tracing::error!(%room_id, game = kind.name, seed, "game panicked while the room was made");
                return Err(ErrorBody::new(ErrorCode::Internal, "The game failed while the room was made.").into());
            }
        };
        // Its creator knocks before the room runs: one that nobody is in would close.
        let answered = handle.try_join(join, visitor, seat);
        let inbox = Inbox { mailbox, filling: handle.filling.clone() };
        self.tasks.spawn(task::run(self.clone(), room, inbox, handle));
        answered
    }

    /// Makes a slot for a room, under an id that no other room has.
    fn reserve(&self, id: impl FnMut() -> RoomId) -> Result<Slot, ErrorBody> {
        let mut running = self.lock();
        if self.tasks.is_closed() {
            return Err(ErrorBody::new(ErrorCode::ShuttingDown, "The server is shutting down."));
        }
        if running.len() >= self.limits.rooms_max {
            return Err(ErrorBody::new(ErrorCode::LimitReached, "The server has no space for another room just now."));
        }
        let free = std::iter::repeat_with(id).take(ID_TRIES).find(|room_id| !running.contains_key(room_id));
        let Some(room_id) = free else {
            tracing::error!("made-up room ids are taken, one after the other");
            return Err(ErrorBody::new(ErrorCode::Internal, "No id was found for the room."));
        };
        let (handle, mailbox) = RoomHandle::new(room_id, self.tasks.clone());
        running.insert(room_id, handle.clone());
        Ok(Slot { handle, mailbox })
    }

    /// A room that runs.
    fn running(&self, room_id: &RoomId) -> Option<RoomHandle> {
        self.lock().get(room_id).cloned()
    }

    fn forget(&self, room_id: &RoomId) {
        self.lock().remove(room_id);
        self.lobby.remove(room_id);
    }

    /// Closes every room, makes no more, and waits until all are gone.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        let running: Vec<RoomHandle> = self.lock().values().cloned().collect();
        running.iter().for_each(|room| room.close(ClosedReason::ShuttingDown));
        self.tasks.wait().await;
    }
}

fn default_name(username: &str) -> String {
    let room: String = format!("{username}'s room");
    if room.chars().count() <= anteroom_protocol::limits::NAME_CHARS_MAX { room } else { username.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{LimitList, Times};

    #[test]
    fn an_id_that_is_taken_is_not_given_again() {
        let games = anteroom_games::registry().unwrap();
        let limits = RoomLimits::of(&LimitList::default(), &Times::default());
        let lobby = Arc::new(Lobby::default());
        let (randomness, budget) = (Arc::new(Randomness::seeded(1)), Arc::new(Budget::new(usize::MAX)));
        let rooms = Rooms::new(games, lobby, Clock::start(), limits, randomness, budget, Hooked::default());
        let mut made_up = [1, 1, 1, 2].into_iter().chain(std::iter::repeat(2));
        let mut reserve = || rooms.reserve(|| RoomId::from_bits(made_up.next().unwrap()));
        let (first, second) = (reserve().unwrap(), reserve().unwrap());
        assert_eq!([&first, &second].map(|slot| slot.handle.room_id), [1, 2].map(RoomId::from_bits));
        // Randomness that has nothing new to say is no reason to give somebody else's room away, or to go on for ever.
        assert_eq!(reserve().unwrap_err().code, ErrorCode::Internal);
        let found = rooms.find(first.handle.room_id.as_str()).unwrap();
        assert!(found.mailbox.same_channel(&first.handle.mailbox));
    }
}
