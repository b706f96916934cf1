//! One thread's members on WebSockets, in one event loop: a read for each readable socket, at most one write for each,
//! and no parsing beyond finding frames and stamps.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dialect::{Dialect, Entry, Member, Place};
use crate::error::BenchError;
use crate::frame::{self, Frame, FrameKind, Opcode};
use crate::meter::{Meter, Tally};
use crate::plan::Load;
use crate::schedule::Schedule;
use crate::shared::{Phase, Shared};
use crate::timer::Timer;

const READ_BYTES: usize = 64 << 10;
/// How many members of a thread are on their way in at a time.
const ENTERING_MAX: usize = 32;
/// How long a server may let somebody wait who is on the way in.
const ENTER_MAX: Duration = Duration::from_secs(10);
/// How often members who have fallen silent are looked at, whether they have something to say.
const SWEEP: Duration = Duration::from_millis(50);
/// The longest answer to an upgrade.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// The members of a thread.
pub(crate) struct Sockets<'a> {
    shared: Arc<Shared>,
    thread: usize,
    addr: SocketAddr,
    dialect: &'a dyn Dialect,
    poll: Poll,
    timer: Timer,
    sockets: Vec<Option<Socket>>,
    /// Who has not begun to enter: the first of each room in front.
    outside: VecDeque<usize>,
    entering: usize,
    /// When somebody got a step further on the way in.
    advanced: Instant,
    meter: Meter,
    space: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    state: State,
    member: Box<dyn Member>,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// What is not written.
    unsent: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Waits for TCP, with the request to send.
    Connecting,
    Upgrading,
    Entering,
    In,
}

impl<'a> Sockets<'a> {
    pub(crate) fn open(
        shared: &Arc<Shared>,
        thread: usize,
        addr: SocketAddr,
        dialect: &'a dyn Dialect,
    ) -> Result<Self, BenchError> {
        let poll = Poll::new()?;
        let timer = Timer::new(&poll)?;
        let meter = Meter::new(shared, thread);
        let count = shared.plan.share(thread).len();
        let (first, others): (Vec<_>, Vec<_>) = (0..count).partition(|member| meter.place(*member).1 == 0);
        Ok(Self {
            shared: shared.clone(),
            thread,
            addr,
            dialect,
            poll,
            timer,
            sockets: (0..count).map(|_| None).collect(),
            outside: first.into_iter().chain(others).collect(),
            entering: 0,
            advanced: Instant::now(),
            meter,
            space: vec![0; READ_BYTES],
        })
    }

    /// Plays all phases.
    pub(crate) fn play(mut self) -> Result<Tally, BenchError> {
        let mut events = Events::with_capacity(1024);
        let mut sweep = Instant::now() + SWEEP;
        let mut schedule = None;
        let mut began = false;
        loop {
            let phase = self.shared.phase();
            self.meter.publish(phase);
            if phase == Phase::Over {
                self.leave();
                return Ok(self.meter.finish());
            }
            if phase == Phase::Entering {
                self.bring_in()?;
            } else if !began {
                began = true;
                schedule = Schedule::new(&self.shared.plan, self.thread, self.shared.begin_us());
                self.begin()?;
            }
            let due = schedule.as_ref().filter(|_| phase.is_sending()).map(Schedule::due_us);
            let time = match due {
                Some(due_us) => Some(Duration::from_micros(due_us.saturating_sub(self.shared.now_us()))),
                None => (phase == Phase::Entering).then_some(Duration::from_millis(1)),
            };
            self.timer.poll(&mut self.poll, &mut events, time)?;
            for event in &events {
                // The timer's own event has done its work by waking the loop.
                if self.sockets.len() > event.token().0 {
                    self.serve(event.token().0, event.is_readable() || event.is_read_closed(), phase)?;
                }
            }
            if let Some(schedule) = &mut schedule {
                self.send_due(schedule)?;
            }
            if sweep <= Instant::now() {
                sweep = Instant::now() + SWEEP;
                (0..self.sockets.len()).try_for_each(|place| self.settle(place))?;
            }
        }
    }

    /// Opens sockets for those who are outside, a few at a time.
    fn bring_in(&mut self) -> Result<(), BenchError> {
        while self.entering < ENTERING_MAX
            && let Some(&member) = self.outside.front()
        {
            let (room, seat) = self.meter.place(member);
            let shared = self.shared.clone();
            let key = shared.keys[room].get();
            if seat > 0 && key.is_none() {
                break;
            }
            self.outside.pop_front();
            self.entering += 1;
            self.advanced = Instant::now();
            let key = key.and_then(Option::as_deref).filter(|_| seat > 0);
            let place = Place { server: self.addr, room, seat, members: self.shared.plan.members, key };
            self.connect(member, &place)?;
        }
        if self.entering > 0 && self.advanced.elapsed() > ENTER_MAX {
            let seconds = ENTER_MAX.as_secs();
            let addr = self.addr;
            return Err(BenchError::failed(format_args!("{addr} did not answer within {seconds} seconds")));
        }
        Ok(())
    }

