//! The door of a room as it can be looked at from outside: who may come in is judged by it here and there in the same words, so that
//! whoever is refused in any case need not be led into the room.
//!
//! What it says may be old by a moment; the room judges again. Whether there is a place inside is not known here.

use std::collections::BTreeSet;

use anteroom_protocol::message::Visibility;
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};

use super::Room;
use super::doors::{Doors, Frame};
use super::shared::Shared;
use crate::time::Time;

/// See the module. With it goes who [is in the room](Room::people), which changes more often.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Door {
    /// Who finds it.
    pub visibility: Visibility,
    /// The hash of its password, and which password of the room it is.
    pub password: Option<(String, u32)>,
    /// Who owns the room.
    pub owner: Option<UserId>,
    locked: bool,
    /// Who else comes in without being asked: a seat is kept for them, or they make the room.
    expected: BTreeSet<UserId>,
    doors: Shared<Doors>,
}

/// Somebody at the door.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// Who it is.
    pub user_id: &'a UserId,
    /// Whether they are in the room, from another session or by a seat that is kept.
    pub is_in: bool,
    /// The code of an invite.
    pub invite: Option<&'a str>,
    /// Which password of the room they know.
    pub password: Option<u32>,
    /// When it is.
    pub now: Time,
}

impl Door {
    /// Whether somebody has nothing to prove: they come back, or an invite lets them in.
    #[must_use]
    pub fn knows(&self, knock: &Knock<'_>) -> bool {
        self.comes_back(knock) || self.doors.has_invite(knock.invite, knock.now)
    }

    /// Whether the room is one that somebody is not to know of.
    #[must_use]
    pub fn is_hidden_from(&self, knock: &Knock<'_>) -> bool {
        self.visibility == Visibility::Private && !self.knows(knock)
    }

    /// Whether somebody may come in, as far as the door goes.
    ///
    /// # Errors
    /// In this order: `room_not_found`, `banned`, `room_locked`, `wrong_password`.
    pub fn check(&self, knock: &Knock<'_>) -> Result<(), ErrorBody> {
        let password = self.password.as_ref().map(|(_, number)| *number);
        let frame = Frame { visibility: self.visibility, locked: self.locked, password };
        self.doors.pass(frame, knock, self.comes_back(knock)).map(drop)
    }

    fn comes_back(&self, knock: &Knock<'_>) -> bool {
        knock.is_in || self.owner.as_ref() == Some(knock.user_id) || self.expected.contains(knock.user_id)
    }
}

impl Room {
    /// What those at the door have to know.
    #[must_use]
    pub fn door(&self) -> Door {
        let record = &self.record;
        let maker = record.created_by.clone().filter(|_| self.people_ever == 0);
        Door {
            visibility: record.visibility,
            password: record.password.clone().map(|hash| (hash, record.password_number)),
            owner: record.owner.clone(),
            locked: record.locked,
            expected: self.plan.reserved.keys().cloned().chain(maker).collect(),
            doors: self.doors.clone(),
        }
    }

    /// Who is in the room, or may come back to a seat.
    pub fn people(&self) -> impl Iterator<Item = &UserId> {
        self.people.keys()
    }
}

/// There is no such room, or it is one that the asker is not to know of.
pub(super) fn not_found() -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomNotFound, "There is no such room.")
}
