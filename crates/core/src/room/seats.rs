//! Seats that somebody has not taken yet, or wants to change: reservations, the queue of those who watch, swaps, who is ready; and
//! whether with all that a match begins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use anteroom_protocol::message::member::{ChooseSeat, QueueForSeat, Ready, SeatChosen, SeatQueued};
use anteroom_protocol::message::push::{MemberUpdated, RoomUpdated, SystemEvent};
use anteroom_protocol::message::{Role, RoomState};
use anteroom_protocol::{Delivery, ErrorBody, ErrorCode, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, Member, MemberId, Room};
use crate::flush::To;
use crate::game::{Seat, Start, Viewer, Views};
use crate::time::Time;

/// How many may wait for a seat; the next is refused.
const QUEUE_MAX: usize = 256;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeatPlan {
    /// For whom a seat is kept who was not here yet, and until when. No more than there are seats.
    pub(super) reserved: BTreeMap<UserId, Time>,
    /// Who watches and wants a seat, the first first.
    pub(super) queue: VecDeque<UserId>,
    /// From which of their sessions, which is the one to play.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) asked: BTreeMap<UserId, MemberId>,
    /// Where the match stands, as the members were told.
    pub(super) told: RoomState,
    /// Where it stood when the room last looked whether that has changed.
    pub(super) seen: RoomState,
}

impl SeatPlan {
    /// Whether a seat is kept for a user who was not here yet, or they wait for one.
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        self.reserved.contains_key(user_id) || self.queue.contains(user_id)
    }

    pub(super) fn next_lapse(&self) -> Option<Time> {
        self.reserved.values().min().copied()
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.reserved.values_mut().for_each(|until| *until = *until + by);
    }

    /// Whether it can be the plan of a room with so many seats.
    pub(super) fn is_sound(&self, seats: u16) -> bool {
        self.reserved.len() <= usize::from(seats) && self.queue.len() <= QUEUE_MAX
    }
}

impl Room {
    pub(super) fn reserve(&mut self, users: &[UserId], until: Time) {
        let new: BTreeSet<&UserId> = users.iter().filter(|user_id| !self.is_reserved_for(user_id)).collect();
        let seatless = new.iter().filter(|user_id| self.stage.seating.of_user(user_id).is_none()).count();
        // All of them or none: whoever hears that there are not enough seats looks for another room.
        if seatless > self.seats_free() || self.plan.reserved.len() + new.len() > usize::from(self.seats.max) {
            return;
        }
        self.door_changed = true;
        self.plan.reserved.extend(users.iter().map(|user_id| (user_id.clone(), until)));
        self.turnover += 1;
    }

    /// Whoever has not come until now need not come for their seats any more.
    pub(super) fn lapse(&mut self, now: Time) {
        self.plan.reserved.retain(|_, until| *until > now);
        self.door_changed = true;
        self.turnover += 1;
    }

    /// How many seats are kept for others than a user, who are not in one.
    pub(super) fn reserved_for_others(&self, user_id: Option<&UserId>) -> usize {
        let others = self.plan.reserved.keys().filter(|reserved| Some(*reserved) != user_id);
        others.filter(|reserved| self.stage.seating.of_user(reserved).is_none()).count()
    }

    /// How many seats a user finds free, or one for whom none is reserved.
    pub(super) fn seats_free_for(&self, user_id: Option<&UserId>) -> usize {
        let taken = self.stage.seating.len() + self.reserved_for_others(user_id);
        usize::from(self.record.seats_max).saturating_sub(taken)
    }

    /// Whether a seat is reserved for a user.
    pub(super) fn is_reserved_for(&self, user_id: &UserId) -> bool {
        self.plan.reserved.contains_key(user_id)
    }

    pub(super) fn seats_free(&self) -> usize {
        self.seats_free_for(None)
    }

    /// A seat that somebody names: one of those there are, or one that was taken before there were fewer.
    pub(super) fn seat_named(&self, seat: u16) -> Result<Seat, ErrorBody> {
        if seat < self.record.seats_max || self.stage.seating.occupant(Seat(seat)).is_some() {
            return Ok(Seat(seat));
        }
        Err(ErrorBody::new(ErrorCode::InvalidData, format!("There is no seat {seat}: they count from 0.")))
    }

