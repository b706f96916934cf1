//! Readers: threads with a connection of their own, so that who reads never waits for a write, nor a write for them.
//!
//! One is for what somebody waits for, the other for what takes long. They see what is committed when they begin.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::{RoomId, UserId};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::super::{ChatRow, Kept, KeptRow, SessionRow, StoreError, UserRow};
use super::folder::{Folder, Role};
use super::report::{Report, report};
use super::shared::Shared;
use super::{chat, schema, tools};

/// How many questions wait for a reader. Who has another one waits.
const QUESTIONS: usize = 256;

/// Where the answer goes.
type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is asked.
pub(super) enum Question {
    Load(RoomId, Answer<Option<Kept>>),
    Rows(Option<RoomId>, usize, Answer<Vec<KeptRow>>),
    Mentioning(Vec<u8>, Answer<Vec<RoomId>>),
    Sessions(Answer<Vec<SessionRow>>),
    User(UserId, Answer<Option<UserRow>>),
    Said(RoomId, Option<MessageId>, usize, Answer<Vec<ChatEntry>>),
    SaidBy(UserId, Answer<Vec<ChatRow>>),
    Check(Answer<Report>),
    Backup(PathBuf, Answer<()>),
}

/// The readers of a store. Their threads end when it is dropped.
#[derive(Debug)]
pub(super) struct Readers {
    quick: mpsc::Sender<Question>,
    long: mpsc::Sender<Question>,
}

impl Readers {
    pub(super) fn start(folder: &Folder, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let start = |number: usize, name: &str| {
            let (questions, asked) = mpsc::channel(QUESTIONS);
            let (folder, shared) = (folder.clone(), Arc::clone(shared));
            let reader = Reader { number, folder, shared, seen: 0, connection: None };
            thread::Builder::new().name(name.into()).spawn(move || reader.run(asked))?;
            Ok::<_, std::io::Error>(questions)
        };
        Ok(Self { quick: start(0, "store-read")?, long: start(1, "store-scan")? })
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask<T>(&self, ask: impl FnOnce(Answer<T>) -> Question) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let question = ask(answer);
        let reader = match question {
            Question::Load(..) | Question::User(..) | Question::Said(..) => &self.quick,
            _ => &self.long,
        };
        // The threads live as long as this.
        reader.send(question).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

struct Reader {
    number: usize,
    folder: Folder,
    shared: Arc<Shared>,
    seen: u64,
    connection: Option<Connection>,
}

impl Reader {
    fn run(mut self, mut asked: mpsc::Receiver<Question>) {
        while let Some(question) = asked.blocking_recv() {
            match question {
                Question::Load(room_id, answer) => self.answer(answer, |reads| schema::load(reads, room_id)),
                Question::Rows(after, most, answer) => self.answer(answer, |reads| schema::rows(reads, after, most)),
                Question::Mentioning(bytes, answer) => self.answer(answer, |reads| schema::mentioning(reads, &bytes)),
                Question::Sessions(answer) => self.answer(answer, |reads| schema::sessions(reads)),
                Question::User(user_id, answer) => self.answer(answer, |reads| schema::user(reads, &user_id)),
                Question::Said(room_id, before, most, answer) => {
                    self.answer(answer, |reads| chat::said(reads, room_id, before, most))
                }
                Question::SaidBy(user_id, answer) => self.answer(answer, |reads| chat::said_by(reads, &user_id)),
                Question::Check(answer) => self.answer(answer, report),
                Question::Backup(to, answer) => {
                    let _ = answer.send(self.backup(&to));
                }
            }
        }
    }

    /// Who asked may have gone.
    fn answer<T, E: Into<StoreError>>(
        &mut self,
        answer: Answer<T>,
        read: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) {
        let found = self.connection().map_err(StoreError::from).and_then(|reads| read(reads).map_err(Into::into));
        if found.is_err() {
            self.connection = None;
        }
        let _ = answer.send(found);
    }

    fn backup(&mut self, to: &Path) -> Result<(), StoreError> {
        let connection = self.connection()?;
        tools::copy(connection, to).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// A connection to what the writer has open.
    fn connection(&mut self) -> rusqlite::Result<&mut Connection> {
        let opened = self.shared.opened.load(Ordering::Relaxed);
        if self.seen != opened {
            self.seen = opened;
            self.connection = None;
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = self.folder.connect(Role::Reader)?;
                self.shared.reads(self.number, connection.get_interrupt_handle());
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(_) => Self::Unavailable(error.to_string()),
            // A value is of another type than its column says, or no id is in it.
            None => Self::Damaged(error.to_string()),
        }
    }
}