    fn connect(&mut self, member: usize, place: &Place<'_>) -> Result<(), BenchError> {
        let opening = self.dialect.open(place)?;
        let mut stream = TcpStream::connect(self.addr).map_err(|error| unreachable_server(self.addr, &error))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(member), interest)?;
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            opening.path, self.addr
        );
        for (name, value) in opening.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let (partial, unsent) = (Vec::new(), request.into_bytes());
        let socket = Socket { stream, state: State::Connecting, member: opening.member, partial, unsent };
        self.sockets[member] = Some(socket);
        Ok(())
    }

    /// Everybody's first words.
    fn begin(&mut self) -> Result<(), BenchError> {
        if self.shared.plan.load == Load::Closed {
            for place in 0..self.sockets.len() {
                self.say(place, None)?;
                self.settle(place)?;
            }
        }
        Ok(())
    }

    fn say(&mut self, place: usize, due_us: Option<u64>) -> Result<(), BenchError> {
        let Some(socket) = &mut self.sockets[place] else { return Ok(()) };
        let stamp = self.meter.sends(place, due_us);
        socket.member.say(stamp, &mut socket.unsent);
        Ok(())
    }

    fn send_due(&mut self, schedule: &mut Schedule) -> Result<(), BenchError> {
        let until_us = self.shared.sends_until_us();
        while let Some((member, due_us)) = schedule.take(until_us) {
            self.say(member, Some(due_us))?;
            self.write(member)?;
        }
        Ok(())
    }

    /// What a readable or writable socket has to do.
    fn serve(&mut self, place: usize, readable: bool, phase: Phase) -> Result<(), BenchError> {
        let Some(socket) = &mut self.sockets[place] else { return Ok(()) };
        if socket.state == State::Connecting {
            if let Some(error) = socket.stream.take_error()? {
                return Err(unreachable_server(self.addr, &error));
            }
            match socket.stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(unreachable_server(self.addr, &error)),
                Ok(_) => {}
            }
            socket.stream.set_nodelay(true)?;
            socket.state = State::Upgrading;
        }
        if readable {
            let own = self.read(place)?;
            if own && self.shared.plan.load == Load::Closed && phase.is_sending() && self.shared.phase().is_sending() {
                self.say(place, None)?;
            }
        }
        self.settle(place)
    }

    /// Says goodbye for everybody.
    fn leave(&mut self) {
        for place in 0..self.sockets.len() {
            let Some(socket) = &mut self.sockets[place] else { continue };
            if let Some(refusal) = socket.member.refusal() {
                self.shared.refused.get_or_init(|| refusal);
            }
            socket.member.leave(&mut socket.unsent);
            // The connection ends now in any case.
            let _ = self.write(place);
        }
    }

    /// Writes what a member has to say.
    fn settle(&mut self, place: usize) -> Result<(), BenchError> {
        let Some(socket) = &mut self.sockets[place] else { return Ok(()) };
        if socket.state == State::In {
            socket.member.settle(now_ms(&self.shared), &mut socket.unsent);
        }
        self.write(place)
    }

    fn write(&mut self, place: usize) -> Result<(), BenchError> {
        let Some(socket) = &mut self.sockets[place] else { return Ok(()) };
        if socket.unsent.is_empty() || socket.state == State::Connecting {
            return Ok(());
        }
        let written = match socket.stream.write(&socket.unsent) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(lost(&error)),
        };
        self.meter.bytes_up += written as u64;
        if written == socket.unsent.len() {
            socket.unsent.clear();
        } else {
            socket.unsent.drain(..written);
        }
        Ok(())
    }

    /// Reads what has come; says whether the member's own newest message is among it.
    fn read(&mut self, place: usize) -> Result<bool, BenchError> {
        let mut own = false;
        loop {
            let Some(socket) = &mut self.sockets[place] else { return Ok(own) };
            let read = match socket.stream.read(&mut self.space) {
                Ok(0) => return Err(BenchError::failed("the server hung up")),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(own),
                Err(error) => return Err(lost(&error)),
            };
            self.meter.bytes_down += read as u64;
            own |= self.take(place, read)?;
            // A read that did not fill the space has emptied the socket.
            if read < self.space.len() {
                return Ok(own);
            }
        }
    }

    /// Takes whole frames out of what was read, and keeps the rest.
    fn take(&mut self, place: usize, read: usize) -> Result<bool, BenchError> {
        let Some(mut socket) = self.sockets[place].take() else { return Ok(false) };
        let mut heard = Heard {
            shared: &self.shared,
            meter: &mut self.meter,
            place,
            now_us: self.shared.now_us(),
            own: false,
            entered: false,
        };
        if socket.partial.is_empty() {
            let taken = heard.frames(&mut socket, &self.space[..read])?;
            socket.partial.extend_from_slice(&self.space[taken..read]);
        } else {
            let mut bytes = std::mem::take(&mut socket.partial);
            bytes.extend_from_slice(&self.space[..read]);
            let taken = heard.frames(&mut socket, &bytes)?;
            bytes.drain(..taken);
            socket.partial = bytes;
        }
        let Heard { own, entered, .. } = heard;
        if entered {
            self.entering -= 1;
            self.advanced = Instant::now();
            self.shared.entered.fetch_add(1, SeqCst);
        }
        self.sockets[place] = Some(socket);
        Ok(own)
    }
}

