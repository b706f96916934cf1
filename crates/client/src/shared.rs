//! What the handles of a session share with the task that owns its connections: the way in, the requests that wait
//! for an answer, the rooms to be left, and how it ended.
//!
//! No lock is held across an await, and the task never waits for a handle.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_protocol::message::request::SubscribeRooms;
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined, RoomList};
use anteroom_protocol::{Codec, ErrorBody, ErrorCode, LaneId, RoomId};
use anteroom_transport::Transport;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::draft::Draft;
use crate::error::{ClientError, ConnectError, SessionEnd};
use crate::inbox::{Content, Inbox};
use crate::lobby::Listed;
use crate::options::TransportChoice;
use crate::state::SessionState;

/// How many messages wait for the session's task before senders wait.
const COMMANDS_MAX: usize = 64;
/// How many moves to another connection wait.
const MOVES_MAX: usize = 4;
/// How many requests wait for an answer before further ones fail.
pub(crate) const PENDING_MAX: usize = 256;

/// What a handle wants from the session's task.
#[derive(Debug)]
pub(crate) enum Command {
    /// To send something.
    Send(Draft),
    /// To send what leads into a room: into this one, or into whichever.
    Enter(Draft, Option<RoomId>),
    /// To send `subscribe_rooms`, for these rooms; an earlier subscription is over.
    Subscribe(Draft, SubscribeRooms),
}

/// A move to another connection, and whom to tell how it went.
#[derive(Debug)]
pub(crate) struct Move {
    /// To what; none to have any connection again, by whatever was chosen before.
    pub(crate) choice: Option<TransportChoice>,
    pub(crate) done: oneshot::Sender<Result<(), ConnectError>>,
}

/// The session's task's ends of the ways in.
#[derive(Debug)]
pub(crate) struct Inlets {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) unreliable: mpsc::Receiver<Draft>,
    pub(crate) moves: mpsc::Receiver<Move>,
}

impl Inlets {
    pub(crate) fn close(&mut self) {
        self.commands.close();
        self.unreliable.close();
        self.moves.close();
    }
}

/// What a request gets.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Content),
    Joined(Box<Joined>),
    Subscribed(RoomList, watch::Receiver<Listed>),
    Failed(ErrorBody),
    /// It will not come.
    Lost,
    /// The answer could not be read.
    Invalid(String),
}

/// A membership, as its first message describes it.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) room: RoomJoined,
    pub(crate) place: Place,
}

/// This session's place in one room. Dropping it leaves the room.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) room_id: RoomId,
    pub(crate) lane: LaneId,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Bounded by the rooms this session is in. The task ignores rooms that are over already.
        self.shared.lock().departures.push((self.room_id, self.lane));
        self.shared.departed.notify_one();
    }
}

#[derive(Debug, Default)]
struct Table {
    pending: BTreeMap<u64, oneshot::Sender<Answer>>,
    departures: Vec<(RoomId, LaneId)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) accepted: HandshakeAccepted,
    pub(crate) state: watch::Sender<SessionState>,
    /// How often messages of the session itself were lost.
    pub(crate) gaps: watch::Sender<u64>,
    /// Something is in the list of departures.
    pub(crate) departed: Notify,
    request_timeout: Duration,
    commands: mpsc::Sender<Command>,
    unreliable: mpsc::Sender<Draft>,
    moves: mpsc::Sender<Move>,
    table: Mutex<Table>,
    references: AtomicU64,
    link: Mutex<LinkFigures>,
}

/// What is known of the connection there is, or of the last one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkFigures {
    /// How many connections there were before.
    pub(crate) number: u64,
    pub(crate) transport: Transport,
    pub(crate) rtt: Option<Duration>,
}