    /// Who asks, and their seat.
    pub(super) fn player(&self, id: MemberId) -> Result<(UserId, Seat), ErrorBody> {
        let player = self.members.get(&id).and_then(|member| Some((member.user_id.clone(), member.seat?)));
        player.ok_or_else(|| ErrorBody::new(ErrorCode::NotAPlayer, "Spectators watch; join as a player for that."))
    }

    /// What has changed of a member, for everyone.
    pub(super) fn tell_member(&mut self, user_id: &UserId, change: impl FnOnce(&mut MemberUpdated)) {
        let Some(person) = self.people.get(user_id).filter(|person| person.listed) else { return };
        let mut update = MemberUpdated::of(user_id.clone(), person.number);
        change(&mut update);
        self.say_about(To::Everyone, user_id, &update);
    }

    pub(super) fn ready(&mut self, id: MemberId, request: Ready, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        let (user_id, seat) = self.player(id)?;
        self.check_between_matches()?;
        let Ready { ready } = request;
        match self.people.get_mut(&user_id).filter(|person| person.ready != ready) {
            Some(person) => person.ready = ready,
            None => return Err(ErrorBody::new(ErrorCode::Conflict, "That is how it is already.")),
        }
        self.tell_member(&user_id, |update| update.ready = Some(ready));
        self.game.ready_changed(seat, ready, &mut self.stage);
        self.stir_bots();
        Ok(Reply::Done)
    }

    fn check_between_matches(&self) -> Result<(), ErrorBody> {
        if matches!(self.stage.state, RoomState::Playing | RoomState::Paused) {
            return Err(ErrorBody::new(ErrorCode::Conflict, "A match is being played."));
        }
        Ok(())
    }

    pub(super) fn choose_seat(
        &mut self,
        id: MemberId,
        request: ChooseSeat,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let (user_id, from) = self.player(id)?;
        let to = self.seat_named(request.seat)?;
        self.check_between_matches()?;
        let conflict = || Err(ErrorBody::new(ErrorCode::Conflict, "That is how it is already."));
        let wish = self.people.get(&user_id).and_then(|person| person.wants_seat);
        if to == from {
            if wish.is_none() {
                return conflict();
            }
            self.wish(&user_id, None);
            return Ok(Reply::Seat(SeatChosen { seat: from.0 }));
        }
        let other = self.stage.seating.occupant(to).map(|there| (there.user_id.clone(), there.bot));
        let agrees = |who: &UserId| self.people.get(who).is_some_and(|person| person.wants_seat == Some(from));
        if let Some((other, false)) = &other
            && !agrees(other)
        {
            if wish == Some(to) {
                return conflict();
            }
            self.wish(&user_id, Some(to));
            return Ok(Reply::Seat(SeatChosen { seat: from.0 }));
        }
        self.change_seats(from, to);
        Ok(Reply::Seat(SeatChosen { seat: to.0 }))
    }

    fn wish(&mut self, user_id: &UserId, seat: Option<Seat>) {
        if let Some(person) = self.people.get_mut(user_id) {
            person.wants_seat = seat;
        }
        self.tell_member(user_id, |update| update.wants_seat = Some(seat.map(|seat| seat.0)));
    }

    /// Forgets the wishes of players that a test picks.
    fn forget_wishes(&mut self, forget: impl Fn(Seat, Seat) -> bool) {
        let players: Vec<(Seat, UserId)> =
            self.stage.seating.taken().map(|(seat, who)| (seat, who.user_id.clone())).collect();
        for (seat, user_id) in players {
            let wanted = self.people.get(&user_id).and_then(|person| person.wants_seat);
            if wanted.is_some_and(|wanted| forget(seat, wanted)) {
                self.wish(&user_id, None);
            }
        }
    }

