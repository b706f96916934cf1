//! The writer's thread: drains the queue into one transaction at a time, commits it, and only then says so (group commit).
//!
//! While the medium fails it keeps the group and tries the same again, for as long as it takes. It never answers early, and gives
//! up only what cannot be stored for what is in it, or what is no longer its own to write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::StoreError;
use super::super::write::{Queued, Write};
use super::checkpointer::Checkpointer;
use super::disk::{Checkpoint, Disk};
use super::fault::Fault;
use super::queue::Next;
use super::shared::Shared;

/// After how long without writes, but those that say that the server is alive, the log is brought into the database.
const IDLE: Duration = Duration::from_secs(2);
/// How much is written before it is brought into the database meanwhile.
const CHECKPOINT_BYTES: usize = 4 << 20;
/// How long the log becomes, in pages, before it is begun anew between two transactions.
const WAL_PAGES_MAX: u64 = 4096;
/// A page of the database, which each write changes at least.
const PAGE_BYTES: usize = 4096;

/// How long the writer waits before it tries again: from the first to the last, doubling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) last: Duration,
}

impl Backoff {
    /// The pause after this one.
    fn after(self, pause: Duration) -> Duration {
        (pause * 2).min(self.last)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), last: Duration::from_secs(5) }
    }
}

pub(super) struct Writer<D> {
    disk: D,
    shared: Arc<Shared>,
    backoff: Backoff,
    checkpointer: Checkpointer,
    /// The number of the transaction: when it goes again, the store says whether it has it.
    group: u64,
    /// How much was written since the checkpointer was last woken.
    written: usize,
    /// Whether something is in the log.
    is_ahead: bool,
}

/// Whether there were no news for a while: that the server is alive is none, or there would always be some.
struct Lull {
    news_at: Instant,
}

impl Lull {
    fn new(now: Instant) -> Self {
        Self { news_at: now }
    }

    /// Something was written. Whether the last news are old.
    fn wrote(&mut self, is_news: bool, now: Instant) -> bool {
        if is_news {
            self.news_at = now;
        }
        now.saturating_duration_since(self.news_at) >= IDLE
    }
}

/// What became of a transaction.
enum Outcome {
    Committed,
    /// Its content cannot be stored.
    Refused(String),
    /// It is a turn of a room that is not stored.
    NoRoom,
    /// The store is not ours any more, or nobody waits for it.
    Over,
}

