//! All members on WebSockets, in one event loop: a read for each readable socket, a write for each message, and no
//! parsing beyond finding the stamps.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use anteroom_protocol::{Codec, Header, RoomId, WEBSOCKET_PATH, envelope, variant};
use anyhow::{Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::broadcast::{Generator, Outcome, Plan, Watch};
use crate::entry::{Destination, Entered, Entry, Step};
use crate::frames::{Dialed, take_frames, text_frame};
use crate::resuming::{FIRST_N, Resuming, now_ms};
use crate::servers::{Server, Subject};
use crate::workload::{BODY, Load, Tally};

/// How long the loop sleeps at most. At a fixed rate, what is due meanwhile is sent together, to different rooms.
const TURN: Duration = Duration::from_millis(1);
const READ_BYTES: usize = 64 << 10;
/// How often members who have fallen silent are looked at, whether they owe an acknowledgement.
const SWEEP: Duration = Duration::from_millis(50);

/// Every member of every room.
pub(crate) struct Sockets {
    poll: Poll,
    members: Vec<Member>,
    rooms: usize,
    in_room: usize,
    space: Vec<u8>,
}

struct Member {
    stream: TcpStream,
    /// The message, framed; only its stamp changes.
    frame: Vec<u8>,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
    resuming: Option<Resuming>,
}

impl Sockets {
    /// Connects everybody.
    pub(crate) fn open(subject: Subject, server: &Server, plan: Plan) -> Result<Self> {
        let poll = Poll::new()?;
        let mut members = Vec::with_capacity(plan.everybody());
        for room in 0..plan.rooms {
            let mut destination = Destination::NewRoom;
            for _ in 0..plan.members {
                let (dialed, message, resuming) = match subject {
                    Subject::AxumRoom | Subject::Limit | Subject::LimitTick => {
                        (Dialed::open(server.addr, &format!("/rooms/{room}"), None)?, BODY.as_bytes().to_vec(), None)
                    }
                    _ => {
                        let Entered { connection, room_id, resuming } = enter(server, destination, subject.resumes())?;
                        let Some(room_id) = room_id else { bail!("not in a room") };
                        destination = Destination::Room(room_id);
                        (connection, message(Codec::Json, room_id, subject.resumes())?, resuming)
                    }
                };
                let (stream, partial) = dialed.into_parts();
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, Token(members.len()), interest)?;
                members.push(Member { stream, frame: text_frame(&message).0, partial, unsent: Vec::new(), resuming });
            }
        }
        Ok(Self { poll, members, rooms: plan.rooms, in_room: plan.members, space: vec![0; READ_BYTES] })
    }

    /// Sends a member's next message.
    fn send(&mut self, member: usize, tally: &mut Tally) -> Result<()> {
        let stamp = tally.sends(member);
        let member = &mut self.members[member];
        stamp.put(&mut member.frame);
        if let Some(resuming) = &mut member.resuming {
            resuming.number(&mut member.frame)?;
        }
        let Member { stream, frame, unsent, .. } = member;
        write(stream, unsent, frame)
    }

    /// Acknowledges what a member has heard, if it is time.
    fn acknowledge(&mut self, member: usize, now_ms: u64) -> Result<()> {
        let Member { stream, unsent, resuming: Some(resuming), .. } = &mut self.members[member] else { return Ok(()) };
        match resuming.acknowledgement(now_ms)? {
            Some(ack) => write(stream, unsent, &text_frame(ack.payload()).0),
            None => Ok(()),
        }
    }

    fn send_rest(&mut self, member: usize) -> Result<()> {
        let member = &mut self.members[member];
        if !member.unsent.is_empty() {
            let written = would_block(member.stream.write(&member.unsent))?;
            member.unsent.drain(..written);
        }
        Ok(())
    }

    /// Reads what has come; says whether the member's own newest message is among it.
    fn read(&mut self, place: usize, tally: &mut Tally) -> Result<bool> {
        let Self { members, space, .. } = self;
        let Member { stream, partial, resuming, .. } = &mut members[place];
        let now_ms = if resuming.is_some() { now_ms() } else { 0 };
        let mut own = false;
        loop {
            let read = match stream.read(space) {
                Ok(0) => bail!("the server hung up"),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(own),
                Err(error) => return Err(error.into()),
            };
            let now_us = tally.now_us();
            let mut hear = |payload: &[u8]| {
                own |= tally.hears(place, payload, now_us);
                if let Some(resuming) = resuming {
                    resuming.hears(now_ms, payload);
                }
            };
            if partial.is_empty() {
                let taken = take_frames(&space[..read], &mut hear);
                partial.extend_from_slice(&space[taken..read]);
            } else {
                partial.extend_from_slice(&space[..read]);
                let taken = take_frames(partial, &mut hear);
                partial.drain(..taken);
            }
            // A read that did not fill the space has emptied the socket.
            if read < space.len() {
                return Ok(own);
            }
        }
    }
}

