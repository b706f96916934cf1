//! The store that lasts: SQLite in a folder that one process has for itself.
//!
//! One thread writes, many writes to a commit ([`writer`]); others read, and another brings the log into the database. No task of
//! the runtime ever waits for the disk. [`schema`] has the statements, [`opening`] says what happens at the start, and [`disk`] is
//! the seam at which tests make the medium fail. It does not look into what it stores.

mod chat;
mod checkpointer;
mod disk;
mod fault;
mod folder;
mod migrations;
mod open_error;
mod opening;
mod queue;
mod reader;
mod report;
mod schema;
mod shared;
#[cfg(test)]
mod tests;
mod tools;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::{RoomId, SessionId, UserId};
use tokio::sync::Semaphore;

pub use open_error::OpenError;
pub use report::Report;
pub use tools::{backup, check, vacuum};

use super::write::{Queued, Write};
use super::{
    Boot, ChatRow, ChatStore, Health, Kept, KeptRow, Later, Medium, PLACES, Place, Receipt, RoomRow, RoomStore, Sealed,
    SessionRow, SessionStore, StoreError, UserRow, UserStore, wait_for_place,
};
use checkpointer::Checkpointer;
use disk::{Database, Disk};
use folder::Folder;
use reader::{Question, Readers};
use shared::Shared;
use writer::{Backoff, Writer};

/// A store in a folder. Dropping it waits for the transaction that runs; [`Medium::close`] for all that was submitted.
#[derive(Debug)]
pub struct Sqlite {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    readers: Readers,
    writer: Option<JoinHandle<()>>,
    /// Goes last: then somebody else may have the folder.
    _lock: File,
}

impl Sqlite {
    /// Opens the store in a folder, which is made if there is none. What the process before left is this one's, at a higher boot
    /// number, and the generation of every session is raised. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], a sentence with the next step.
    pub fn open(folder: &Path, wall_ms: u64) -> Result<Self, OpenError> {
        Self::open_with(folder, wall_ms, Backoff::default(), |database| database)
    }

    /// The same on a medium that is made of the database.
    fn open_with<D: Disk + 'static>(
        folder: &Path,
        wall_ms: u64,
        backoff: Backoff,
        wrap: impl FnOnce(Database) -> D,
    ) -> Result<Self, OpenError> {
        let opened = opening::open(Folder::new(folder), wall_ms)?;
        let folder = opened.folder;
        let failed = |why: String| OpenError::Failed { path: folder.database().to_owned(), why };
        let shared = Arc::new(Shared::new(opened.boot));
        let database = Database::new(folder.clone(), opened.connection, Arc::clone(&shared.opened));
        let disk = wrap(database.map_err(|fault| failed(fault.to_string()))?);
        let no_thread = |error: std::io::Error| failed(format!("no thread can be started: {error}"));
        let readers = Readers::start(&folder, &shared).map_err(no_thread)?;
        let checkpointer = Checkpointer::start(folder.clone(), Arc::clone(&shared)).map_err(no_thread)?;
        let writer = Writer::new(disk, Arc::clone(&shared), backoff, checkpointer);
        let writer = thread::Builder::new().name("store-write".into()).spawn(|| writer.run()).map_err(no_thread)?;
        let places = Arc::new(Semaphore::new(PLACES));
        Ok(Self { shared, places, readers, writer: Some(writer), _lock: opened.lock })
    }

    /// Reads everything, and says what is wrong with it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read to its end.
    pub async fn check(&self) -> Result<Report, StoreError> {
        self.ask(Question::Check).await
    }

    /// Copies what is committed into a new file, while the store is in use.
    ///
    /// # Errors
    /// [`StoreError`] if the copy cannot be written.
    pub async fn backup(&self, to: PathBuf) -> Result<(), StoreError> {
        self.ask(|answer| Question::Backup(to, answer)).await
    }

    /// Writes the database anew, so that its file is as small as can be. What is to be stored waits meanwhile.
    pub fn vacuum(&self, place: Place) -> Receipt {
        self.submit(place, Write::Tidy)
    }

    fn submit(&self, place: Place, write: Write) -> Receipt {
        let (queued, receipt) = Queued::new(place, write);
        self.shared.queue.add(queued);
        receipt
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(tokio::sync::oneshot::Sender<Result<T, StoreError>>) -> Question,
    ) -> Result<T, StoreError> {
        if self.shared.queue.is_closed() { Err(StoreError::Closed) } else { self.readers.ask(ask).await }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.shared.queue.abandon();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Medium for Sqlite {
    fn boot(&self) -> Boot {
        self.shared.boot
    }

    fn health(&self) -> &Health {
        &self.shared.health
    }

    fn lasts(&self) -> bool {
        true
    }

    fn place(&self) -> Later<'static, Place> {
        wait_for_place(&self.places)
    }

    fn alive(&self, place: Place, now_ms: u64) -> Receipt {
        self.submit(place, Write::Alive { now_ms })
    }

    fn close(&self) -> Later<'_, ()> {
        self.shared.queue.close();
        Box::pin(self.shared.ended())
    }
}

