//! Measures a running Anteroom from outside: CPU for each delivered message, and memory for each idle session.
//!
//! Every server is a child process on core 0; this program is on core 1 and says when it is too busy itself to be
//! believed. A plain axum room and a bare wtransport server go through the same runs, in turn with Anteroom.
//! It judges nothing: figures go into `benches/README.md`, and no test depends on them.

mod broadcast;
mod entry;
mod frames;
mod idle;
mod machine;
mod peers;
mod quic;
mod report;
mod servers;
mod socket;
mod workload;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use crate::broadcast::{Outcome, Plan};
use crate::report::Report;
use crate::servers::Subject;

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
    /// How many rooms there are, of ten members each.
    #[arg(long, default_value_t = 100)]
    rooms: usize,
    /// Only these subjects.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["broadcast", "idle"])]
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
    Broadcast,
    Idle,
}

/// What this program is when it is started as one of the servers.
#[derive(Debug, Clone, Copy, Subcommand)]
enum Peer {
    /// The room everybody writes first: axum, and a broadcast channel for each room.
    #[command(hide = true)]
    AxumRoom,
    /// Accepts WebTransport sessions and does nothing with them.
    #[command(hide = true)]
    BareSessions,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.peer {
        Some(Peer::AxumRoom) => peers::axum_room::main(),
        Some(Peer::BareSessions) => peers::bare_sessions::main(),
        None => measure(arguments),
    }
}

fn measure(arguments: Arguments) -> Result<()> {
    let anteroom = match arguments.server {
        Some(path) => path,
        None => servers::build().context("cannot build the server")?,
    };
    machine::settle()?;
    let chosen = |subject: &Subject| arguments.only.is_empty() || arguments.only.contains(subject);
    let mut report = Report::new(arguments.repeats);
    let plan = Plan { rooms: arguments.rooms, seconds: arguments.seconds };
    for repeat in 1..=arguments.repeats {
        if arguments.part.contains(&Part::Broadcast) {
            for subject in Subject::BROADCAST.into_iter().filter(chosen) {
                eprintln!("[{repeat}/{}] broadcast, {subject}", arguments.repeats);
                let server = servers::start(subject, &anteroom)?;
                report.broadcast(subject, &broadcast::run(subject, &server, plan)?);
            }
        }
        if arguments.part.contains(&Part::Idle) {
            for subject in Subject::IDLE.into_iter().filter(chosen) {
                eprintln!("[{repeat}/{}] idle, {subject}", arguments.repeats);
                let server = servers::start(subject, &anteroom)?;
                report.idle(subject, idle::run(subject, &server)?);
            }
        }
    }
    let tables = report.tables(&machine::description(), plan);
    println!("{tables}");
    if arguments.write {
        report::write(&tables)?;
    }
    Ok(())
}

/// The outcomes of one server's loads, by the load's name.
type Outcomes = BTreeMap<&'static str, Outcome>;
