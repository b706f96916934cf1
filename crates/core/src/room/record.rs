//! What is known of a room as such: who made it, who owns it, who finds it, and how long it stays.

use std::time::Duration;

use anteroom_protocol::limits::PASSWORD_BYTES_MAX;
use anteroom_protocol::message::member::{TransferOwner, UpdateRoom};
use anteroom_protocol::message::push::{RoomUpdated, SystemEvent};
use anteroom_protocol::message::{AccessMap, DataMap, OwnerPolicy, Visibility};
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::data::{By, Dataset, Whose};
use super::{MemberId, Room};
use crate::flush::To;
use crate::game::{Seat, Seats};
use crate::name;
use crate::time::Time;

/// What a room is made with, besides its game.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// Who makes it.
    pub created_by: Option<UserId>,
    /// Who owns it when its owner goes; with [`OwnerPolicy::None`] nobody owns it from the beginning.
    pub owner_policy: OwnerPolicy,
    /// Who finds it.
    pub visibility: Visibility,
    /// The hash of its password, for whoever lets others prove that they know it.
    pub password: Option<String>,
    /// How many seats there are, if fewer than the game has.
    pub seats_max: Option<u16>,
    /// Its data at the beginning.
    pub data: DataMap,
    /// Who may read which of its keys.
    pub access: AccessMap,
    /// By how much those who watch are behind.
    pub spectator_delay: Duration,
    /// For how long what is said is kept, if not for as long as the room.
    pub chat_kept: Option<Duration>,
    /// How long it stays.
    pub lifecycle: Lifecycle,
    /// For whom seats are kept, and until when.
    pub reserved: Vec<(UserId, Time)>,
    /// Whether what happens is recorded, which everybody in it is told.
    pub recorded: bool,
}

/// How long a room stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// How long with nobody in it.
    pub empty_ttl: Duration,
    /// How long without anybody doing anything, if that ends it.
    pub idle_ttl: Option<Duration>,
    /// How long in any case, if that ends it.
    pub lifetime_max: Option<Duration>,
    /// It stays whoever is in it, until it is closed.
    pub persistent: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) created_at: Time,
    pub(super) created_by: Option<UserId>,
    pub(super) owner: Option<UserId>,
    pub(super) owner_policy: OwnerPolicy,
    pub(super) visibility: Visibility,
    pub(super) locked: bool,
    pub(super) password: Option<String>,
    /// Which password it is; rises with every change.
    pub(super) password_number: u32,
    pub(super) seats_max: u16,
    pub(super) data: Dataset,
    pub(super) spectator_delay: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chat_kept: Option<Duration>,
    pub(super) lifecycle: Lifecycle,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) recorded: bool,
}

impl Record {
    /// Whether it has a user as the one who made the room, or owns it.
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        [&self.created_by, &self.owner].into_iter().flatten().any(|there| there == user_id)
    }

    /// The record of a room that is made.
    ///
    /// # Errors
    /// `invalid_data` if its data or its seats cannot be like that.
    pub(super) fn new(terms: &Terms, seats: Seats, searchable: &[&str], now: Time) -> Result<Self, ErrorBody> {
        // What nobody in a room has asked for the server's program, or the server itself has.
        let by = if terms.created_by.is_some() { By::Client } else { By::Server };
        let (data, _) = Dataset::default().with(&terms.data, &terms.access, searchable, by)?;
        let seats_max = terms.seats_max.unwrap_or(seats.max);
        let least = seats.min.max(1);
        if seats_max < least || seats_max > seats.max {
            let sentence = format!("`seats_max` is between {least} and {} here.", seats.max);
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        let owner = terms.created_by.clone().filter(|_| terms.owner_policy != OwnerPolicy::None);
        Ok(Self {
            created_at: now,
            created_by: terms.created_by.clone(),
            owner,
            owner_policy: terms.owner_policy,
            visibility: terms.visibility,
            locked: false,
            password: terms.password.clone(),
            password_number: 0,
            seats_max,
            data,
            spectator_delay: terms.spectator_delay,
            chat_kept: terms.chat_kept,
            lifecycle: terms.lifecycle,
            recorded: terms.recorded,
        })
    }
}

