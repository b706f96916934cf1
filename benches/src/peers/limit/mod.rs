//! The limit: what is left of a room server when everything is taken away but frames, reads and writes.
//!
//! One event loop. What a member sends is unmasked straight into its room's buffer, framed for everybody; at the end of a
//! turn of the loop (or once a tick) each member of a room that was spoken in gets that buffer with one write. There are
//! no sessions, no bounds, no timeouts, and nobody who reads slowly is thrown out.

mod frames;
mod upgrade;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use frames::Taken;

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 << 10;
const EVENTS: usize = 1024;

/// Serves until it is killed: writes at the end of each turn, or once in so many milliseconds.
pub(crate) fn serve(listener: std::net::TcpListener, tick_ms: u64) -> Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let server = Server { poll, listener, members: Vec::new(), free: Vec::new(), rooms: Rooms::default() };
    server.serve((tick_ms > 0).then(|| Duration::from_millis(tick_ms)))
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    members: Vec<Option<Member>>,
    free: Vec<usize>,
    rooms: Rooms,
}

struct Member {
    stream: TcpStream,
    /// None before the upgrade.
    room: Option<usize>,
    /// The beginning of a request or frame whose end has not come.
    partial: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

#[derive(Default)]
struct Rooms {
    by_path: HashMap<Box<str>, usize>,
    all: Vec<Room>,
    /// Those that were spoken in since the last writes.
    spoken_in: Vec<usize>,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    /// The frames that everybody here gets next.
    said: Vec<u8>,
}

impl Server {
    fn serve(mut self, tick: Option<Duration>) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut space = vec![0; READ_BYTES];
        let mut next_tick = Instant::now();
        loop {
            let wait = tick.map(|_| next_tick.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(place) => self.turn(place, event.is_readable(), event.is_writable(), &mut space),
                }
            }
            match tick {
                None => self.flush(),
                Some(tick) if next_tick <= Instant::now() => {
                    self.flush();
                    next_tick += tick;
                }
                Some(_) => {}
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                self.members.len() - 1
            });
            // Both, once: on an edge, being writable is told only after a write fell short.
            self.poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
            self.members[place] = Some(Member { stream, room: None, partial: Vec::new(), unsent: Vec::new() });
        }
    }

    fn turn(&mut self, place: usize, readable: bool, writable: bool, space: &mut [u8]) {
        let Some(Some(member)) = self.members.get_mut(place) else { return };
        let mut lives = !readable || member.read(place, &mut self.rooms, space).is_ok();
        if lives && writable && !member.unsent.is_empty() {
            lives = member.write_rest().is_ok();
        }
        if !lives {
            self.remove(place);
        }
    }

    /// Writes what was said to everybody in the rooms it was said in.
    fn flush(&mut self) {
        let Self { rooms, members, .. } = self;
        for room in rooms.spoken_in.drain(..) {
            let room = &mut rooms.all[room];
            for member in &room.members {
                let Some(Some(member)) = members.get_mut(*member) else { continue };
                // Whoever is gone is found gone by the next read.
                drop(member.write(&room.said));
            }
            room.said.clear();
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(member) = self.members[place].take() {
            if let Some(room) = member.room {
                self.rooms.all[room].members.retain(|member| *member != place);
            }
            self.free.push(place);
        }
    }
}

impl Rooms {
    /// Lets a member into the room that a path names.
    fn enter(&mut self, path: &str, member: usize) -> usize {
        let room = match self.by_path.get(path) {
            Some(room) => *room,
            None => {
                self.all.push(Room::default());
                self.by_path.insert(path.into(), self.all.len() - 1);
                self.all.len() - 1
            }
        };
        self.all[room].members.push(member);
        room
    }

    /// The buffer for something that is said in a room now.
    fn say(&mut self, room: usize) -> &mut Vec<u8> {
        let said = &mut self.all[room].said;
        if said.is_empty() {
            self.spoken_in.push(room);
        }
        said
    }
}

impl Member {
    fn read(&mut self, place: usize, rooms: &mut Rooms, space: &mut [u8]) -> io::Result<()> {
        loop {
            let read = match self.stream.read(space) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if self.partial.is_empty() {
                let taken = self.take(place, rooms, &space[..read])?;
                self.partial.extend_from_slice(&space[taken..read]);
            } else {
                let mut bytes = std::mem::take(&mut self.partial);
                bytes.extend_from_slice(&space[..read]);
                let taken = self.take(place, rooms, &bytes)?;
                bytes.drain(..taken);
                // An idle member keeps no buffer.
                self.partial = if bytes.is_empty() { Vec::new() } else { bytes };
            }
            // A read that did not fill the space has emptied the socket.
            if read < space.len() {
                return Ok(());
            }
        }
    }

    /// Takes what is whole off the front; says how many bytes that was.
    fn take(&mut self, place: usize, rooms: &mut Rooms, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room else { return self.upgrade(place, rooms, bytes) };
        let mut taken = 0;
        while taken < bytes.len() {
            match frames::take(&bytes[taken..])? {
                None => break,
                Some((Taken::Message(message), len)) => {
                    message.frame_into(rooms.say(room));
                    taken += len;
                }
                Some((Taken::Ping(payload), len)) => {
                    let mut pong = Vec::new();
                    payload.pong_into(&mut pong);
                    self.write(&pong)?;
                    taken += len;
                }
                Some((Taken::Nothing, len)) => taken += len,
            }
        }
        Ok(taken)
    }

    fn upgrade(&mut self, place: usize, rooms: &mut Rooms, bytes: &[u8]) -> io::Result<usize> {
        let Some((path, answer, taken)) = upgrade::answer(bytes)? else { return Ok(0) };
        self.write(answer.as_bytes())?;
        self.room = Some(rooms.enter(path, place));
        Ok(taken)
    }

    /// Writes behind what the socket did not take before.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = if self.unsent.is_empty() { would_block(self.stream.write(bytes))? } else { 0 };
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn write_rest(&mut self) -> io::Result<()> {
        let written = would_block(self.stream.write(&self.unsent))?;
        self.unsent.drain(..written);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        Ok(())
    }
}

fn would_block(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
