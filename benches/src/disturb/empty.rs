//! Rooms that nobody is in, which close one after the other.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{READY, tell};
use crate::entry::Destination;
use crate::frames::Dialed;
use crate::socket;

const ROOMS: usize = 10_000;
/// How long it may take to open all of them; whoever does not make it in time has measured nothing.
const OPENING_MAX: Duration = Duration::from_secs(40);
/// In which time they close, evenly: as long as moves are looked at.
const CLOSING: Duration = Duration::from_millis(6500);
/// How many are asked for at once. A session is in at most 16 rooms.
const AT_ONCE: usize = 10;

/// See [`Kind::Empty`](super::Kind::Empty).
pub(super) fn close(addr: SocketAddr) -> Result<()> {
    let (mut host, _) = socket::enter(addr, Destination::Session, false)?;
    let begin = Instant::now();
    for first in (0..ROOMS).step_by(AT_ONCE) {
        let create = |place: usize| {
            let end = OPENING_MAX + CLOSING.mul_f64(place as f64 / ROOMS as f64);
            let ttl_ms = end.saturating_sub(begin.elapsed()).as_millis();
            format!(r#"{{"type":"create_room","ref":1,"data":{{"game":"relay","empty_ttl_ms":{ttl_ms}}}}}"#)
        };
        let rooms = ask(&mut host, (first..first + AT_ONCE).map(create))?;
        ask(&mut host, rooms.iter().map(|room| format!(r#"{{"type":"leave_room","ref":1,"room_id":"{room}"}}"#)))?;
    }
    let left = OPENING_MAX.checked_sub(begin.elapsed()).context("opening the rooms took too long")?;
    // The session stays; the rooms are empty, and the first one closes when this is told.
    sleep(left);
    tell(READY)?;
    loop {
        host.hear(|_| {}).or_else(|error| if begin.elapsed() < 5 * OPENING_MAX { Ok(()) } else { Err(error) })?;
    }
}

/// Says requests in one batch and waits for all answers; gives the rooms they name.
fn ask(host: &mut Dialed, requests: impl Iterator<Item = String>) -> Result<Vec<String>> {
    let batch = format!("[{}]", requests.collect::<Vec<_>>().join(","));
    host.say(batch.as_bytes())?;
    let mut rooms = Vec::with_capacity(AT_ONCE);
    let mut answers = 0;
    let mut refused = None;
    while answers < AT_ONCE && refused.is_none() {
        host.hear(|payload| {
            let text = String::from_utf8_lossy(payload);
            refused = refused.take().or_else(|| text.contains(r#""error""#).then(|| text.clone().into_owned()));
            answers += text.matches(r#""ref":1"#).count();
            for named in text.split(r#""room_id":""#).skip(1) {
                let room = named.split('"').next().unwrap_or_default().to_owned();
                if !rooms.contains(&room) {
                    rooms.push(room);
                }
            }
        })?;
    }
    ensure!(refused.is_none(), "refused: {refused:?}");
    Ok(rooms)
}
