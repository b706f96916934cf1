//! The statements: each write as rows, and rows as what is read.
//!
//! It does not say when a transaction begins and ends, and knows nothing of what happens when one fails.

use std::cmp::Ordering;

use anteroom_protocol::{RoomId, SessionId, UserId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::super::write::Write;
use super::super::{Kept, KeptRow, RoomRow, Sealed, SessionRow, StoreError, Turn, UserRow};
use super::chat;
use super::fault::Fault;

/// The largest snapshot that is in its room's row.
const INLINE_BYTES_MAX: usize = 4608;

/// The largest key of a room: an id has 50 bits.
pub(super) const KEY_MAX: i64 = (1 << 50) - 1;

/// The columns of a room's row, in the order of [`room_row`].
const ROOM: &str = "durable, members, due, down_ms, entry, suspended";

/// Notes that a group of writes is applied, and when the store was alive, if it is still ours; else says whose it is. Whether the
/// group is new: one that was committed although that failed is not applied again.
pub(super) fn touch(connection: &Connection, boot: u64, group: u64, alive_ms: u64) -> Result<bool, Fault> {
    let touch =
        "UPDATE store SET alive_ms = max(alive_ms, ?3), newest_group = ?2 WHERE boot = ?1 AND newest_group < ?2";
    if execute(connection, touch, params![number(boot)?, number(group)?, number(alive_ms)?])? == 1 {
        return Ok(true);
    }
    let found: i64 = connection.query_row("SELECT boot FROM store", [], |row| row.get(0))?;
    match natural(found).cmp(&boot) {
        Ordering::Equal => Ok(false),
        Ordering::Greater => Err(Fault::Fenced),
        Ordering::Less => Err(Fault::medium("it is not the store that was opened")),
    }
}

/// Does what a write says, within a transaction.
pub(super) fn apply(connection: &Connection, write: &Write) -> Result<(), Fault> {
    match write {
        Write::Snapshot { room_id, index, row, snapshot, .. } => {
            put_snapshot(connection, *room_id, *index, row, snapshot)?
        }
        Write::Turn { room_id, index, row, turn, .. } => put_turn(connection, *room_id, *index, row, turn)?,
        Write::Remove(rooms) => {
            for room_id in rooms {
                for table in [
                    "DELETE FROM rooms WHERE room = ?1",
                    "DELETE FROM snapshots WHERE room = ?1",
                    "DELETE FROM turns WHERE room = ?1",
                    "DELETE FROM chat WHERE room = ?1",
                ] {
                    execute(connection, table, [key(*room_id)])?;
                }
            }
        }
        Write::Suspend { room_id, why } => {
            execute(connection, "UPDATE rooms SET suspended = ?2 WHERE room = ?1", params![key(*room_id), why])?;
        }
        Write::Keep(rows) => {
            let mut keep = connection.prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?1, ?2, ?3, ?4)")?;
            for row in rows {
                let user_id = row.user_id.as_str();
                keep.execute(params![row.session_id.as_str(), user_id, row.generation, row.session.stored()])?;
            }
        }
        Write::Forget(sessions) => {
            for session_id in sessions {
                execute(connection, "DELETE FROM sessions WHERE session_id = ?1", [session_id.as_str()])?;
            }
        }
        Write::Note(rows) => {
            let mut note = connection.prepare_cached("INSERT OR REPLACE INTO users VALUES (?1, ?2, ?3, ?4)")?;
            for row in rows {
                let seen_ms = number(row.seen_ms)?;
                note.execute(params![row.user_id.as_str(), row.username, row.is_guest, seen_ms])?;
            }
        }
        Write::Erase(user_id) => {
            execute(connection, "DELETE FROM users WHERE user_id = ?1", [user_id.as_str()])?;
            execute(connection, "DELETE FROM sessions WHERE user_id = ?1", [user_id.as_str()])?;
            execute(connection, "DELETE FROM chat WHERE user_id = ?1", [user_id.as_str()])?;
        }
        Write::Say(rows) => chat::say(connection, rows)?,
        Write::Prune { before_ms } => chat::prune(connection, *before_ms)?,
        Write::Alive { .. } | Write::Tidy => {}
    }
    Ok(())
}

