//! Matches that stand still, and what becomes of those whose players are away: a computer plays, the others vote, or they wait.
//!
//! While a match stands still nothing of the game falls due, and it takes no actions. What it has asked for is put off by as long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anteroom_protocol::message::member::{CastVote, Pause, Unpause};
use anteroom_protocol::message::push::{LeftReason, RoomUpdated, Vote};
use anteroom_protocol::message::{Role, RoomState};
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, Member, MemberId, Room};
use crate::flush::To;
use crate::game::{Seat, Then};
use crate::time::Time;

/// How long there is to vote.
const VOTE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absence {
    /// The players who are away, and when that is too long; none if that has been dealt with, or there is no match.
    away: BTreeMap<Seat, Option<Time>>,
    /// The seats in which a bot plays until their players are back.
    stand_ins: BTreeSet<Seat>,
    paused: Option<Paused>,
    ballot: Option<Ballot>,
}

/// A match stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paused {
    /// Up to when the game's times are put off already.
    until: Time,
    /// For whom, unless somebody asked for it; it goes on when none of them is waited for any more.
    waits_for: BTreeSet<Seat>,
}

/// A vote on going on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ballot {
    yes: BTreeSet<UserId>,
    no: BTreeSet<UserId>,
    ends: Time,
}

impl Absence {
    /// When somebody has been away for too long, or a vote ends.
    pub(super) fn next(&self) -> Option<Time> {
        match (&self.paused, &self.ballot) {
            (_, Some(ballot)) => Some(ballot.ends),
            (Some(_), None) => None,
            (None, None) => self.away.values().flatten().min().copied(),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(super) fn stands_in(&self, seat: Seat) -> bool {
        self.stand_ins.contains(&seat)
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.put_off_away(by);
        if let Some(paused) = &mut self.paused {
            paused.until = paused.until + by;
        }
        if let Some(ballot) = &mut self.ballot {
            ballot.ends = ballot.ends + by;
        }
    }

    fn put_off_away(&mut self, by: Duration) {
        self.away.values_mut().flatten().for_each(|due| *due = *due + by);
    }

    /// Whether it can have been left like this by a match in that state, with players in those seats who are away.
    pub(super) fn is_sound(&self, state: RoomState, is_away: impl Fn(Seat) -> bool) -> bool {
        self.paused.is_some() == (state == RoomState::Paused)
            && (self.ballot.is_none() || self.paused.is_some())
            && self.stand_ins.iter().chain(self.away.keys()).all(|seat| is_away(*seat))
    }
}

impl Room {
    /// What is being voted on.
    pub(super) fn vote_shown(&self) -> Option<Vote> {
        let ballot = self.absence.ballot.as_ref()?;
        let absent = self.absence.paused.iter().flat_map(|paused| &paused.waits_for);
        let absent = absent.filter_map(|seat| self.stage.seating.occupant(*seat));
        Some(Vote {
            absent: absent.map(|occupant| occupant.user_id.clone()).collect(),
            yes: ballot.yes.iter().cloned().collect(),
            no: ballot.no.iter().cloned().collect(),
            ends_at_ms: ballot.ends.as_millis(),
        })
    }

    fn tell_vote(&mut self) {
        let vote = Some(self.vote_shown());
        self.say(To::Everyone, &RoomUpdated { vote, ..RoomUpdated::default() });
    }

    pub(super) fn pause(&mut self, id: MemberId, _: Pause, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        self.check_host(id)?;
        if self.stage.state != RoomState::Playing {
            return Err(ErrorBody::new(ErrorCode::Conflict, "No match is being played."));
        }
        self.stand_still(BTreeSet::new());
        Ok(Reply::Done)
    }

    pub(super) fn unpause(&mut self, id: MemberId, _: Unpause, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        self.check_host(id)?;
        if !self.absence.is_paused() {
            return Err(ErrorBody::new(ErrorCode::Conflict, "No match stands still."));
        }
        self.go_on();
        Ok(Reply::Done)
    }

    pub(super) fn cast_vote(
        &mut self,
        id: MemberId,
        request: CastVote,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let (user_id, _) = self.player(id)?;
        let conflict = |sentence| Err(ErrorBody::new(ErrorCode::Conflict, sentence));
        let Some(ballot) = &mut self.absence.ballot else { return conflict("Nothing is being voted on.") };
        let (chosen, other) = match request.goes_on {
            true => (&mut ballot.yes, &mut ballot.no),
            false => (&mut ballot.no, &mut ballot.yes),
        };
        if !chosen.insert(user_id.clone()) {
            return conflict("That is your vote already.");
        }
        other.remove(&user_id);
        self.tell_vote();
        self.count_votes(effects);
        Ok(Reply::Done)
    }

    /// Forgets how somebody has voted.
    pub(super) fn forget_votes(&mut self, user_id: &UserId) {
        if let Some(ballot) = &mut self.absence.ballot {
            ballot.yes.remove(user_id);
            ballot.no.remove(user_id);
        }
    }

    fn stand_still(&mut self, waits_for: BTreeSet<Seat>) {
        self.absence.paused = Some(Paused { until: self.stage.now, waits_for });
        self.stage.state = RoomState::Paused;
        self.plan.seen = RoomState::Paused;
    }

    /// A match goes on that stood still. Whoever is away is not waited for any more.
    fn go_on(&mut self) {
        self.end_pause();
        if self.stage.state == RoomState::Paused {
            self.stage.state = RoomState::Playing;
        }
        self.plan.seen = self.stage.state;
        self.stir_bots();
    }

    fn end_pause(&mut self) {
        self.let_stand();
        if let Some(Paused { waits_for, .. }) = self.absence.paused.take() {
            for seat in waits_for {
                self.absence.away.entry(seat).and_modify(|due| *due = None);
            }
        }
        if self.absence.ballot.take().is_some() {
            self.tell_vote();
        }
    }

    /// Puts off what the game asked for by the time that it has stood still, so that what it asks for now is from now on.
    pub(super) fn let_stand(&mut self) {
        let Some(paused) = &mut self.absence.paused else { return };
        let by = Duration::from_millis(self.stage.now.as_millis().saturating_sub(paused.until.as_millis()));
        paused.until = self.stage.now;
        self.game.put_off(by);
        self.next_tick = self.next_tick.map(|tick| tick + by);
        self.bots.put_off(by);
        self.absence.put_off_away(by);
    }

    /// Looks whether the match has begun, ended, or goes on by itself.
    pub(super) fn follow_match(&mut self) {
        let (before, state) = (self.plan.seen, self.stage.state);
        if before == state {
            return;
        }
        self.plan.seen = state;
        if self.absence.is_paused() && state != RoomState::Paused {
            self.end_pause();
        }
        match state {
            RoomState::Playing if before != RoomState::Paused => {
                self.match_begins();
                let due = self.absence_due();
                self.absence.away.values_mut().for_each(|away| *away = due);
            }
            RoomState::Waiting | RoomState::Finished => {
                self.absence.away.values_mut().for_each(|away| *away = None);
                for seat in std::mem::take(&mut self.absence.stand_ins) {
                    self.dismiss_stand_in(seat);
                }
            }
            RoomState::Playing | RoomState::Paused => {}
        }
    }

    fn absence_due(&self) -> Option<Time> {
        let rule = self.kind.absence(self.options.as_ref()).unwrap_or_default();
        let deals = match rule.then {
            Then::Wait => false,
            Then::Bot => self.kind.bots,
            Then::Vote | Then::Pause => true,
        };
        let is_on = matches!(self.stage.state, RoomState::Playing | RoomState::Paused);
        (deals && is_on).then(|| self.stage.now + rule.after)
    }

    /// The player of a seat has lost the connection.
    pub(super) fn goes_away(&mut self, seat: Seat) {
        let due = self.absence_due();
        self.absence.away.insert(seat, due);
    }

    /// The player of a seat is back, or it is nobody's any more.
    pub(super) fn is_back(&mut self, seat: Seat) {
        self.absence.away.remove(&seat);
        if self.absence.stand_ins.remove(&seat) {
            self.dismiss_stand_in(seat);
        }
        let Some(paused) = &mut self.absence.paused else { return };
        if paused.waits_for.remove(&seat) {
            if paused.waits_for.is_empty() {
                self.go_on();
            } else if self.absence.ballot.is_some() {
                self.tell_vote();
            }
        }
    }

    fn dismiss_stand_in(&mut self, seat: Seat) {
        self.stop_playing(seat);
        if let Some(user_id) = self.stage.seating.occupant(seat).map(|occupant| occupant.user_id.clone()) {
            self.tell_member(&user_id, |update| update.bot = Some(false));
        }
    }

    fn stand_in(&mut self, seat: Seat) {
        let Some(user_id) = self.stage.seating.occupant(seat).map(|occupant| occupant.user_id.clone()) else { return };
        self.absence.stand_ins.insert(seat);
        self.absence.away.insert(seat, None);
        self.begin_to_play(seat);
        self.tell_member(&user_id, |update| update.bot = Some(true));
    }

    pub(super) fn swap_absence(&mut self, one: Seat, other: Seat) {
        let away = &mut self.absence.away;
        let (first, second) = (away.remove(&one), away.remove(&other));
        away.extend(first.map(|due| (other, due)).into_iter().chain(second.map(|due| (one, due))));
    }

    /// Deals with whoever is away for too long, or with the end of a vote.
    pub(super) fn absence_falls_due(&mut self, due: Time, effects: &mut Effects) {
        if self.absence.ballot.is_some() {
            return self.decide(false, effects);
        }
        let seats = self.absence.away.iter().filter(|(_, at)| at.is_some_and(|at| at <= due));
        let seats: BTreeSet<Seat> = seats.map(|(seat, _)| *seat).collect();
        match self.kind.absence(self.options.as_ref()).unwrap_or_default().then {
            Then::Bot => seats.into_iter().for_each(|seat| self.stand_in(seat)),
            Then::Pause => self.stand_still(seats),
            Then::Vote => {
                self.stand_still(seats);
                let ends = self.stage.now + VOTE;
                self.absence.ballot = Some(Ballot { yes: BTreeSet::new(), no: BTreeSet::new(), ends });
                self.tell_vote();
            }
            Then::Wait => self.absence.away.values_mut().for_each(|away| *away = None),
        }
    }

    /// Ends the vote as soon as more than half of those who are there agree.
    fn count_votes(&mut self, effects: &mut Effects) {
        let Some(ballot) = &self.absence.ballot else { return };
        let there = self.stage.seating.taken().filter(|(_, who)| who.connected && !who.bot);
        let there: BTreeSet<&UserId> = there.map(|(_, who)| &who.user_id).collect();
        let count = |votes: &BTreeSet<UserId>| votes.iter().filter(|user_id| there.contains(user_id)).count();
        let (yes, no) = (count(&ballot.yes), count(&ballot.no));
        if yes * 2 > there.len() {
            self.decide(true, effects);
        } else if no * 2 >= there.len() {
            self.decide(false, effects);
        }
    }

    /// The others go on without those who are away, or wait until they are back or their seats are given up.
    fn decide(&mut self, goes_on: bool, effects: &mut Effects) {
        self.absence.ballot = None;
        self.tell_vote();
        if !goes_on {
            return;
        }
        let seats = self.absence.paused.as_ref().map(|paused| paused.waits_for.clone()).unwrap_or_default();
        self.go_on();
        for seat in seats {
            if self.kind.bots {
                self.stand_in(seat);
            } else {
                self.unseat(seat, effects);
            }
        }
    }

    /// Takes a seat from a player who is away, who may watch from then on.
    fn unseat(&mut self, seat: Seat, effects: &mut Effects) {
        let Some(occupant) = self.stage.seating.occupant(seat) else { return };
        if let Some(id) = occupant.member {
            self.stage.said.seal(&mut effects.dispatches);
            if let Some(Member { seat: place, codec, connected, .. }) = self.members.get_mut(&id) {
                *place = None;
                self.stage.said.remove(id);
                self.stage.said.add(id, Role::Spectator, *codec);
                let connected = *connected;
                self.count_in(connected);
                effects.roles.push((id, Role::Spectator));
            }
            self.fall_back(id, effects);
        }
        self.give_up_seat(seat, LeftReason::TimedOut);
    }
}
