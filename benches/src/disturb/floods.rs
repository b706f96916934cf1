//! Connections that send as fast as they are let.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anteroom_bench::{BODY, Stamp};
use anteroom_protocol::limits::BATCH_MESSAGES_MAX;
use anteroom_protocol::{Codec, RoomId};
use anyhow::{Context, Result};

use super::{READY, tell};
use crate::entry::Destination;
use crate::frames::{Dialed, text_frame};
use crate::socket::{self, Entered};

/// How many batches are handed to the kernel at once.
const AT_ONCE: usize = 16;
/// Members of the room that is flooded with large messages, and the size of those.
const SHARED_MEMBERS: usize = 60;
const LARGE_BYTES: usize = 60_000;
/// How many watch a room and send.
const SPECTATORS: usize = 4;
/// How long somebody who was refused, or closed, waits before it comes back.
const BACK: Duration = Duration::from_millis(20);
const READ_BYTES: usize = 256 << 10;

/// So many, each in a room of its own.
pub(super) fn alone(addr: SocketAddr, count: usize) -> Result<()> {
    flood(addr, vec![Destination::NewRoom; count])
}

/// Watchers of one room.
pub(super) fn spectators(addr: SocketAddr, room_id: RoomId) -> Result<()> {
    flood(addr, vec![Destination::Spectator(room_id); SPECTATORS])
}

/// Keeps somebody at each of these destinations, who comes back whenever the server has had enough.
fn flood(addr: SocketAddr, destinations: Vec<Destination>) -> Result<()> {
    let first: Result<Vec<_>> = destinations.iter().map(|to| socket::enter(addr, *to, false)).collect();
    let flooding: Vec<_> = destinations
        .into_iter()
        .zip(first?)
        .map(|(destination, mut entered)| {
            thread::spawn(move || {
                loop {
                    // It ends by being closed.
                    drop(pour(entered));
                    entered = come_back(addr, destination);
                }
            })
        })
        .collect();
    tell(READY)?;
    join(flooding);
    Ok(())
}

fn come_back(addr: SocketAddr, destination: Destination) -> Entered {
    loop {
        thread::sleep(BACK);
        if let Ok(entered) = socket::enter(addr, destination, false) {
            return entered;
        }
    }
}

/// Sends until it fails, and reads what comes meanwhile.
fn pour((dialed, arrived): Entered) -> Result<()> {
    let (room_id, _) = arrived.context("not in a room")?;
    let frames = batch(room_id)?.repeat(AT_ONCE);
    let mut stream = read_beside(dialed)?;
    loop {
        stream.write_all(&frames)?;
    }
}

/// As many messages as a batch may have, in a frame.
fn batch(room_id: RoomId) -> Result<Vec<u8>> {
    let message = String::from_utf8(socket::message(Codec::Json, room_id)?)?;
    let messages = vec![message; BATCH_MESSAGES_MAX].join(",");
    Ok(text_frame(format!("[{messages}]").as_bytes()).0)
}

/// Reads and forgets in a thread beside, which ends the connection for the writer, too.
fn read_beside(dialed: Dialed) -> Result<TcpStream> {
    let stream = dialed.into_stream();
    let mut reader = stream.try_clone()?;
    reader.set_read_timeout(None)?;
    thread::spawn(move || {
        let mut space = vec![0; READ_BYTES];
        while reader.read(&mut space).is_ok_and(|read| read > 0) {}
        // It may be closed already.
        drop(reader.shutdown(Shutdown::Both));
    });
    Ok(stream)
}

/// One that sends the next batch when all of the last one has come back or was refused.
pub(super) fn polite(addr: SocketAddr) -> Result<()> {
    let (mut dialed, arrived) = socket::enter(addr, Destination::NewRoom, false)?;
    let (room_id, _) = arrived.context("not in a room")?;
    let frame = batch(room_id)?;
    tell(READY)?;
    loop {
        dialed.write(&frame)?;
        let mut answered = 0;
        while answered < BATCH_MESSAGES_MAX {
            dialed.hear(|payload| {
                answered += Stamp::all(payload).count() + memchr::memmem::find_iter(payload, br#""error":{"#).count();
            })?;
        }
    }
}

/// Two members of a room full of readers, who say large things.
pub(super) fn shared(addr: SocketAddr) -> Result<()> {
    let (host, arrived) = socket::enter(addr, Destination::NewRoom, false)?;
    let (room_id, _) = arrived.context("not in a room")?;
    let mut streams = vec![read_beside(host)?];
    for _ in 1..SHARED_MEMBERS {
        let (member, _) = socket::enter(addr, Destination::Room(room_id), false)?;
        streams.push(read_beside(member)?);
    }
    let large = large(room_id)?.repeat(AT_ONCE);
    let writers = streams.split_off(SHARED_MEMBERS - 2).into_iter().map(|mut stream| {
        let large = large.clone();
        thread::spawn(move || while stream.write_all(&large).is_ok() {})
    });
    let writers: Vec<_> = writers.collect();
    tell(READY)?;
    join(writers);
    Ok(())
}

fn large(room_id: RoomId) -> Result<Vec<u8>> {
    let message = String::from_utf8(socket::message(Codec::Json, room_id)?)?;
    let large = message.replace(BODY, &format!("\"{}\"", "x".repeat(LARGE_BYTES)));
    Ok(text_frame(large.as_bytes()).0)
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        // Whoever has crashed floods no more.
        drop(thread.join());
    }
}
