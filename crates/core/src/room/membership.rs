//! Coming, going, and coming back: the seats of a room and who holds them.

use std::time::Duration;

use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientLeft, ClientReconnected, ClosedReason, LeftReason, RoomClosed, SystemEvent,
};
use anteroom_protocol::{Codec, ErrorBody, ErrorCode, LaneId, SessionId, UserId};

use super::{Effects, Join, Member, MemberId, Room};
use crate::flush::{Dispatch, To};
use crate::game::Seat;

/// One session's time in a room: what has to be known to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which it is.
    pub member: MemberId,
    /// Whose it is, if anybody comes back to it.
    pub session_id: Option<SessionId>,
    /// The number of the request to come in.
    pub n: Option<u64>,
    /// The user.
    pub user_id: UserId,
    /// As what they take part.
    pub role: Role,
    /// The lane that the session has given to the room.
    pub lane: LaneId,
    /// The codec of the session.
    pub codec: Codec,
    /// Whether the session has a connection, as far as the room was told.
    pub connected: bool,
    /// The number of the last message that was acted on or refused.
    pub applied: u64,
}

/// How a player comes by a seat.
enum Taken {
    New(Seat),
    /// The seat was kept for them.
    Back(Seat),
    /// Another session of theirs sat there until now.
    Over(Seat, MemberId),
}

