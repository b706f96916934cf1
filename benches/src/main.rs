//! Measures a running Anteroom from outside: CPU for each delivered message, memory for each idle session, and what it
//! costs and takes to go on with a session after its connection is lost.
//!
//! Every server is a child process on core 0; this program is on core 1 and says when it is too busy itself to be
//! believed. A plain axum room and a bare wtransport server go through the same runs, in turn with Anteroom.
//! It judges nothing: figures go into `benches/README.md`, and no test depends on them.

mod broadcast;
mod entry;
mod frames;
mod held;
mod idle;
mod machine;
mod peers;
mod quic;
mod relay;
mod report;
mod resuming;
mod servers;
mod session;
mod socket;
mod switching;
mod way;
mod wire;
mod workload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand, ValueEnum};

use crate::broadcast::{Outcome, Plan};
use crate::report::Report;
use crate::servers::{Server, Subject};

/// Runs the baseline and prints its tables.
#[derive(Debug, Parser)]
#[command(name = "baseline", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    peer: Option<Peer>,
    /// How often everything is repeated, in turn; tables show medians.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// How long each load is measured, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How many rooms there are.
    #[arg(long, default_value_t = 100)]
    rooms: usize,
    /// How many members each room has.
    #[arg(long, default_value_t = 10)]
    members: usize,
    /// How many connections are cut, and how many moved over, on each route in all.
    #[arg(long, default_value_t = 210)]
    cuts: usize,
    /// How long idle sessions are watched on the wire, in seconds.
    #[arg(long, default_value_t = 120)]
    wire_seconds: u64,
    /// Only these subjects.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["broadcast", "idle", "held", "switch", "wire"])]
    part: Vec<Part>,
    /// The `anteroom` program to measure, instead of building it.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Puts the tables into benches/README.md.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// CPU for each delivered message.
    Broadcast,
    /// Memory for each idle session.
    Idle,
    /// Memory for what is not acknowledged.
    Held,
    /// Time from a cut to the next message, and pauses of live moves.
    Switch,
    /// Bytes of an idle session; once, whatever the repeats.
    Wire,
}

/// What this program is when it is started as one of the servers.
#[derive(Debug, Clone, Copy, Subcommand)]
enum Peer {
    /// The room everybody writes first: axum, and a broadcast channel for each room.
    #[command(hide = true)]
    AxumRoom,
    /// Frames and writes, and nothing else.
    #[command(hide = true)]
    Limit {
        /// Writes once in so many milliseconds; 0 is after each turn of the loop.
        #[arg(long, default_value_t = 0)]
        tick_ms: u64,
    },
    /// One task and one queue for each client on tokio-tungstenite.
    #[command(hide = true)]
    TungsteniteRoom,
    /// Accepts QUIC connections, and tells rooms what is said in them once a tick.
    #[command(hide = true)]
    BareQuinn {
        /// The tick in milliseconds.
        #[arg(long, default_value_t = 16)]
        tick_ms: u64,
    },
    /// Accepts WebTransport sessions and does nothing with them.
    #[command(hide = true)]
    BareSessions,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.peer {
        Some(Peer::AxumRoom) => peers::axum_room::main(),
        Some(Peer::Limit { tick_ms }) => peers::limit::main(tick_ms),
        Some(Peer::TungsteniteRoom) => peers::tungstenite_room::main(),
        Some(Peer::BareQuinn { tick_ms }) => peers::bare_quinn::main(tick_ms),
        Some(Peer::BareSessions) => peers::bare_sessions::main(),
        None => measure(arguments),
    }
}

fn measure(mut arguments: Arguments) -> Result<()> {
    let anteroom = match arguments.server.take() {
        Some(path) => path,
        None => servers::build().context("cannot build the server")?,
    };
    machine::settle()?;
    let plan = Plan { rooms: arguments.rooms, members: arguments.members, seconds: arguments.seconds };
    let mut run = Run { report: Report::new(arguments.repeats), anteroom, plan, arguments };
    for repeat in 1..=run.arguments.repeats {
        eprintln!("repeat {repeat} of {}: loads and memory", run.arguments.repeats);
        run.load()?;
        run.weigh()?;
    }
    run.lasting()?;
    let tables = run.report.tables(&machine::description(), plan);
    println!("{tables}");
    if run.arguments.write {
        report::write(&tables)?;
    }
    Ok(())
}

struct Run {
    arguments: Arguments,
    anteroom: PathBuf,
    plan: Plan,
    report: Report,
}

impl Run {
    fn takes(&self, part: Part) -> bool {
        self.arguments.part.contains(&part)
    }

    fn chosen(&self, subjects: &[Subject]) -> Vec<Subject> {
        let only = &self.arguments.only;
        subjects.iter().copied().filter(|subject| only.is_empty() || only.contains(subject)).collect()
    }

    fn start(&self, subject: Subject) -> Result<Server> {
        eprintln!("  {subject}");
        servers::start(subject, &self.anteroom)
    }

    fn load(&mut self) -> Result<()> {
        if !self.takes(Part::Broadcast) {
            return Ok(());
        }
        for subject in self.chosen(&Subject::BROADCAST) {
            let server = self.start(subject)?;
            self.report.broadcast(subject, &broadcast::run(subject, &server, self.plan)?);
        }
        Ok(())
    }

    fn weigh(&mut self) -> Result<()> {
        if self.takes(Part::Idle) {
            for subject in self.chosen(&Subject::IDLE) {
                let server = self.start(subject)?;
                self.report.idle(subject, idle::run(subject, &server)?);
            }
        }
        Ok(())
    }

    /// What is kept for sessions, and connections that are lost and changed. Beside them, on a server of their own,
    /// those that only last: these take two minutes, and next to nothing else.
    fn lasting(&mut self) -> Result<()> {
        let watched = self.takes(Part::Wire).then(|| self.start(Subject::Websocket)).transpose()?;
        let seconds = self.arguments.wire_seconds;
        thread::scope(|scope| {
            let watching = watched.as_ref().map(|server| scope.spawn(move || wire::run(server, seconds)));
            for repeat in 1..=self.arguments.repeats {
                eprintln!("repeat {repeat} of {}: what is kept, connections cut and changed", self.arguments.repeats);
                self.hold()?;
                self.switch()?;
            }
            if let Some(watching) = watching {
                eprintln!("idle sessions on the wire, {seconds} s in all");
                self.report.on_the_wire(watching.join().map_err(|_| anyhow!("watching the wire failed"))??);
            }
            Ok(())
        })
    }

    fn hold(&mut self) -> Result<()> {
        if self.takes(Part::Held) {
            for subject in [Subject::Websocket, Subject::WebsocketResume] {
                let server = self.start(subject)?;
                self.report.held(subject.resumes(), held::run(&server, subject.resumes())?);
            }
        }
        Ok(())
    }

    fn switch(&mut self) -> Result<()> {
        if self.takes(Part::Switch) {
            let Arguments { repeats, cuts, .. } = self.arguments;
            let server = self.start(Subject::Websocket)?;
            self.report.switched(switching::run(&server, cuts.div_ceil(repeats))?);
        }
        Ok(())
    }
}

/// The outcomes of one server's loads, by the load's name.
type Outcomes = BTreeMap<&'static str, Outcome>;
