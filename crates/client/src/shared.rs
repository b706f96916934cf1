//! What the handles of a session share with the task that owns its connection: the way in, the requests that wait
//! for an answer, the rooms to be left, and how it ended.
//!
//! No lock is held across an await, and the task never waits for a handle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_protocol::codec::{Body, InvalidData};
use anteroom_protocol::envelope::{Ref, encode_raw};
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined, RoomList};
use anteroom_protocol::{Batch, BatchBuilder, Codec, Data, ErrorBody, Header, LaneId, RoomId, variant};
use anteroom_transport::Transport;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::error::{ClientError, SessionEnd};
use crate::inbox::{Content, Inbox};
use crate::lobby::Listed;

/// How many messages wait for the session's task before senders wait.
const COMMANDS_MAX: usize = 64;
/// How many requests wait for an answer before further ones fail.
pub(crate) const PENDING_MAX: usize = 256;

/// What a handle wants from the session's task.
#[derive(Debug)]
pub(crate) enum Command {
    /// To send something.
    Send(Arc<Batch>),
    /// To send `subscribe_rooms`; an earlier subscription is over.
    Subscribe(Arc<Batch>),
}

/// What a request gets.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Content),
    Joined(Box<Joined>),
    Subscribed(RoomList, watch::Receiver<Listed>),
    Failed(ErrorBody),
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
    pending: HashMap<u64, oneshot::Sender<Answer>>,
    departures: Vec<(RoomId, LaneId)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) accepted: HandshakeAccepted,
    pub(crate) transport: Transport,
    pub(crate) end: watch::Sender<Option<SessionEnd>>,
    /// Something is in the list of departures.
    pub(crate) departed: Notify,
    request_timeout: Duration,
    commands: mpsc::Sender<Command>,
    table: Mutex<Table>,
    references: AtomicU64,
    /// In microseconds; 0 if it is not known.
    rtt_us: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        accepted: HandshakeAccepted,
        transport: Transport,
        request_timeout: Duration,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let shared = Self {
            accepted,
            transport,
            end: watch::Sender::new(None),
            departed: Notify::new(),
            request_timeout,
            commands,
            table: Mutex::default(),
            references: AtomicU64::new(0),
            rtt_us: AtomicU64::new(0),
        };
        (Arc::new(shared), receiver)
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

    pub(crate) fn rtt(&self) -> Option<Duration> {
        match self.rtt_us.load(Ordering::Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(us)),
        }
    }

    pub(crate) fn note_rtt(&self, rtt: Duration) {
        let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX).max(1);
        self.rtt_us.store(us, Ordering::Relaxed);
    }

    /// Why the session has ended; while it has not, that it was lost is the only thing it can mean.
    pub(crate) fn ended(&self) -> ClientError {
        let end = self.end.borrow().clone();
        end.unwrap_or(SessionEnd::ByClient).into()
    }

    /// Hands something to the session's task, waiting for room. Cancel-safe: handed over or not at all.
    pub(crate) async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| self.ended())
    }

    /// Sends a request and waits for its answer. If this is dropped, the answer is ignored when it comes; a room it
    /// brings is left again.
    pub(crate) async fn request(
        &self,
        make: impl FnOnce(&Ref) -> Result<Command, ClientError>,
    ) -> Result<Answer, ClientError> {
        let (pending, answer) = self.register()?;
        let command = make(&pending.number.into())?;
        let asked = async {
            self.command(command).await?;
            answer.await.map_err(|_| self.ended())
        };
        match timeout(self.request_timeout, asked).await {
            Ok(Ok(Answer::Failed(error))) => Err(ClientError::Server(error)),
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
    pub(crate) fn take_pending(&self, reference: &Ref) -> Option<oneshot::Sender<Answer>> {
        self.lock().pending.remove(&reference.as_str().parse().ok()?)
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

    /// Encodes a message, checked against what the server takes.
    pub(crate) fn message<T: Body>(&self, header: &Header<'_>, data: &T) -> Result<Arc<Batch>, ClientError> {
        let batch = Batch::one(self.codec(), header, data).map_err(ClientError::Encode)?;
        self.checked(batch)
    }

    /// Encodes a game's action.
    pub(crate) fn action<A: Body + DeserializeOwned>(
        &self,
        room_id: &RoomId,
        reference: Option<&Ref>,
        action: &A,
    ) -> Result<Arc<Batch>, ClientError> {
        let batch = encode_action(self.codec(), room_id, reference, action).map_err(ClientError::Encode)?;
        self.checked(batch)
    }

    fn checked(&self, batch: Batch) -> Result<Arc<Batch>, ClientError> {
        let (len, max) = (batch.payload().len(), self.accepted.limits.message_bytes_max as usize);
        if len > max {
            return Err(ClientError::TooLarge { len, max });
        }
        Ok(Arc::new(batch))
    }
}

fn encode_action<A: Body + DeserializeOwned>(
    codec: Codec,
    room_id: &RoomId,
    reference: Option<&Ref>,
    action: &A,
) -> Result<Batch, InvalidData> {
    let mut fields = Vec::new();
    let kind = variant::encode(codec, action, &mut fields)?;
    let data = match codec {
        Codec::Json => Data::Json(std::str::from_utf8(&fields).unwrap_or_default()),
        Codec::Bincode => Data::Binary(&fields),
    };
    let mut message = Vec::with_capacity(fields.len() + 64);
    encode_raw(&Header { reference, ..Header::new(kind) }.in_room(room_id.as_str()), data, &mut message)?;
    let mut batch = BatchBuilder::new(codec);
    batch.push_encoded(&message);
    Ok(batch.finish())
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
