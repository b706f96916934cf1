//! When a room takes no turns: it stands still while nothing can be stored, leaves memory when nobody is there, and is stored as it
//! is when the server stops.

use tokio::time::Instant;

use super::RoomTask;
use crate::rooms::journal::{self, Journal};
use crate::rooms::link::Inbox;

impl RoomTask {
    /// Whether another turn may begin. A room whose turns cannot be stored stands still, and its clock with it.
    pub(super) fn may_begin(&mut self) -> bool {
        let Some(journal) = &mut self.journal else { return true };
        if !journal.may_begin() {
            self.stands_since.get_or_insert_with(Instant::now);
            return false;
        }
        if let Some(since) = self.stands_since.take() {
            self.room.put_off(since.elapsed());
            journal.begin_anew();
            self.record_anew();
        }
        true
    }

    /// When to leave memory, if nobody comes and everything was shown.
    pub(super) fn sleeps_at(&self) -> Option<Instant> {
        let since = self.empty_since.filter(|_| self.journal.as_ref().is_some_and(Journal::is_idle))?;
        Some(if self.has_had_members && !self.gives_way { since + self.rooms.limits.hibernate_after } else { since })
    }

    /// Goes out of memory, if nothing has come meanwhile; whoever wants in wakes it.
    pub(super) async fn sleep(&mut self, inbox: &mut Inbox) -> bool {
        let journal = self.journal.as_mut().filter(|journal| journal.is_idle() && self.links.is_empty());
        let Some(journal) = journal else { return false };
        let now = self.rooms.clock.now();
        if let Err(why) = journal.rest(now, &mut self.room).await {
            tracing::warn!(room_id = %self.room_id, why, "the room stays in memory");
            self.empty_since = Some(Instant::now());
            self.gives_way = false;
            self.stay();
            return false;
        }
        self.rooms.lay_down(&self.room_id, self.room.next_deadline(), inbox)
    }

    /// Says whether the room would give way to another one, if that is news. One that is stored comes back whenever somebody
    /// wants in; any other is over then, so nothing may be kept for anybody in it.
    pub(super) fn note_spare(&mut self) {
        let is_spare = match &self.journal {
            Some(_) => self.links.is_empty() && !self.room.is_over(),
            None => self.room.is_spare(),
        };
        if is_spare != self.is_spare || self.gives_way && !is_spare {
            self.is_spare = is_spare;
            self.gives_way = false;
            self.stay();
        }
    }

    fn stay(&self) {
        self.rooms.note_spare(&self.room_id, self.is_spare);
    }

    /// Stores the room as it is, and nothing of what it was: somebody was erased.
    pub(super) async fn forget_the_past(&mut self) {
        let now = self.rooms.clock.now();
        if let Some(journal) = &mut self.journal
            && let Err(why) = journal.renew(now, &mut self.room).await
        {
            tracing::error!(room_id = %self.room_id, why, "what was before somebody was erased is still stored");
            return;
        }
        for done in self.erased.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    /// Stores the room as it is, durable or not: the server stops.
    pub(super) async fn park(&mut self) {
        let now = self.rooms.clock.now();
        let parked = match &mut self.journal {
            Some(journal) => journal.rest(now, &mut self.room).await,
            None => match &self.rooms.store {
                Some(store) => {
                    let place = store.place().await;
                    match journal::keep(store.as_ref(), place, now, &self.room, 1, false, &[]) {
                        Ok(mut receipt) => receipt.committed().await.map_err(|error| error.to_string()),
                        Err(why) => Err(why),
                    }
                }
                None => return,
            },
        };
        if let Err(why) = parked {
            tracing::warn!(room_id = %self.room_id, why, "the room is not kept");
        }
    }
}