    /// Lets a player move to a seat that is free, or swap with who has it. What others wanted of the two is forgotten.
    fn change_seats(&mut self, from: Seat, to: Seat) {
        self.forget_wishes(|seat, wanted| [from, to].contains(&seat) || [from, to].contains(&wanted));
        let both = self.stage.seating.occupant(to).is_some();
        self.game.left(from, &mut self.stage);
        if both {
            self.game.left(to, &mut self.stage);
        }
        self.stage.seating.swap(from, to);
        self.swap_minds(from, to);
        self.swap_absence(from, to);
        for seat in if both { vec![to, from] } else { vec![to] } {
            let Some(occupant) = self.stage.seating.occupant(seat) else { continue };
            let (user_id, member) = (occupant.user_id.clone(), occupant.member);
            if let Some(member) = member.and_then(|member| self.members.get_mut(&member)) {
                member.seat = Some(seat);
            }
            self.tell_member(&user_id, |update| update.seat = Some(Some(seat.0)));
        }
        for seat in if both { vec![to, from] } else { vec![to] } {
            self.game.joined(seat, &mut self.stage);
            // To the game it is somebody who has just come; the room has them for ready still.
            let who = self.stage.seating.occupant(seat);
            if who.and_then(|who| self.people.get(&who.user_id)).is_some_and(|person| person.ready) {
                self.game.ready_changed(seat, true, &mut self.stage);
            }
        }
        self.turnover += 1;
        self.stir_bots();
    }

    pub(super) fn queue_for_seat(
        &mut self,
        id: MemberId,
        request: QueueForSeat,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let conflict = |sentence| Err(ErrorBody::new(ErrorCode::Conflict, sentence));
        let Some(Member { user_id, connected, .. }) = self.members.get(&id) else {
            return conflict("You are not here.");
        };
        let (user_id, connected) = (user_id.clone(), *connected);
        if self.stage.seating.of_user(&user_id).is_some() {
            return conflict("You have a seat.");
        }
        let is_queued = self.plan.queue.contains(&user_id);
        if is_queued == request.queued {
            return conflict("That is how it is already.");
        }
        if !request.queued {
            self.plan.queue.retain(|queued| *queued != user_id);
            self.tell_queue();
            return Ok(Reply::Queued(SeatQueued { position: None }));
        }
        if self.plan.queue.len() >= QUEUE_MAX {
            return Err(ErrorBody::new(ErrorCode::RoomFull, "Too many wait for a seat already."));
        }
        let is_next = self.plan.queue.is_empty() || self.is_reserved_for(&user_id);
        if connected && self.takes_players() && is_next && self.seats_free_for(Some(&user_id)) > 0 {
            self.seat_spectator(id, effects);
            return Ok(Reply::Queued(SeatQueued { position: None }));
        }
        self.plan.asked.insert(user_id.clone(), id);
        self.plan.queue.push_back(user_id);
        self.tell_queue();
        let position = u32::try_from(self.plan.queue.len() - 1).ok();
        Ok(Reply::Queued(SeatQueued { position }))
    }

    fn tell_queue(&mut self) {
        let SeatPlan { asked, queue, .. } = &mut *self.plan;
        asked.retain(|user_id, _| queue.contains(user_id));
        let seat_queue = Some(self.plan.queue.iter().cloned().collect());
        self.say(To::Everyone, &RoomUpdated { seat_queue, ..RoomUpdated::default() });
    }

    /// Seats those who wait as far as there is room, and forgets those who have gone.
    pub(super) fn serve_queue(&mut self, effects: &mut Effects) {
        if self.plan.queue.is_empty() {
            return;
        }
        let before = self.plan.queue.len();
        let (people, seating) = (&self.people, &self.stage.seating);
        self.plan.queue.retain(|queued| people.contains_key(queued) && seating.of_user(queued).is_none());
        let mut is_news = self.plan.queue.len() < before;
        while let Some(first) = self.plan.queue.front().cloned().filter(|_| self.takes_players()) {
            if self.seats_free_for(Some(&first)) == 0 {
                break;
            }
            self.plan.queue.pop_front();
            is_news = true;
            // Whoever is away just now misses it.
            let there = |(_, member): &(&MemberId, &Member)| member.user_id == first && member.connected;
            let asked = self.plan.asked.get(&first).and_then(|id| self.members.get_key_value(id)).filter(there);
            if let Some(id) = asked.or_else(|| self.members.iter().find(there)).map(|(id, _)| *id) {
                self.seat_spectator(id, effects);
            }
        }
        if is_news {
            self.tell_queue();
        }
    }

