//! Rooms as they run: one task each, reached only through its mailbox.
//!
//! A room's task drains its mailbox, lets the room react to all of it, and flushes once. It never waits for a
//! session. Players' input has a share of the mailbox for each of them, and is refused with `busy` beyond it; coming and
//! going waits its turn.

mod limits;
mod seeking;
mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::game::{Kind, Registry};
use anteroom_core::name;
use anteroom_core::room::{Join, MemberId, Place, Room, RoomSpec, Share, WAITING_MESSAGES_MAX, Waiting};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::{Codec, ErrorBody, ErrorCode, Json, RoomId};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::hooks::Hooked;
use crate::lobby::{Lobby, Reservation};
use crate::random::Randomness;
use crate::session::Session;
pub(crate) use limits::RoomLimits;
pub(crate) use seeking::Sought;

/// How many commands wait for a room: as much input as may wait, one more message of each player, and as many who come,
/// go, or are looked for. Memory is taken for those that do wait.
const MAILBOX_MESSAGES_MAX: usize = 2 * WAITING_MESSAGES_MAX;
/// How many commands a room takes in before it flushes.
const TURN_MESSAGES_MAX: usize = 256;
/// How long a room may take to let somebody in, or not: a thousand who come at once over QUIC take it that long. Beyond it the
/// room is `busy`.
pub(crate) const JOIN_PATIENCE: Duration = Duration::from_secs(15);
/// The same for whoever would be as well off in another room.
const SEAT_PATIENCE: Duration = Duration::from_secs(2);
/// How often an id is made up for a room. There are 2^50, so the second is free.
const ID_TRIES: usize = 8;
/// The same for a room that flushes by ticks.
const TICK_MESSAGES_MAX: usize = 1024;

/// Every room of one server.
#[derive(Debug)]
pub(crate) struct Rooms {
    registry: Registry,
    lobby: Arc<Lobby>,
    clock: Clock,
    limits: RoomLimits,
    randomness: Arc<Randomness>,
    budget: Arc<Budget>,
    hooks: Hooked,
    running: Mutex<BTreeMap<RoomId, RoomHandle>>,
    tasks: TaskTracker,
}

/// Where a room takes commands.
#[derive(Debug, Clone)]
pub(crate) struct RoomHandle {
    pub(crate) room_id: RoomId,
    mailbox: mpsc::Sender<Mail>,
    /// Told when the mailbox fills up, or somebody knocks: a room that flushes by ticks does not look at it in between.
    filling: Arc<Notify>,
    /// How much player input is in the mailbox.
    waiting: Arc<Waiting>,
}

/// The room's end of it.
struct Inbox {
    mailbox: mpsc::Receiver<Mail>,
    filling: Arc<Notify>,
}

/// A command on its way into a room. The room reads player input from the bytes in which it arrived.
#[derive(Debug)]
enum Mail {
    Join(Box<Knock>),
    Leave {
        member: MemberId,
        reference: Option<Ref>,
    },
    /// To look whether the member's session has a connection.
    LookFor {
        member: MemberId,
    },
    Expire {
        member: MemberId,
    },
    Abandon {
        member: MemberId,
    },
    Snapshot {
        member: MemberId,
    },
    Act {
        member: MemberId,
        input: Input,
        /// Given back when the room has handled it.
        place: Place,
    },
    Close {
        reason: ClosedReason,
    },
}

impl Mail {
    /// How much there is to read.
    fn bytes(&self) -> usize {
        match self {
            Self::Act { input, .. } => input.data.len(),
            _ => 0,
        }
    }
}

/// Someone who wants to come in. Boxed in the mailbox, where most of the places hold player input.
#[derive(Debug)]
struct Knock {
    join: Join,
    session: Arc<Session>,
    /// The seat that is reserved for them, if they looked for one.
    seat: Option<Reservation>,
    answer: oneshot::Sender<Result<(), Declined>>,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Declined {
    /// The room, or the server, has said no.
    Refused(ErrorBody),
    /// Nobody was there any more when the room got to it.
    Absent,
    /// The room did not get to it in time.
    Late,
}

impl From<ErrorBody> for Declined {
    fn from(error: ErrorBody) -> Self {
        Self::Refused(error)
    }
}

/// What a room that is to be made has already. Nobody is told of it yet, but whoever knows the id can knock.
#[derive(Debug)]
pub(crate) struct Slot {
    handle: RoomHandle,
    mailbox: mpsc::Receiver<Mail>,
}

impl Input {
    /// The same in memory of its own.
    pub(crate) fn alone(self) -> Self {
        Self { kind: Bytes::copy_from_slice(&self.kind), data: Bytes::copy_from_slice(&self.data), ..self }
    }
}

/// A player's input, not decoded.
#[derive(Debug)]
pub(crate) struct Input {
    /// The action's `type`, in UTF-8.
    pub(crate) kind: Bytes,
    /// Its data.
    pub(crate) data: Bytes,
    /// The codec of the data.
    pub(crate) codec: Codec,
    /// The mark of the request.
    pub(crate) reference: Option<Ref>,
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

    /// Makes a room and lets its creator in.
    ///
    /// # Errors
    /// `game_not_found`, `invalid_name`, `invalid_options`, `limit_reached`, `shutting_down`, or what the game
    /// refuses with.
    pub(crate) async fn create(
        self: &Arc<Self>,
        request: &CreateRoom,
        join: Join,
        session: Arc<Session>,
    ) -> Result<(), Declined> {
        let kind = *self.registry.kind(&request.game)?;
        let name = match &request.name {
            Some(name) => name::checked(name)?,
            None => default_name(&join.username),
        };
        // Rooms are counted before the game runs, so that a flood of creations costs nothing.
        let slot = self.reserve(|| RoomId::from_bits(self.randomness.bits()))?;
        let spec = self.spec(&slot, name, request.options.clone());
        self.open(slot, &kind, spec, join, session, None).await
    }

