//! Compares a running Anteroom with others, from outside: CPU for each delivered message, memory for each idle session,
//! what it costs to come in, to enter a room, and to go on after a connection is lost, and what some may take from others.
//!
//! Every server is a child process on core 0; the load generator, which is Anteroom's own, is on core 1 and says when it
//! is too busy itself to be believed. All go through the same loads in turn. It judges by the targets it is given, and
//! no test depends on its figures.

mod budget;
mod carrier;
mod dialects;
mod disturb;
mod entry;
mod fair;
mod fanout;
mod frames;
mod handshakes;
mod held;
mod idle;
mod joins;
mod machine;
mod member;
mod pace;
mod parts;
mod peers;
mod quic;
mod relay;
mod report;
mod resuming;
mod scenes;
mod servers;
mod session;
mod socket;
mod speaker;
mod stalled;
mod switching;
mod tool;
mod watching;
mod way;
mod wire;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::disturb::Kind;
use crate::parts::{Part, Run};
use crate::report::Report;
use crate::servers::{Starting, Subject, Variant};

/// Runs the comparison and prints its tables.
#[derive(Debug, Parser)]
#[command(name = "compare", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    peer: Option<Peer>,
    /// How often everything is repeated, in turn; tables show medians.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// How long each load is measured, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How many connections are cut, and how many moved over, on each route in all.
    #[arg(long, default_value_t = 210)]
    cuts: usize,
    /// How long idle sessions are watched on the wire, in seconds.
    #[arg(long, default_value_t = 120)]
    wire_seconds: u64,
    /// Only these servers.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Only these parts; all of them otherwise.
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// In the part `fair` only beside these.
    #[arg(long, value_enum, value_delimiter = ',')]
    beside: Vec<Kind>,
    /// The `anteroom` program to measure, instead of building it.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Further arguments for it, separated by spaces.
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true, default_value = "")]
    server_args: String,
    /// Another row for Anteroom, started with this environment; can be repeated.
    #[arg(long, value_name = "NAME=KEY=VALUE,...")]
    variant: Vec<Variant>,
    /// Puts the tables into benches/README.md.
    #[arg(long)]
    write: bool,
}

/// What this program is when it is started as one of the servers.
#[derive(Debug, Clone, Subcommand)]
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
    /// Takes all it can of a server, beside those who measure.
    #[command(hide = true)]
    Disturb(disturb::Arguments),
}

impl Peer {
    fn main(self) -> Result<()> {
        match self {
            Self::AxumRoom => peers::axum_room::serve(peers::listen()?),
            Self::Limit { tick_ms } => peers::limit::serve(peers::listen()?, tick_ms),
            Self::TungsteniteRoom => peers::tungstenite_room::serve(peers::listen()?),
            Self::BareQuinn { tick_ms } => peers::bare_quinn::main(tick_ms),
            Self::BareSessions => peers::bare_sessions::main(),
            Self::Disturb(arguments) => disturb::main(arguments),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.peer {
        Some(peer) => peer.main(),
        None => compare(arguments),
    }
}

fn compare(mut arguments: Arguments) -> Result<()> {
    let anteroom = match arguments.server.take() {
        Some(path) => path,
        None => servers::build().context("cannot build the server")?,
    };
    machine::settle()?;
    let server_args = arguments.server_args.split_whitespace().map(str::to_owned).collect();
    let starting = Starting { anteroom, arguments: server_args };
    let report = Report { repeats: arguments.repeats, seconds: arguments.seconds, ..Report::default() };
    let write = arguments.write;
    let report = Run { arguments, starting, report }.all()?;
    let tables = report.tables(&machine::description());
    tables.iter().filter(|tables| !tables.is_empty()).for_each(|tables| println!("{tables}"));
    if write {
        report::write(&tables)?;
    }
    Ok(())
}
