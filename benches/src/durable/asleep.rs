//! Rooms that sleep, many of them: what each of them keeps in memory, how long a server takes to start with them, whether the
//! list still answers, and how long one takes to wake.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::bulk;
use super::client::Client;
use super::report::quantile_ms;
use super::server::{Bench, Server};

/// How many of them are woken.
const WOKEN: usize = 2000;
/// How often the list is asked for, with a change before each.
const LISTS: usize = 200;
/// How many rooms are in the list.
const LISTED: usize = 500;
/// Those that are listed may be made by one session, and all may be woken.
const SETTINGS: &[(&str, &str)] = &[
    ("ANTEROOM_LIMITS__STORED_ROOMS_MAX", "2000000"),
    ("ANTEROOM_LIMITS__ROOMS_MAX", "20000"),
    ("ANTEROOM_TIMES__SILENCE_MS", "600000"),
];

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asleep {
    pub(super) rooms: usize,
    /// The difference to a server without them, for each: right behind the start.
    pub(super) bytes_each: f64,
    /// From its execution until somebody is let in.
    pub(super) started: Duration,
    /// The same without them.
    pub(super) started_empty: Duration,
    pub(super) memory_mib: f64,
    /// The store in its folder.
    pub(super) disk_bytes_each: f64,
    /// From asking for the list to having it: with all of them, and without them.
    pub(super) list_ms: [f64; 2],
    pub(super) list_empty_ms: [f64; 2],
    /// From asking for a seat of a sleeping room that has none to hearing so: half of them, and 99 in a hundred.
    pub(super) wake_ms: [f64; 2],
    /// The same of rooms that are awake.
    pub(super) awake_ms: [f64; 2],
}

pub(super) fn run(bench: &Bench, rooms: usize) -> Result<Asleep> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let empty = bench.start(&bench.fresh("empty")?, SETTINGS)?;
    let (started_empty, without_kib) = runtime.block_on(settled(&empty))?;
    let list_empty_ms = runtime.block_on(lists(&empty))?;
    drop(empty);
    let data = bench.fresh("asleep")?;
    let begun = Instant::now();
    bulk::write(&data, rooms)?;
    eprintln!("{rooms} rooms written in {:.1} s", begun.elapsed().as_secs_f64());
    let disk: u64 = std::fs::read_dir(&data)?.map(|file| Ok(file?.metadata()?.len())).sum::<Result<u64>>()?;
    let server = bench.start(&data, SETTINGS)?;
    let (started, with_kib) = runtime.block_on(settled(&server))?;
    let list_ms = runtime.block_on(lists(&server))?;
    let (wake_ms, awake_ms) = runtime.block_on(wake(&server, rooms))?;
    Ok(Asleep {
        rooms,
        bytes_each: (with_kib - without_kib) * 1024.0 / rooms as f64,
        started,
        started_empty,
        memory_mib: with_kib / 1024.0,
        disk_bytes_each: disk as f64 / rooms as f64,
        list_ms,
        list_empty_ms,
        wake_ms,
        awake_ms,
    })
}

/// How long it takes from its execution until somebody is in, and what it has resident when nothing is going on any more.
async fn settled(server: &Server) -> Result<(Duration, f64)> {
    let first = Client::begin(server.addr).await?;
    let started = server.begun.elapsed();
    drop(first);
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok((started, server.memory_kib()?))
}

/// Asks for the list again and again, which has changed each time.
async fn lists(server: &Server) -> Result<[f64; 2]> {
    let mut hosts = Vec::new();
    for _ in 0..LISTED {
        let mut host = Client::begin(server.addr).await?;
        host.create("relay", false).await?;
        hosts.push(host);
    }
    let mut asks = Client::begin(server.addr).await?;
    let mut waits = Vec::new();
    for _ in 0..LISTS {
        let mut host = Client::begin(server.addr).await?;
        host.create("relay", false).await?;
        hosts.push(host);
        let begun = Instant::now();
        let list = asks.list().await?;
        waits.push(begun.elapsed().as_secs_f64() * 1000.0);
        let listed = list["data"]["rooms"].as_array().map_or(0, Vec::len);
        ensure!(listed == LISTED, "{listed} rooms are listed");
    }
    Ok([quantile_ms(&mut waits, 0.5), quantile_ms(&mut waits, 0.99)])
}

/// Asks for a seat in rooms that have none: they have to wake to say so, and nothing has to be stored for it.
async fn wake(server: &Server, rooms: usize) -> Result<([f64; 2], [f64; 2])> {
    let mut stranger = Client::begin(server.addr).await?;
    let woken = WOKEN.min(rooms);
    let mut quantiles = [[0.0; 2]; 2];
    // The second time they are awake.
    for of_turn in &mut quantiles {
        let mut waits = Vec::new();
        for number in 0..woken {
            let room_id = bulk::room_id(number * (rooms / woken));
            let begun = Instant::now();
            let answer = stranger.knock(room_id.as_str()).await?;
            waits.push(begun.elapsed().as_secs_f64() * 1000.0);
            ensure!(answer["error"]["code"] == "room_full", "a room with two players says {answer}");
        }
        *of_turn = [quantile_ms(&mut waits, 0.5), quantile_ms(&mut waits, 0.99)];
    }
    Ok((quantiles[0], quantiles[1]))
}
