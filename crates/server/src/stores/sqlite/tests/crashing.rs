//! Crash points at the level of the file: what a machine finds on its disk that lost its power at any moment.
//!
//! A process that is killed leaves what it has written to the operating system, so only this shows whether commits are synced. What
//! SQLite writes is seen by copying its files at each step; what it syncs cannot be seen from here, and is taken from the level
//! that the connection really has: at FULL, a commit ends with a sync of the log; at NORMAL, only checkpoints sync; at OFF, nothing
//! does. Between two syncs any part of what was written may be on the disk: a beginning that ends within a frame, or some sectors.

use std::fs;
use std::ops::RangeInclusive;

use anteroom_core::Rng;

use super::*;
use crate::stores::conformance::{WALL_MS, room, row, session_row, snapshot, turn};
use crate::stores::sqlite::disk::Checkpoint;
use crate::stores::sqlite::opening;

/// What the disk writes at once.
const SECTOR_BYTES: usize = 512;
/// What is before the first frame of the log, and before the page in each (<https://sqlite.org/fileformat2.html#walformat>).
const WAL_HEAD_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + 4096;

#[derive(Clone, PartialEq)]
struct Files {
    database: Vec<u8>,
    wal: Vec<u8>,
}

impl Files {
    fn read(scratch: &Scratch) -> Self {
        let wal = fs::read(scratch.path().join("anteroom.db-wal")).unwrap_or_default();
        Self { database: fs::read(scratch.database()).unwrap(), wal }
    }
}

/// One step of the writer, and what it left.
struct Step {
    files: Files,
    state: Vec<String>,
    /// How far the connection syncs: 0 is OFF, 1 NORMAL, 2 FULL.
    synchronous: i64,
    is_checkpoint: bool,
}

/// All that is stored, but for what each opening changes.
fn state(connection: &Connection) -> Vec<String> {
    let mut state = Vec::new();
    for select in [
        "SELECT room, newest, snapshot_index, entry, snapshot FROM rooms",
        "SELECT room, snapshot FROM snapshots",
        "SELECT room, turn_index, turn FROM turns",
        "SELECT session_id, user_id, session FROM sessions",
    ] {
        let mut select = connection.prepare(select).unwrap();
        let columns = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            state.push((0..columns).map(|column| format!("{:?} ", row.get_ref(column).unwrap())).collect());
        }
    }
    state
}

/// What is recovered from these files.
fn recovered(files: &Files) -> Vec<String> {
    let scratch = Scratch::in_memory();
    fs::create_dir(scratch.path()).unwrap();
    fs::write(scratch.database(), &files.database).unwrap();
    fs::write(scratch.path().join("anteroom.db-wal"), &files.wal).unwrap();
    let opened = opening::open(Folder::new(scratch.path()), WALL_MS).unwrap();
    let sound: String = opened.connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    state(&opened.connection)
}

/// What may be in a file of which some of the sectors that changed since its last sync are on the disk.
fn sectors(rng: &mut Rng, synced: &[u8], written: &[u8]) -> Vec<u8> {
    let mut file = synced.to_vec();
    for (number, sector) in written.chunks(SECTOR_BYTES).enumerate() {
        let at = number * SECTOR_BYTES;
        if synced.get(at..at + sector.len()) != Some(sector) && rng.below(2) == 0 {
            file.resize(file.len().max(at + sector.len()), 0);
            file[at..at + sector.len()].copy_from_slice(sector);
        }
    }
    if written.len() < synced.len() && rng.below(2) == 0 {
        file.truncate(written.len());
    }
    file
}

/// What may be in a log of which a beginning is on the disk: cut at each frame, within its head, and within its page.
fn beginnings(synced: &[u8], written: &[u8]) -> Vec<Vec<u8>> {
    let same = synced.iter().zip(written).take_while(|(before, after)| before == after).count();
    let frames = (0..).map(|frame| WAL_HEAD_BYTES + frame * FRAME_BYTES).take_while(|at| *at <= written.len());
    let cuts = frames.flat_map(|at| [at, at + 8, at + 24, at + 1500]).filter(|at| *at >= same && *at <= written.len());
    let cut = |at: usize| [&written[..at], synced.get(at..).unwrap_or_default()].concat();
    cuts.map(cut).collect()
}

/// A log that is begun anew has its new head before anything else: that is synced, or old frames would be taken for new ones.
fn headed(synced: &[u8], written: &[u8]) -> Vec<u8> {
    let head = written.get(..WAL_HEAD_BYTES).unwrap_or_default();
    [head, synced.get(head.len()..).unwrap_or_default()].concat()
}

