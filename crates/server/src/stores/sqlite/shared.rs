//! What the threads of a store have in common with who uses it.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::InterruptHandle;
use tokio::sync::watch;

use super::super::{Boot, Health};
use super::queue::Queue;

pub(super) struct Shared {
    pub(super) boot: Boot,
    pub(super) health: Health,
    pub(super) queue: Queue,
    /// How often the database was opened.
    pub(super) opened: Arc<AtomicU64>,
    /// How long the log was when the checkpointer last looked.
    pub(super) wal_pages: AtomicU64,
    /// How each of the readers is made to stop reading.
    readers: [Mutex<Option<InterruptHandle>>; 2],
    ended: watch::Sender<bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("boot", &self.boot).field("health", &self.health).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(boot: Boot) -> Self {
        Self {
            boot,
            health: Health::default(),
            queue: Queue::default(),
            opened: Arc::default(),
            wal_pages: AtomicU64::new(0),
            readers: Default::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Notes the connection that a reader has from now on.
    pub(super) fn reads(&self, reader: usize, handle: InterruptHandle) {
        if let Some(slot) = self.readers.get(reader) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        }
    }

    /// Whoever reads stops, and is told that the store cannot be read just now.
    pub(super) fn interrupt_readers(&self) {
        for slot in &self.readers {
            if let Some(handle) = &*slot.lock().unwrap_or_else(PoisonError::into_inner) {
                handle.interrupt();
            }
        }
    }

    /// Waits until the writer's thread has ended.
    pub(super) async fn ended(&self) {
        // Its sender is here.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// However the writer's thread ends, nobody waits for it any more.
    pub(super) fn end_when_dropped(self: &Arc<Self>) -> impl Drop + use<> {
        struct End(Arc<Shared>);
        impl Drop for End {
            fn drop(&mut self) {
                self.0.queue.clear();
                self.0.ended.send_replace(true);
            }
        }
        End(Arc::clone(self))
    }
}
