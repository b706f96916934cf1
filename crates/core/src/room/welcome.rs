//! What a room tells of who is in it: to those who are there when somebody comes, and whole to whoever comes, or has to begin anew.

use anteroom_protocol::message::push::ClientJoined;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{self, Access};
use anteroom_protocol::{Codec, Header, LaneId, Payload, UserId};

use super::{AnswerTo, Effects, Join, Member, MemberId, Room, role_of};
use crate::flush::{Dispatch, Mark, Outgoing, To};
use crate::game::{Seat, Viewer};

/// The `type` of a snapshot: what a newcomer would be told.
const SNAPSHOT: &str = "join_room_result";

impl Room {
    /// Tells others of somebody who is here now, or in another way than before, if they are to know them by name.
    pub(super) fn announce(&mut self, to: To, user_id: &UserId) {
        let start = self.stage.said.mark();
        self.announce_at(start, to, user_id);
    }

    /// The same, in front of what was said since a moment.
    pub(super) fn announce_at(&mut self, place: Mark, to: To, user_id: &UserId) {
        if self.is_listed(user_id)
            && let Some(member) = self.shown(user_id, None)
        {
            self.say_about(to, user_id, &ClientJoined { member });
            self.stage.said.move_last_to(place);
            // What everyone is told has none of them, and replaces what was known.
            self.tell_owner_keys_of(user_id);
        }
    }

    pub(super) fn is_listed(&self, user_id: &UserId) -> bool {
        self.people.get(user_id).is_some_and(|person| person.listed)
    }

    /// The first message of a lane: where the member is, who else is there, and what the game looks like.
    pub(super) fn welcome(&mut self, id: MemberId, join: &Join, seat: Option<Seat>) {
        let header = Header { reference: join.reference.as_ref(), success: Some(true), ..Header::new(join.answer) };
        self.tell_state(id, seat, join.lane, join.codec, &header);
    }

    /// Tells a member what a newcomer would be told: because its lane has lost messages, or because it asks again to come in. An
    /// answer stands behind a snapshot, since nothing is heard on a lane in a gap.
    pub(super) fn tell_snapshot(&mut self, id: MemberId, answer: Option<&AnswerTo>, effects: &mut Effects) {
        let Some(&Member { seat, lane, codec, applied, .. }) = self.members.get(&id) else { return };
        self.stage.said.seal(&mut effects.dispatches);
        let before = effects.dispatches.len();
        self.tell_state(id, seat, lane, codec, &Header { success: Some(true), ..Header::new(SNAPSHOT) });
        self.stage.said.seal(&mut effects.dispatches);
        for dispatch in &mut effects.dispatches[before..] {
            if let Dispatch::Say { outgoing, .. } = dispatch {
                *outgoing = Outgoing::Snapshot { applied, message: outgoing.batch().clone() };
            }
        }
        if let Some(AnswerTo { kind, reference }) = answer {
            let header = Header { reference: reference.as_ref(), success: Some(true), ..Header::new(kind) };
            self.tell_state(id, seat, lane, codec, &header);
        }
    }

    fn tell_state(&mut self, to: MemberId, seat: Option<Seat>, lane: LaneId, codec: Codec, header: &Header<'_>) {
        let reader = self.members.get(&to).map(|member| &member.user_id);
        let late = if seat.is_none() { self.joined_late(reader, lane, codec) } else { None };
        let room_id = self.stage.room_id;
        if let Some(joined) = late {
            return self.stage.said.message(To::Only(to), &header.in_room(room_id.as_str()), &joined);
        }
        let viewer = seat.map_or(Viewer::Spectator, Viewer::Seat);
        let view = match self.game.view(viewer, &self.stage.seating, codec) {
            Ok(view) => view,
            Err(error) => return self.stage.said.report(error.into()),
        };
        let joined = self.joined(seat, lane, reader, view);
        self.stage.said.message(To::Only(to), &header.in_room(room_id.as_str()), &joined);
    }

    /// The room as a reader sees it now, without delay.
    pub(super) fn joined(
        &self,
        seat: Option<Seat>,
        lane: LaneId,
        reader: Option<&UserId>,
        view: Payload,
    ) -> RoomJoined {
        let record = &self.record;
        let is_owner = reader.is_some() && reader == record.owner.as_ref();
        RoomJoined {
            lane,
            room_id: self.stage.room_id,
            game: self.kind.name.to_owned(),
            game_version: self.kind.version,
            name: self.name.clone(),
            seat: seat.map(|seat| seat.0),
            role: role_of(seat),
            durable: self.durable,
            recorded: record.recorded,
            created_at_ms: record.created_at.as_millis(),
            created_by: record.created_by.clone(),
            owner: record.owner.clone(),
            seats_max: record.seats_max,
            visibility: record.visibility,
            locked: record.locked,
            has_password: record.password.is_some(),
            state: self.stage.state,
            spectators: self.spectators_shown(),
            spectator_delay_ms: u32::try_from(record.spectator_delay.as_millis()).unwrap_or(u32::MAX),
            data: record.data.seen_by(if is_owner { Access::Owner } else { Access::Members }),
            seat_queue: self.plan.queue.iter().cloned().collect(),
            vote: self.vote_shown(),
            chat: self.chat_shown(),
            members: self.member_list(reader),
            view,
        }
    }

    /// Everyone, once, as a reader sees them: players in the order of their seats, then those who watch and are listed.
    pub(super) fn member_list(&self, reader: Option<&UserId>) -> Vec<message::Member> {
        let players = self.stage.seating.taken().filter_map(|(_, who)| self.shown(&who.user_id, reader));
        let mut list: Vec<_> = players.collect();
        let watching = self.watching.listed.values().filter(|user_id| self.stage.seating.of_user(user_id).is_none());
        list.extend(watching.filter_map(|user_id| self.shown(user_id, reader)));
        list
    }
}