impl<D: Disk> Writer<D> {
    pub(super) fn new(disk: D, shared: Arc<Shared>, backoff: Backoff, checkpointer: Checkpointer) -> Self {
        Self { disk, shared, backoff, checkpointer, group: 0, written: 0, is_ahead: false }
    }

    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _end = shared.end_when_dropped();
        let mut lull = Lull::new(Instant::now());
        loop {
            match shared.queue.next(IDLE) {
                Next::Store(group) => {
                    let is_news = group.iter().any(|queued| !matches!(queued.write, Write::Alive { .. }));
                    self.store(group);
                    if lull.wrote(is_news, Instant::now()) {
                        self.idle();
                    }
                }
                Next::Idle => self.idle(),
                Next::End => break,
            }
        }
        self.close();
    }

    fn store(&mut self, group: Vec<Queued>) {
        let writes: Vec<&Write> = group.iter().map(|queued| &queued.write).collect();
        match self.persist(&writes) {
            Outcome::Committed if writes.iter().any(|write| write.tidies()) => self.tidy(group),
            Outcome::Committed => group.into_iter().for_each(Queued::committed),
            Outcome::Refused(_) | Outcome::NoRoom if group.len() > 1 => self.store_singly(group),
            Outcome::Refused(why) => self.give_up(&writes, &why),
            Outcome::NoRoom => tracing::error!(error = %Fault::NoRoom, "write given up"),
            Outcome::Over => self.shared.queue.clear(),
        }
        self.look_after_the_log();
    }

    /// A room of which a write is given up goes no further: what it has in the queue behind that was never to be seen without it.
    fn store_singly(&mut self, group: Vec<Queued>) {
        let mut given_up = BTreeSet::new();
        for queued in group {
            let room_id = queued.write.room_id();
            if room_id.is_some_and(|room_id| given_up.contains(&room_id)) {
                continue;
            }
            match self.persist(&[&queued.write]) {
                Outcome::Committed => queued.committed(),
                Outcome::Refused(why) => {
                    self.give_up(&[&queued.write], &why);
                    given_up.extend(room_id);
                }
                Outcome::NoRoom => tracing::error!(error = %Fault::NoRoom, "write given up"),
                Outcome::Over => return self.shared.queue.clear(),
            }
        }
    }

    /// Writes the database anew. If that fails, only whoever asked for it hears so: what is to be stored goes on.
    fn tidy(&mut self, group: Vec<Queued>) {
        let Err(fault) = self.disk.vacuum() else { return group.into_iter().for_each(Queued::committed) };
        let why = fault.to_string();
        tracing::warn!(error = why, "the database cannot be written anew");
        for queued in group {
            queued.ended(Err(StoreError::NotTidied(why.clone())));
        }
        // What it has written so far is taken away, and what a sync has missed is written once more.
        let mut pause = self.backoff.first;
        if self.recover(&why, &mut pause) { self.is_back() } else { self.shared.queue.clear() }
    }

    /// Writes in one transaction, however often that must be tried.
    fn persist(&mut self, writes: &[&Write]) -> Outcome {
        let mut pause = self.backoff.first;
        self.group += 1;
        loop {
            match self.attempt(writes) {
                Ok(()) => break,
                Err(Fault::Content(why)) => return Outcome::Refused(why),
                Err(Fault::NoRoom) => return Outcome::NoRoom,
                Err(fault @ Fault::Fenced) => {
                    tracing::error!(error = %fault, "store closed; what was not stored is lost");
                    self.shared.health.note(false);
                    return Outcome::Over;
                }
                Err(Fault::Medium(why)) => {
                    if !self.recover(&why, &mut pause) {
                        return Outcome::Over;
                    }
                }
            }
        }
        self.is_back();
        self.is_ahead |= writes.iter().any(|write| !matches!(write, Write::Alive { .. }));
        self.written += writes.iter().map(|write| write.bytes() + PAGE_BYTES).sum::<usize>();
        Outcome::Committed
    }

    fn is_back(&self) {
        if self.shared.health.note(true) {
            tracing::info!("store can be written again");
        }
    }

    fn attempt(&mut self, writes: &[&Write]) -> Result<(), Fault> {
        let alive_ms = writes.iter().map(|write| write.now_ms()).max().unwrap_or_default();
        self.disk.look()?;
        let tried = self.disk.begin(self.shared.boot.number, self.group, alive_ms).and_then(|is_new| {
            if is_new {
                writes.iter().try_for_each(|write| self.disk.apply(write))?;
                self.disk.commit()?;
            }
            Ok(is_new)
        });
        // Also where nothing was to be written.
        if !matches!(tried, Ok(true)) {
            self.disk.roll_back();
        }
        tried.map(drop)
    }

    /// Waits until the store may be usable again; whether it is worth trying.
    ///
    /// A sync that failed may have left pages that the operating system takes for written. So everything that can be read is
    /// written once more, into the database, before the same writes go again, unless they had reached the log.
    fn recover(&mut self, why: &str, pause: &mut Duration) -> bool {
        if self.shared.health.note(false) {
            tracing::warn!(error = why, "store cannot be written; what is to be stored waits, and is tried again");
        }
        loop {
            if !self.shared.queue.pause(*pause) {
                return false;
            }
            *pause = self.backoff.after(*pause);
            match self.disk.reopen().and_then(|()| self.disk.checkpoint(Checkpoint::Truncate)) {
                Ok(true) => return true,
                Ok(false) => {
                    tracing::debug!("store is read, so that its log cannot be emptied");
                    // Nobody waits for what may take minutes: a copy, or a check.
                    self.shared.interrupt_readers();
                }
                Err(fault) => tracing::debug!(error = %fault, "store still cannot be written"),
            }
        }
    }

    /// A write that no medium would take is a fault of this program. Its room goes no further, and everybody else does.
    fn give_up(&mut self, writes: &[&Write], why: &str) {
        for write in writes {
            tracing::error!(room_id = write.room_id().map(tracing::field::display), error = why, "write given up");
            if let Some(room_id) = write.room_id() {
                self.shared.queue.drop_room(room_id);
                let suspend = Write::Suspend { room_id, why: format!("a turn of it could not be stored: {why}") };
                if matches!(self.persist(&[&suspend]), Outcome::Over) {
                    self.shared.queue.clear();
                }
            }
        }
    }

    /// Most of the work of a checkpoint is done by a thread of its own. The rest is left for here, where nobody adds to the log.
    fn look_after_the_log(&mut self) {
        if self.written >= CHECKPOINT_BYTES {
            self.written = 0;
            self.checkpointer.wake();
        }
        if self.shared.wal_pages.load(Ordering::Relaxed) >= WAL_PAGES_MAX {
            self.shared.wal_pages.store(0, Ordering::Relaxed);
            self.checkpoint(Checkpoint::Restart);
        }
    }

    fn idle(&mut self) {
        if self.is_ahead {
            // Who reads is waited for, what fails is left to the next write.
            self.is_ahead = !self.checkpoint(Checkpoint::Truncate);
        }
    }

    /// Whether there is nothing more to do. What is committed is safe in the log, so nothing is held up if it fails.
    fn checkpoint(&mut self, how: Checkpoint) -> bool {
        self.disk.checkpoint(how).unwrap_or_else(|fault| {
            tracing::warn!(error = %fault, "checkpoint failed; the log of the store grows");
            true
        })
    }

    fn close(mut self) {
        drop(self.checkpointer);
        if let Err(fault) = self.disk.checkpoint(Checkpoint::Truncate) {
            tracing::warn!(error = %fault, "last checkpoint failed; the next start takes it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_server_is_alive_is_no_news() {
        let from = Instant::now();
        let at = |ms| from + Duration::from_millis(ms);
        let mut lull = Lull::new(from);
        assert_eq!([1000, 1999, 2000, 3000].map(|ms| lull.wrote(false, at(ms))), [false, false, true, true]);
        assert_eq!([true, false].map(|is_news| lull.wrote(is_news, at(4000))), [false, false]);
        assert_eq!([5000, 6000].map(|ms| lull.wrote(false, at(ms))), [false, true]);
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let backoff = Backoff::default();
        let pauses = std::iter::successors(Some(backoff.first), |pause| Some(backoff.after(*pause)));
        let pauses: Vec<u128> = pauses.take(10).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }
}
