//! What the disk gives: rows of the same sizes, a queue, and one thread that drains it into one transaction after the other.
//!
//! A process of its own, as the server is one. As many rows are under way as rooms have a move under way, and each is written
//! again when it is committed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::report::quantile_ms;

/// How many rows share a transaction at most.
const GROUP_MAX: usize = 1024;
/// After how many pages of the log it is brought into the database, beside the writer.
const CHECKPOINT_PAGES: u64 = 1024;
/// At which length of the log the writer begins it anew.
const RESTART_PAGES: u64 = 4096;
/// How long it goes on before it counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// What it is told when it is started.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    #[arg(long)]
    folder: PathBuf,
    /// How many rows are under way.
    #[arg(long)]
    rows: usize,
    /// How large what is stored of a room is.
    #[arg(long)]
    record_bytes: usize,
    /// How large its row in the list is.
    #[arg(long)]
    entry_bytes: usize,
    #[arg(long)]
    seconds: u64,
}

/// What it found.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Bare {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// How many rows shared a transaction.
    pub(super) group: f64,
}

/// Records as a server writes them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Records {
    pub(super) rows: usize,
    pub(super) record_bytes: usize,
    pub(super) entry_bytes: usize,
}

/// Runs it in a process of its own.
pub(super) fn run(folder: &Path, records: Records, seconds: u64) -> Result<Bare> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg("--folder").arg(folder);
    for (name, value) in [
        ("--rows", records.rows as u64),
        ("--record-bytes", records.record_bytes as u64),
        ("--entry-bytes", records.entry_bytes as u64),
        ("--seconds", seconds),
    ] {
        command.args([name, &value.to_string()]);
    }
    let done = command.output().context("cannot run the bare store")?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// What the process does.
pub(super) fn main(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.folder)?;
    let path = arguments.folder.join("bare.db");
    let connection = open(&path)?;
    connection.execute_batch(
        "CREATE TABLE rooms (
             room INTEGER PRIMARY KEY, newest INTEGER NOT NULL, due INTEGER, entry BLOB NOT NULL, snapshot BLOB NOT NULL
         ) STRICT;",
    )?;
    // Never more than are under way.
    let (submit, submitted) = sync_channel(arguments.rows);
    let (done, heard) = sync_channel(arguments.rows);
    let writer = Writer { connection, entry: vec![7; arguments.entry_bytes], record: vec![9; arguments.record_bytes] };
    let written = thread::spawn(move || writer.run(&path, &submitted, &done));
    let figures = play(arguments, submit, &heard)?;
    written.join().map_err(|_| anyhow::anyhow!("the writer crashed"))??;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(connection)
}

/// Keeps all rows under way, and counts.
fn play(arguments: &Arguments, submit: SyncSender<usize>, heard: &Receiver<Vec<usize>>) -> Result<Bare> {
    let begun = Instant::now();
    let (from, until) = (begun + WARM_UP, begun + WARM_UP + Duration::from_secs(arguments.seconds));
    let mut since = vec![begun; arguments.rows];
    for room in 0..arguments.rows {
        submit.send(room)?;
    }
    let (mut waits, mut groups) = (Vec::new(), 0_usize);
    loop {
        let group = heard.recv()?;
        let now = Instant::now();
        if now >= until {
            break;
        }
        groups += usize::from(now >= from);
        for room in group {
            if now >= from {
                waits.push((now - since[room]).as_secs_f64() * 1000.0);
            }
            since[room] = now;
            submit.send(room)?;
        }
    }
    let count = waits.len();
    Ok(Bare {
        per_second: count as f64 / arguments.seconds as f64,
        p50_ms: quantile_ms(&mut waits, 0.5),
        p99_ms: quantile_ms(&mut waits, 0.99),
        group: count as f64 / groups.max(1) as f64,
    })
}

struct Writer {
    connection: Connection,
    entry: Vec<u8>,
    record: Vec<u8>,
}

impl Writer {
    fn run(self, path: &Path, submitted: &Receiver<usize>, done: &SyncSender<Vec<usize>>) -> Result<()> {
        let (wake, woken) = sync_channel::<()>(1);
        let (told, pages) = sync_channel(1);
        let beside = open(path)?;
        let checkpointer = thread::spawn(move || -> Result<()> {
            while woken.recv().is_ok() {
                let log = beside.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1))?;
                let _ = told.try_send(u64::try_from(log).unwrap_or_default());
            }
            Ok(())
        });
        let (mut index, mut written) = (0_i64, 0);
        while let Ok(first) = submitted.recv() {
            let group: Vec<usize> = std::iter::once(first).chain(submitted.try_iter()).take(GROUP_MAX).collect();
            index += 1;
            self.store(&group, index)?;
            written += group.len() as u64;
            if done.send(group).is_err() {
                break;
            }
            if written >= CHECKPOINT_PAGES {
                written = 0;
                let _ = wake.try_send(());
            }
            if pages.try_iter().any(|log| log >= RESTART_PAGES) {
                self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
            }
        }
        drop(wake);
        checkpointer.join().map_err(|_| anyhow::anyhow!("the checkpointer crashed"))?
    }

    fn store(&self, group: &[usize], index: i64) -> Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        {
            let mut put = self.connection.prepare_cached(
                "INSERT INTO rooms VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (room) DO UPDATE SET newest = excluded.newest,
                     due = excluded.due, entry = excluded.entry, snapshot = excluded.snapshot WHERE excluded.newest > newest",
            )?;
            for room in group {
                // As far from each other as ids at random are.
                let room = (*room as i64).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 14;
                put.execute(params![room, index, index, self.entry, self.record])?;
            }
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}