impl RoomStore for Sqlite {
    fn snapshot(
        &self,
        place: Place,
        now_ms: u64,
        room_id: RoomId,
        index: u64,
        row: RoomRow,
        snapshot: Sealed,
    ) -> Receipt {
        self.submit(place, Write::Snapshot { now_ms, room_id, index, row, snapshot })
    }

    fn turn(&self, place: Place, now_ms: u64, room_id: RoomId, index: u64, row: RoomRow, turn: Sealed) -> Receipt {
        self.submit(place, Write::Turn { now_ms, room_id, index, row, turn })
    }

    fn remove(&self, place: Place, room_ids: Vec<RoomId>) -> Receipt {
        self.submit(place, Write::Remove(room_ids))
    }

    fn suspend(&self, place: Place, room_id: RoomId, why: String) -> Receipt {
        self.submit(place, Write::Suspend { room_id, why })
    }

    fn load(&self, room_id: RoomId) -> Later<'_, Result<Option<Kept>, StoreError>> {
        Box::pin(self.ask(move |answer| Question::Load(room_id, answer)))
    }

    fn rows(&self, after: Option<RoomId>, most: usize) -> Later<'_, Result<Vec<KeptRow>, StoreError>> {
        Box::pin(self.ask(move |answer| Question::Rows(after, most, answer)))
    }

    fn mentioning(&self, bytes: Vec<u8>) -> Later<'_, Result<Vec<RoomId>, StoreError>> {
        Box::pin(self.ask(|answer| Question::Mentioning(bytes, answer)))
    }
}

impl SessionStore for Sqlite {
    fn keep(&self, place: Place, rows: Vec<SessionRow>) -> Receipt {
        self.submit(place, Write::Keep(rows))
    }

    fn forget(&self, place: Place, sessions: Vec<SessionId>) -> Receipt {
        self.submit(place, Write::Forget(sessions))
    }

    fn sessions(&self) -> Later<'_, Result<Vec<SessionRow>, StoreError>> {
        Box::pin(self.ask(Question::Sessions))
    }
}

impl UserStore for Sqlite {
    fn note(&self, place: Place, rows: Vec<UserRow>) -> Receipt {
        self.submit(place, Write::Note(rows))
    }

    fn user(&self, user_id: UserId) -> Later<'_, Result<Option<UserRow>, StoreError>> {
        Box::pin(self.ask(|answer| Question::User(user_id, answer)))
    }

    fn erase(&self, place: Place, user_id: UserId) -> Receipt {
        self.submit(place, Write::Erase(user_id))
    }
}

impl ChatStore for Sqlite {
    fn say(&self, place: Place, rows: Vec<ChatRow>) -> Receipt {
        self.submit(place, Write::Say(rows))
    }

    fn said(
        &self,
        room_id: RoomId,
        before: Option<MessageId>,
        most: usize,
    ) -> Later<'_, Result<Vec<ChatEntry>, StoreError>> {
        Box::pin(self.ask(move |answer| Question::Said(room_id, before, most, answer)))
    }

    fn said_by(&self, user_id: UserId) -> Later<'_, Result<Vec<ChatRow>, StoreError>> {
        Box::pin(self.ask(move |answer| Question::SaidBy(user_id, answer)))
    }

    fn prune(&self, place: Place, before_ms: u64) -> Receipt {
        self.submit(place, Write::Prune { before_ms })
    }
}
