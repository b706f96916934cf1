//! Many who watch: spectators of one room, and watchers of one filter of the lobby. What the server does for each of them
//! when something is to be told, and how long they wait for it.
//!
//! Their sessions do not ask to be resumed, so that nothing has to be acknowledged: what is measured is telling. They are
//! read by one thread, which also says what is to be told, so that it hears of nobody else's clock.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::Duration;

use anteroom_bench::{BODY, CoreTime, Latencies, Stamp};
use anteroom_protocol::RoomId;
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::disturb::PATIENT;
use crate::entry::Destination;
use crate::frames::{Dialed, text_frame};
use crate::resuming::now_us;
use crate::servers::{Contender, Needs, Starting};
use crate::socket;

/// How many watch.
pub(crate) const WATCHERS: [usize; 2] = [1_000, 10_000];
/// How often there is something to tell: seldom enough for one thread to read it ten thousand times.
const PERIOD: Duration = Duration::from_millis(250);
/// What is told, and how much of it is told before anybody looks.
const TOLD: u32 = 50;
const FIRST: u32 = 8;
/// How long the last may take to arrive.
const TAIL_MAX: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 64 << 10;
/// Those whose list it is ask for rooms that one may sit down in.
const SUBSCRIBE: &str =
    r#"{"type":"subscribe_rooms","ref":1,"data":{"filter":[["game","=","relay"],["free_seats",">",0]]}}"#;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Show {
    /// One room, by its spectators.
    Room,
    /// The rooms of one filter.
    Lobby,
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Room => "spectators of a room",
            Self::Lobby => "watchers of a filter",
        })
    }
}

/// How those who watch fared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// Server CPU for each who was to be told something.
    pub(crate) cpu_us: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// What never came: of a room anything, of a list, in which something newer may take its place, the newest.
    pub(crate) missing: u64,
    /// The share of time that the server used its core, and that this program did.
    pub(crate) server_share: f64,
    pub(crate) own_share: f64,
}

