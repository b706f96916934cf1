//! Stores: what outlives the process. Small traits by domain, each with the words of its domain; which medium is behind them is
//! chosen in one place.
//!
//! A write is submitted, and its [`Receipt`] says when it is committed. Writes of one owner are applied in the order in which they
//! were submitted, and a write that was submitted is never refused: while the medium fails it waits, and the same bytes go again.
//! No commit spans owners, though many owners share one. Whoever submits has a [`Place`] first, which is how the queue is bounded.
//! What is stored is opaque here: rooms and sessions write envelopes that they read back themselves.

#[cfg(test)]
mod conformance;
pub(crate) mod control;
mod key;
mod memory;
mod open;
mod record;
mod section;
mod sqlite;
mod write;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::{RoomId, SessionId, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use memory::Memory;
pub(crate) use open::{Opened, open};
pub use record::{
    ChatRow, Kept, KeptRow, Kind, RECORD_BYTES_MAX, RoomRow, Sealed, SealedError, SessionRow, Turn, UserRow,
};
pub use section::{StoreKind, StoreSection};
pub use sqlite::{OpenError, Report, Sqlite, backup, check, vacuum};

/// What an object-safe method that waits gives back.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How many writes may wait in a store. Who has another one waits for a [`Place`].
const PLACES: usize = 4096;

/// Room for one write in the queue of a store. It is given back when the write is committed.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl From<OwnedSemaphorePermit> for Place {
    fn from(permit: OwnedSemaphorePermit) -> Self {
        Self(permit)
    }
}

/// Waits for a place among these, of which there are always some, or will be.
fn wait_for_place(places: &Arc<Semaphore>) -> Later<'static, Place> {
    let places = Arc::clone(places);
    Box::pin(async move {
        match places.acquire_owned().await {
            Ok(permit) => Place(permit),
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    })
}

/// Says when a write is committed. Cancel-safe, and dropping it takes nothing back.
///
/// It waits for as long as the store cannot be written.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<(), StoreError>>);

impl Receipt {
    /// A receipt, and what resolves it.
    #[must_use]
    pub fn new() -> (oneshot::Sender<Result<(), StoreError>>, Self) {
        let (done, receipt) = oneshot::channel();
        (done, Self(receipt))
    }

    /// Waits until the write is committed.
    ///
    /// # Errors
    /// [`StoreError::Closed`] if the store was closed, or belongs to somebody else now, or if the write cannot be stored for what
    /// is in it (then its room is noted as suspended): the write may be lost. [`StoreError::NotTidied`] only where the medium was
    /// to be tidied up.
    pub async fn committed(&mut self) -> Result<(), StoreError> {
        (&mut self.0).await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Why something cannot be read, or a store not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be read just now.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// It is closed, or somebody else has it.
    #[error("the store is closed")]
    Closed,
    /// What is in it cannot be what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// What was to be deleted is, but its bytes may still be in the files.
    #[error(
        "the database could not be written anew ({0}): what is deleted may still have bytes in its files; see to it that its \
         disk has as much free space as it is large, and ask again"
    )]
    NotTidied(String),
}

/// Whether a store can be written. One for each store; looking costs an atomic.
#[derive(Debug, Default)]
pub struct Health {
    fails: AtomicBool,
}

impl Health {
    /// Whether writes are committed as they come.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.fails.load(Ordering::Relaxed)
    }

    /// Notes whether they are. Whether that is news.
    pub fn note(&self, is_good: bool) -> bool {
        self.fails.swap(!is_good, Ordering::Relaxed) == is_good
    }
}

/// What a store knows of the processes that have had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// How often it was opened, this time included. Every write carries it, and one that carries less than what is stored is
    /// dropped.
    pub number: u64,
    /// When this process begins to count, in Unix milliseconds: the wall clock's time, or just after the last time that is known
    /// from before if that is later, so that time never runs backwards.
    pub start_ms: u64,
    /// For how long no process had the store, all times together, in milliseconds.
    pub down_ms: u64,
}

/// What all stores of one medium have in common.
pub trait Medium: fmt::Debug + Send + Sync {
    /// What is known of the processes before.
    fn boot(&self) -> Boot;

    /// Whether it can be written.
    fn health(&self) -> &Health;

    /// Whether what is stored outlives the process.
    fn lasts(&self) -> bool;