fn put_snapshot(
    connection: &Connection,
    room_id: RoomId,
    index: u64,
    row: &RoomRow,
    snapshot: &Sealed,
) -> Result<(), Fault> {
    let inline = Some(snapshot.stored()).filter(|bytes| bytes.len() <= INLINE_BYTES_MAX);
    let due = row.due.map(number).transpose()?;
    let (room, index, down_ms) = (key(room_id), number(index)?, number(row.down_ms)?);
    let values = params![room, index, row.durable, row.members, due, down_ms, row.entry, inline];
    // Most turns are of a room that has no turns beside its snapshot, and that in its row: then there is no more to do.
    let replace =
        "UPDATE rooms SET newest = ?2, snapshot_index = ?2, durable = ?3, members = ?4, due = ?5, down_ms = ?6,
            entry = ?7, snapshot = ?8, suspended = NULL
        WHERE room = ?1 AND newest < ?2 AND newest = snapshot_index AND snapshot IS NOT NULL";
    if inline.is_some() && execute(connection, replace, values)? == 1 {
        return Ok(());
    }
    let put = "INSERT INTO rooms (room, newest, snapshot_index, durable, members, due, down_ms, entry, snapshot)
        VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (room) DO UPDATE SET newest = excluded.newest, snapshot_index = excluded.snapshot_index,
            durable = excluded.durable, members = excluded.members, due = excluded.due, down_ms = excluded.down_ms,
            entry = excluded.entry, snapshot = excluded.snapshot, suspended = NULL
        WHERE excluded.newest > newest";
    if execute(connection, put, values)? == 0 {
        return Ok(());
    }
    execute(connection, "DELETE FROM turns WHERE room = ?1", [room])?;
    match inline {
        Some(_) => execute(connection, "DELETE FROM snapshots WHERE room = ?1", [room])?,
        None => {
            let put = "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2)";
            execute(connection, put, params![room, snapshot.stored()])?
        }
    };
    Ok(())
}

fn put_turn(connection: &Connection, room_id: RoomId, index: u64, row: &RoomRow, turn: &Sealed) -> Result<(), Fault> {
    let put = "UPDATE rooms SET newest = ?2, durable = ?3, members = ?4, due = ?5, down_ms = ?6, entry = ?7
        WHERE room = ?1 AND newest < ?2";
    let due = row.due.map(number).transpose()?;
    let (room, index, down_ms) = (key(room_id), number(index)?, number(row.down_ms)?);
    if execute(connection, put, params![room, index, row.durable, row.members, due, down_ms, row.entry])? == 0 {
        let mut find = connection.prepare_cached("SELECT 1 FROM rooms WHERE room = ?1")?;
        return match find.exists([room])? {
            true => Ok(()),
            false => Err(Fault::NoRoom),
        };
    }
    execute(connection, "INSERT INTO turns VALUES (?1, ?2, ?3)", params![room, index, turn.stored()])?;
    Ok(())
}

pub(super) fn execute(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

pub(super) fn load(connection: &mut Connection, room_id: RoomId) -> Result<Option<Kept>, StoreError> {
    let room = key(room_id);
    // One transaction, so that snapshot and turns are of the same moment.
    let transaction = connection.transaction()?;
    let select = format!("SELECT {ROOM}, snapshot_index, snapshot, newest FROM rooms WHERE room = ?1");
    let found = transaction.prepare_cached(&select)?.query_row([room], |row| {
        let snapshot: Option<Vec<u8>> = row.get(7)?;
        Ok((room_row(row)?, row.get(5)?, natural(row.get(6)?), snapshot, natural(row.get(8)?)))
    });
    let Some((row, suspended, index, inline, newest)) = found.optional()? else { return Ok(None) };
    let snapshot = match inline {
        Some(snapshot) => snapshot,
        None => transaction
            .prepare_cached("SELECT snapshot FROM snapshots WHERE room = ?1")?
            .query_row([room], |row| row.get(0))?,
    };
    let turns: Vec<Turn> = {
        let select = "SELECT turn_index, turn FROM turns WHERE room = ?1 ORDER BY turn_index";
        let mut select = transaction.prepare_cached(select)?;
        let turn = |row: &Row<'_>| Ok(Turn { index: natural(row.get(0)?), turn: Sealed::from_stored(row.get(1)?) });
        select.query_map([room], turn)?.collect::<Result<_, _>>()?
    };
    // What was acknowledged is missing, and what came next would be taken for a repetition.
    let last = turns.last().map_or(index, |turn| turn.index);
    if last != newest {
        return Err(StoreError::Damaged(ends_early(last, newest)));
    }
    Ok(Some(Kept { row, index, snapshot: Sealed::from_stored(snapshot), turns, suspended }))
}

pub(super) fn rows(connection: &Connection, after: Option<RoomId>, most: usize) -> rusqlite::Result<Vec<KeptRow>> {
    let select = format!("SELECT {ROOM}, room FROM rooms WHERE room BETWEEN ?1 AND ?2 ORDER BY room LIMIT ?3");
    let mut select = connection.prepare_cached(&select)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    // A key outside is of no room, so that nobody can ask for what it has; a check names it.
    let mut rows = select.query(params![after.map_or(0, |after| key(after) + 1), KEY_MAX, most])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let room_id = id(row.get(6)?);
        kept.push(match (room_row(row), row.get(5)) {
            (Ok(row), Ok(suspended)) => KeptRow { room_id, row, suspended },
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%room_id, %error, "the row of a stored room cannot be read");
                // It sleeps, until somebody wants in and is told why not.
                let suspended = Some(format!("its row cannot be read: {error}"));
                KeptRow { room_id, row: RoomRow { durable: true, ..RoomRow::default() }, suspended }
            }
        });
    }
    Ok(kept)
}

