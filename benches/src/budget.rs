//! What sessions hold that are away: the server's memory when ten thousand have asked for as much as they may and gone,
//! and whether somebody who keeps up loses anything meanwhile.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use anteroom_bench::Memory;
use anteroom_transport::Transport;
use anyhow::{Context, Result, anyhow};
use tokio::task::{LocalSet, spawn_local};

use crate::entry::Destination;
use crate::frames::Dialed;
use crate::machine;
use crate::servers::{Contender, Needs, Server, Starting};
use crate::session::Session;
use crate::way::Way;
use crate::{quic, socket, switching};

/// How many go away.
pub(crate) const SESSIONS: usize = 10_000;
/// Without a budget they are stopped here, and so is a server that makes them wait.
const RESIDENT_KIB_MAX: u64 = 4 << 20;
const TIME_MAX: Duration = Duration::from_secs(50);
/// Rooms that are listed, by sessions that are in as many as they may be in.
const HOSTS: usize = 32;
const ROOMS_OF_HOST: usize = 16;
/// As long as names may be, so that a list is.
const NAME: &str = "𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏𝕏";
/// How many lists each asks for, in one frame: nearly as much as a server keeps of them. Beyond that it keeps none.
const LISTS: usize = 8;
/// How many are still there when the next one comes, so that all their answers are made.
const LINGER: usize = 16;
/// What a reader's kernel takes at once.
const RECEIVE_BYTES: usize = 4096;
/// How often somebody who keeps up is told something.
const PERIOD: Duration = Duration::from_millis(20);
const SETTLE: Duration = Duration::from_secs(1);
/// How often the limits above are looked at.
const LOOK: usize = 50;

/// Sessions that are away stay for as long as somebody looks, and rooms, too, whose hosts say nothing.
const LASTING: &[(&str, &str)] = &[
    ("ANTEROOM_TIMES__GRACE_MS", "600000"),
    ("ANTEROOM_TIMES__WEBSOCKET_PING_MS", "3000000"),
    ("ANTEROOM_TIMES__SILENCE_MS", "6000000"),
];
const SMALL: &[(&str, &str)] =
    &[LASTING[0], LASTING[1], LASTING[2], ("ANTEROOM_LIMITS__RETAINED_BYTES_MAX", "67108864")];

/// What all sessions together may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Budget {
    /// The server knows no such thing.
    None,
    /// Its default.
    Default,
    /// A small one.
    Small,
}

impl Budget {
    /// Those that a server can be given.
    pub(crate) fn all(starting: &Starting) -> Result<&'static [Self]> {
        Ok(if is_known(starting)? { &[Self::Default, Self::Small] } else { &[Self::None] })
    }

    /// In MiB.
    pub(crate) fn mib(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Default => Some(1024.0),
            Self::Small => Some(64.0),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mib() {
            None => f.write_str("none"),
            Some(mib) => write!(f, "{mib} MiB"),
        }
    }
}

/// What came of it. Memory is the server's resident, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    /// How many went away.
    pub(crate) sessions: usize,
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// The most there was at any time.
    pub(crate) peak: f64,
    /// Growth over as many sessions that asked for nothing.
    pub(crate) plain: f64,
    /// What the one who keeps up was told, what it lost, and what came twice or out of order.
    pub(crate) told: u64,
    pub(crate) missing: u64,
    pub(crate) repeated: u64,
}

impl Away {
    /// By how much the memory grew.
    pub(crate) fn growth(&self) -> f64 {
        self.after - self.before
    }
}

/// Whether a server knows the setting: it says which ones it does not.
fn is_known(starting: &Starting) -> Result<bool> {
    let file = std::env::temp_dir().join(format!("anteroom-compare-{}.toml", std::process::id()));
    fs::write(&file, "[limits]\nretained_bytes_max = 67108864\n")?;
    let done = Command::new(&starting.anteroom).args(["config", "check"]).arg(&file).output();
    fs::remove_file(&file)?;
    let done = done.context("the server checks no configuration")?;
    let said = [done.stdout, done.stderr].concat();
    Ok(memchr::memmem::find(&said, b"no key").is_none())
}

