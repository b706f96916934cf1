//! What a check finds: the database's own, then that every record opens and no turn is missing.
//!
//! It reads everything and changes nothing. Whether a room can be restored from what opens, only its game can say.

use std::fmt;

use anteroom_protocol::{RoomId, SessionId, UserId};
use rusqlite::{Connection, Row};

use super::super::{Kind, Sealed};
use super::schema::{self, natural};

/// How many faults are told.
const FAULTS_MAX: usize = 100;

/// What is in a store, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many rooms there are.
    pub rooms: u64,
    /// How many of them could not be restored when it was tried.
    pub suspended: u64,
    /// How many turns are stored beside snapshots.
    pub turns: u64,
    /// How many sessions there are.
    pub sessions: u64,
    /// How many users are known.
    pub users: u64,
    /// What is wrong, a sentence each; the first hundred.
    pub faults: Vec<String>,
    /// How much more is.
    pub more_faults: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    fn add(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX { self.faults.push(fault) } else { self.more_faults += 1 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rooms, suspended, turns, sessions, users, .. } = self;
        write!(f, "{rooms} rooms ({suspended} suspended), {turns} turns, {sessions} sessions, {users} users: ")?;
        if self.is_good() {
            return f.write_str("all in order");
        }
        write!(f, "{} faults", self.faults.len() as u64 + self.more_faults)?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))?;
        if self.more_faults > 0 {
            write!(f, "\n  and {} more", self.more_faults)?;
        }
        Ok(())
    }
}

/// Reads a whole store, as it is at one moment.
pub(super) fn report(connection: &mut Connection) -> rusqlite::Result<Report> {
    let transaction = connection.transaction()?;
    let mut report = Report::default();
    each(&transaction, "PRAGMA integrity_check", &mut report, |row, report| {
        let found: String = row.get(0)?;
        if found != "ok" {
            report.add(format!("the database is damaged: {found}"));
        }
        Ok(())
    })?;
    rooms(&transaction, &mut report)?;
    turns(&transaction, &mut report)?;
    sessions(&transaction, &mut report)?;
    let users: i64 = transaction.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    report.users = natural(users);
    Ok(report)
}

fn rooms(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let select = "SELECT room, coalesce(rooms.snapshot, snapshots.snapshot), suspended IS NOT NULL, members, newest,
            coalesce((SELECT max(turn_index) FROM turns WHERE turns.room = rooms.room), snapshot_index)
        FROM rooms LEFT JOIN snapshots USING (room)";
    each(connection, select, report, |row, report| {
        report.rooms += 1;
        report.suspended += u64::from(row.get::<_, bool>(2)?);
        let key = row.get(0)?;
        if !(0..=schema::KEY_MAX).contains(&key) {
            report.add(format!("{key} is no key of a room"));
            return Ok(());
        }
        let room_id = schema::id(key);
        match row.get::<_, Option<Vec<u8>>>(1)? {
            None => report.add(format!("room {room_id}: it has no snapshot")),
            Some(snapshot) => {
                if let Err(error) = Sealed::from_stored(snapshot).open(Kind::Snapshot) {
                    report.add(format!("room {room_id}: its snapshot: {error}"));
                }
            }
        }
        if let Err(error) = row.get::<_, u32>(3) {
            report.add(format!("room {room_id}: its members: {error}"));
        }
        let (newest, last) = (natural(row.get(4)?), natural(row.get(5)?));
        if last != newest {
            report.add(format!("room {room_id}: {}", schema::ends_early(last, newest)));
        }
        Ok(())
    })
}

fn turns(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let select = "SELECT turns.room, turn_index, turn, snapshot_index
        FROM turns LEFT JOIN rooms USING (room) ORDER BY turns.room, turn_index";
    let mut before: Option<(RoomId, u64)> = None;
    each(connection, select, report, |row, report| {
        report.turns += 1;
        let (room_id, index) = (schema::id(row.get(0)?), natural(row.get(1)?));
        let Some(snapshot) = row.get::<_, Option<i64>>(3)?.map(natural) else {
            report.add(format!("turn {index} of room {room_id}, which is not stored"));
            return Ok(());
        };
        let last = before.filter(|(room, _)| *room == room_id).map_or(snapshot, |(_, last)| last);
        before = Some((room_id, index));
        if index != last + 1 {
            report.add(format!("room {room_id}: turn {index} follows {last}"));
        }
        if let Err(error) = Sealed::from_stored(row.get(2)?).open(Kind::Turn) {
            report.add(format!("room {room_id}: turn {index}: {error}"));
        }
        Ok(())
    })
}

fn sessions(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let select = "SELECT session_id, user_id, generation, session FROM sessions";
    each(connection, select, report, |row, report| {
        report.sessions += 1;
        let session_id = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
        if session_id.parse::<SessionId>().is_err() {
            report.add(format!("{session_id:?} is no id of a session"));
        }
        let user_id = String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?);
        if user_id.parse::<UserId>().is_err() {
            report.add(format!("session {session_id}: {user_id:?} is no id of a user"));
        }
        if let Err(error) = row.get::<_, u16>(2) {
            report.add(format!("session {session_id}: its generation: {error}"));
        }
        if let Err(error) = Sealed::from_stored(row.get(3)?).open(Kind::Session) {
            report.add(format!("session {session_id}: {error}"));
        }
        Ok(())
    })
}

/// Looks at each row. One that cannot be read is a fault, and no reason to stop.
fn each(
    connection: &Connection,
    select: &str,
    report: &mut Report,
    mut look: impl FnMut(&Row<'_>, &mut Report) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare(select)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        match look(row, report) {
            Err(error) if error.sqlite_error_code().is_none() => report.add(format!("a row cannot be read: {error}")),
            looked => looked?,
        }
    }
    Ok(())
}
