//! What a room has said last that those at its door have to know, for whoever proves and judges it in front of the room.
//!
//! It is what everybody can see: a turn that is not stored yet has not changed it. A private room that is out of memory leaves it
//! behind, so that a stranger does not wake it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anteroom_core::room::{Door, Knock};
use anteroom_protocol::message::Visibility;
use anteroom_protocol::{RoomId, UserId};
use tokio::sync::Notify;

use super::{RoomHandle, Rooms};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Doorway {
    /// None until the room runs.
    said: Mutex<Option<Said>>,
    known: Notify,
}

#[derive(Debug)]
struct Said {
    door: Door,
    /// Who is in the room.
    people: BTreeSet<UserId>,
}

/// Somebody who looks at a door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stranger<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) invite: Option<&'a str>,
    /// Which of the room's passwords they know.
    pub(crate) password: Option<u32>,
}

impl Doorway {
    fn lock(&self) -> MutexGuard<'_, Option<Said>> {
        // Nothing panics while it holds the lock.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the door is like when the room begins, or goes on.
    pub(super) fn open(&self, door: Door, people: BTreeSet<UserId>) {
        *self.lock() = Some(Said { door, people });
        self.known.notify_waiters();
    }

    /// What has changed of it.
    pub(super) fn update(&self, door: Option<Door>, people: impl Iterator<Item = (UserId, bool)>) {
        let mut said = self.lock();
        let Some(said) = said.as_mut() else { return };
        if let Some(door) = door {
            said.door = door;
        }
        for (user_id, is_in) in people {
            if is_in {
                said.people.insert(user_id)
            } else {
                said.people.remove(&user_id)
            };
        }
    }

    fn is_private(&self) -> bool {
        self.lock().as_ref().is_some_and(|said| said.door.visibility == Visibility::Private)
    }

    /// Looks at the door for somebody; none before the room has said what it is like.
    pub(super) fn look<R>(
        &self,
        of: Stranger<'_>,
        now: anteroom_core::Time,
        look: impl FnOnce(&Door, &Knock<'_>) -> R,
    ) -> Option<R> {
        let said = self.lock();
        let Said { door, people } = said.as_ref()?;
        let Stranger { user_id, invite, password } = of;
        let knock = Knock { user_id, is_in: people.contains(user_id), invite, password, now };
        Some(look(door, &knock))
    }

    /// Waits until the room has said what it is like. Cancel-safe.
    pub(super) async fn is_known(&self) {
        loop {
            let known = self.known.notified();
            if self.lock().is_some() {
                return;
            }
            known.await;
        }
    }
}

impl Rooms {
    /// Looks at the door of a room for somebody, without waking it. None if there is no such room, or it sleeps and has not said
    /// what its door is like.
    pub(crate) fn look<R>(
        &self,
        room_id: &RoomId,
        of: Stranger<'_>,
        look: impl FnOnce(&Door, &Knock<'_>) -> R,
    ) -> Option<R> {
        let doorway = {
            let places = self.lock();
            let running = places.running.get(room_id).map(|room| &room.door);
            running.or_else(|| places.doors.get(room_id)).cloned()
        };
        doorway?.look(of, self.clock.now(), look)
    }
}

impl super::Places {
    /// Keeps the door of a room that goes out of memory, if it is to be hidden.
    pub(super) fn leave_door(&mut self, room: &RoomHandle) {
        if room.door.is_private() {
            self.doors.insert(room.room_id, room.door.clone());
        }
    }

    /// The door that a room has left behind.
    pub(super) fn take_door(&mut self, room_id: &RoomId) -> Arc<Doorway> {
        self.doors.remove(room_id).unwrap_or_default()
    }
}
