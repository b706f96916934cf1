//! Opens a store: whose file it is, its version, and the count of processes that have had it.
//!
//! Who opens it has it alone. When this returns, the boot number and the sessions' generations are raised, and that is committed.

use std::fs::File;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::super::Boot;
use super::folder::{Folder, Role};
use super::migrations::{self, Form};
use super::open_error::OpenError;
use super::schema::natural;

/// A store that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) lock: File,
    pub(super) connection: Connection,
    pub(super) boot: Boot,
}

/// Opens the store in a folder for a server, which begins at that time.
pub(super) fn open(folder: Folder, wall_ms: u64) -> Result<Opened, OpenError> {
    folder.make()?;
    let lock = folder.lock()?;
    folder.make_database()?;
    let path = folder.database();
    let failed = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let mut connection = folder.connect(Role::Writer).map_err(failed)?;
    let version = version(&folder, &connection)?;
    write_ahead(&connection).map_err(failed)?;
    migrations::migrate(&mut connection, version, migrations::VERSION).map_err(failed)?;
    // What the last process left is made part of the database before anything is read that depends on it.
    checkpoint(&connection).map_err(failed)?;
    let boot = boot(&mut connection, wall_ms).map_err(failed)?;
    Ok(Opened { folder, lock, connection, boot })
}

/// The version of a database that this program may use; 0 if it is empty.
pub(super) fn version(folder: &Folder, connection: &Connection) -> Result<usize, OpenError> {
    let path = folder.database();
    match migrations::form(connection).map_err(|error| OpenError::sqlite(path, &error))? {
        Form::Empty => Ok(0),
        Form::Foreign => Err(OpenError::OtherProgram(path.to_owned())),
        Form::Ours(version) if version > migrations::VERSION => {
            Err(OpenError::Newer { path: path.to_owned(), version, known: migrations::VERSION })
        }
        Form::Ours(version) => Ok(version),
    }
}

/// Sees to it that the database has a log that is written ahead of it. It says so itself from then on.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    let why = format!("it is on a file system that cannot share memory (journal mode {mode})");
    Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), Some(why)))
}

/// Brings everything into the database and empties the log. Whether nobody was in the way.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

fn boot(connection: &mut Connection, wall_ms: u64) -> rusqlite::Result<Boot> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = transaction.query_row("SELECT boot, alive_ms, down_ms FROM store", [], |row| {
        Ok((natural(row.get(0)?), natural(row.get(1)?), natural(row.get(2)?)))
    });
    let boot = match before.optional()? {
        None => Boot { number: 1, start_ms: wall_ms, down_ms: 0 },
        Some((number, alive_ms, down_ms)) => {
            let start_ms = wall_ms.max(alive_ms + 1);
            Boot { number: number + 1, start_ms, down_ms: down_ms + (start_ms - alive_ms) }
        }
    };
    let numbers = [boot.number, boot.start_ms, boot.down_ms].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    transaction.execute("INSERT OR REPLACE INTO store VALUES (1, ?1, ?2, ?3, 0)", numbers)?;
    // A generation is 16 bits wide.
    transaction.execute("DELETE FROM sessions WHERE generation >= ?1", params![u16::MAX])?;
    transaction.execute("UPDATE sessions SET generation = generation + 1", [])?;
    transaction.commit()?;
    Ok(boot)
}
