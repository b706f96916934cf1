//! Measures durable rooms from outside: moves that are stored before they are shown, rooms beside them that are not, a server
//! that is killed and comes back, and rooms that sleep.
//!
//! The server is a process of its own, and its store is in a folder of its own on the disk of `--folder`. What is compared
//! with each other is measured in the same run, on the same disk.
//!
//! | module | what it holds |
//! |---|---|
//! | `bare` | SQLite, a queue and one writer: what the disk gives |
//! | `moves` | durable moves, and rooms that are not durable beside them |
//! | `restart` | sessions in rooms, before and behind a kill |
//! | `asleep` | many rooms that sleep: memory, start, list, wake |
//! | `bulk` | rooms written into a store without a server |
//! | `client` | one session on a WebSocket |
//! | `server` | the program that is shipped |
//! | `report` | tables |

mod asleep;
mod bare;
mod bulk;
mod client;
mod moves;
mod report;
mod restart;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use self::report::Report;

/// Measures durable rooms, and prints the tables.
#[derive(Debug, Clone, Parser)]
#[command(name = "durable", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    own: Option<Own>,
    /// Only these parts; all of them otherwise.
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// How often loads are repeated, in turn; tables show medians.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// How long each load is measured, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many durable rooms have a move under way.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000])]
    rooms: Vec<usize>,
    /// How many rooms and sessions a killed server comes back with.
    #[arg(long, default_value_t = 10_000)]
    restarted: usize,
    /// How many rooms sleep.
    #[arg(long, default_value_t = 1_000_000)]
    asleep: usize,
    /// Where the stores are made; their disk is measured.
    #[arg(long, value_name = "DIR", default_value = "target/durable")]
    folder: PathBuf,
    /// The `anteroom` program to measure, instead of the one beside this.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Puts the tables into benches/README.md.
    #[arg(long)]
    write: bool,
}

/// What this program is when it is started as one of its own peers.
#[derive(Debug, Clone, Subcommand)]
enum Own {
    /// SQLite, a queue and one writer.
    #[command(hide = true)]
    Bare(bare::Arguments),
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable moves beside a bare group commit.
    Moves,
    /// Rooms that are not durable beside rooms that are.
    Beside,
    /// A server that is killed and started again.
    Restart,
    /// Rooms that sleep.
    Asleep,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.own {
        Some(Own::Bare(arguments)) => bare::main(arguments),
        None => measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let anteroom = match &arguments.server {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("anteroom"),
    };
    ensure!(anteroom.exists(), "there is no {}; benches/durable builds it", anteroom.display());
    server::allow_many_files()?;
    let bench = server::Bench { anteroom, folder: arguments.folder.clone() };
    let does = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    let mut report = Report::new(arguments.repeats, arguments.seconds);
    if does(Part::Moves) {
        for repeat in 1..=arguments.repeats {
            for rooms in &arguments.rooms {
                eprintln!("durable moves, {rooms} rooms, {repeat} of {}", arguments.repeats);
                let pair = moves::run(&bench, *rooms, arguments.seconds).context("durable moves")?;
                report.moves.entry(*rooms).or_default().push(pair);
            }
        }
    }
    if does(Part::Beside) {
        for repeat in 1..=arguments.repeats {
            for kind in moves::Beside::ALL {
                eprintln!("rooms that are not durable beside {kind}, {repeat} of {}", arguments.repeats);
                let figures = moves::beside(&bench, kind, arguments.seconds).context("rooms beside")?;
                report.beside.entry(kind).or_default().push(figures);
            }
        }
    }
    if does(Part::Restart) {
        eprintln!("a restart with {} rooms and sessions", arguments.restarted);
        report.restart = Some(restart::run(&bench, arguments.restarted).context("a restart")?);
    }
    if does(Part::Asleep) {
        eprintln!("{} rooms that sleep", arguments.asleep);
        report.asleep = Some(asleep::run(&bench, arguments.asleep).context("rooms that sleep")?);
    }
    println!("{}", report.tables());
    if arguments.write { report.write() } else { Ok(()) }
}
