//! The checkpointer's thread: brings the log into the database while the writer goes on.
//!
//! It waits for nobody and keeps nobody waiting, so it never gets to begin the log anew; the writer does that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::folder::{Folder, Role};
use super::shared::Shared;

/// Wakes the thread, and waits for its end when it is dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    /// One wake-up may wait: two are one.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(folder: Folder, shared: Arc<Shared>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let run = move || run(&folder, &shared, &woken);
        let thread = thread::Builder::new().name("store-log".into()).spawn(run)?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(folder: &Folder, shared: &Shared, woken: &Receiver<()>) {
    let mut connection = None;
    let mut opened = shared.opened.load(Ordering::Relaxed);
    let mut fails = false;
    while woken.recv().is_ok() {
        let now = shared.opened.load(Ordering::Relaxed);
        if now != opened {
            opened = now;
            connection = None;
        }
        match checkpoint(folder, &mut connection) {
            Ok(pages) => {
                shared.wal_pages.store(pages, Ordering::Relaxed);
                fails = false;
            }
            Err(error) => {
                if !fails {
                    tracing::warn!(%error, "checkpoint failed; the log of the store grows");
                }
                fails = true;
                connection = None;
            }
        }
    }
}

/// How long the log is, in pages, whatever of it is in the database.
fn checkpoint(folder: &Folder, connection: &mut Option<Connection>) -> rusqlite::Result<u64> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(folder.connect(Role::Checkpointer)?),
    };
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default())
    })
}
