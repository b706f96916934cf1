//! Rooms that were stored, made again: all those with members when the server starts, others when somebody wants in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::lanes::KeptLane;
use anteroom_core::listing::Entry;
use anteroom_core::room::{Command, MemberId, Membership, Room, Share};
use anteroom_protocol::{LaneId, RoomId, SessionId};

use super::journal::Journal;
use super::link::{Inbox, Mail, RoomLink, unavailable};
use super::member::MemberLink;
use super::task::{self, Opening};
use super::{Declined, RoomHandle, Rooms, asleep, record};
use crate::carrier::{Applied, Carrier};
use crate::stores::{KeptRow, RoomRow, Store, StoreError};

/// How many rooms are looked up at a time.
const PAGE_ROOMS: usize = 1024;
/// When a room that could not be read is tried again, if something is due in it.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A room that was read from the store.
struct Restored {
    room: Room,
    /// The number of its last turn.
    index: u64,
    /// How many turns were replayed.
    turns: usize,
    row: RoomRow,
}

/// Why a room was not made again.
#[derive(Debug)]
enum NotRestored {
    /// There is no such room.
    Gone,
    /// It is kept as it is.
    Suspended(String),
    /// It cannot be read just now.
    Unavailable(StoreError),
}

/// What was found in the store when the server started: rooms that wait for their sessions.
#[derive(Default)]
pub(crate) struct Recovered {
    rooms: Vec<(Restored, RoomHandle, Inbox)>,
}

/// Where a session is that is in a room which was restored.
#[derive(Debug)]
pub(crate) struct Rejoin {
    pub(crate) room: RoomLink,
    pub(crate) lane: LaneId,
    pub(crate) member: MemberId,
    /// How much of the session's input may wait for the room.
    pub(crate) share: Arc<Share>,
    /// The number of the request that it came in by.
    pub(crate) n: Option<u64>,
}

impl Rooms {
    async fn load(&self, store: &Arc<dyn Store>, room_id: RoomId) -> Result<Restored, NotRestored> {
        // Nobody closes it.
        let _turn = self.loads.acquire().await;
        let kept = store.load(room_id).await.map_err(|error| match error {
            StoreError::Damaged(why) => NotRestored::Suspended(why),
            error => NotRestored::Unavailable(error),
        })?;
        let kept = kept.ok_or(NotRestored::Gone)?;
        let (mut room, index) = record::restore(&self.registry, &kept).map_err(NotRestored::Suspended)?;
        // What passed while no server ran takes nothing from anyone's time.
        room.put_off(Duration::from_millis(store.boot().down_ms.saturating_sub(kept.row.down_ms)));
        let (room, turns) = (room.counted(self.budget.total()), kept.turns.len());
        Ok(Restored { room, index, turns, row: kept.row })
    }

    async fn suspend(&self, store: &Arc<dyn Store>, room_id: RoomId, why: &str) {
        tracing::error!(%room_id, why, "a stored room cannot be restored; it is kept as it is");
        {
            let mut places = self.lock();
            if let Some(room) = places.take_out(&room_id) {
                places.leave_door(&room);
            }
            places.asleep.remove(&room_id);
            places.suspended.insert(room_id, why.to_owned());
        }
        self.lobby.remove(&room_id);
        let place = store.place().await;
        // That it is not noted changes nothing: it is tried again when the server starts.
        drop(store.suspend(place, room_id, why.to_owned()));
    }

    /// Reads what is stored: rooms that have members are made again, and wait for them; the others sleep.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn recover(&self) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        let Some(store) = &self.store else { return Ok(recovered) };
        let (mut after, mut once) = (None, Vec::new());
        loop {
            let rows = store.rows(after, PAGE_ROOMS).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.room_id);
            for KeptRow { room_id, row, .. } in rows {
                if !row.durable {
                    once.push(room_id);
                }
                if row.members == 0 && row.durable {
                    self.add_asleep(store, room_id, &row);
                    continue;
                }
                match self.load(store, room_id).await {
                    Ok(restored) => {
                        let slot = self.slot(&mut self.lock(), room_id, row.durable);
                        let inbox = Inbox { mailbox: slot.mailbox, filling: slot.handle.filling.clone() };
                        recovered.rooms.push((restored, slot.handle, inbox));
                    }
                    Err(NotRestored::Suspended(why)) if row.durable => self.suspend(store, room_id, &why).await,
                    Err(NotRestored::Suspended(why)) => tracing::warn!(%room_id, why, "a room was not restored"),
                    Err(NotRestored::Gone) => {}
                    Err(NotRestored::Unavailable(error)) => return Err(error),
                }
            }
            tokio::task::yield_now().await;
        }
        if !once.is_empty() {
            // Before anybody is in them again: what is stored of them is old from then on.
            store.remove(store.place().await, once).committed().await?;
        }
        Ok(recovered)
    }

    fn add_asleep(&self, store: &Arc<dyn Store>, room_id: RoomId, row: &RoomRow) {
        let due = row.due.map(|due| anteroom_core::Time::from_millis(due + store.boot().down_ms));
        if self.lock().asleep.add(room_id, due) {
            self.due_changed.notify_one();
        }
        match serde_json::from_slice::<Entry>(&row.entry) {
            Ok(entry) => self.lobby.settle(&room_id, Some(entry), Vec::new()),
            // It comes with the room.
            Err(error) => tracing::debug!(%room_id, %error, "a room's row in the lobby cannot be read"),
        }
    }
}

