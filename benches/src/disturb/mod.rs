//! What disturbs: processes of their own, of low priority on the generator's core, so that they take nothing from those
//! who measure.
//!
//! Whoever starts one hears `ready` from it when it has begun. It ends with its stdin, so nobody leaves it behind.

mod crowds;
mod empty;
mod floods;
mod lobby;
mod stalled;

use std::fmt;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use anteroom_protocol::RoomId;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::carrier::Carrier;
use crate::servers::{CROWDED, Needs};

/// How long a disturbance may take to begin, and to answer.
const ANSWER_MAX: Duration = Duration::from_secs(180);
/// Lines that may wait to be read.
const LINES_MAX: usize = 16;
/// Behind those who measure, and not so far behind others that nothing gets disturbed.
const NICE: &str = "10";
/// What is said first.
const READY: &str = "ready";
/// Readers who stall are not closed while somebody looks.
pub(crate) const PATIENT: &[(&str, &str)] =
    &[("ANTEROOM_TIMES__STALL_MS", "600000"), ("ANTEROOM_TIMES__SILENCE_MS", "600000")];

/// Room for all rooms there are to be.
const ROOMY: &[(&str, &str)] = &[("ANTEROOM_LIMITS__ROOMS_MAX", "20000")];

/// What disturbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// One connection sends batches to a room of its own and never waits.
    Flood,
    /// One does, but waits for what becomes of each batch.
    Polite,
    /// Eight connections send and never wait, each to a room of its own.
    Floods,
    /// Two send large messages to one room of sixty and never wait.
    Shared,
    /// A room of a thousand is told 50 messages a second.
    Crowd,
    /// A room of a thousand says as much as it can.
    Closed,
    /// 300 watch the lobby, a room changes all the time, and one subscribes as fast as it can.
    Storm,
    /// Four who watch a measured room send to it and never wait.
    Spectators,
    /// 1,000 of a busy room read nothing.
    Stalled,
    /// 10,000 rooms in which nobody is close.
    Empty,
}

impl Kind {
    /// What it asks of a server.
    pub(crate) fn needs(self) -> Needs {
        let settings = match self {
            Self::Closed => CROWDED,
            Self::Stalled => PATIENT,
            Self::Empty => ROOMY,
            _ => &[],
        };
        Needs { settings, ..Needs::default() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flood => "1 connection that floods",
            Self::Polite => "1 that floods and waits for answers",
            Self::Floods => "8 connections that flood",
            Self::Shared => "2 that flood a room of 60 with 60 kB each",
            Self::Crowd => "a room of 1,000, 50,000 deliveries/s",
            Self::Closed => "a room of 1,000, closed loop",
            Self::Storm => "300 watchers and a storm of subscriptions",
            Self::Spectators => "4 spectators of the same room who flood",
            Self::Stalled => "1,000 stalled readers in a busy room",
            Self::Empty => "10,000 empty rooms that close",
        })
    }
}

/// What a disturbance is told when it is started.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    #[arg(value_enum)]
    kind: Kind,
    /// The server.
    #[arg(long)]
    addr: SocketAddr,
    /// The room it is about, if it is about one that is there.
    #[arg(long)]
    room: Option<RoomId>,
    /// How readers who stall are connected.
    #[arg(long, value_enum, default_value = "ws")]
    carrier: Carrier,
    /// The server's certificate in PEM, where TLS on TCP is to be believed.
    #[arg(long)]
    certificate: Option<PathBuf>,
}

impl Arguments {
    fn room(&self) -> Result<RoomId> {
        self.room.context("which room?")
    }
}

/// What a process does that is one of these.
pub(crate) fn main(arguments: Arguments) -> Result<()> {
    let (ended, end) = sync_channel(2);
    let (said, heard) = sync_channel(LINES_MAX);
    let over = ended.clone();
    thread::spawn(move || {
        for line in stdin().lines().map_while(Result::ok) {
            drop(said.try_send(line));
        }
        // Whoever has started this is gone, or wants it to end.
        drop(over.send(Ok(())));
    });
    thread::spawn(move || drop(ended.send(work(&arguments, &heard))));
    end.recv()?
}

fn work(arguments: &Arguments, heard: &Receiver<String>) -> Result<()> {
    let addr = arguments.addr;
    match arguments.kind {
        Kind::Flood => floods::alone(addr, 1),
        Kind::Polite => floods::polite(addr),
        Kind::Floods => floods::alone(addr, 8),
        Kind::Shared => floods::shared(addr),
        Kind::Crowd => crowds::rated(addr),
        Kind::Closed => crowds::closed(addr),
        Kind::Storm => lobby::storm(addr),
        Kind::Spectators => floods::spectators(addr, arguments.room()?),
        Kind::Stalled => stalled::main(arguments, heard),
        Kind::Empty => empty::close(addr),
    }
}

/// Says something to whoever has started this.
fn tell(line: &str) -> Result<()> {
    let mut stdout = stdout();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// A disturbance, seen by whoever has started it; ended when dropped.
#[derive(Debug)]
pub(crate) struct Disturbance {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Disturbance {
    /// Starts one and waits until it has begun. The arguments are those behind the server's address.
    pub(crate) async fn start(kind: Kind, addr: SocketAddr, more: &[(&str, String)]) -> Result<Self> {
        let kind = kind.to_possible_value().context("not to be started")?;
        // Moves of those who measure go first on the core that both share.
        let mut command = Command::new("nice");
        command.args(["-n", NICE]).arg(std::env::current_exe()?).args(["disturb", kind.get_name()]);
        command.args(["--addr", &addr.to_string()]);
        for (name, value) in more {
            command.args([name, value.as_str()]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot disturb")?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else { bail!("no pipes") };
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let mut disturbance = Self { child, stdin, lines };
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let first = disturbance.line().await?;
        if first == READY { Ok(disturbance) } else { bail!("it begins with {first}") }
    }

    /// Says something and waits for the answer.
    pub(crate) async fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.stdin, "{line}")?;
        self.line().await
    }

    async fn line(&mut self) -> Result<String> {
        let line = timeout(ANSWER_MAX, self.lines.recv()).await.context("a disturbance says nothing")?;
        line.context("a disturbance has ended")
    }

    /// Whether it goes on.
    pub(crate) fn goes_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