impl Room {
    /// `password` is the hash of the one that the request has.
    pub(super) fn update_room(
        &mut self,
        id: MemberId,
        request: UpdateRoom,
        password: Option<&str>,
    ) -> Result<Reply, ErrorBody> {
        self.check_owner(id)?;
        let UpdateRoom { name, visibility, locked, password: wanted, seats_max, data, access } = request;
        let name = name.map(|name| name::checked(&name)).transpose()?;
        if let Some(seats_max) = seats_max {
            self.check_seats_max(seats_max)?;
        }
        let wanted = match wanted.map(Option::unwrap_or_default) {
            None => None,
            Some(none) if none.is_empty() => Some(None),
            Some(long) if long.len() > PASSWORD_BYTES_MAX => {
                let sentence = format!("A password has at most {PASSWORD_BYTES_MAX} bytes.");
                return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
            }
            Some(_) => {
                // It was looked at in front of the room whose the room is, as everybody could see then.
                Some(Some(password.ok_or_else(not_owner)?.to_owned()))
            }
        };
        let searchable = self.kind.searchable;
        let (data, access) = (data.unwrap_or_default(), access.unwrap_or_default());
        let (data, told) = self.record.data.with(&data, &access, searchable, By::Client)?;
        let mut update = RoomUpdated::default();
        if let Some(name) = name.filter(|name| *name != self.name) {
            self.name.clone_from(&name);
            update.name = Some(name);
        }
        let record = &mut self.record;
        update.visibility = changed(&mut record.visibility, visibility);
        update.locked = changed(&mut record.locked, locked);
        update.seats_max = changed(&mut record.seats_max, seats_max);
        if let Some(password) = wanted {
            let had = record.password.is_some();
            update.has_password = Some(password.is_some()).filter(|has| *has != had);
            record.password = password;
            record.password_number = record.password_number.wrapping_add(1);
            self.door_changed = true;
        }
        self.door_changed |= update.visibility.is_some() || update.locked.is_some();
        record.data = data;
        self.turnover += 1;
        if update != RoomUpdated::default() {
            self.say(To::Everyone, &update);
        }
        self.tell_data(Whose::Room, &told);
        Ok(Reply::Done)
    }