    fn spec(&self, slot: &Slot, name: String, options: Option<Json>) -> RoomSpec {
        let (room_id, seed) = (slot.handle.room_id, self.randomness.seed());
        RoomSpec { room_id, name, options, seed, policy: self.limits.policy }
    }

    /// Makes a room in its place.
    async fn open(
        self: &Arc<Self>,
        slot: Slot,
        kind: &Kind,
        spec: RoomSpec,
        join: Join,
        session: Arc<Session>,
        seat: Option<Reservation>,
    ) -> Result<(), Declined> {
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
        let answered = handle.try_knock(join, session, seat);
        let inbox = Inbox { mailbox, filling: handle.filling.clone() };
        self.tasks.spawn(task::run(self.clone(), room, inbox, room_id));
        answered?.await.map_err(|_| gone())?
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
        let (sender, mailbox) = mpsc::channel(MAILBOX_MESSAGES_MAX);
        let handle = RoomHandle { room_id, mailbox: sender, filling: Arc::default(), waiting: Arc::default() };
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
        for room in running {
            // A room that is gone already needs no telling.
            drop(room.mailbox.send(Mail::Close { reason: ClosedReason::ShuttingDown }).await);
        }
        self.tasks.wait().await;
    }
}

fn gone() -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomNotFound, "The room has closed.")
}

fn not_a_player() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotAPlayer, "Spectators watch; join as a player to act.")
}

fn default_name(username: &str) -> String {
    let room: String = format!("{username}'s room");
    if room.chars().count() <= anteroom_protocol::limits::NAME_CHARS_MAX { room } else { username.to_owned() }
}

impl RoomHandle {
    /// Asks the room to let someone in, and waits for its answer.
    ///
    /// # Errors
    /// What the room declines with; `room_not_found` if it is over.
    pub(crate) async fn join(&self, join: Join, session: Arc<Session>) -> Result<(), Declined> {
        let (answer, answered) = oneshot::channel();
        let knock = Box::new(Knock { join, session, seat: None, answer });
        self.mailbox.send(Mail::Join(knock)).await.map_err(|_| gone())?;
        // Whoever knocks waits at the door with everything else; a tick would hold that up.
        self.filling.notify_one();
        answered.await.map_err(|_| gone())?
    }

    /// The same without waiting: gives where the answer comes. A room that flushes by ticks is not told.
    ///
    /// # Errors
    /// `room_not_found` if the room is over; [`Declined::Late`] if its mailbox is full.
    pub(crate) fn try_knock(
        &self,
        join: Join,
        session: Arc<Session>,
        seat: Option<Reservation>,
    ) -> Result<oneshot::Receiver<Result<(), Declined>>, Declined> {
        let (answer, answered) = oneshot::channel();
        let knock = Box::new(Knock { join, session, seat, answer });
        self.mailbox.try_send(Mail::Join(knock)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Declined::Late,
            mpsc::error::TrySendError::Closed(_) => gone().into(),
        })?;
        Ok(answered)
    }

    /// Says that a member goes for good; the room answers on the member's lane. `false` if the room is over: it has
    /// ended the lane already.
    pub(crate) async fn leave(&self, member: MemberId, reference: Option<Ref>) -> bool {
        self.mailbox.send(Mail::Leave { member, reference }).await.is_ok()
    }

    /// Says that a member's session has lost its connection, or has one again; the room looks which.
    pub(crate) async fn look_for(&self, member: MemberId) {
        drop(self.mailbox.send(Mail::LookFor { member }).await);
    }

    /// Says that a member's session was without a connection for too long.
    pub(crate) async fn expire(&self, member: MemberId) {
        drop(self.mailbox.send(Mail::Expire { member }).await);
    }

    /// Says that a member's session is gone without a goodbye.
    pub(crate) async fn abandon(&self, member: MemberId) {
        drop(self.mailbox.send(Mail::Abandon { member }).await);
    }

    /// Asks for a snapshot on the member's lane, which has lost messages.
    pub(crate) async fn ask_for_snapshot(&self, member: MemberId) {
        drop(self.mailbox.send(Mail::Snapshot { member }).await);
    }

    /// The share of the mailbox of someone who plays; none of someone who watches.
    fn share(&self, role: Role) -> Option<Arc<Share>> {
        (role == Role::Player).then(|| Share::new(self.waiting.clone()))
    }

    /// Hands a member's input over; the room answers on the member's lane.
    ///
    /// # Errors
    /// `not_a_player` without a share, `busy` if the room has fallen behind with the member's input, `room_not_found` if
    /// it is over.
    pub(crate) fn act(&self, member: MemberId, share: Option<&Arc<Share>>, input: Input) -> Result<(), ErrorBody> {
        let share = share.ok_or_else(not_a_player)?;
        let busy = || {
            self.filling.notify_one();
            ErrorBody::new(ErrorCode::Busy, "The room has fallen behind; try again.")
        };
        let place = share.take(input.data.len()).ok_or_else(busy)?;
        self.mailbox.try_send(Mail::Act { member, input, place }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => busy(),
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        if self.waiting.is_much() {
            self.filling.notify_one();
        }
        Ok(())
    }
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
