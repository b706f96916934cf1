//! Durable rooms that are not in memory: nobody is in them, and they are woken when somebody wants in or something falls due.
//!
//! Of each only its id and its next due time are here; the lobby has its row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anteroom_core::Time;
use anteroom_protocol::{ErrorBody, ErrorCode, RoomId};
use serde::Serialize;
use tokio::time::sleep_until;

use super::link::Inbox;
use super::{Places, RoomHandle, Rooms, Slot, restoring};

/// How many rooms wake before other tasks get their turn.
const SLICE_ROOMS_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Asleep {
    rooms: BTreeMap<RoomId, Option<Time>>,
    due: BTreeSet<(Time, RoomId)>,
}

impl Asleep {
    pub(super) fn has(&self, room_id: &RoomId) -> bool {
        self.rooms.contains_key(room_id)
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Adds a room. Whether it is due before all others.
    pub(super) fn add(&mut self, room_id: RoomId, due: Option<Time>) -> bool {
        self.rooms.insert(room_id, due);
        let Some(due) = due else { return false };
        self.due.insert((due, room_id));
        self.due.first() == Some(&(due, room_id))
    }

    /// Takes a room out; `false` if it does not sleep.
    pub(super) fn remove(&mut self, room_id: &RoomId) -> bool {
        let Some(due) = self.rooms.remove(room_id) else { return false };
        if let Some(due) = due {
            self.due.remove(&(due, *room_id));
        }
        true
    }
}

impl Rooms {
    /// A room that is in memory, or is about to be: one that sleeps is woken, if there is space for it.
    ///
    /// # Errors
    /// `room_suspended`, `busy`, `shutting_down`.
    pub(super) fn reach(self: &Arc<Self>, room_id: &RoomId) -> Result<Option<RoomHandle>, ErrorBody> {
        self.rouse_if(room_id, |places| self.make_space(places))
    }

    /// The same, whether there is space or not.
    pub(super) fn rouse(self: &Arc<Self>, room_id: &RoomId) -> Result<Option<RoomHandle>, ErrorBody> {
        self.rouse_if(room_id, |_| true)
    }

    fn rouse_if(
        self: &Arc<Self>,
        room_id: &RoomId,
        has_space: impl FnOnce(&mut Places) -> bool,
    ) -> Result<Option<RoomHandle>, ErrorBody> {
        let slot = {
            let mut places = self.lock();
            if let Some(room) = places.running.get(room_id) {
                return Ok(Some(room.clone()));
            }
            if let Some(why) = places.suspended.get(room_id) {
                return Err(suspended(why));
            }
            if !places.asleep.has(room_id) {
                return Ok(None);
            }
            if self.tasks.is_closed() {
                return Err(ErrorBody::new(ErrorCode::ShuttingDown, "The server is shutting down."));
            }
            if !has_space(&mut places) {
                return Err(ErrorBody::new(ErrorCode::Busy, "The server has no space for another room just now."));
            }
            places.asleep.remove(room_id);
            self.slot(&mut places, *room_id, true)
        };
        let handle = slot.handle.clone();
        self.wake(slot);
        Ok(Some(handle))
    }

    /// How many rooms sleep.
    pub(crate) fn asleep(&self) -> usize {
        self.lock().asleep.len()
    }

    /// Whether a room is not where it was found: it has slept since, or has been closed and is not that room any more.
    pub(crate) fn has_moved(&self, found: &RoomHandle) -> bool {
        let places = self.lock();
        let running = places.running.get(&found.room_id);
        running.is_some_and(|room| !room.mailbox.same_channel(&found.mailbox)) || places.asleep.has(&found.room_id)
    }

    fn wake(self: &Arc<Self>, Slot { handle, mailbox }: Slot) {
        let inbox = Inbox { mailbox, filling: handle.filling.clone() };
        self.tasks.spawn(restoring::wake(self.clone(), handle, inbox));
    }

    /// A room cannot be stored any more: it is kept as it was stored last.
    pub(super) fn suspend_running(&self, room_id: &RoomId, why: &str) {
        {
            let mut places = self.lock();
            if let Some(room) = places.take_out(room_id) {
                places.leave_door(&room);
            }
            places.suspended.insert(*room_id, why.to_owned());
        }
        self.lobby.remove(room_id);
    }

    /// Takes a room out of memory that is stored, unless something has come for it meanwhile.
    pub(super) fn lay_down(self: &Arc<Self>, room_id: &RoomId, due: Option<Time>, inbox: &mut Inbox) -> bool {
        {
            let mut places = self.lock();
            if !inbox.mailbox.is_empty() {
                return false;
            }
            let Some(room) = places.take_out(room_id) else { return false };
            places.leave_door(&room);
            if places.asleep.add(*room_id, due) {
                self.due_changed.notify_one();
            }
            inbox.mailbox.close();
        }
        // What was posted at that very moment, by who had found the room before, wakes it again.
        let mut late = Vec::new();
        while let Ok(mail) = inbox.mailbox.try_recv() {
            late.push(mail);
        }
        if !late.is_empty()
            && let Ok(Some(room)) = self.rouse(room_id)
        {
            // There is room: as many fitted before.
            late.into_iter().for_each(|mail| drop(room.mailbox.try_send(mail)));
        }
        true
    }

    /// Wakes rooms in which something falls due, for ever.
    pub(crate) async fn wake_those_due(self: &Arc<Self>) {
        loop {
            let first = self.lock().asleep.due.first().map(|(due, _)| *due);
            tokio::select! {
                biased;
                () = self.due_changed.notified() => continue,
                () = async {
                    match first {
                        Some(due) => sleep_until(self.clock.instant(due)).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
            let now = self.clock.now();
            let due: Vec<RoomId> = {
                let places = self.lock();
                let due = places.asleep.due.iter().take_while(|(due, _)| *due <= now).take(SLICE_ROOMS_MAX);
                due.map(|(_, room_id)| *room_id).collect()
            };
            for room_id in due {
                // Whatever else is wrong with a room is found where it is read, and others go on.
                if let Err(ErrorBody { code: ErrorCode::ShuttingDown, .. }) = self.rouse(&room_id) {
                    return std::future::pending().await;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Why nobody gets into a room that cannot be restored.
pub(super) fn suspended(why: &str) -> ErrorBody {
    #[derive(Serialize)]
    struct Details<'a> {
        reason: &'a str,
    }
    let words = "The room is kept, and cannot go on here for now.";
    ErrorBody::new(ErrorCode::RoomSuspended, words).with_details(&Details { reason: why })
}
