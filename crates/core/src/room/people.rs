//! Who is in a room, as the others know them: one entry for each user, however many sessions of theirs are there, and though a seat
//! is only kept for them.

use anteroom_protocol::UserId;
use anteroom_protocol::limits::SPECTATORS_LISTED_MAX;
use anteroom_protocol::message::{self, Access, Role};
use serde::{Deserialize, Serialize};

use super::data::Dataset;
use super::{Room, role_of};
use crate::game::Seat;
use crate::time::Time;

/// Somebody who is in the room. The stay ends when they have neither a seat nor a session in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// Which stay it is: rises from one to the next, so that what was said of an earlier one can be told from what is of this.
    pub(super) number: u32,
    pub(super) username: String,
    pub(super) joined_at: Time,
    /// How many sessions of theirs are in the room.
    pub(super) sessions: u16,
    /// How many of them have a connection.
    pub(super) connected: u16,
    /// Whether the others have them in the list of members, and hear of them by name.
    pub(super) listed: bool,
    pub(super) ready: bool,
    pub(super) away: bool,
    /// The seat that they have asked its player for.
    pub(super) wants_seat: Option<Seat>,
    pub(super) data: Dataset,
}

impl Room {
    /// Notes that a session of a user is in the room, and gives whether the user is new.
    pub(super) fn person_enters(&mut self, user_id: &UserId, username: &str, role: Role) -> bool {
        let list = role == Role::Player || self.listed_spectators() < SPECTATORS_LISTED_MAX;
        if let Some(person) = self.people.get_mut(user_id) {
            person.sessions = person.sessions.saturating_add(1);
            person.connected = person.connected.saturating_add(1);
            if role == Role::Player {
                self.list_person(user_id);
            }
            return false;
        }
        // Whoever makes the room is nobody special from now on.
        self.door_changed |= self.people_ever == 0;
        self.people_ever = self.people_ever.wrapping_add(1);
        self.coming_and_going.push((user_id.clone(), true));
        let person = Person {
            number: self.people_ever,
            username: username.to_owned(),
            joined_at: self.stage.now,
            sessions: 1,
            connected: 1,
            listed: list,
            ready: false,
            away: false,
            wants_seat: None,
            data: Dataset::default(),
        };
        if list {
            self.watching.listed.insert(person.number, user_id.clone());
        }
        self.people.insert(user_id.clone(), person);
        true
    }

    /// From now on the others hear of somebody by name.
    pub(super) fn list_person(&mut self, user_id: &UserId) {
        if let Some(person) = self.people.get_mut(user_id) {
            person.listed = true;
            self.watching.listed.insert(person.number, user_id.clone());
        }
    }

    /// Notes that a session of a user is not in the room any more.
    pub(super) fn person_loses_session(&mut self, user_id: &UserId, was_connected: bool) {
        if let Some(person) = self.people.get_mut(user_id) {
            person.sessions = person.sessions.saturating_sub(1);
            person.connected = person.connected.saturating_sub(u16::from(was_connected));
        }
        self.person_may_be_gone(user_id);
    }

    /// Forgets a user who has neither a session nor a seat here.
    pub(super) fn person_may_be_gone(&mut self, user_id: &UserId) {
        let is_gone = self.people.get(user_id).is_some_and(|person| person.sessions == 0);
        if is_gone && self.stage.seating.of_user(user_id).is_none() {
            let gone = self.people.remove(user_id);
            self.coming_and_going.push((user_id.clone(), false));
            if let Some(person) = gone.filter(|person| person.listed) {
                self.watching.listed.remove(&person.number);
                self.watching.typing.remove(user_id);
            }
        }
    }

    /// How many of those who only watch are in the list.
    fn listed_spectators(&self) -> usize {
        self.watching.listed.len().saturating_sub(self.stage.seating.len())
    }

    /// Somebody as a reader sees them.
    pub(crate) fn shown(&self, user_id: &UserId, reader: Option<&UserId>) -> Option<message::Member> {
        let person = self.people.get(user_id)?;
        let seat = self.stage.seating.of_user(user_id);
        let occupant = seat.and_then(|seat| self.stage.seating.occupant(seat));
        let connected = match occupant {
            Some(occupant) => occupant.connected,
            None => person.connected > 0,
        };
        let access = match reader {
            Some(reader) if self.record.owner.as_ref() == Some(reader) || reader == user_id => Access::Owner,
            _ => Access::Members,
        };
        Some(message::Member {
            user_id: user_id.clone(),
            username: person.username.clone(),
            role: role_of(seat),
            seat: seat.map(|seat| seat.0),
            connected,
            number: person.number,
            ready: person.ready,
            bot: seat.is_some_and(|seat| self.is_bot(seat)),
            joined_at_ms: person.joined_at.as_millis(),
            data: person.data.seen_by(access),
            muted: self.doors.is_muted(user_id),
            away: person.away,
            typing: self.watching.typing.contains_key(user_id),
            wants_seat: person.wants_seat.map(|seat| seat.0),
        })
    }
}