/// What follows from one read.
struct Heard<'a> {
    shared: &'a Shared,
    meter: &'a mut Meter,
    place: usize,
    now_us: u64,
    own: bool,
    entered: bool,
}

impl Heard<'_> {
    /// Takes all that is whole; says how many bytes that was.
    fn frames(&mut self, socket: &mut Socket, bytes: &[u8]) -> Result<usize, BenchError> {
        let mut taken = 0;
        if socket.state == State::Upgrading {
            let Some(end) = upgraded(bytes)? else { return Ok(0) };
            taken = end;
            let entry = socket.member.greet(&mut socket.unsent)?;
            socket.state = State::Entering;
            self.advance(socket, entry);
        }
        while let Some((first, payload, len)) = frame::first(&bytes[taken..]) {
            taken += len;
            let kind = match first {
                Opcode::TEXT => FrameKind::Text,
                Opcode::BINARY => FrameKind::Binary,
                Opcode::PING => {
                    frame::push(Opcode::PONG, payload, &mut socket.unsent);
                    continue;
                }
                Opcode::PONG => continue,
                Opcode::CLOSE => return Err(closed(payload)),
                _ => return Err(BenchError::failed("the server sends a message in pieces, which is not supported")),
            };
            self.hear(socket, Frame { kind, payload })?;
        }
        Ok(taken)
    }

    fn hear(&mut self, socket: &mut Socket, frame: Frame<'_>) -> Result<(), BenchError> {
        if socket.state == State::In {
            self.own |= self.meter.hears(self.place, frame.payload, self.now_us);
            return socket.member.hear(frame, self.now_us / 1000, &mut socket.unsent);
        }
        let entry = socket.member.enter(frame, &mut socket.unsent)?;
        self.advance(socket, entry);
        Ok(())
    }

    fn advance(&mut self, socket: &mut Socket, entry: Entry) {
        let Entry::In { key } = entry else { return };
        socket.state = State::In;
        self.entered = true;
        let (room, seat) = self.meter.place(self.place);
        if seat == 0 {
            // Nobody else sets it.
            let _ = self.shared.keys[room].set(key);
        }
    }
}

/// Where the answer to an upgrade ends, once it is there.
fn upgraded(bytes: &[u8]) -> Result<Option<usize>, BenchError> {
    let status = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\r').next().unwrap_or_default());
    if bytes.len() >= 4 && !bytes.starts_with(b"HTTP") {
        return Err(BenchError::failed("what answers there does not speak HTTP without TLS"));
    }
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(BenchError::failed("the answer to the upgrade is too long"));
        }
        return Ok(None);
    };
    match status.split(' ').nth(1) {
        Some("101") => Ok(Some(end + 4)),
        _ => Err(BenchError::failed(format_args!("the server refuses WebSocket: {status}"))),
    }
}

fn closed(payload: &[u8]) -> BenchError {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            let (code, reason) = (u16::from_be_bytes(*code), String::from_utf8_lossy(reason));
            BenchError::failed(format_args!("the server closed the connection: {code} {reason}"))
        }
        None => BenchError::failed("the server closed the connection without saying why"),
    }
}

fn lost(error: &io::Error) -> BenchError {
    BenchError::failed(format_args!("the connection was lost: {error}"))
}

fn unreachable_server(addr: SocketAddr, error: &io::Error) -> BenchError {
    BenchError::failed(format_args!("cannot reach {addr}: {error}"))
}

fn now_ms(shared: &Shared) -> u64 {
    shared.now_us() / 1000
}