    /// Checks how many seats there are to be.
    fn check_seats_max(&self, seats_max: u16) -> Result<(), ErrorBody> {
        let taken = self.stage.seating.len() + self.reserved_for_others(None);
        let least = self.seats.min.max(1);
        if seats_max < least || seats_max > self.seats.max {
            let sentence = format!("`seats_max` is between {least} and {} here.", self.seats.max);
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        if usize::from(seats_max) < taken {
            let sentence = format!("{taken} seats are taken or reserved; `seats_max` cannot be less.");
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        Ok(())
    }

    pub(super) fn transfer_owner(&mut self, id: MemberId, request: &TransferOwner) -> Result<Reply, ErrorBody> {
        self.check_owner(id)?;
        let heir = &request.user_id;
        if self.record.owner.as_ref() == Some(heir) || !self.may_own(heir) {
            let sentence = "A room is given to somebody else who is in it, and no computer.";
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        self.set_owner(Some(heir.clone()));
        Ok(Reply::Done)
    }

    fn may_own(&self, user_id: &UserId) -> bool {
        let seat = self.stage.seating.of_user(user_id);
        self.people.contains_key(user_id) && !seat.is_some_and(|seat| self.is_computer(seat))
    }

    /// Sees to it that somebody owns the room who is in it, where that is how it is to be.
    pub(super) fn settle_owner(&mut self) {
        let Some(owner) = &self.record.owner else { return };
        if self.record.owner_policy != OwnerPolicy::Automatic || self.people.contains_key(owner) {
            return;
        }
        // Who leaves last owns it until somebody comes: a room that stays would be nobody's, and locked for ever.
        if let Some(heir) = self.heir() {
            self.set_owner(Some(heir));
        }
    }

    /// Whoever is next to own the room, if there is somebody.
    fn heir(&self) -> Option<UserId> {
        let candidates = self.people.iter().filter(|(user_id, _)| self.may_own(user_id));
        // Whoever plays before whoever watches, then whoever is here for longer.
        let heir = candidates.min_by_key(|(user_id, person)| {
            (self.stage.seating.of_user(user_id).is_none(), person.joined_at, person.number)
        });
        heir.map(|(user_id, _)| user_id.clone())
    }

    /// Forgets a user who is gone: who owned the room and is never there again does so no more, whatever the policy.
    pub(super) fn forget_in_record(&mut self, user_id: &UserId) {
        self.door_changed = true;
        self.record.created_by.take_if(|creator| creator == user_id);
        if self.record.owner.as_ref() == Some(user_id) {
            let heir = self.heir();
            self.set_owner(heir);
        }
    }

    fn set_owner(&mut self, owner: Option<UserId>) {
        self.door_changed = true;
        if let Some(before) = std::mem::replace(&mut self.record.owner, owner.clone()) {
            self.take_owner_keys(&before);
        }
        self.stage.owner.clone_from(&owner);
        self.say(To::Everyone, &RoomUpdated { owner: Some(owner.clone()), ..RoomUpdated::default() });
        if let Some(owner) = owner
            && let Some(username) = self.people.get(&owner).map(|person| person.username.clone())
        {
            self.tell_system(To::Everyone, SystemEvent::OwnerChanged, &owner, &username);
        }
        self.tell_owner_keys();
        self.game.owner_changed(&mut self.stage);
        self.stir_bots();
    }

    /// Checks that a member owns the room.
    ///
    /// # Errors
    /// `not_owner`.
    pub(super) fn check_owner(&self, id: MemberId) -> Result<(), ErrorBody> {
        if self.is_owner(id) {
            return Ok(());
        }
        Err(not_owner())
    }

    /// Checks that a member may do what an owner does, or in a room without one any player.
    ///
    /// # Errors
    /// `not_owner`, or `not_a_player` for one who watches where nobody is the owner.
    pub(super) fn check_host(&self, id: MemberId) -> Result<(), ErrorBody> {
        if self.record.owner.is_some() {
            return self.check_owner(id);
        }
        self.seat_of(id).map(drop)
    }

    fn is_owner(&self, id: MemberId) -> bool {
        let member = self.members.get(&id);
        member.is_some_and(|member| self.record.owner.as_ref() == Some(&member.user_id))
    }

    /// The seat of a member who plays.
    ///
    /// # Errors
    /// `not_a_player`.
    pub(super) fn seat_of(&self, id: MemberId) -> Result<Seat, ErrorBody> {
        let seat = self.members.get(&id).and_then(|member| member.seat);
        seat.ok_or_else(|| ErrorBody::new(ErrorCode::NotAPlayer, "Those who watch may not do that."))
    }

    /// Who a member is.
    ///
    /// # Errors
    /// `not_in_room`, which does not happen: whoever asks is in.
    pub(super) fn user_of(&self, id: MemberId) -> Result<UserId, ErrorBody> {
        let member = self.members.get(&id);
        let absent = || ErrorBody::new(ErrorCode::NotInRoom, "You are not in that room.");
        member.map(|member| member.user_id.clone()).ok_or_else(absent)
    }
}

fn not_owner() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotOwner, "Only the owner of the room may do that.")
}

/// Sets what is to be set; gives it if it is another value than before.
fn changed<T: Copy + PartialEq>(place: &mut T, wanted: Option<T>) -> Option<T> {
    let wanted = wanted.filter(|wanted| wanted != place)?;
    *place = wanted;
    Some(wanted)
}
