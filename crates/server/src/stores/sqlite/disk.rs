//! The few things that the writer does with the medium, so that a test can make each of them fail.
//!
//! What is to be done when one fails is the writer's to decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::super::write::Write;
use super::fault::Fault;
use super::folder::{Folder, Identity, Role};
use super::{opening, schema};

/// Where the writer writes.
pub(super) trait Disk: Send {
    /// Checks that the files are still the ones that were opened.
    fn look(&mut self) -> Result<(), Fault>;

    /// Begins the transaction of a group, if the store still belongs to that boot, and notes that it was alive then. Whether it is
    /// to be applied: a commit that failed may have been one all the same.
    fn begin(&mut self, boot: u64, group: u64, alive_ms: u64) -> Result<bool, Fault>;

    /// Writes within it.
    fn apply(&mut self, write: &Write) -> Result<(), Fault>;

    /// Ends it. If that fails, it may have been committed all the same.
    fn commit(&mut self) -> Result<(), Fault>;

    /// Takes back what was not committed.
    fn roll_back(&mut self);

    /// Brings the log into the database and begins it anew. Whether nobody was in the way.
    fn checkpoint(&mut self, how: Checkpoint) -> Result<bool, Fault>;

    /// Writes the whole database anew, so that nothing is in it that was deleted.
    fn vacuum(&mut self) -> Result<(), Fault>;

    /// Opens it again, whatever became of it.
    fn reopen(&mut self) -> Result<(), Fault>;
}

/// How the log is begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// Its file stays as long as it is, and is written over. Waits for nobody.
    Restart,
    /// Its file is emptied.
    Truncate,
}

/// The database in a folder.
#[derive(Debug)]
pub(super) struct Database {
    folder: Folder,
    identity: Identity,
    /// Only between closing and reopening there is none.
    connection: Option<Connection>,
    /// How often it was opened. Readers open theirs again when it is.
    opened: Arc<AtomicU64>,
}

impl Database {
    pub(super) fn new(folder: Folder, connection: Connection, opened: Arc<AtomicU64>) -> Result<Self, Fault> {
        let identity = folder.identity()?;
        Ok(Self { folder, identity, connection: Some(connection), opened })
    }

    pub(super) fn connection(&self) -> Result<&Connection, Fault> {
        self.connection.as_ref().ok_or_else(|| Fault::medium("it is not open"))
    }

    fn execute(&self, sql: &str) -> Result<(), Fault> {
        self.connection()?.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl Disk for Database {
    fn look(&mut self) -> Result<(), Fault> {
        self.identity.check(&self.folder)
    }

    fn begin(&mut self, boot: u64, group: u64, alive_ms: u64) -> Result<bool, Fault> {
        self.execute("BEGIN IMMEDIATE")?;
        schema::touch(self.connection()?, boot, group, alive_ms)
    }

    fn apply(&mut self, write: &Write) -> Result<(), Fault> {
        schema::apply(self.connection()?, write)
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.execute("COMMIT")
    }

    fn roll_back(&mut self) {
        if let Ok(connection) = self.connection()
            && !connection.is_autocommit()
        {
            // If that fails too, the connection is closed next, which does the same.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    fn checkpoint(&mut self, how: Checkpoint) -> Result<bool, Fault> {
        let connection = self.connection()?;
        match how {
            Checkpoint::Truncate => Ok(opening::checkpoint(connection)?),
            Checkpoint::Restart => {
                connection.busy_timeout(Duration::ZERO)?;
                let busy = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
                connection.busy_timeout(super::folder::BUSY)?;
                Ok(busy? == 0)
            }
        }
    }

    fn vacuum(&mut self) -> Result<(), Fault> {
        self.connection()?.execute_batch("VACUUM")?;
        // In the log is still what was deleted, and in the database what is not copied over yet.
        if self.checkpoint(Checkpoint::Truncate)? {
            Ok(())
        } else {
            Err(Fault::medium("somebody reads an older state"))
        }
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        if let Some(connection) = self.connection.take() {
            // If only the log was deleted, this connection is the last that has it.
            let _ = opening::checkpoint(&connection);
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        // The log here may not be that of another database, which would be damaged by it.
        self.identity.check_database(&self.folder)?;
        let connection = self.folder.connect(Role::Writer)?;
        opening::version(&self.folder, &connection).map_err(Fault::medium)?;
        self.identity = self.folder.identity()?;
        self.connection = Some(connection);
        Ok(())
    }
}