    /// Gives the first free seat to somebody who watches.
    fn seat_spectator(&mut self, id: MemberId, effects: &mut Effects) {
        let Some(seat) = self.stage.seating.free() else { return };
        // Those to whom something was said as spectators have heard it as such.
        self.stage.said.seal(&mut effects.dispatches);
        let Some(member) = self.members.get_mut(&id) else { return };
        member.seat = Some(seat);
        let (user_id, username, codec) = (member.user_id.clone(), member.username.clone(), member.codec);
        let connected = member.connected;
        self.count_out(connected);
        self.turnover += 1;
        self.stage.said.remove(id);
        self.stage.said.add(id, Role::Player, codec);
        effects.roles.push((id, Role::Player));
        self.catch_up(id, effects);
        self.stage.seating.sit(seat, user_id.clone(), username.clone(), id);
        self.door_changed |= self.plan.reserved.remove(&user_id).is_some();
        if !self.people.get(&user_id).is_some_and(|person| person.listed) {
            self.list_person(&user_id);
            self.announce(To::Everyone, &user_id);
        }
        self.tell_member(&user_id, |update| {
            update.role = Some(Role::Player);
            update.seat = Some(Some(seat.0));
        });
        self.tell_system(To::Everyone, SystemEvent::Joined, &user_id, &username);
        self.game.joined(seat, &mut self.stage);
        if self.kind.views == Views::PerSeat {
            match self.game.view(Viewer::Seat(seat), &self.stage.seating, codec) {
                Ok(view) => {
                    let room_id = self.stage.room_id;
                    self.stage.said.view(To::Only(id), &Delivery::Reliable, &room_id, &view);
                }
                Err(error) => self.stage.said.report(error.into()),
            }
        }
        self.stir_bots();
    }

    /// Begins a match if the game leaves that to the room and what it asks for is there.
    pub(super) fn start_if_due(&mut self) {
        let (taken, state) = (self.stage.seating.len(), self.stage.state);
        let is_due = match self.kind.start {
            Start::Game => false,
            Start::Full => state == RoomState::Waiting && taken == usize::from(self.record.seats_max),
            Start::Ready => {
                matches!(state, RoomState::Waiting | RoomState::Finished)
                    && taken >= usize::from(self.seats.min.max(1))
                    && self.all_are_ready()
                    && self.teams_are_even()
            }
        };
        if is_due {
            self.stage.state = RoomState::Playing;
            self.game.start(&mut self.stage);
            self.stir_bots();
        }
    }

    fn all_are_ready(&self) -> bool {
        let ready = |user_id| self.people.get(user_id).is_some_and(|person| person.ready);
        self.stage.seating.taken().all(|(_, who)| who.bot || ready(&who.user_id))
    }

    /// A seat is in the team of its number modulo the teams.
    fn teams_are_even(&self) -> bool {
        let mut teams = vec![0_usize; usize::from(self.seats.teams.max(1))];
        for (seat, _) in self.stage.seating.taken() {
            let team = usize::from(seat.0) % teams.len();
            teams[team] += 1;
        }
        teams.iter().all(|team| *team == teams[0])
    }

    /// Nobody is ready for the next match before this one has begun, nor wants another seat in it.
    pub(super) fn match_begins(&mut self) {
        self.forget_wishes(|_, _| true);
        let players: Vec<UserId> = self.stage.seating.taken().map(|(_, who)| who.user_id.clone()).collect();
        for user_id in players {
            let person = self.people.get_mut(&user_id);
            if person.is_some_and(|person| std::mem::take(&mut person.ready)) {
                self.tell_member(&user_id, |update| update.ready = Some(false));
            }
        }
    }

    /// Tells where the match stands, if that is another place than the members know.
    pub(super) fn tell_progress(&mut self) {
        let state = self.stage.state;
        if self.plan.told != state {
            self.plan.told = state;
            self.say(To::Everyone, &RoomUpdated { state: Some(state), ..RoomUpdated::default() });
        }
    }
}
