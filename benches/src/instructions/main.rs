//! The instruction guard: counts the instructions of what the server does all the time, and compares them with the
//! figures that are committed in `benches/instructions.json`.
//!
//! Counts are the same on a busy machine and an idle one, so a slower path is found where a clock finds nothing. They
//! say something only beside figures of the same compiler, C library and kind of processor; elsewhere nothing is
//! compared. Start it as `benches/instructions`, which builds it first.

mod callgrind;
mod committed;
mod comparison;
mod machine;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Parser;
use operations::Operation;

use crate::committed::Committed;
use crate::comparison::{Comparison, Row};
use crate::machine::Machine;

/// Counts the instructions of the hot paths, and compares them with the committed figures.
///
/// Ends with 0 if nothing is worse, 1 if something is, 2 if it cannot be found out, and 77 if the figures are of another
/// compiler or machine, or valgrind is missing.
#[derive(Debug, Parser)]
#[command(name = "instructions", max_term_width = 100)]
struct Arguments {
    /// Only these operations; all of them if none is named.
    #[arg(value_name = "OPERATION")]
    operations: Vec<String>,
    /// Puts what is counted into the file, instead of comparing.
    #[arg(long, conflicts_with = "operations")]
    write: bool,
    /// Only finds out whether the figures are of this compiler and machine.
    #[arg(long, conflicts_with_all = ["write", "operations"])]
    comparable: bool,
    /// Shows the names of the operations.
    #[arg(long, conflicts_with_all = ["write", "operations", "comparable"])]
    list: bool,
    /// The committed figures.
    #[arg(long, value_name = "FILE", default_value = "benches/instructions.json")]
    file: PathBuf,
    /// Repeats one operation so often, which is what is counted.
    #[arg(long, value_name = "TIMES", hide = true)]
    repeat: Option<u32>,
}

/// How it ended.
enum Ending {
    Fine,
    Worse(String),
    Skipped(String),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(Ending::Fine) => ExitCode::SUCCESS,
        Ok(Ending::Worse(sentence)) => {
            println!("{sentence}");
            ExitCode::from(1)
        }
        Ok(Ending::Skipped(reason)) => {
            println!("skipped: {reason}");
            ExitCode::from(77)
        }
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Ending> {
    let chosen = chosen(&arguments.operations)?;
    if let Some(times) = arguments.repeat {
        return repeat(&chosen, times);
    }
    if arguments.list {
        chosen.iter().for_each(|operation| println!("{}", operation.path()));
        return Ok(Ending::Fine);
    }
    if cfg!(debug_assertions) {
        bail!("this program is not optimized, so its counts say nothing; start it as benches/instructions");
    }
    let here = Machine::here()?;
    if arguments.write {
        return write(arguments, here, &chosen);
    }
    let committed = Committed::read(&arguments.file)?;
    if let Some(difference) = committed.machine.difference(&here) {
        return Ok(Ending::Skipped(difference));
    }
    if arguments.comparable {
        println!("The figures are of this compiler and machine.");
        return Ok(Ending::Fine);
    }
    compare(&committed, &chosen, arguments.operations.is_empty())
}

fn chosen(paths: &[String]) -> Result<Vec<&'static Operation>> {
    if paths.is_empty() {
        return Ok(operations::all().collect());
    }
    let find = |path: &String| {
        operations::find(path).ok_or_else(|| anyhow!("there is no operation {path:?}; --list shows those there are"))
    };
    paths.iter().map(find).collect()
}

fn repeat(chosen: &[&Operation], times: u32) -> Result<Ending> {
    let [operation] = chosen else { bail!("--repeat takes one operation") };
    let mut step = operation.prepare();
    (0..times).for_each(|_| step());
    Ok(Ending::Fine)
}

fn write(arguments: &Arguments, here: Machine, chosen: &[&Operation]) -> Result<Ending> {
    if !callgrind::is_installed() {
        return Ok(Ending::Skipped(callgrind::MISSING.into()));
    }
    // Whatever is wrong with the old file, the new one is right.
    let tolerance_percent =
        Committed::read(&arguments.file).map_or(committed::TOLERANCE_PERCENT, |old| old.tolerance_percent);
    let mut instructions = BTreeMap::new();
    for operation in chosen {
        let counted = callgrind::count(operation)?;
        show(format_args!("{:<40} {counted:>11}", operation.path()))?;
        instructions.insert(operation.path(), counted);
    }
    Committed { tolerance_percent, machine: here, instructions }.write(&arguments.file)?;
    println!("These are in {} now.", arguments.file.display());
    Ok(Ending::Fine)
}

fn compare(committed: &Committed, chosen: &[&Operation], all: bool) -> Result<Ending> {
    if !callgrind::is_installed() {
        return Ok(Ending::Skipped(callgrind::MISSING.into()));
    }
    let mut comparison = Comparison::new(committed);
    show(format_args!("{}", Row::HEAD))?;
    for operation in chosen {
        show(format_args!("{}", comparison.count(operation.path(), callgrind::count(operation)?)))?;
    }
    if all {
        comparison.complete();
    }
    println!("{}", comparison.remarks());
    Ok(comparison.complaint().map_or(Ending::Fine, Ending::Worse))
}

/// A line as soon as it is known: each takes a second or more.
fn show(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
