//! Recordings of rooms, as a server keeps them: files in one folder, written by a thread of their own. A disk that is full or too
//! slow ends a recording, never a room; nobody waits for a file.
//!
//! What is in a recording is not known here, nor which rooms are to be recorded, but for the games of which all are.

mod folder;
mod section;
mod tape;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anteroom_core::game::Registry;
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};

pub(crate) use folder::erase_in;
pub use section::RecordingsSection;
pub(crate) use tape::Tape;
use writer::{Job, Writer};

use crate::replaying::{self, Most, PlayError};

/// How much may wait to be written, in pieces.
const WAITING_MAX: usize = 4096;
/// How many recordings are played at a time, for those who look at them.
const PLAYED_MAX: usize = 2;
/// How much of one is shown in one answer.
const SHOWN: Most = Most { turns: 100_000, bytes: 8 << 20 };
/// How many are listed.
const LISTED_MAX: usize = 100;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recordings {
    section: RecordingsSection,
    /// None if there is no folder for them.
    folder: Option<PathBuf>,
    /// The thread's queue, once there is something to write.
    queue: Mutex<Option<SyncSender<Job>>>,
    played: Semaphore,
}

/// A recording in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) game: String,
    pub(crate) room_name: String,
    pub(crate) created_at_ms: u64,
    pub(crate) bytes: u64,
    #[serde(skip)]
    pub(crate) part: u32,
}

impl Recordings {
    /// The recordings of a server that keeps its data in a folder, or nowhere.
    pub(crate) fn new(section: &RecordingsSection, data: Option<&Path>) -> Self {
        let folder = section.folder.clone().or_else(|| data.map(|data| data.join("recordings")));
        Self { section: section.clone(), folder, queue: Mutex::default(), played: Semaphore::new(PLAYED_MAX) }
    }

    /// Whether a room of a game is recorded.
    ///
    /// # Errors
    /// `invalid_options` if that is asked for and cannot be.
    pub(crate) fn settle(&self, game: &str, asked: Option<bool>) -> Result<bool, ErrorBody> {
        let asked = asked.unwrap_or(false);
        if self.folder.is_none() {
            let sentence = "This server records no rooms.";
            return if asked { Err(ErrorBody::new(ErrorCode::InvalidOptions, sentence)) } else { Ok(false) };
        }
        Ok(asked || self.section.games.iter().any(|always| always == game))
    }

    /// Whether there is a folder for recordings.
    pub(crate) fn is_possible(&self) -> bool {
        self.folder.is_some()
    }

    /// Whether those who are strangers here may see recordings of rooms that are public and over.
    pub(crate) fn are_public(&self) -> bool {
        self.section.public
    }

    fn bytes_max(&self) -> u64 {
        self.section.bytes_max
    }

    /// Hands something to the thread, which begins with the first. Whether it took it.
    fn post(&self, job: Job) -> bool {
        let Some(folder) = &self.folder else { return false };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = queue.get_or_insert_with(|| {
            let (sender, jobs) = sync_channel(WAITING_MAX);
            let writer = Writer::new(folder.clone(), self.section.files_max);
            // Without a thread nothing is recorded, and everything else goes on.
            let _ = std::thread::Builder::new().name("recordings".into()).spawn(move || writer.run(&jobs));
            sender
        });
        match sender.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Waits until everything is written that was handed over.
    pub(crate) async fn settled(&self) {
        let is_idle = self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_idle {
            return;
        }
        let (done, is_done) = oneshot::channel();
        if self.post(Job::Tell(done)) {
            // Without an answer there is no thread.
            let _ = is_done.await;
        }
    }

    /// Deletes every recording that a user is in, also of rooms that go on: they are recorded anew from then on. How many.
    ///
    /// # Errors
    /// A sentence: some could not be read or deleted.
    pub(crate) async fn erase(&self, user_id: &UserId) -> Result<usize, String> {
        let Some(folder) = self.folder.clone().filter(|folder| folder.exists()) else { return Ok(0) };
        let (done, is_done) = oneshot::channel();
        if !self.post(Job::Erase(user_id.clone(), done)) {
            return Err("recordings cannot be erased just now: too much is being recorded; ask again".into());
        }
        let open = is_done.await.unwrap_or_else(|_| Err("recordings cannot be erased; see the log".into()))?;
        let user_id = user_id.clone();
        let others = tokio::task::spawn_blocking(move || erase_in(&folder, &user_id)).await;
        Ok(open + others.map_err(|error| error.to_string())??.len())
    }

    /// The newest recordings. Strangers see those of rooms that were public and are recorded no more.
    pub(crate) async fn list(self: &Arc<Self>, is_stranger: bool) -> Result<Vec<Listed>, String> {
        let Some(folder) = self.folder.clone() else { return Ok(Vec::new()) };
        self.settled().await;
        let running = self.running().await;
        let hidden =
            move |name: &str| is_stranger && (folder::is_private(name) || running.iter().any(|one| one == name));
        let listed = tokio::task::spawn_blocking(move || folder::list(&folder, LISTED_MAX, hidden)).await;
        listed.map_err(|error| error.to_string())?
    }

    async fn running(&self) -> Vec<String> {
        let is_idle = self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        let (done, is_done) = oneshot::channel();
        if is_idle || !self.post(Job::Running(done)) {
            return Vec::new();
        }
        is_done.await.unwrap_or_default()
    }

    /// One of them as a JSON object; none if there is no such, or not for strangers.
    ///
    /// # Errors
    /// Why it cannot be played.
    pub(crate) async fn show(
        self: &Arc<Self>,
        name: &str,
        is_stranger: bool,
        games: &Registry,
    ) -> Result<Option<Vec<u8>>, PlayError> {
        let Some(folder) = self.folder.clone().filter(|_| folder::is_name(name)) else { return Ok(None) };
        // Few at a time: each takes a processor for a while.
        let Ok(_turn) = self.played.acquire().await else { return Ok(None) };
        self.settled().await;
        let is_running = self.running().await.iter().any(|one| one == name);
        if is_stranger && (folder::is_private(name) || is_running) {
            return Ok(None);
        }
        let (path, games) = (folder.join(name), games.clone());
        let played = tokio::task::spawn_blocking(move || {
            let file = match std::fs::File::open(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let mut body = Vec::new();
            replaying::write_json(&games, std::io::BufReader::new(file), is_running, SHOWN, &mut body)?;
            Ok(Some(body))
        });
        played.await.map_err(|error| PlayError::Failed(error.to_string()))?
    }
}

impl Default for Recordings {
    fn default() -> Self {
        Self::new(&RecordingsSection::default(), None)
    }
}
