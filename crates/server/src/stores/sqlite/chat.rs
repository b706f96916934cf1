//! The statements about what was said in rooms.

use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::{RoomId, UserId};
use rusqlite::{Connection, Row, params};

use super::super::{ChatRow, PRUNED_MAX};
use super::fault::Fault;
use super::schema::{execute, id, key, natural, number, parsed};

/// The columns of an entry, in the order of [`entry`].
const ENTRY: &str = "message, user_id, username, text, at_ms, edited, deleted";

pub(super) fn say(connection: &Connection, rows: &[ChatRow]) -> Result<(), Fault> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO chat VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for ChatRow { room_id, entry } in rows {
        let ChatEntry { message_id, user_id, username, text, at_ms, edited, deleted } = entry;
        let (message, at_ms) = (number(message_id.0)?, number(*at_ms)?);
        put.execute(params![key(*room_id), message, user_id.as_str(), username, text, at_ms, edited, deleted])?;
    }
    Ok(())
}

pub(super) fn prune(connection: &Connection, before_ms: u64) -> Result<(), Fault> {
    let most = i64::try_from(PRUNED_MAX).unwrap_or(i64::MAX);
    let delete = "DELETE FROM chat WHERE (room, message) IN
        (SELECT room, message FROM chat WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";
    execute(connection, delete, params![number(before_ms)?, most])?;
    Ok(())
}

pub(super) fn said(
    connection: &Connection,
    room_id: RoomId,
    before: Option<MessageId>,
    most: usize,
) -> rusqlite::Result<Vec<ChatEntry>> {
    let select = format!("SELECT {ENTRY} FROM chat WHERE room = ?1 AND message < ?2 ORDER BY message DESC LIMIT ?3");
    let before = before.and_then(|id| i64::try_from(id.0).ok()).unwrap_or(i64::MAX);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(&select)?;
    let mut said: Vec<_> = select.query_map(params![key(room_id), before, most], entry)?.collect::<Result<_, _>>()?;
    said.reverse();
    Ok(said)
}

pub(super) fn said_by(connection: &Connection, user_id: &UserId) -> rusqlite::Result<Vec<ChatRow>> {
    let select = format!("SELECT {ENTRY}, room FROM chat WHERE user_id = ?1 ORDER BY room, message");
    let mut select = connection.prepare_cached(&select)?;
    let row = |row: &Row<'_>| Ok(ChatRow { room_id: id(row.get(7)?), entry: entry(row)? });
    select.query_map([user_id.as_str()], row)?.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<ChatEntry> {
    Ok(ChatEntry {
        message_id: MessageId(natural(row.get(0)?)),
        user_id: parsed::<UserId>(row, 1)?,
        username: row.get(2)?,
        text: row.get(3)?,
        at_ms: natural(row.get(4)?),
        edited: row.get(5)?,
        deleted: row.get(6)?,
    })
}
