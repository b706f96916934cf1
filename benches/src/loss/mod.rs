//! Measures a state stream on a link that really loses packets, the same for every transport and delivery class.
//!
//! The link is a pair of TUN devices, each in a network namespace of its own, with this program in between: it loses
//! packets at random, and delays those it does not lose. The server is in one namespace, the players in the other, so
//! kernel TCP and QUIC meet the same fate. Everybody who tells the time is this one process. It judges nothing: figures go into
//! `benches/README.md`.
//!
//! | module | what it holds |
//! |---|---|
//! | `cell` | what is measured: transport, delivery class, when each state is due |
//! | `line` | one direction of the link, without IO |
//! | `relay` | the link: two devices and the threads between them |
//! | `network` | the namespaces, made and removed |
//! | `server` | the server in its namespace |
//! | `stream` | the players |
//! | `run` | one run: all cells at one loss |
//! | `recovery` | what the kernel says of TCP's recovery |
//! | `figures` | from what was heard to figures, without IO |
//! | `report`, `plot` | tables and the plot |

mod cell;
mod figures;
mod line;
mod network;
mod plot;
mod recovery;
mod relay;
mod report;
mod run;
mod server;
#[cfg(test)]
mod smoke;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use self::cell::Cell;
use self::report::Report;
use self::run::Plan;

/// Runs all transports and delivery classes at each loss, and prints the tables.
#[derive(Debug, Parser)]
#[command(name = "loss", max_term_width = 100)]
struct Arguments {
    /// How many percent of the packets are lost, in either direction; one run for each.
    #[arg(long, value_delimiter = ',', default_values = ["0", "1", "3", "5"], value_parser = percent)]
    loss: Vec<f64>,
    /// How long each run is measured, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=450))]
    seconds: u32,
    /// How many listen in each room.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=50))]
    listeners: u16,
    /// The round trip on the link, in milliseconds.
    #[arg(long, default_value_t = 40)]
    round_trip_ms: u64,
    /// What the losses are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A setting of /proc/sys/net/ipv4 in both namespaces, such as `tcp_congestion_control=reno`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    tcp: Vec<(String, String)>,
    /// The `anteroom` program to measure, instead of the one beside this.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Puts the tables into benches/README.md, the plot beside it and the data beside that.
    #[arg(long)]
    write: bool,
    /// Measures nothing: tables and plot of the data that was written last.
    #[arg(long)]
    again: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| "a number of percent".to_owned())?;
    if (0.0..=50.0).contains(&percent) { Ok(percent) } else { Err("0 to 50".to_owned()) }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let plain = |(name, _): &(&str, &str)| name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let (name, value) = text.split_once('=').filter(plain).ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn main() -> ExitCode {
    match begin(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loss: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn begin(arguments: Arguments) -> Result<()> {
    let report = if arguments.again { Report::read()? } else { measured(&arguments)? };
    println!("{}", report.tables());
    if arguments.write { report.write() } else { Ok(()) }
}

fn measured(arguments: &Arguments) -> Result<Report> {
    let uid = rustix::process::geteuid();
    ensure!(uid.is_root(), "it takes root to make network namespaces and TUN devices; run it with sudo");
    for left in network::clear()? {
        eprintln!("removed {left}, which an earlier run left behind");
    }
    let anteroom = match &arguments.server {
        Some(path) => path.clone(),
        None => server::program()?,
    };
    let plan = Plan {
        cells: Cell::all(),
        listeners: arguments.listeners.into(),
        seconds: arguments.seconds,
        delay: Duration::from_millis(arguments.round_trip_ms) / 2,
        seed: arguments.seed,
        settings: arguments.tcp.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // What is dropped half-way removes its namespaces, its devices and its server.
        tokio::select! {
            biased;
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
            report = run_all(&plan, &arguments.loss, &anteroom) => report,
        }
    }))
}

async fn run_all(plan: &Plan, losses: &[f64], anteroom: &std::path::Path) -> Result<Report> {
    let mut report = Report::new(plan);
    for loss in losses {
        eprintln!("{loss} % lost: {} streams, {} s", plan.cells.len(), plan.seconds);
        report.runs.push(run::run(plan, *loss, anteroom).await?);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_checked() {
        assert_eq!(percent("0.5"), Ok(0.5));
        assert_eq!(setting("tcp_sack=0"), Ok(("tcp_sack".to_owned(), "0".to_owned())));
        for bad in ["", "x", "-1", "51", "NaN"] {
            percent(bad).unwrap_err();
        }
        for bad in ["", "tcp_sack", "../../kernel/panic=1"] {
            setting(bad).unwrap_err();
        }
    }
}