impl Generator for Sockets {
    fn run(&mut self, load: Load, mut watch: Watch) -> Result<Outcome> {
        let count = self.members.len();
        let mut tally = Tally::new(count, self.in_room);
        let gap = load.period(count, self.in_room).map(|period| period / count as u32);
        let (mut due, mut turn) = (Instant::now(), 0);
        let mut sweep = Instant::now() + SWEEP;
        let mut events = Events::with_capacity(1024);
        if gap.is_none() {
            for member in 0..count {
                self.send(member, &mut tally)?;
            }
        }
        while !watch.is_over() {
            self.poll.poll(&mut events, Some(TURN))?;
            for event in &events {
                let Token(place) = event.token();
                if event.is_readable() {
                    let own = self.read(place, &mut tally)?;
                    self.acknowledge(place, now_ms())?;
                    if own && gap.is_none() && watch.is_sending() {
                        self.send(place, &mut tally)?;
                    }
                }
                if event.is_writable() {
                    self.send_rest(place)?;
                }
            }
            watch.turn(&mut tally)?;
            if sweep <= Instant::now() {
                sweep += SWEEP;
                (0..count).try_for_each(|member| self.acknowledge(member, now_ms()))?;
            }
            while let Some(gap) = gap
                && watch.is_sending()
                && due <= Instant::now()
            {
                // One room after the other, so that what is sent together concerns different ones.
                let (room, seat) = (turn % self.rooms, turn / self.rooms % self.in_room);
                self.send(room * self.in_room + seat, &mut tally)?;
                (due, turn) = (due + gap, turn + 1);
            }
        }
        Ok(watch.outcome(&mut tally))
    }
}

/// Writes a frame behind what the socket did not take before.
fn write(stream: &mut TcpStream, unsent: &mut Vec<u8>, frame: &[u8]) -> Result<()> {
    if !unsent.is_empty() {
        unsent.extend_from_slice(frame);
        return Ok(());
    }
    let written = would_block(stream.write(frame))?;
    unsent.extend_from_slice(&frame[written..]);
    Ok(())
}

fn would_block(result: io::Result<usize>) -> Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => Ok(result?),
    }
}

/// Opens a session over WebSocket and brings it where it is going.
pub(crate) fn enter(server: &Server, destination: Destination, resumes: bool) -> Result<Entered<Dialed>> {
    let mut dialed = Dialed::open(server.addr, WEBSOCKET_PATH, Some(Codec::Json.subprotocol()))?;
    let (mut entry, first) = Entry::begin(Codec::Json, destination, resumes)?;
    let mut resuming = resumes.then(Resuming::new);
    dialed.say(first.payload())?;
    loop {
        let mut steps = Vec::new();
        dialed.hear(|payload| {
            if let Some(resuming) = &mut resuming {
                resuming.hears(now_ms(), payload);
            }
            steps.push(entry.hear(Codec::Json, payload));
        })?;
        for step in steps {
            match step? {
                Step::Wait => {}
                Step::Say(batch) => dialed.say(batch.payload())?,
                Step::Done(arrived) => {
                    return Ok(Entered::new(dialed, arrived, resuming));
                }
            }
        }
    }
}

/// What a member of a relay room sends, before it is framed; with a number, if it sends again what may be lost.
pub(crate) fn message(codec: Codec, room_id: RoomId, numbered: bool) -> Result<Vec<u8>> {
    let payload = anteroom_protocol::Json::from_text(BODY.to_owned())?;
    let action = anteroom_games::relay::Action::Send { payload, delivery: None, key: None };
    let mut data = Vec::new();
    let kind = variant::encode(codec, &action, &mut data)?;
    let data = match codec {
        Codec::Json => anteroom_protocol::Data::Json(std::str::from_utf8(&data)?),
        Codec::Bincode => anteroom_protocol::Data::Binary(&data),
    };
    let mut message = Vec::new();
    let header = Header { n: numbered.then_some(FIRST_N), ..Header::new(kind) };
    envelope::encode_raw(&header.in_room(room_id.as_str()), data, &mut message)?;
    ensure!(memchr::memchr(b'@', &message).is_some(), "the message has no stamp");
    Ok(message)
}
