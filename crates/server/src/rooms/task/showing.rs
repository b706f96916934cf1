//! What is shown of a turn: on the members' lanes, in the lobby, to those who knocked. Whether it may be, is decided before.

use std::collections::BTreeMap;

use anteroom_core::Outcome;
use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::room::{Answer, MemberId};
use anteroom_protocol::message::{Role, RoomSummary};
use tokio::time::Instant;

use super::RoomTask;
use crate::hooks::RoomFacts;
use crate::lobby::Reservation;
use crate::rooms::link::{Admitted, Declined, RoomLink};
use crate::rooms::turn::{Caller, Told};
use crate::slice::Slice;

impl RoomTask {
    /// Puts on the members' lanes what they are to hear. With many members others get their turn in between.
    pub(super) async fn deliver(&mut self) {
        #[cfg(test)]
        super::tests::fail(&self.room);
        self.answer_callers();
        // First, so that whoever hears that somebody came or went finds the list to say so.
        let seats: Vec<Reservation> = self.shown.replies.iter_mut().filter_map(|told| told.seat.take()).collect();
        if self.shown.flush.effects.entry.is_some() || !self.shown.replies.is_empty() {
            self.rooms.lobby.settle(&self.room_id, self.shown.flush.effects.entry.take(), seats);
        }
        let effects = &mut self.shown.flush.effects;
        if effects.door.is_some() || !effects.people.is_empty() {
            self.handle.door.update(effects.door.take(), effects.people.drain(..));
        }
        for outcome in std::mem::take(&mut self.shown.flush.effects.outcomes) {
            self.tell_of(&outcome);
        }
        let now = self.rooms.clock.now();
        let mut farewells: BTreeMap<MemberId, Vec<Outgoing>> =
            self.shown.flush.effects.released.drain(..).map(|member| (member, Vec::new())).collect();
        self.change_roles();
        let mut dispatches = std::mem::take(&mut self.shown.flush.effects.dispatches);
        let mut slice = Slice::timed();
        for dispatch in dispatches.drain(..) {
            slice.give_way().await;
            slice.spend(0);
            match dispatch {
                Dispatch::Enter(member) => self.enter(member),
                Dispatch::Lose(member) => {
                    if let Some(link) = self.links.get(&member) {
                        link.lose();
                    }
                }
                Dispatch::Say { to, outgoing } => {
                    if let Some(farewell) = farewells.get_mut(&to) {
                        farewell.push(outgoing);
                    } else if let Some(link) = self.links.get(&to) {
                        link.put(now, outgoing);
                    }
                }
            }
        }
        self.shown.flush.effects.dispatches = dispatches;
        // Behind what shows it, and in front of the end of a lane.
        for (member, n) in self.shown.flush.effects.applied.drain(..) {
            if let Some(link) = self.links.get(&member) {
                link.applied(n);
            }
        }
        for (member, farewell) in farewells {
            slice.give_way().await;
            slice.spend(0);
            if let Some(link) = self.links.remove(&member) {
                link.end(now, farewell);
            }
        }
        if self.room.kept_bytes() > self.rooms.limits.kept_bytes_max {
            self.shed();
        }
        for Told { to, reply, .. } in self.shown.replies.drain(..) {
            // A session that has gone meanwhile is told of the room when it ends, and tells it so.
            drop(to.send(reply));
        }
        for (done, outcome) in self.shown.hosted.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(outcome);
        }
        self.look_up();
        self.shown.clear();
        if self.journal.is_some() {
            self.empty_since = self.links.is_empty().then(|| self.empty_since.unwrap_or_else(Instant::now));
        }
        self.note_spare();
    }

    /// Lets what players of now say to the game through, before they hear that they play.
    fn change_roles(&mut self) {
        for (member, role) in self.shown.flush.effects.roles.drain(..) {
            let plays = role == Role::Player;
            if let Some(link) = self.links.get(&member) {
                link.set_plays(plays);
            } else if let Some((_, admitted)) = self.entering.get(&member) {
                admitted.share.set_plays(plays);
            }
        }
    }

    fn tell_of(&self, outcome: &Outcome) {
        let winners: Vec<u16> = outcome.winners.iter().map(|seat| seat.0).collect();
        tracing::info!(room_id = %self.room_id, ?winners, "match ended");
        self.rooms.hooks.tell(|hooks| {
            let RoomSummary { room_id, game, name, .. } = self.room.summary();
            hooks.match_ended(&RoomFacts { room_id, game: &game, name: &name }, outcome);
        });
    }

    /// Notes what the room has answered those who knocked, and who comes in with this flush.
    fn answer_callers(&mut self) {
        for (answer, caller) in self.shown.flush.answers.drain(..).zip(self.shown.callers.drain(..)) {
            let (Answer { role, joined, .. }, Caller { visitor, to, seat }) = (answer, caller);
            let reply = joined.map_err(Declined::Refused).map(|member| {
                let room = RoomLink::Local(self.handle.clone());
                let admitted = Admitted { room, member, share: self.handle.share(role) };
                self.entering.insert(member, (visitor, admitted.clone()));
                admitted
            });
            self.shown.replies.push(Told { to, reply, seat });
        }
    }

    /// Begins the lane of somebody who was let in, before anything of the room is on it.
    fn enter(&mut self, member: MemberId) {
        let Some((visitor, admitted)) = self.entering.remove(&member) else { return };
        let link = visitor.enter(admitted);
        if !link.is_in() {
            // One who has gone at this very moment has not been told of the seat, and will not come back to it.
            RoomLink::Local(self.handle.clone()).leave(member, None, None, None);
        }
        self.links.insert(member, link);
        self.has_had_members = true;
    }

    /// Lets go of what is kept for the members who are behind, those above an equal share. They get a snapshot when they
    /// read again. Nobody else is touched: what is kept elsewhere, such as for lanes that have ended, is bounded there.
    fn shed(&self) {
        let share = self.rooms.limits.kept_bytes_max / self.links.len().max(1);
        self.links.values().for_each(|link| link.shed(share));
        tracing::debug!(room_id = %self.room_id, "members who are behind get snapshots");
    }
}
