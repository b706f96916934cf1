//! What this medium adds: files, another process, a medium that fails.

mod agreeing;
mod crashing;
mod failing;
mod losing;
mod opening;
mod tidying;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::super::conformance::{Bed, conforms};
use super::folder::Role;
use super::*;
use crate::stores::Store;

/// A folder of its own, which goes with the test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        Self::within(std::env::temp_dir())
    }

    /// The same where nothing reaches a disk, if there is such a place: for what is opened a thousand times.
    pub(super) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        Self::within(if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() })
    }

    fn within(folder: PathBuf) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(folder.join(format!("anteroom-store-{}-{number}", std::process::id())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("anteroom.db")
    }

    /// A connection that nobody knows of.
    pub(super) fn connect(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Tries again at once.
pub(super) const AT_ONCE: Backoff = Backoff { first: Duration::ZERO, last: Duration::ZERO };

impl Bed for Scratch {
    fn open(&self, wall_ms: u64) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(&self.0, wall_ms).unwrap())
    }

    fn usurp(&self) {
        self.connect().execute("UPDATE store SET boot = boot + 1", []).unwrap();
    }
}

mod conformance {
    super::conforms!(super::Scratch::new());
}