/// What is said of a room whose records end before its newest.
pub(super) fn ends_early(last: u64, newest: u64) -> String {
    format!("what is stored ends with turn {last}, and turn {newest} was stored")
}

pub(super) fn mentioning(connection: &Connection, bytes: &[u8]) -> rusqlite::Result<Vec<RoomId>> {
    let mut select: CachedStatement<'_> = connection.prepare_cached(
        "SELECT room FROM rooms WHERE instr(snapshot, ?1) > 0
         UNION SELECT room FROM snapshots WHERE instr(snapshot, ?1) > 0
         UNION SELECT room FROM turns WHERE instr(turn, ?1) > 0
         ORDER BY 1",
    )?;
    select.query_map([bytes], |row| Ok(id(row.get(0)?)))?.collect()
}

/// A row that is no session keeps the others from nothing: it is left as it is, and a check names it.
pub(super) fn sessions(connection: &Connection) -> rusqlite::Result<Vec<SessionRow>> {
    let select = "SELECT session_id, user_id, generation, session FROM sessions ORDER BY session_id";
    let mut select = connection.prepare_cached(select)?;
    let session = |row: &Row<'_>| -> rusqlite::Result<SessionRow> {
        Ok(SessionRow {
            session_id: parsed::<SessionId>(row, 0)?,
            user_id: parsed::<UserId>(row, 1)?,
            generation: row.get(2)?,
            session: Sealed::from_stored(row.get(3)?),
        })
    };
    let mut rows = select.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        match session(row) {
            Ok(session) => sessions.push(session),
            Err(error) => tracing::error!(%error, "the row of a stored session cannot be read; it is left as it is"),
        }
    }
    Ok(sessions)
}

pub(super) fn user(connection: &Connection, user_id: &UserId) -> rusqlite::Result<Option<UserRow>> {
    let mut select = connection.prepare_cached("SELECT username, is_guest, seen_ms FROM users WHERE user_id = ?1")?;
    let user = |row: &Row<'_>| {
        let seen_ms = natural(row.get(2)?);
        Ok(UserRow { user_id: user_id.clone(), username: row.get(0)?, is_guest: row.get(1)?, seen_ms })
    };
    select.query_row([user_id.as_str()], user).optional()
}

fn room_row(row: &Row<'_>) -> rusqlite::Result<RoomRow> {
    let due: Option<i64> = row.get(2)?;
    let down_ms = natural(row.get(3)?);
    Ok(RoomRow { durable: row.get(0)?, members: row.get(1)?, due: due.map(natural), down_ms, entry: row.get(4)? })
}

pub(super) fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// The key of a room: its id has 50 bits, and its order is that of the text, since the alphabet is in the order of ASCII.
pub(super) fn key(room_id: RoomId) -> i64 {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let digit = |byte| ALPHABET.iter().position(|known| *known == byte).unwrap_or_default();
    room_id.as_str().bytes().fold(0, |key, byte| key << 5 | i64::try_from(digit(byte)).unwrap_or_default())
}

/// The room of a key.
pub(super) fn id(key: i64) -> RoomId {
    RoomId::from_bits(u128::from(natural(key)))
}

/// A number as SQLite has it, which is signed.
pub(super) fn number(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Content(format!("{number} is too large for a column")))
}

/// The same back. There is no negative one.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_rooms_are_in_the_order_of_their_ids() {
        let mut bits = 1_u128;
        let ids: Vec<RoomId> = (0..1000)
            .map(|_| {
                bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f) >> 3;
                RoomId::from_bits(bits)
            })
            .collect();
        for pair in ids.windows(2) {
            assert_eq!(pair[0].cmp(&pair[1]), key(pair[0]).cmp(&key(pair[1])));
            assert_eq!(id(key(pair[0])), pair[0]);
        }
        assert_eq!(key("zzzzzzzzzz".parse().unwrap()), KEY_MAX);
    }
}