    /// Waits for a place in the queue. Cancel-safe; first come, first served.
    fn place(&self) -> Later<'static, Place>;

    /// Notes that the server is alive at this time, in Unix milliseconds: what passes after the last such note, and the last
    /// commit, was down-time.
    fn alive(&self, place: Place, now_ms: u64) -> Receipt;

    /// Commits what was submitted, and closes: what is submitted from then on is lost. Waits for as long as the medium fails.
    fn close(&self) -> Later<'_, ()>;
}

/// What is kept of rooms: for each one a snapshot, and the turns since.
pub trait RoomStore: Medium {
    /// Stores a room as it is after a turn. The turns before are deleted with the same commit. A write whose index is not above
    /// what is stored is a repetition, and changes nothing.
    fn snapshot(
        &self,
        place: Place,
        now_ms: u64,
        room_id: RoomId,
        index: u64,
        row: RoomRow,
        snapshot: Sealed,
    ) -> Receipt;

    /// Stores one more turn of a room that is stored.
    fn turn(&self, place: Place, now_ms: u64, room_id: RoomId, index: u64, row: RoomRow, turn: Sealed) -> Receipt;

    /// Forgets rooms. All that were named are gone in one commit.
    fn remove(&self, place: Place, room_ids: Vec<RoomId>) -> Receipt;

    /// Notes that a room cannot be restored, and why. It stays as it is; a later snapshot takes the note away.
    fn suspend(&self, place: Place, room_id: RoomId, why: String) -> Receipt;

    /// A room as it is stored.
    fn load(&self, room_id: RoomId) -> Later<'_, Result<Option<Kept>, StoreError>>;

    /// What is known of rooms without reading them, in the order of their ids behind one; at most so many.
    fn rows(&self, after: Option<RoomId>, most: usize) -> Later<'_, Result<Vec<KeptRow>, StoreError>>;

    /// The rooms whose snapshot or turns contain these bytes.
    fn mentioning(&self, bytes: Vec<u8>) -> Later<'_, Result<Vec<RoomId>, StoreError>>;
}

/// What is kept of sessions.
pub trait SessionStore: Medium {
    /// Stores sessions, each in place of what was stored of it.
    fn keep(&self, place: Place, rows: Vec<SessionRow>) -> Receipt;

    /// Forgets sessions.
    fn forget(&self, place: Place, sessions: Vec<SessionId>) -> Receipt;

    /// All of them. Opening the store has raised the generation of each already.
    fn sessions(&self) -> Later<'_, Result<Vec<SessionRow>, StoreError>>;
}

/// What is kept of users.
pub trait UserStore: Medium {
    /// Notes users, each in place of what was known of it.
    fn note(&self, place: Place, rows: Vec<UserRow>) -> Receipt;

    /// What is known of a user.
    fn user(&self, user_id: UserId) -> Later<'_, Result<Option<UserRow>, StoreError>>;

    /// Forgets a user, their sessions and what they said, and makes sure that no byte of what was deleted is left on the medium. If that cannot be
    /// done they are forgotten all the same, and the receipt says [`StoreError::NotTidied`].
    fn erase(&self, place: Place, user_id: UserId) -> Receipt;
}

/// What is kept of what was said in rooms. With a room it is [removed](RoomStore::remove), too.
pub trait ChatStore: Medium {
    /// Stores what was said, each entry in place of what had its room and id.
    fn say(&self, place: Place, rows: Vec<ChatRow>) -> Receipt;

    /// What was said last in a room before an entry, the oldest first; at most so many.
    fn said(
        &self,
        room_id: RoomId,
        before: Option<MessageId>,
        most: usize,
    ) -> Later<'_, Result<Vec<ChatEntry>, StoreError>>;

    /// Everything that a user has said.
    fn said_by(&self, user_id: UserId) -> Later<'_, Result<Vec<ChatRow>, StoreError>>;

    /// Forgets what was said before a time, in Unix milliseconds: at most [`PRUNED_MAX`] entries of it, the oldest first.
    fn prune(&self, place: Place, before_ms: u64) -> Receipt;
}

/// How many entries are forgotten with one write, so that none waits for long behind it.
pub const PRUNED_MAX: usize = 10_000;

/// A medium that keeps everything.
pub trait Store: RoomStore + SessionStore + UserStore + ChatStore {}
impl<T: RoomStore + SessionStore + UserStore + ChatStore> Store for T {}
