//! The link: carries IP packets between two TUN devices, each direction a [`Line`] with two threads.
//!
//! Threads and a condition variable rather than tasks: a runtime's timer would add a millisecond to every packet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use anyhow::{Context, Result};
use tun_rs::{DeviceBuilder, InterruptEvent, SyncDevice};

use super::line::{Counts, Line};

/// The largest packet there is on the link: Ethernet's.
pub(crate) const MTU: u16 = 1500;
/// Packets on their way in one direction, and before it in the device: ten times what the streams need.
const PACKETS_MAX: usize = 4096;

/// A TUN device that packets are read from and written to; it is gone when it is dropped.
pub(crate) fn device(name: &str) -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name(name).mtu(MTU).tx_queue_len(PACKETS_MAX as u32).enable(false).build_sync();
    let device = device.with_context(|| format!("cannot make the TUN device {name}"))?;
    // Reading it is interruptible only if reading does not block.
    device.set_nonblocking(true)?;
    Ok(device)
}

/// How the link treats packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    /// From one end to the other.
    pub(crate) delay: Duration,
    pub(crate) seed: u64,
}

/// The running link. It stops when it is dropped.
pub(crate) struct Relay {
    down: Arc<Direction>,
    up: Arc<Direction>,
    interrupt: Arc<InterruptEvent>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Direction {
    line: Mutex<Line>,
    changed: Condvar,
    start: Instant,
    is_over: AtomicBool,
    /// How much later than it should a packet came out, at worst, in microseconds.
    late: Mutex<Vec<u32>>,
}

/// What became of the packets.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// From the server.
    pub(crate) down: Counts,
    /// From the players.
    pub(crate) up: Counts,
    /// How much later than it should each packet came out, in microseconds.
    pub(crate) late_us: Vec<u32>,
}

impl Relay {
    /// Begins to carry packets between two devices, and loses none yet.
    pub(crate) fn start(server: SyncDevice, players: SyncDevice, quality: Quality) -> Result<Self> {
        let (server, players) = (Arc::new(server), Arc::new(players));
        let Quality { delay, seed } = quality;
        let down = Direction::new(Line::new(seed, delay, PACKETS_MAX));
        let up = Direction::new(Line::new(!seed, delay, PACKETS_MAX));
        let interrupt = Arc::new(InterruptEvent::new()?);
        let mut relay = Self { down, up, interrupt, threads: Vec::new() };
        for (direction, from, to) in [(&relay.down, &server, &players), (&relay.up, &players, &server)] {
            let (direction, from, to) = (direction.clone(), from.clone(), to.clone());
            let (reading, interrupt) = (direction.clone(), relay.interrupt.clone());
            relay.threads.push(thread::spawn(move || reading.read(&from, &interrupt)));
            relay.threads.push(thread::spawn(move || direction.write(&to)));
        }
        Ok(relay)
    }

    /// Loses this share of the packets from now on, in either direction, and counts anew.
    pub(crate) fn lose(&self, share: f64) {
        for direction in [&self.down, &self.up] {
            direction.line().lose(share);
            direction.late().clear();
        }
    }

    /// What became of the packets since [`lose`](Self::lose).
    pub(crate) fn traffic(&self) -> Traffic {
        let late_us = [&self.down, &self.up].into_iter().flat_map(|direction| direction.late().clone()).collect();
        Traffic { down: self.down.line().counts(), up: self.up.line().counts(), late_us }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("down", &self.down).field("up", &self.up).finish_non_exhaustive()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Without it the readers stay until the process ends, and nothing else can be done.
        let interrupted = self.interrupt.trigger().is_ok();
        for direction in [&self.down, &self.up] {
            direction.is_over.store(true, Ordering::Release);
            drop(direction.line());
            direction.changed.notify_all();
        }
        if interrupted {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
    }
}

impl Direction {
    fn new(line: Line) -> Arc<Self> {
        let (changed, is_over) = (Condvar::new(), AtomicBool::new(false));
        Arc::new(Self { line: Mutex::new(line), changed, start: Instant::now(), is_over, late: Mutex::default() })
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn late(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn read(&self, from: &SyncDevice, interrupt: &InterruptEvent) {
        let mut packet = [0; MTU as usize];
        while !self.is_over() {
            match from.recv_intr(&mut packet, interrupt) {
                Ok(length) => {
                    self.line().enters(self.start.elapsed(), &packet[..length]);
                    self.changed.notify_one();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Interrupted, or the device is gone with its namespace.
                Err(_) => return,
            }
        }
    }

    fn write(&self, to: &SyncDevice) {
        while let Some((due, packet)) = self.next() {
            // A device that refuses a packet has lost it: its far end is down, and nobody there misses it.
            drop(to.send(&packet));
            let late = self.start.elapsed().saturating_sub(due);
            self.late().push(late.as_micros() as u32);
        }
    }

    /// Waits for the packet that comes out next; `None` when the link is taken down.
    fn next(&self) -> Option<(Duration, Vec<u8>)> {
        let mut line = self.line();
        while !self.is_over() {
            let now = self.start.elapsed();
            let due = line.next_due();
            if let (Some(due), Some(packet)) = (due, line.leaves(now)) {
                return Some((due, packet));
            }
            line = match due {
                Some(due) => {
                    let waited = self.changed.wait_timeout(line, due.saturating_sub(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(line).unwrap_or_else(PoisonError::into_inner),
            };
        }
        None
    }
}