impl Shared {
    pub(crate) fn new(
        accepted: HandshakeAccepted,
        transport: Transport,
        request_timeout: Duration,
    ) -> (Arc<Self>, Inlets) {
        let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
        let (unreliable, unreliable_receiver) = mpsc::channel(COMMANDS_MAX);
        let (moves, move_receiver) = mpsc::channel(MOVES_MAX);
        let inlets = Inlets { commands: command_receiver, unreliable: unreliable_receiver, moves: move_receiver };
        let shared = Self {
            accepted,
            state: watch::Sender::new(SessionState::Connected { transport }),
            gaps: watch::Sender::new(0),
            departed: Notify::new(),
            request_timeout,
            commands,
            unreliable,
            moves,
            table: Mutex::default(),
            references: AtomicU64::new(0),
            link: Mutex::new(LinkFigures { number: 0, transport, rtt: None }),
        };
        (Arc::new(shared), inlets)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock, and the tables are valid at every step.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn codec(&self) -> Codec {
        self.accepted.codec
    }

    pub(crate) fn next_reference(&self) -> u64 {
        self.references.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn link(&self) -> LinkFigures {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_link(&self, change: impl FnOnce(&mut LinkFigures)) {
        change(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Another connection carries the session.
    pub(crate) fn note_link(&self, transport: Transport) {
        self.change_link(|link| *link = LinkFigures { number: link.number + 1, transport, rtt: None });
    }

    /// A round trip was measured on a connection.
    pub(crate) fn note_rtt(&self, number: u64, rtt: Duration) {
        self.change_link(|link| {
            if link.number == number {
                link.rtt = Some(rtt);
            }
        });
    }

    /// Why the session has ended; while it has not, that it was closed is the only thing it can mean.
    pub(crate) fn end(&self) -> SessionEnd {
        match &*self.state.borrow() {
            SessionState::Ended(end) => end.clone(),
            _ => SessionEnd::ByClient,
        }
    }

    fn ended(&self) -> ClientError {
        self.end().into()
    }

    /// Lets nothing pass while the server does not listen, and nobody tries to change that.
    fn check_open(&self) -> Result<(), ClientError> {
        match &*self.state.borrow() {
            SessionState::Closed { why, .. } => Err(why.clone().into()),
            _ => Ok(()),
        }
    }

    /// Hands something to the session's task, waiting for room. Cancel-safe: handed over or not at all.
    pub(crate) async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.check_open()?;
        self.commands.send(command).await.map_err(|_| self.ended())
    }

    /// Hands over something that may be lost; it is, if there is no room.
    pub(crate) fn send_unreliable(&self, draft: Draft) -> Result<(), ClientError> {
        self.check_open()?;
        match self.unreliable.try_send(self.checked(draft)?) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(self.ended()),
        }
    }

    /// Moves the session to another connection, and waits until it is there or has failed to.
    pub(crate) async fn move_to(&self, choice: Option<TransportChoice>) -> Result<(), ConnectError> {
        let (done, outcome) = oneshot::channel();
        let ended = |_| ConnectError::Ended(self.end());
        self.moves.send(Move { choice, done }).await.map_err(|_| ConnectError::Ended(self.end()))?;
        outcome.await.map_err(ended)?
    }

    /// Sends a request and waits for its answer. If this is dropped, the answer is ignored when it comes; a room it
    /// brings is left again.
    pub(crate) async fn request(
        &self,
        draft: Draft,
        wrap: impl FnOnce(Draft) -> Command,
    ) -> Result<Answer, ClientError> {
        let (pending, answer) = self.register()?;
        let draft = self.checked(draft.with_reference(pending.number))?;
        let asked = async {
            self.command(wrap(draft)).await?;
            answer.await.map_err(|_| self.ended())
        };
        match timeout(self.request_timeout, asked).await {
            Ok(Ok(Answer::Failed(error))) if error.code == ErrorCode::OutcomeUnknown => {
                Err(ClientError::OutcomeUnknown)
            }
            Ok(Ok(Answer::Failed(error))) => Err(ClientError::Server(error)),
            Ok(Ok(Answer::Lost)) => Err(ClientError::OutcomeUnknown),
            Ok(Ok(Answer::Invalid(why))) => Err(ClientError::InvalidAnswer(why)),
            Ok(answered) => answered,
            Err(_) => Err(ClientError::Timeout(self.request_timeout)),
        }
    }

    fn register(&self) -> Result<(Pending<'_>, oneshot::Receiver<Answer>), ClientError> {
        let mut table = self.lock();
        if table.pending.len() >= PENDING_MAX {
            return Err(ClientError::Busy { max: PENDING_MAX });
        }
        let number = self.next_reference();
        let (sender, receiver) = oneshot::channel();
        table.pending.insert(number, sender);
        Ok((Pending { shared: self, number }, receiver))
    }

    /// Takes the request that an answer is for.
    pub(crate) fn take_pending(&self, reference: u64) -> Option<oneshot::Sender<Answer>> {
        self.lock().pending.remove(&reference)
    }

    /// Fails every request that waits. No new one can follow once the task takes no commands.
    pub(crate) fn abandon_pending(&self) {
        let abandoned = std::mem::take(&mut self.lock().pending);
        // Outside the lock, because each wakes a waiter.
        drop(abandoned);
    }

    pub(crate) fn take_departures(&self) -> Vec<(RoomId, LaneId)> {
        std::mem::take(&mut self.lock().departures)
    }

    /// Lets through what the server takes.
    pub(crate) fn checked(&self, draft: Draft) -> Result<Draft, ClientError> {
        draft.check(self.accepted.limits.message_bytes_max as usize)?;
        Ok(draft)
    }
}

/// A request that waits for its answer; forgotten when dropped.
struct Pending<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.shared.lock().pending.remove(&self.number);
    }
}
