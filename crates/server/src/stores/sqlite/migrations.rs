//! The form of the database, and how an older one becomes today's: numbered steps, forward only, each in a transaction.
//!
//! A step that was released is never changed.

use rusqlite::{Connection, TransactionBehavior};

/// "Ante": the header of a file that is ours says so.
pub(super) const APPLICATION_ID: i32 = 0x416e_7465;

/// Step `n` makes version `n + 1` of version `n`; 0 is an empty file.
pub(super) const STEPS: &[&str] = &[
    // A room's small columns come before its snapshot, so that a list is read without it. What is too large for a page or so is
    // in `snapshots`, since a turn that does not replace it would write it again.
    "CREATE TABLE store (
         one INTEGER PRIMARY KEY CHECK (one = 1),
         boot INTEGER NOT NULL,
         alive_ms INTEGER NOT NULL,
         down_ms INTEGER NOT NULL,
         newest_group INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE rooms (
         room INTEGER PRIMARY KEY,
         newest INTEGER NOT NULL,
         snapshot_index INTEGER NOT NULL,
         durable INTEGER NOT NULL,
         members INTEGER NOT NULL,
         due INTEGER,
         down_ms INTEGER NOT NULL,
         suspended TEXT,
         entry BLOB NOT NULL,
         snapshot BLOB
     ) STRICT;
     CREATE TABLE snapshots (room INTEGER PRIMARY KEY, snapshot BLOB NOT NULL) STRICT;
     CREATE TABLE turns (
         room INTEGER NOT NULL,
         turn_index INTEGER NOT NULL,
         turn BLOB NOT NULL,
         PRIMARY KEY (room, turn_index)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE sessions (
         session_id TEXT PRIMARY KEY,
         user_id TEXT NOT NULL,
         generation INTEGER NOT NULL,
         session BLOB NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE users (
         user_id TEXT PRIMARY KEY,
         username TEXT NOT NULL,
         is_guest INTEGER NOT NULL,
         seen_ms INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;",
    // What was said in rooms; found by room, by who said it, and by when.
    "CREATE TABLE chat (
         room INTEGER NOT NULL,
         message INTEGER NOT NULL,
         user_id TEXT NOT NULL,
         username TEXT NOT NULL,
         text TEXT NOT NULL,
         at_ms INTEGER NOT NULL,
         edited INTEGER NOT NULL,
         deleted INTEGER NOT NULL,
         PRIMARY KEY (room, message)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX chat_by_user ON chat (user_id);
     CREATE INDEX chat_by_time ON chat (at_ms);",
];

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing is in it.
    Empty,
    /// One of ours, of this version.
    Ours(usize),
    /// Another program's.
    Foreign,
}

pub(super) fn form(connection: &Connection) -> rusqlite::Result<Form> {
    let application_id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application_id, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Form::Empty,
        (APPLICATION_ID, Ok(version)) if version > 0 => Form::Ours(version),
        _ => Form::Foreign,
    })
}

/// Takes the steps from one version to another.
pub(super) fn migrate(connection: &mut Connection, from: usize, to: usize) -> rusqlite::Result<()> {
    for (version, step) in STEPS.iter().enumerate().take(to).skip(from) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(version + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}
