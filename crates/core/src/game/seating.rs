//! The seats of a room and who has them.
//!
//! A user has at most one seat, and keeps it for a while without a connection. Knows nothing of the game.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anteroom_protocol::UserId;
use serde::{Deserialize, Serialize};

use super::Seat;
use crate::room::MemberId;
use crate::time::Time;

/// Who sits in a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupant {
    /// The player: the same one on every connection.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
    /// Their membership; none while the seat is only kept.
    pub member: Option<MemberId>,
    /// Whether they have a connection.
    pub connected: bool,
    /// When the seat is given up, if nobody comes back to it.
    pub kept_until: Option<Time>,
    /// Whether it is a bot, which is always there and has no membership.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
}

/// The seats of a room and who has them.
#[derive(Debug, Default)]
pub struct Seating {
    /// Up to the last that was ever taken: a room for a thousand costs no more than those who are in it.
    seats: Vec<Option<Occupant>>,
    seats_max: usize,
    taken: usize,
    /// How many of them by bots.
    bots: usize,
    /// Seats that wait for their player, by when they are given up.
    kept: BTreeSet<(Time, Seat)>,
    /// Who had a seat that is free now.
    former: BTreeMap<Seat, UserId>,
}

impl Seating {
    pub(crate) fn new(seats: u16) -> Self {
        Self { seats_max: usize::from(seats), ..Self::default() }
    }

