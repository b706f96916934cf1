//! Rooms as they run: one task each, reached only through its mailbox.
//!
//! A room's task drains its mailbox, lets the room react to all of it, and flushes once. It never waits for a
//! session. Players' input has a share of the mailbox for each of them, and is refused with `busy` beyond it; coming and
//! going waits its turn.

mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_core::game::Registry;
use anteroom_core::name;
use anteroom_core::room::{Join, MemberId, Place, Room, RoomPolicy, RoomSpec, Share, WAITING_MESSAGES_MAX, Waiting};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::request::CreateRoom;
use anteroom_protocol::{Codec, ErrorBody, ErrorCode, RoomId, UserId};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::lobby::Lobby;
use crate::random::Randomness;
use crate::session::Session;

/// How many commands wait for a room: as much input as may wait, one more message of each player, and as many who come,
/// go, or are looked for. Memory is taken for those that do wait.
const MAILBOX_MESSAGES_MAX: usize = 2 * WAITING_MESSAGES_MAX;
/// How many commands a room takes in before it flushes.
const TURN_MESSAGES_MAX: usize = 256;
/// The same for a room that flushes by ticks.
const TICK_MESSAGES_MAX: usize = 1024;

/// Every room of one server.
#[derive(Debug)]
pub(crate) struct Rooms {
    registry: Registry,
    lobby: Arc<Lobby>,
    clock: Clock,
    policy: RoomPolicy,
    rooms_max: usize,
    /// What one room may have said and its members not read or acknowledged, in bytes.
    kept_bytes_max: usize,
    randomness: Arc<Randomness>,
    running: Mutex<BTreeMap<RoomId, RoomHandle>>,
    tasks: TaskTracker,
    /// Held by whoever looks for a free seat in a game.
    seekers: BTreeMap<&'static str, tokio::sync::Mutex<()>>,
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
    answer: oneshot::Sender<Result<(), ErrorBody>>,
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
        config: &Config,
        randomness: Arc<Randomness>,
    ) -> Arc<Self> {
        let seekers = registry.names().map(|name| (name, tokio::sync::Mutex::default())).collect();
        let policy = RoomPolicy {
            grace: Duration::from_millis(config.times.grace_ms),
            spectators_max: config.limits.spectators_per_room_max,
        };
        Arc::new(Self {
            registry,
            seekers,
            lobby,
            clock,
            policy,
            rooms_max: config.limits.rooms_max as usize,
            kept_bytes_max: config.limits.room_bytes_max as usize,
            randomness,
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

    /// Rooms of a game that may have a seat for a user, the best first.
    pub(crate) fn open(&self, game: &str, user_id: &UserId, most: usize) -> Vec<RoomHandle> {
        self.lobby.open(game, user_id, most).iter().filter_map(|room_id| self.lock().get(room_id).cloned()).collect()
    }

    /// Waits until nobody else looks for a free seat in this game: two who look at once would both find none and make
    /// a room each. Nothing if there is no such game.
    pub(crate) async fn seek(&self, game: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        Some(self.seekers.get(game)?.lock().await)
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
        request: CreateRoom,
        join: Join,
        session: Arc<Session>,
    ) -> Result<(), ErrorBody> {
        let kind = *self.registry.kind(&request.game)?;
        let name = match &request.name {
            Some(name) => name::checked(name)?,
            None => default_name(&join.username),
        };
        let room_id = RoomId::from_bits(self.randomness.bits());
        let seed = self.randomness.seed();
        let spec = RoomSpec { room_id, name, options: request.options, seed, policy: self.policy };
        // Rooms are counted before the game runs, so that a flood of creations costs nothing.
        let (handle, mailbox) = self.reserve(room_id)?;
        let now = self.clock.now();
        let created = std::panic::catch_unwind(|| Room::create(&kind, spec, now));
        let room = match created {
            Ok(Ok(room)) => room,
            Ok(Err(error)) => {
                self.forget(&room_id);
                return Err(error);
            }
            Err(_) => {
                self.forget(&room_id);
                tracing::error!(%room_id, game = kind.name, seed, "game panicked while the room was made");
                return Err(ErrorBody::new(ErrorCode::Internal, "The game failed while the room was made."));
            }
        };
        // Its creator knocks before the room runs: one that nobody is in would close.
        let (answer, answered) = oneshot::channel();
        let knock = Mail::Join(Box::new(Knock { join, session, answer }));
        if handle.mailbox.try_send(knock).is_err() {
            self.forget(&room_id);
            return Err(ErrorBody::new(ErrorCode::Internal, "The room did not open."));
        }
        let inbox = Inbox { mailbox, filling: handle.filling.clone() };
        self.tasks.spawn(task::run(self.clone(), room, inbox, room_id));
        answered.await.map_err(|_| gone())?
    }

    fn reserve(&self, room_id: RoomId) -> Result<(RoomHandle, mpsc::Receiver<Mail>), ErrorBody> {
        let mut running = self.lock();
        if self.tasks.is_closed() {
            return Err(ErrorBody::new(ErrorCode::ShuttingDown, "The server is shutting down."));
        }
        if running.len() >= self.rooms_max {
            return Err(ErrorBody::new(ErrorCode::LimitReached, "The server has no space for another room just now."));
        }
        let (sender, mailbox) = mpsc::channel(MAILBOX_MESSAGES_MAX);
        let handle = RoomHandle { room_id, mailbox: sender, filling: Arc::default(), waiting: Arc::default() };
        running.insert(room_id, handle.clone());
        Ok((handle, mailbox))
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
    /// What the room refuses with; `room_not_found` if it is over.
    pub(crate) async fn join(&self, join: Join, session: Arc<Session>) -> Result<(), ErrorBody> {
        let (answer, answered) = oneshot::channel();
        let knock = Box::new(Knock { join, session, answer });
        self.mailbox.send(Mail::Join(knock)).await.map_err(|_| gone())?;
        // Whoever knocks waits at the door with everything else; a tick would hold that up.
        self.filling.notify_one();
        answered.await.map_err(|_| gone())?
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
