//! Members who read nothing until they are woken, and then look whether they get the newest state.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use anteroom_server::bench::Stamp;
use anteroom_transport::{Connection, Event};
use anyhow::{Context, Result};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::{Arguments, READY, tell};
use crate::carrier::Reach;
use crate::entry::Destination;
use crate::stalled::{READERS, STATE};
use crate::{quic, way};

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

async fn enter(arguments: &Arguments) -> Result<Vec<Connection>> {
    let Arguments { addr, carrier, certificate, .. } = arguments;
    let reach = Reach::new(*carrier, *addr, certificate.as_deref(), READERS)?;
    let destination = Destination::Room(arguments.room()?);
    let mut connections = Vec::with_capacity(READERS);
    for place in 0..READERS {
        let (connection, _) = way::enter(reach.dial(place).await?, destination, true).await?;
        connections.push(connection);
    }
    Ok(connections)
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