    /// Seats as they were: those that are taken, and who had the others.
    pub(crate) fn restore(
        seats: u16,
        taken: Vec<(Seat, Occupant)>,
        former: Vec<(Seat, UserId)>,
    ) -> Result<Self, &'static str> {
        let mut seating = Self::new(seats);
        for (seat, Occupant { user_id, username, member, connected, kept_until, bot }) in taken {
            if seat.0 >= seats || seating.occupant(seat).is_some() || seating.of_user(&user_id).is_some() {
                return Err("a seat that does not exist or is taken twice");
            }
            if bot {
                if member.is_some() || kept_until.is_some() || !connected {
                    return Err("a bot that is somebody's or away");
                }
                seating.sit_bot(seat, user_id, username);
                continue;
            }
            // Somebody sits there, or it is kept for somebody who does not.
            if member.is_some() == kept_until.is_some() || (connected && member.is_none()) {
                return Err("a seat that is neither taken nor kept");
            }
            seating.sit(seat, user_id, username, member.unwrap_or(MemberId(0)));
            seating.set_connected(seat, connected);
            if kept_until.is_some() {
                seating.keep(seat, kept_until);
            }
        }
        if former.iter().any(|(seat, _)| seat.0 >= seats || seating.occupant(*seat).is_some()) {
            return Err("a seat that is free and taken");
        }
        seating.former = former.into_iter().collect();
        Ok(seating)
    }

    /// Who had the seats that are free now.
    pub(crate) fn former(&self) -> impl Iterator<Item = (Seat, &UserId)> {
        self.former.iter().map(|(seat, user_id)| (*seat, user_id))
    }

    /// The player of a seat.
    #[must_use]
    pub fn occupant(&self, seat: Seat) -> Option<&Occupant> {
        self.seats.get(usize::from(seat.0))?.as_ref()
    }

    /// The user who has a seat; if it is free, who had it last.
    #[must_use]
    pub fn last_user(&self, seat: Seat) -> Option<&UserId> {
        self.occupant(seat).map(|occupant| &occupant.user_id).or_else(|| self.former.get(&seat))
    }

    /// Puts a player into a seat, connected.
    pub(crate) fn sit(&mut self, seat: Seat, user_id: UserId, username: String, member: MemberId) {
        let member = Some(member);
        self.put(seat, Occupant { user_id, username, member, connected: true, kept_until: None, bot: false });
    }

    /// Puts a bot into a seat.
    pub(crate) fn sit_bot(&mut self, seat: Seat, user_id: UserId, username: String) {
        self.put(seat, Occupant { user_id, username, member: None, connected: true, kept_until: None, bot: true });
    }

    fn put(&mut self, seat: Seat, occupant: Occupant) {
        self.free_seat(seat);
        let place = usize::from(seat.0);
        if place < self.seats_max && self.seats.len() <= place {
            self.seats.resize(place + 1, None);
        }
        if let Some(place) = self.seats.get_mut(usize::from(seat.0)) {
            self.bots += usize::from(occupant.bot);
            *place = Some(occupant);
            self.taken += 1;
            self.former.remove(&seat);
        }
    }

    /// Notes whether the player of a seat has a connection.
    pub(crate) fn set_connected(&mut self, seat: Seat, connected: bool) {
        if let Some(occupant) = self.seats.get_mut(usize::from(seat.0)).and_then(Option::as_mut) {
            occupant.connected = connected;
        }
    }

    /// Keeps a seat for its player, who is not connected, until a time.
    pub(crate) fn keep(&mut self, seat: Seat, until: Option<Time>) {
        if let Some(occupant) = self.seats.get_mut(usize::from(seat.0)).and_then(Option::as_mut) {
            if let Some(before) = occupant.kept_until {
                self.kept.remove(&(before, seat));
            }
            occupant.member = None;
            occupant.connected = false;
            occupant.kept_until = until;
            self.kept.extend(until.map(|until| (until, seat)));
        }
    }

    /// Puts off when seats are given up.
    pub(crate) fn put_off(&mut self, by: Duration) {
        let waiting = self.seats.iter_mut().flatten();
        waiting.for_each(|occupant| occupant.kept_until = occupant.kept_until.map(|until| until + by));
        self.kept = self.kept.iter().map(|(until, seat)| (*until + by, *seat)).collect();
    }

    /// Forgets that a user had a seat. Whether they had.
    pub(crate) fn forget_former(&mut self, user_id: &UserId) -> bool {
        let before = self.former.len();
        self.former.retain(|_, former| former != user_id);
        self.former.len() < before
    }

    /// Makes a seat free.
    pub(crate) fn free_seat(&mut self, seat: Seat) {
        self.keep(seat, None);
        if let Some(occupant) = self.seats.get_mut(usize::from(seat.0)).and_then(Option::take) {
            self.taken -= 1;
            self.bots -= usize::from(occupant.bot);
            self.former.insert(seat, occupant.user_id);
        }
    }

    /// The seat that is given up next, and when.
    pub(crate) fn next_kept(&self) -> Option<(Time, Seat)> {
        self.kept.first().copied()
    }

    /// The seats that are taken, in order.
    pub fn taken(&self) -> impl Iterator<Item = (Seat, &Occupant)> {
        (0..).map(Seat).zip(&self.seats).filter_map(|(seat, occupant)| Some((seat, occupant.as_ref()?)))
    }

    /// The first free seat.
    #[must_use]
    pub fn free(&self) -> Option<Seat> {
        let free = self.seats.iter().position(Option::is_none).unwrap_or(self.seats.len());
        (free < self.seats_max).then(|| u16::try_from(free).ok().map(Seat)).flatten()
    }

    /// The seat of a user.
    #[must_use]
    pub fn of_user(&self, user_id: &UserId) -> Option<Seat> {
        self.taken().find_map(|(seat, occupant)| (occupant.user_id == *user_id).then_some(seat))
    }

    /// How many seats are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken
    }

    /// How many seats people have, who are no bots.
    #[must_use]
    pub fn people(&self) -> usize {
        self.taken - self.bots
    }

    /// Swaps who has two seats, of which one or both may be free.
    pub(crate) fn swap(&mut self, one: Seat, other: Seat) {
        let places = [one, other].map(|seat| usize::from(seat.0));
        let last = places[0].max(places[1]);
        if last < self.seats_max {
            if self.seats.len() <= last {
                self.seats.resize(last + 1, None);
            }
            self.seats.swap(places[0], places[1]);
            let there = |seat| match seat {
                seat if seat == one => other,
                seat if seat == other => one,
                seat => seat,
            };
            self.kept = self.kept.iter().map(|(until, seat)| (*until, there(*seat))).collect();
            for seat in [one, other] {
                if self.occupant(seat).is_some() {
                    self.former.remove(&seat);
                }
            }
        }
    }

    /// Whether nobody has a seat.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }
}
