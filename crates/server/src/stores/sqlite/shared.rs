//! What the threads of a store have in common with who uses it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::super::{Boot, Health};
use super::queue::Queue;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) boot: Boot,
    pub(super) health: Health,
    pub(super) queue: Queue,
    /// How often the database was opened.
    pub(super) opened: Arc<AtomicU64>,
    /// How long the log was when the checkpointer last looked.
    pub(super) wal_pages: AtomicU64,
    ended: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(boot: Boot) -> Self {
        Self {
            boot,
            health: Health::default(),
            queue: Queue::default(),
            opened: Arc::default(),
            wal_pages: AtomicU64::new(0),
            ended: watch::Sender::new(false),
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
