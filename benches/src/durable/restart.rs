//! A server that is killed with sessions in durable rooms, and started again: how long until everybody is back in play.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::Client;
use super::report::quantile_ms;
use super::server::Bench;

/// How many come at a time: more wait in front of the listening socket, and the kernel has them wait for a second.
const AT_A_TIME: usize = 256;
/// Nobody is closed, and no session ends, while somebody looks.
const PATIENT: &[(&str, &str)] = &[
    ("ANTEROOM_TIMES__SILENCE_MS", "600000"),
    ("ANTEROOM_TIMES__GRACE_MS", "600000"),
    ("ANTEROOM_LIMITS__ROOMS_MAX", "100000"),
];

/// How it came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    pub(super) sessions: usize,
    /// From its execution until it listened.
    pub(super) listened: Duration,
    /// From its execution until each client was resumed and had a move answered.
    pub(super) all_back: Duration,
    /// From dialing until a client had its move answered.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// As many new sessions that make a durable room and a move, for comparison.
    pub(super) anew: Duration,
}

pub(super) fn run(bench: &Bench, sessions: usize) -> Result<Restart> {
    let data = bench.fresh("restart")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = bench.start(&data, PATIENT)?;
    let begun = Instant::now();
    let addr = server.addr;
    let clients = (0..sessions).map(|_| None);
    let (clients, _) = runtime.block_on(all(clients, move |_| async move {
        let mut client = Client::begin(addr).await?;
        client.create("relay", true).await?;
        client.relay().await?;
        Ok(client)
    }))?;
    let anew = begun.elapsed();
    // Without a word: as it is when a machine loses its power, but that the disk's cache stays.
    drop(server);
    let clients = clients.into_iter().map(|mut client| {
        client.lose();
        Some(client)
    });
    let server = bench.start(&data, PATIENT)?;
    let addr = server.addr;
    let (_, mut waits) = runtime.block_on(all(clients, move |client| back(client, addr)))?;
    Ok(Restart {
        sessions,
        listened: server.listened,
        all_back: server.begun.elapsed(),
        p50_ms: quantile_ms(&mut waits, 0.5),
        p99_ms: quantile_ms(&mut waits, 0.99),
        anew,
    })
}

async fn back(client: Option<Client>, addr: SocketAddr) -> Result<Client> {
    let mut client = client.ok_or_else(|| anyhow!("there is no session"))?;
    client.resume(addr).await?;
    client.relay().await?;
    Ok(client)
}

/// Does something with each client, some at a time; gives them back, and how long each took, in milliseconds.
async fn all<F>(
    clients: impl Iterator<Item = Option<Client>>,
    act: impl Fn(Option<Client>) -> F,
) -> Result<(Vec<Client>, Vec<f64>)>
where
    F: Future<Output = Result<Client>> + Send + 'static,
{
    let places = std::sync::Arc::new(Semaphore::new(AT_A_TIME));
    let mut tasks = JoinSet::new();
    let (mut done, mut waits) = (Vec::new(), Vec::new());
    for client in clients {
        let place = places.clone().acquire_owned().await?;
        let acts = act(client);
        tasks.spawn(async move {
            let begun = Instant::now();
            let acted = acts.await;
            drop(place);
            (acted, begun.elapsed())
        });
    }
    while let Some(acted) = tasks.join_next().await {
        let (client, wait) = acted?;
        done.push(client?);
        waits.push(wait.as_secs_f64() * 1000.0);
    }
    Ok((done, waits))
}