/// See the module.
pub(crate) fn run(starting: &Starting, contender: &Contender, show: Show, count: usize) -> Result<Watched> {
    let server = starting.start(contender, Needs { settings: PATIENT, ..Needs::default() })?;
    let (source, arrived) = socket::enter(server.addr, Destination::NewRoom, false)?;
    let (room_id, _) = arrived.context("not in a room")?;
    let mut readers = Readers::new(source)?;
    for _ in 0..count {
        readers.add(watcher(server.addr, show, room_id)?)?;
    }
    // All that they were told on the way in.
    readers.read_until(now_us() + PERIOD.as_micros() as u64 * u64::from(FIRST))?;
    let message = match show {
        Show::Room => format!(r#"{{"type":"send","room_id":"{room_id}","data":{{"payload":{BODY}}}}}"#),
        // What changes in a list is the room's name.
        Show::Lobby => {
            let start = Stamp::place(BODY.as_bytes()).context("the body has no stamp")?;
            let stamp = BODY.get(start..).and_then(|rest| rest.split('"').next()).context("the stamp has no end")?;
            format!(r#"{{"type":"update_room","room_id":"{room_id}","data":{{"name":"{stamp}"}}}}"#)
        }
    };
    let cores = || -> Result<_> { Ok((CoreTime::of(server.pid())?, CoreTime::of(std::process::id())?)) };
    let start_us = now_us();
    let due_us = |number: u32| start_us + PERIOD.as_micros() as u64 * u64::from(number);
    let mut before = cores()?;
    for number in 0..FIRST + TOLD {
        if number == FIRST {
            readers.heard = Heard { from_us: due_us(FIRST), ..Heard::default() };
            before = cores()?;
        }
        readers.read_until(due_us(number))?;
        readers.say(&message, Stamp { sender: 0, number, at_us: due_us(number) })?;
    }
    readers.read_until(due_us(FIRST + TOLD))?;
    let time = PERIOD * TOLD;
    let (used, own) = cores()?;
    let (used, own) = (used.since(before.0).used, own.since(before.1).used);
    let all = count as u64 * u64::from(TOLD);
    let end_us = now_us() + TAIL_MAX.as_micros() as u64;
    let missing = |heard: &Heard| match show {
        Show::Room => all.saturating_sub(heard.latencies.count()),
        Show::Lobby => (count as u64).saturating_sub(heard.newest),
    };
    while missing(&readers.heard) > 0 && now_us() < end_us {
        readers.read_until(now_us() + 10_000)?;
    }
    let heard = &readers.heard.latencies;
    Ok(Watched {
        cpu_us: used.as_secs_f64() * 1e6 / all as f64,
        p50_ms: heard.quantile_ms(0.5),
        p99_ms: heard.quantile_ms(0.99),
        max_ms: heard.max_ms(),
        missing: missing(&readers.heard),
        server_share: used.div_duration_f64(time),
        own_share: own.div_duration_f64(time),
    })
}

fn watcher(addr: SocketAddr, show: Show, room_id: RoomId) -> Result<Dialed> {
    let destination = match show {
        Show::Room => Destination::Spectator(room_id),
        Show::Lobby => Destination::Session,
    };
    let (mut watcher, _) = socket::enter(addr, destination, false)?;
    if show == Show::Lobby {
        watcher.say(SUBSCRIBE.as_bytes())?;
        let mut is_answered = false;
        while !is_answered {
            watcher.hear(|payload| is_answered |= memchr::memmem::find(payload, br#""ref":1"#).is_some())?;
        }
    }
    Ok(watcher)
}

#[derive(Debug, Default)]
struct Heard {
    from_us: u64,
    latencies: Latencies,
    /// How often the last thing that is said at all was heard.
    newest: u64,
}

/// All connections: first the one who causes what is told, and hears it too, then those who watch.
struct Readers {
    poll: Poll,
    events: Events,
    streams: Vec<TcpStream>,
    space: Vec<u8>,
    heard: Heard,
}

impl Readers {
    fn new(source: Dialed) -> Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        let mut readers =
            Self { poll, events, streams: Vec::new(), space: vec![0; READ_BYTES], heard: Heard::default() };
        readers.add(source)?;
        Ok(readers)
    }

    fn add(&mut self, dialed: Dialed) -> Result<()> {
        let stream = dialed.into_stream();
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(&mut stream, Token(self.streams.len()), Interest::READABLE)?;
        self.streams.push(stream);
        Ok(())
    }

    fn say(&mut self, message: &str, stamp: Stamp) -> Result<()> {
        let (mut frame, _) = text_frame(message.as_bytes());
        let place = Stamp::place(&frame).context("the message has no stamp")?;
        stamp.put(&mut frame, place);
        let written = std::io::Write::write(&mut self.streams[0], &frame)?;
        ensure!(written == frame.len(), "the server takes nothing");
        Ok(())
    }

    /// Reads whatever comes until a time.
    fn read_until(&mut self, until_us: u64) -> Result<()> {
        loop {
            let wait = Duration::from_micros(until_us.saturating_sub(now_us()));
            match self.poll.poll(&mut self.events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &self.events {
                let place = event.token().0;
                loop {
                    let read = match self.streams[place].read(&mut self.space) {
                        Ok(0) => bail!("the server hung up on number {place}"),
                        Ok(read) => read,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error.into()),
                    };
                    if place == 0 {
                        continue;
                    }
                    let heard_us = now_us();
                    for stamp in Stamp::all(&self.space[..read]).filter(|stamp| stamp.at_us >= self.heard.from_us) {
                        self.heard.latencies.record_us(heard_us.saturating_sub(stamp.at_us));
                        self.heard.newest += u64::from(stamp.number == FIRST + TOLD - 1);
                    }
                }
            }
            if now_us() >= until_us {
                return Ok(());
            }
        }
    }
}
