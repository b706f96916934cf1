//! Watchers of the lobby, who are told what changes, and one who asks again and again.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;

use anteroom_protocol::RoomId;
use anyhow::{Context, Result};
use mio::{Events, Interest, Poll, Token};

use super::{READY, tell};
use crate::entry::Destination;
use crate::frames::{Dialed, text_frame};
use crate::socket;

const WATCHERS: usize = 300;
const SUBSCRIBE: &str = r#"{"type":"subscribe_rooms","data":{"game":"relay"}}"#;
/// How many subscriptions are handed to the kernel at once.
const AT_ONCE: usize = 16;
const READ_BYTES: usize = 64 << 10;

/// See [`Kind::Storm`](super::Kind::Storm).
pub(super) fn storm(addr: SocketAddr) -> Result<()> {
    let (host, arrived) = socket::enter(addr, Destination::NewRoom, false)?;
    let (room_id, _) = arrived.context("not in a room")?;
    let mut streams = vec![host];
    for _ in 0..WATCHERS {
        let (mut watcher, _) = socket::enter(addr, Destination::Session, false)?;
        watcher.say(SUBSCRIBE.as_bytes())?;
        streams.push(watcher);
    }
    let reading = thread::spawn(move || drain(streams));
    thread::spawn(move || churn(addr, room_id));
    thread::spawn(move || while subscribe(addr).is_ok() {});
    tell(READY)?;
    reading.join().unwrap_or(Ok(()))
}

/// Somebody comes and goes, so that there is always something to tell.
fn churn(addr: SocketAddr, room_id: RoomId) -> Result<()> {
    let (mut guest, _) = socket::enter(addr, Destination::Session, false)?;
    let join = format!(r#"{{"type":"join_room","ref":1,"data":{{"room_id":"{room_id}","as":"spectator"}}}}"#);
    let leave = format!(r#"{{"type":"leave_room","ref":1,"room_id":"{room_id}"}}"#);
    loop {
        for request in [&join, &leave] {
            guest.say(request.as_bytes())?;
            let mut answered = false;
            while !answered {
                guest.hear(|payload| answered |= memchr::memmem::find(payload, br#""ref":1"#).is_some())?;
            }
        }
    }
}

/// Subscribes until it is closed.
fn subscribe(addr: SocketAddr) -> Result<()> {
    let (dialed, _) = socket::enter(addr, Destination::Session, false)?;
    let frames = text_frame(SUBSCRIBE.as_bytes()).0.repeat(AT_ONCE);
    let mut stream = dialed.into_stream();
    let mut reader = stream.try_clone()?;
    reader.set_read_timeout(None)?;
    thread::spawn(move || {
        let mut space = vec![0; READ_BYTES];
        while reader.read(&mut space).is_ok_and(|read| read > 0) {}
    });
    while stream.write_all(&frames).is_ok() {}
    Ok(())
}

/// Reads and forgets what all of them are told.
fn drain(all: Vec<Dialed>) -> Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(all.len()));
    let mut streams = Vec::with_capacity(all.len());
    for (place, dialed) in all.into_iter().enumerate() {
        let stream = dialed.into_stream();
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(place), Interest::READABLE)?;
        streams.push(stream);
    }
    let mut space = vec![0; READ_BYTES];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            while streams[event.token().0].read(&mut space).is_ok_and(|read| read > 0) {}
        }
    }
}
