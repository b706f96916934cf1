//! The folder of a store: which files are in it, who has it, and whether they are still the ones that were opened.
//!
//! The lock is on a file of its own and is held for life. It is the operating system's, so it goes with the process.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use super::open_error::OpenError;

/// How long a connection waits while another program has the database locked.
pub(super) const BUSY: Duration = Duration::from_secs(1);
/// No database has a smaller page.
const DATABASE_BYTES_MIN: u64 = 512;
/// How many statements a connection keeps prepared: more than there are.
const STATEMENTS: usize = 48;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    database: PathBuf,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), database: path.join("anteroom.db") }
    }

    /// The database.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// The log that is written ahead of the database.
    pub(super) fn wal(&self) -> PathBuf {
        self.path.join("anteroom.db-wal")
    }

    /// Makes the folder if there is none. Only its owner may look into it.
    pub(super) fn make(&self) -> Result<(), OpenError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path).map_err(|error| OpenError::io(&self.path, &error))
    }

    /// Takes the folder for as long as what is given back lives.
    pub(super) fn lock(&self) -> Result<File, OpenError> {
        let path = self.path.join("anteroom.lock");
        let file = private().create(true).truncate(false).open(&path).map_err(|error| OpenError::io(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(OpenError::io(&path, &error)),
        }
    }

    /// Makes the file of the database if there is none: what SQLite puts beside it gets the same permissions.
    pub(super) fn make_database(&self) -> Result<(), OpenError> {
        let failed = |error| OpenError::io(&self.database, &error);
        let file = private().create(true).truncate(false).open(&self.database).map_err(failed)?;
        // SQLite would take a few bytes for an empty database.
        match file.metadata().map_err(failed)?.len() {
            1..DATABASE_BYTES_MIN => Err(OpenError::NotADatabase(self.database.clone())),
            _ => Ok(()),
        }
    }

    /// Whether there is a database.
    pub(super) fn has_database(&self) -> bool {
        self.database.exists()
    }

    /// Opens the database, which must be there.
    pub(super) fn connect(&self, role: Role) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.database, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // FULL: a commit is on the disk when it returns. Checkpoints are taken by threads of their own, so no commit takes one.
        // What is deleted is overwritten. No key refers to another table. A page that cannot be one is an error at once.
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON;
             PRAGMA foreign_keys = OFF;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;
             PRAGMA mmap_size = 0;",
        )?;
        let _: i64 = connection.query_row("PRAGMA wal_autocheckpoint = 0", [], |row| row.get(0))?;
        let kibibytes: i64 = if role == Role::Writer { -16_384 } else { -2048 };
        connection.pragma_update(None, "cache_size", kibibytes)?;
        connection.pragma_update(None, "query_only", role == Role::Reader)?;
        Ok(connection)
    }

    /// What the files are now.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        Ok(Identity { database: number(&fs::metadata(&self.database)?), wal: number(&fs::metadata(self.wal())?) })
    }
}

/// Which files these are, by the numbers that the operating system gives them. Where it gives none, only that they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    database: (u64, u64),
    wal: (u64, u64),
}

impl Identity {
    /// Checks that they are these still: what is written to a file that was deleted is lost.
    pub(super) fn check(&self, folder: &Folder) -> Result<(), Fault> {
        self.check_database(folder)?;
        same(self.wal, fs::metadata(folder.wal()))
    }

    /// The same of the database alone.
    pub(super) fn check_database(&self, folder: &Folder) -> Result<(), Fault> {
        same(self.database, fs::metadata(&folder.database))
    }
}

fn same(before: (u64, u64), now: io::Result<Metadata>) -> Result<(), Fault> {
    match now {
        Ok(now) if number(&now) == before => Ok(()),
        Ok(_) => {
            // Not to be opened as it is: a log that is left here would be applied to another database.
            Err(Fault::medium("another file is in the place of one of its files; put that back"))
        }
        Err(error) => Err(Fault::Medium(format!("one of its files is not where it was ({error}); put it back"))),
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// A file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
