//! Members who read nothing until they are woken, and then look whether they get the newest state.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anteroom_bench::Stamp;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::request::JoinRoom;
use anteroom_protocol::{Batch, Codec, Header, LaneId};
use anteroom_transport::{Connection, Event};
use anyhow::{Context, Result, ensure};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::{Arguments, READY, tell};
use crate::carrier::Reach;
use crate::entry::Destination;
use crate::stalled::{READERS, STATE};
use crate::{quic, way};

/// How long it may take until all are in the room.
const JOIN_MAX: Duration = Duration::from_secs(100);
/// How long all of them may take to get what is newest.
const WAKE_MAX: Duration = Duration::from_secs(30);

/// What became of one reader.
#[derive(Debug, Clone, Copy, Default)]
struct Woken {
    is_newest: bool,
    had_gap: bool,
}

/// Enters with all of them. `wake NUMBER` wakes them: how many have then seen the state of that number, and how many
/// heard of a gap?
pub(super) fn main(arguments: &Arguments, heard: &Receiver<String>) -> Result<()> {
    let runtime = quic::runtime()?;
    let readers = LocalSet::new();
    let connections = readers.block_on(&runtime, enter(arguments))?;
    tell(READY)?;
    // The runtime rests, and nobody reads; what keeps a connection of QUIC alive is a matter of the endpoint's tasks.
    let line = loop {
        match heard.try_recv() {
            Ok(line) => break line,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
            Err(std::sync::mpsc::TryRecvError::Empty) => {
                readers.block_on(&runtime, async { tokio::time::sleep(Duration::from_millis(20)).await });
            }
        }
    };
    let newest: u32 = line.strip_prefix("wake ").context("what?")?.parse()?;
    let woken = readers.block_on(&runtime, wake(connections, newest))?;
    let count = |is: fn(&Woken) -> bool| woken.iter().filter(|woken| is(woken)).count();
    tell(&format!("woken {} {}", count(|woken| woken.is_newest), count(|woken| woken.had_gap)))
}

/// All come, and then go in together: one by one, a thousand hear half a million announcements of each other.
async fn enter(arguments: &Arguments) -> Result<Vec<Connection>> {
    let Arguments { addr, carrier, certificate, .. } = arguments;
    let (reach, room_id) = (Reach::new(*carrier, *addr, certificate.as_deref(), READERS)?, arguments.room()?);
    let request = JoinRoom { room_id: Some(room_id.to_string()), ..JoinRoom::default() };
    let batch = Arc::new(Batch::one(Codec::Json, &Header::new("join_room"), &request)?);
    let mut connections = Vec::with_capacity(READERS);
    for place in 0..READERS {
        let (connection, _) = way::enter(reach.dial(place).await?, Destination::Session, true).await?;
        connections.push(connection);
    }
    let going: Vec<_> =
        connections.into_iter().map(|connection| spawn_local(join(connection, batch.clone()))).collect();
    let mut there = Vec::with_capacity(READERS);
    for member in going {
        there.push(member.await??);
    }
    Ok(there)
}

/// Reads until it is in the room, and not a message more.
async fn join(mut connection: Connection, batch: Arc<Batch>) -> Result<Connection> {
    connection.send(LaneId::CONTROL, batch).await?;
    loop {
        let event = timeout(JOIN_MAX, connection.recv()).await.context("no answer")??;
        let Event::Record { codec, payload, .. } = event else { continue };
        for message in decode_batch(codec, &payload)? {
            let message = message?;
            ensure!(message.error.is_none(), "the server refuses: {:?}", message.error);
            if message.kind == "join_room_result" {
                return Ok(connection);
            }
        }
    }
}

async fn wake(connections: Vec<Connection>, newest: u32) -> Result<Vec<Woken>> {
    let reading: Vec<_> = connections.into_iter().map(|connection| spawn_local(read(connection, newest))).collect();
    let mut all = Vec::with_capacity(reading.len());
    for reader in reading {
        all.push(reader.await?);
    }
    Ok(all)
}

/// Reads until the newest state is there.
async fn read(mut connection: Connection, newest: u32) -> Woken {
    let mut woken = Woken::default();
    let reading = async {
        while let Ok(event) = connection.recv().await {
            let Event::Record { payload, .. } = event else { continue };
            woken.had_gap |= memchr::memmem::find(&payload, br#""gap":true"#).is_some();
            if Stamp::all(&payload).any(|stamp| stamp.sender == STATE && stamp.number == newest) {
                woken.is_newest = true;
                return;
            }
        }
    };
    // Whoever has not got it by then is counted so.
    drop(timeout(WAKE_MAX, reading).await);
    woken
}