/// What a disk may have that was at `synced` and is on its way to `written`.
fn images(rng: &mut Rng, synced: &Files, written: &Step) -> Vec<Files> {
    let Files { database, wal } = &written.files;
    let mut images = vec![synced.clone()];
    for _ in 0..4 {
        let partly = sectors(rng, &synced.database, database);
        if written.synchronous > 0 {
            // The log is synced before a page of it is in the database, and the database before the log is begun anew.
            images.push(Files { database: partly, wal: synced.wal.clone() });
            let headed = headed(&synced.wal, wal);
            images.push(Files { database: database.clone(), wal: sectors(rng, &headed, wal) });
        } else {
            images.push(Files { database: partly, wal: sectors(rng, &synced.wal, wal) });
        }
    }
    let beginnings = beginnings(&synced.wal, wal).into_iter();
    images.extend(beginnings.map(|wal| Files { database: database.clone(), wal }));
    images
}

/// Turns as the writer writes them: small and large, in groups, with checkpoints between.
fn groups() -> Vec<Vec<Write>> {
    let row = || row("entry");
    let put = |n: u128, index: u64, bytes: usize| {
        let snapshot = snapshot(&format!("{n} at {index} ").repeat(bytes / 8));
        Write::Snapshot { now_ms: WALL_MS, room_id: room(n), index, row: row(), snapshot }
    };
    let add = |n: u128, index: u64| {
        let turn = turn(&format!("{n} does {index}"));
        Write::Turn { now_ms: WALL_MS, room_id: room(n), index, row: row(), turn }
    };
    let mut groups = vec![vec![put(1, 1, 100)], vec![put(2, 1, 30_000), put(3, 1, 2000), put(4, 1, 9)]];
    for index in 2..5 {
        groups.push(vec![put(1, index, 500), add(2, index)]);
        groups.push(vec![add(2, index + 100), put(3, index, 3000), Write::Keep(vec![session_row(1, "anna", 1)])]);
        groups.push(vec![put(4, index, 20_000), Write::Remove(vec![room(3)]), put(5, index, 7)]);
    }
    groups
}

/// Does all of it, with a checkpoint of this kind after every third.
fn steps(scratch: &Scratch, how: Checkpoint) -> (Step, Vec<Step>) {
    let opened = opening::open(Folder::new(scratch.path()), WALL_MS).unwrap();
    let boot = opened.boot.number;
    let mut disk = Database::new(opened.folder, opened.connection, Arc::default()).unwrap();
    let step = |disk: &Database, is_checkpoint| {
        let connection = disk.connection().unwrap();
        let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        Step { files: Files::read(scratch), state: state(connection), synchronous, is_checkpoint }
    };
    let first = step(&disk, true);
    let mut steps = Vec::new();
    for (number, group) in groups().iter().enumerate() {
        assert!(disk.begin(boot, number as u64 + 1, WALL_MS).unwrap());
        group.iter().for_each(|write| disk.apply(write).unwrap());
        disk.commit().unwrap();
        steps.push(step(&disk, false));
        if number % 3 == 2 {
            assert!(disk.checkpoint(how).unwrap());
            steps.push(step(&disk, true));
        }
    }
    (first, steps)
}

/// Whether what is recovered was the state of one of these steps.
fn assert_recovers(files: &Files, all: &[&Step], allowed: RangeInclusive<usize>) {
    let found = recovered(files);
    let at = all[allowed.clone()].iter().any(|step| step.state == found);
    assert!(at, "what is recovered is not the state after one of the steps {allowed:?}: an acknowledged turn is lost");
}

fn assert_nothing_acknowledged_is_lost(how: Checkpoint) {
    let scratch = Scratch::new();
    let (first, steps) = steps(&scratch, how);
    let all: Vec<&Step> = [&first].into_iter().chain(&steps).collect();
    let mut rng = Rng::new(1);
    let mut synced = first.files.clone();
    for (number, step) in all.iter().enumerate().skip(1) {
        // The power goes while it is written ...
        for files in images(&mut rng, &synced, step) {
            assert_recovers(&files, &all, number - 1..=number);
        }
        if step.synchronous >= if step.is_checkpoint { 1 } else { 2 } {
            synced = step.files.clone();
        }
        // ... and when it is acknowledged, before anything else is.
        let mut later = vec![synced.clone(), step.files.clone()];
        if synced != step.files {
            later.extend(images(&mut rng, &synced, step));
        }
        for files in later {
            assert_recovers(&files, &all, number..=number);
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    assert_nothing_acknowledged_is_lost(Checkpoint::Restart);
    assert_nothing_acknowledged_is_lost(Checkpoint::Truncate);
}