impl Room {
    /// How many members have a session that can be gone on with.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.members.values().filter(|member| member.session_id.is_some()).count()
    }

    /// Who is in the room, from which sessions; a seat that is kept for somebody is no membership.
    pub fn memberships(&self) -> impl Iterator<Item = Membership> {
        self.members.iter().map(|(id, member)| Membership {
            member: *id,
            session_id: member.session_id,
            n: member.n,
            user_id: member.user_id.clone(),
            role: role_of(member.seat),
            lane: member.lane,
            codec: member.codec,
            connected: member.connected,
            applied: member.applied,
        })
    }

    pub(super) fn let_in(&mut self, join: &Join, effects: &mut Effects) -> Result<MemberId, ErrorBody> {
        let invite = self.pass_doors(join)?;
        if self.is_bots_name(&join.user_id) {
            return Err(ErrorBody::new(ErrorCode::Conflict, "A bot is called like that here."));
        }
        let mut taken = match join.role {
            Role::Player => Some(self.seat_for(join)?),
            Role::Spectator => {
                self.place_for_spectator()?;
                None
            }
        };
        self.stage.said.seal(&mut effects.dispatches);
        if let Some(Taken::Over(seat, before)) = taken {
            let was_away = self.stage.seating.occupant(seat).is_some_and(|occupant| !occupant.connected);
            self.replace(before, effects);
            if was_away {
                taken = Some(Taken::Back(seat));
            }
        }
        self.members_ever += 1;
        let member = MemberId(self.members_ever);
        self.joining = Some(member);
        self.settle(member, join, taken);
        if self.stage.said.failure().is_some() {
            self.turn_away();
            return Err(ErrorBody::new(ErrorCode::Internal, "The game failed, so the room has to close."));
        }
        self.joining = None;
        self.came_in(&join.user_id, invite);
        effects.dispatches.push(Dispatch::Enter(member));
        Ok(member)
    }

    /// Gives the joining member a place, and tells everyone: the others first, then the game, then the member. The
    /// member's welcome is in front of it all, for it opens the lane.
    fn settle(&mut self, id: MemberId, join: &Join, taken: Option<Taken>) {
        let newcomer = !self.people.contains_key(&join.user_id);
        let was_away = self.people.get(&join.user_id).is_some_and(|person| person.connected == 0)
            && self.stage.seating.of_user(&join.user_id).is_none();
        let seat = taken.as_ref().map(|(Taken::New(seat) | Taken::Back(seat) | Taken::Over(seat, _))| *seat);
        self.admit(id, join, seat);
        let start = self.stage.said.mark();
        match taken {
            Some(Taken::New(seat)) => {
                self.announce(To::Except(id), &join.user_id);
                self.tell_system(To::Except(id), SystemEvent::Joined, &join.user_id, &join.username);
                self.game.joined(seat, &mut self.stage);
                self.stir_bots();
            }
            Some(Taken::Back(seat)) => {
                let back = ClientReconnected { user_id: join.user_id.clone(), username: join.username.clone() };
                self.say_about(To::Except(id), &join.user_id, &back);
                self.is_back(seat);
                self.game.reconnected(seat, &mut self.stage);
                self.stir_bots();
            }
            Some(Taken::Over(..)) => {}
            None if newcomer => self.announce(To::Except(id), &join.user_id),
            None if was_away && self.is_listed(&join.user_id) => {
                let back = ClientReconnected { user_id: join.user_id.clone(), username: join.username.clone() };
                self.say_about(To::Except(id), &join.user_id, &back);
            }
            None => {}
        }
        self.welcome(id, join, seat);
        self.stage.said.move_last_to(start);
    }

    /// Forgets a member whose join has not come to its end, and who has therefore heard nothing.
    pub(super) fn turn_away(&mut self) {
        if let Some(member) = self.joining.take() {
            self.forget(member);
        }
    }

    fn seat_for(&self, join: &Join) -> Result<Taken, ErrorBody> {
        if let Some(seat) = self.stage.seating.of_user(&join.user_id) {
            let member = self.stage.seating.occupant(seat).and_then(|occupant| occupant.member);
            return Ok(member.map_or(Taken::Back(seat), |member| Taken::Over(seat, member)));
        }
        let is_free = self.seats_free_for(Some(&join.user_id)) > 0;
        let free = self.stage.seating.free().filter(|_| is_free);
        free.map(Taken::New).ok_or_else(|| {
            let room_id = self.stage.room_id;
            ErrorBody::new(ErrorCode::RoomFull, format!("Room {room_id} has no free seat."))
        })
    }

    fn place_for_spectator(&self) -> Result<(), ErrorBody> {
        if !self.seats.spectators {
            let refusal = format!("{} is not for watching.", self.kind.name);
            return Err(ErrorBody::new(ErrorCode::SpectatorsRefused, refusal));
        }
        if self.spectators >= self.policy.spectators_max {
            let room_id = self.stage.room_id;
            return Err(ErrorBody::new(
                ErrorCode::RoomFull,
                format!("Room {room_id} has no place left to watch from."),
            ));
        }
        Ok(())
    }

    /// Ends the lane of a session whose seat another session of the same user takes.
    fn replace(&mut self, before: MemberId, effects: &mut Effects) {
        let message = "You joined this room from elsewhere.".into();
        // Nothing follows a lane's last message, so what was said before it must not wait behind it.
        self.stage.said.seal(&mut effects.dispatches);
        self.say(To::Only(before), &RoomClosed { reason: ClosedReason::Replaced, message });
        self.dismiss(before, effects);
    }

    /// Takes a member off the list once everything said so far is on its way to them.
    pub(super) fn dismiss(&mut self, member: MemberId, effects: &mut Effects) -> Option<Member> {
        self.stage.said.seal(&mut effects.dispatches);
        let gone = self.forget(member)?;
        effects.released.push(member);
        Some(gone)
    }

    fn forget(&mut self, member: MemberId) -> Option<Member> {
        self.stage.said.remove(member);
        let mut gone = self.members.remove(&member)?;
        gone.listed = self.is_listed(&gone.user_id);
        self.turnover += 1;
        if gone.seat.is_none() {
            self.count_out(gone.connected);
        }
        self.person_loses_session(&gone.user_id, gone.connected);
        Some(gone)
    }

    fn admit(&mut self, id: MemberId, join: &Join, seat: Option<Seat>) {
        let Join { user_id, username, role, lane, codec, applied, session_id, n, .. } = join;
        self.turnover += 1;
        if !self.is_seen() {
            self.wake_bots();
        }
        match seat {
            Some(seat) => {
                self.stage.seating.sit(seat, user_id.clone(), username.clone(), id);
                self.door_changed |= self.plan.reserved.remove(user_id).is_some();
            }
            None => self.count_in(true),
        }
        self.person_enters(user_id, username, *role);
        let (user_id, username) = (user_id.clone(), username.clone());
        let here = Member {
            user_id,
            username,
            seat,
            lane: *lane,
            codec: *codec,
            connected: true,
            session_id: *session_id,
            n: *n,
            applied: *applied,
            marked: None,
            listed: true,
        };
        self.members.insert(id, here);
        self.stage.said.add(id, *role, *codec);
    }

    pub(super) fn leave(&mut self, id: MemberId, reference: Option<&Ref>, n: Option<u64>, effects: &mut Effects) {
        if !self.members.contains_key(&id) {
            return;
        }
        // Whoever has left is not here to leave again, so it is done whatever its number.
        self.mark(id, n);
        self.stage.said.seal(&mut effects.dispatches);
        self.answer(id, "leave_room_result", reference, None);
        match self.dismiss(id, effects) {
            Some(Member { seat: Some(seat), .. }) => self.give_up_seat(seat, LeftReason::Left),
            Some(member) => self.stop_watching(member, LeftReason::Left),
            None => {}
        }
    }

    pub(super) fn disconnect(&mut self, id: MemberId, kept: bool, effects: &mut Effects) {
        if !kept && self.members.get(&id).is_some_and(|member| member.seat.is_none()) {
            return self.abandon(id, effects);
        }
        let Some(seat) = self.set_connected(id, false) else { return };
        if !self.is_seen_elsewhere(id) {
            // The session is waited for, and a seat may outlive it.
            self.tell_away(id, self.policy.grace.max(seat.and(self.seat_kept()).unwrap_or_default()));
        }
        if let Some(seat) = seat {
            self.goes_away(seat);
            self.game.disconnected(seat, &mut self.stage);
            self.stir_bots();
        }
    }

    pub(super) fn reconnect(&mut self, id: MemberId) {
        let Some(seat) = self.set_connected(id, true) else { return };
        let elsewhere = self.is_seen_elsewhere(id);
        let told = |who: &&Member| !elsewhere && self.is_listed(&who.user_id);
        if let Some(Member { user_id, username, .. }) = self.members.get(&id).filter(told) {
            let (user_id, username) = (user_id.clone(), username.clone());
            self.say_about(To::Except(id), &user_id.clone(), &ClientReconnected { user_id, username });
        }
        if let Some(seat) = seat {
            self.is_back(seat);
            self.game.reconnected(seat, &mut self.stage);
            self.stir_bots();
        }
    }

    /// Whether a spectator plays or watches from another session, too, which the others go by.
    fn is_seen_elsewhere(&self, id: MemberId) -> bool {
        let Some(Member { user_id, seat: None, connected, .. }) = self.members.get(&id) else { return false };
        let sessions = self.people.get(user_id).map_or(0, |person| person.connected);
        sessions > u16::from(*connected) || self.stage.seating.of_user(user_id).is_some()
    }

    /// Notes whether a member is there. Gives the member's seat if that is news.
    fn set_connected(&mut self, id: MemberId, connected: bool) -> Option<Option<Seat>> {
        if connected && !self.is_seen() {
            self.wake_bots();
        }
        let member = self.members.get_mut(&id).filter(|member| member.connected != connected)?;
        member.connected = connected;
        self.turnover += 1;
        let seat = member.seat;
        if let Some(person) = self.people.get_mut(&member.user_id) {
            let others = person.connected.saturating_sub(u16::from(!connected));
            person.connected = others.saturating_add(u16::from(connected));
        }
        match seat {
            Some(seat) => self.stage.seating.set_connected(seat, connected),
            None if connected => self.spectators_here += 1,
            None => self.spectators_here -= 1,
        }
        Some(seat)
    }

    fn seat_kept(&self) -> Option<Duration> {
        self.policy.seat_kept.filter(|_| self.durable)
    }

    fn tell_away(&mut self, id: MemberId, kept: Duration) {
        let Some(Member { user_id, username, .. }) = self.members.get(&id) else { return };
        if !self.is_listed(user_id) {
            return;
        }
        let (user_id, username) = (user_id.clone(), username.clone());
        let grace_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        self.say_about(To::Except(id), &user_id.clone(), &ClientDisconnected { user_id, username, grace_ms });
    }

    pub(super) fn expire(&mut self, id: MemberId, effects: &mut Effects) {
        let seated = self.members.get(&id).filter(|member| member.seat.is_some()).map(|member| member.connected);
        if let (Some(kept), Some(connected)) = (self.seat_kept(), seated) {
            // What the session was waited for is part of it, as it was told.
            let waited = if connected { Duration::ZERO } else { self.policy.grace };
            return self.abandon_for(id, kept.saturating_sub(waited), effects);
        }
        match self.dismiss(id, effects) {
            Some(Member { seat: Some(seat), .. }) => self.give_up_seat(seat, LeftReason::TimedOut),
            Some(member) => self.stop_watching(member, LeftReason::Disconnected),
            None => {}
        }
    }

    pub(super) fn abandon(&mut self, id: MemberId, effects: &mut Effects) {
        self.abandon_for(id, self.seat_kept().unwrap_or(self.policy.grace), effects);
    }

    /// A seat is kept for so long for another session of the player.
    fn abandon_for(&mut self, id: MemberId, kept: Duration, effects: &mut Effects) {
        let Some(seat) = self.members.get(&id).map(|member| member.seat) else { return };
        let is_news = self.set_connected(id, false).is_some();
        self.stage.said.seal(&mut effects.dispatches);
        if is_news && seat.is_some() {
            self.tell_away(id, kept);
        }
        let Some(member) = self.dismiss(id, effects) else { return };
        let Some(seat) = member.seat else {
            // The others know of the connection what they knew before.
            let member = Member { connected: is_news, ..member };
            return self.stop_watching(member, LeftReason::Disconnected);
        };
        self.stage.seating.keep(seat, Some(self.stage.now + kept));
        if is_news {
            self.goes_away(seat);
            self.game.disconnected(seat, &mut self.stage);
            self.stir_bots();
        }
    }

    /// Tells that a spectator is gone, unless the same user is still here in another session.
    pub(super) fn stop_watching(&mut self, member: Member, reason: LeftReason) {
        let Member { user_id, username, listed, connected, .. } = member;
        match self.people.get(&user_id) {
            _ if !listed => {}
            None => self.say_about(To::Everyone, &user_id.clone(), &ClientLeft { user_id, username, reason }),
            // The session that is left has lost the connection.
            Some(person) if person.connected == 0 && connected && self.stage.seating.of_user(&user_id).is_none() => {
                let grace_ms = u64::try_from(self.policy.grace.as_millis()).unwrap_or(u64::MAX);
                self.say_about(To::Everyone, &user_id.clone(), &ClientDisconnected { user_id, username, grace_ms });
            }
            Some(_) => {}
        }
    }

    /// Makes a seat free for others. Its player may go on watching in another session.
    pub(super) fn give_up_seat(&mut self, seat: Seat, reason: LeftReason) {
        self.stage.seating.keep(seat, None);
        let Some(occupant) = self.stage.seating.occupant(seat) else { return };
        let (user_id, username) = (occupant.user_id.clone(), occupant.username.clone());
        let left = ClientLeft { user_id: user_id.clone(), username: username.clone(), reason };
        self.say_about(To::Everyone, &user_id, &left);
        self.tell_system(To::Everyone, SystemEvent::Left, &user_id, &username);
        self.is_back(seat);
        self.forget_votes(&user_id);
        self.stop_playing(seat);
        if let Some(person) = self.people.get_mut(&user_id) {
            (person.ready, person.wants_seat) = (false, None);
        }
        // In front of what the game says of it: that is for those who know who still watches.
        let before = self.stage.said.mark();
        self.game.left(seat, &mut self.stage);
        self.stage.seating.free_seat(seat);
        self.stir_bots();
        self.person_may_be_gone(&user_id);
        self.announce_at(before, To::Everyone, &user_id);
        self.turnover += 1;
    }
}

pub(super) fn role_of(seat: Option<Seat>) -> Role {
    if seat.is_some() { Role::Player } else { Role::Spectator }
}