/// See the module.
pub(crate) fn run(starting: &Starting, contender: &Contender, budget: Budget) -> Result<Away> {
    let settings = if budget == Budget::Small { SMALL } else { LASTING };
    let needs = Needs { settings, ..Needs::default() };
    let server = starting.start(contender, needs)?;
    let _hosts = list_rooms(server.addr)?;
    let before = resident(&server)?;
    let is_over = AtomicBool::new(false);
    let (left, kept) = thread::scope(|scope| {
        let healthy = scope.spawn(|| keep_up(&server, &is_over));
        let left = leave(&server, SESSIONS, true);
        is_over.store(true, Ordering::Relaxed);
        let kept = healthy.join().unwrap_or_else(|_| Err(anyhow!("whoever keeps up crashed")));
        (left, kept)
    });
    let (sessions, kept) = (left?, kept.context("whoever keeps up")?);
    thread::sleep(SETTLE);
    let (after, peak) = (resident(&server)?, machine::peak_kib(server.pid())? as f64 / 1024.0);
    drop(server);
    let server = starting.start(contender, needs)?;
    let bare = resident(&server)?;
    leave(&server, sessions, false)?;
    thread::sleep(SETTLE);
    let plain = resident(&server)? - bare;
    let (told, missing, repeated) = kept;
    Ok(Away { sessions, before, after, peak, plain, told, missing, repeated })
}

fn resident(server: &Server) -> Result<f64> {
    Ok(Memory::of(server.pid())?.resident as f64 / 1024.0)
}

/// Opens rooms that make a long list. They are there as long as their hosts are.
fn list_rooms(addr: SocketAddr) -> Result<Vec<Dialed>> {
    let create = format!(r#"{{"type":"create_room","ref":1,"data":{{"game":"relay","name":"{NAME}"}}}}"#);
    let mut hosts = Vec::with_capacity(HOSTS);
    for _ in 0..HOSTS {
        let (mut host, _) = socket::enter(addr, Destination::Session, false)?;
        for _ in 0..ROOMS_OF_HOST {
            host.say(create.as_bytes())?;
            let mut created = false;
            while !created {
                host.hear(|payload| created |= memchr::memmem::find(payload, b"create_room_result").is_some())?;
            }
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// Comes, asks for lists or for nothing, and goes, again and again; says how often.
fn leave(server: &Server, count: usize, asks: bool) -> Result<usize> {
    let lists = format!("[{}]", [r#"{"type":"list_rooms"}"#; LISTS].join(","));
    let mut there = VecDeque::with_capacity(LINGER + 1);
    let begin = Instant::now();
    for left in 0..count {
        let resident = || Ok::<_, anyhow::Error>(Memory::of(server.pid())?.resident);
        if left % LOOK == 0 && (begin.elapsed() > TIME_MAX || resident()? > RESIDENT_KIB_MAX) {
            return Ok(left);
        }
        let (mut session, _) = socket::enter_slowly(server.addr, Destination::Session, true, RECEIVE_BYTES)?;
        if asks {
            session.say(lists.as_bytes())?;
            // The first of the answers.
            session.hear(|_| {})?;
        }
        there.push_back(session);
        if there.len() > LINGER {
            there.pop_front();
        }
    }
    Ok(count)
}

/// Is told something all the while, reads and acknowledges it; says how much that was, how much of it never came, and how
/// much came twice or out of order.
fn keep_up(server: &Server, is_over: &AtomicBool) -> Result<(u64, u64, u64)> {
    let runtime = quic::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let dialer = quic::dialers(server, 1)?.into_iter().next().context("no dialer")?;
        let way = Way { dialer: dialer.into(), addr: server.addr };
        let mut session = Session::open(way.clone(), Transport::WebSocket).await?;
        let stop = Rc::new(Cell::new(false));
        let sending = spawn_local(switching::send(way, session.room_id, PERIOD, stop.clone()));
        while !is_over.load(Ordering::Relaxed) {
            session.listen_for(PERIOD).await?;
        }
        stop.set(true);
        let late = switching::finish(&mut session, sending).await?;
        Ok((session.check.expected.into(), session.check.missing + late, session.check.repeated_or_late))
    })
}
