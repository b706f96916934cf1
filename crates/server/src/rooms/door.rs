//! What a room has said last that those at its door have to know, for whoever proves it in front of the room.

use std::sync::{Mutex, PoisonError};

use anteroom_core::room::Door;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Doorway {
    /// None until the room runs.
    said: Mutex<Option<Door>>,
    known: Notify,
}

impl Doorway {
    pub(super) fn publish(&self, door: Door) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(door);
        self.known.notify_waiters();
    }

    /// Waits until the room has said it. Cancel-safe.
    pub(super) async fn look(&self) -> Door {
        loop {
            let known = self.known.notified();
            let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match said {
                Some(door) => return door,
                None => known.await,
            }
        }
    }
}