impl Recovered {
    /// The lanes that each session had, in the order in which they were opened.
    pub(crate) fn lanes(&self) -> BTreeMap<SessionId, Vec<KeptLane>> {
        let mut lanes = BTreeMap::<SessionId, Vec<KeptLane>>::new();
        for (Restored { room, .. }, handle, _) in &self.rooms {
            for Membership { session_id, lane, applied, .. } in room.memberships() {
                let Some(session_id) = session_id else { continue };
                lanes.entry(session_id).or_default().push(KeptLane { lane, room_id: handle.room_id, applied });
            }
        }
        lanes.values_mut().for_each(|lanes| lanes.sort_by_key(|kept| kept.lane));
        lanes
    }

    /// How many rooms there are.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Lets the rooms go on, with the sessions that there are again: `rejoin` tells a session where it is, and gives how it is
    /// reached. Nobody is connected to them yet; members whose session is lost are not there.
    pub(crate) fn go_on(
        self,
        rooms: &Arc<Rooms>,
        rejoin: impl Fn(SessionId, Rejoin) -> Option<(Arc<Carrier>, Arc<Applied>)>,
    ) {
        for (restored, handle, inbox) in self.rooms {
            let (mut links, mut first) = (BTreeMap::new(), Vec::new());
            for there in restored.room.memberships() {
                let Membership { member, lane, n, role, connected, .. } = there;
                let share = handle.share(role);
                let joined = there.session_id.and_then(|session_id| {
                    let (room, share) = (RoomLink::Local(handle.clone()), share.clone());
                    rejoin(session_id, Rejoin { room, lane, member, share, n })
                });
                match joined {
                    Some((carrier, applied)) => {
                        let link = MemberLink::restored(carrier, lane, applied, share);
                        if connected {
                            first.push(Command::Disconnect { member, kept: link.keeps() });
                        }
                        links.insert(member, link);
                    }
                    None => first.push(Command::Abandon { member }),
                }
            }
            rooms.lobby.settle(&handle.room_id, Some(restored.room.entry()), Vec::new());
            let opening = restored.opening(rooms.store.clone(), links, first);
            rooms.tasks.spawn(task::run(rooms.clone(), opening, inbox, handle));
        }
    }
}

impl Restored {
    fn opening(
        self,
        store: Option<Arc<dyn Store>>,
        links: BTreeMap<MemberId, MemberLink>,
        first: Vec<Command<'static>>,
    ) -> Opening {
        let Self { room, index, turns, row } = self;
        let store = store.filter(|_| row.durable);
        let journal = store.map(|store| Journal::restored(store, &room, index, turns, row.entry));
        Opening { room, links, journal, first, is_restored: true }
    }
}

/// Runs a room that has slept.
pub(super) async fn wake(rooms: Arc<Rooms>, handle: RoomHandle, mut inbox: Inbox) {
    let Some(store) = rooms.store.clone() else { return };
    let room_id = handle.room_id;
    let refusal = match rooms.load(&store, room_id).await {
        Ok(restored) => {
            // Nobody who had a session was in it.
            let first = restored.room.memberships().map(|there| Command::Abandon { member: there.member }).collect();
            rooms.lobby.settle(&room_id, Some(restored.room.entry()), Vec::new());
            let opening = restored.opening(Some(store), BTreeMap::new(), first);
            return task::run(rooms, opening, inbox, handle).await;
        }
        Err(NotRestored::Gone) => {
            rooms.forget(&room_id);
            super::gone()
        }
        Err(NotRestored::Suspended(why)) => {
            rooms.suspend(&store, room_id, &why).await;
            asleep::suspended(&why)
        }
        Err(NotRestored::Unavailable(error)) => {
            tracing::warn!(%room_id, %error, "a stored room cannot be read");
            let mut places = rooms.lock();
            if let Some(room) = places.take_out(&room_id) {
                places.leave_door(&room);
            }
            if places.asleep.add(room_id, Some(rooms.clock.now() + AGAIN_AFTER)) {
                rooms.due_changed.notify_one();
            }
            unavailable()
        }
    };
    inbox.mailbox.close();
    while let Ok(mail) = inbox.mailbox.try_recv() {
        if let Mail::Join(request) = mail {
            // Whoever has asked may have gone.
            drop(request.answer.send(Err(Declined::Refused(refusal.clone()))));
        }
    }
}
