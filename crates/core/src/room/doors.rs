//! Who may come in, and who has to go: invites, bans, who was sent out, who is not heard.
//!
//! What is refused here is refused in one order, so that a stranger learns nothing of a private room. Whether somebody knows the
//! password is proved outside: a hash takes longer than a turn may.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_protocol::message::member::{Ban, CreateInvite, InviteCreated, Kick, Mute, Unban};
use anteroom_protocol::message::push::{ClosedReason, LeftReason, MemberUpdated, RoomClosed};
use anteroom_protocol::message::{Role, RoomState, Visibility};
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::door::{Knock, not_found};
use super::{Effects, Join, MemberId, Room, Secrets};
use crate::flush::To;
use crate::time::Time;

/// How many users a list of a room has at most; the oldest entry makes space.
const USERS_MAX: usize = 256;
/// How many invites there are at a time; the oldest makes space.
const INVITES_MAX: usize = 32;
/// How often one may be used at most.
const INVITE_USES_MAX: u32 = 1000;
/// How long one lasts if nothing is said.
const INVITE_LASTS: Duration = Duration::from_secs(24 * 3600);
/// How long one lasts at most.
const INVITE_LASTS_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doors {
    /// Counts what happens here, so that an invite can be told to be newer than a kick.
    events: u64,
    invites: BTreeMap<String, Invite>,
    banned: Users,
    kicked: Users,
    muted: Users,
}

/// What else a door is like: which password it has, if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) visibility: Visibility,
    pub(super) locked: bool,
    pub(super) password: Option<u32>,
}

/// Lets somebody in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invite {
    /// When it was made, among everything that happened at the door.
    event: u64,
    /// How many may come in with it still; nothing if it is not counted.
    uses: Option<u32>,
    expires_at: Time,
}

/// Users, each with when they came on the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Users(BTreeMap<UserId, u64>);

impl Users {
    fn add(&mut self, user_id: UserId, event: u64) {
        self.0.insert(user_id, event);
        if self.0.len() > USERS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, event)| **event).map(|(user_id, _)| user_id.clone())
        {
            self.0.remove(&oldest);
        }
    }

    fn has(&self, user_id: &UserId) -> bool {
        self.0.contains_key(user_id)
    }
}

impl Doors {
    pub(super) fn is_muted(&self, user_id: &UserId) -> bool {
        self.muted.has(user_id)
    }

    /// The same with other words for the codes of invites.
    pub(super) fn without_secrets(&self, secrets: &mut Secrets) -> Self {
        let invites = self.invites.iter().map(|(code, invite)| (secrets.hide(code), invite.clone())).collect();
        Self { invites, ..self.clone() }
    }

    /// Whether a user is on one of the lists.
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        [&self.banned, &self.kicked, &self.muted].into_iter().any(|list| list.has(user_id))
    }

    /// Takes a user off all lists.
    pub(super) fn forget(&mut self, user_id: &UserId) {
        for list in [&mut self.banned, &mut self.kicked, &mut self.muted] {
            list.0.remove(user_id);
        }
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    fn valid(&self, code: Option<&str>, now: Time) -> Option<&Invite> {
        self.invites.get(code?).filter(|invite| invite.expires_at > now && invite.uses != Some(0))
    }

    pub(super) fn has_invite(&self, code: Option<&str>, now: Time) -> bool {
        self.valid(code, now).is_some()
    }

    /// Whether somebody may come in; gives the invite that is used up by it.
    ///
    /// # Errors
    /// See [`Room::pass_doors`].
    pub(super) fn pass<'a>(
        &self,
        frame: Frame,
        knock: &Knock<'a>,
        comes_back: bool,
    ) -> Result<Option<&'a str>, ErrorBody> {
        let Frame { visibility, locked: is_locked, password } = frame;
        let invite = self.valid(knock.invite, knock.now);
        if visibility == Visibility::Private && invite.is_none() && !comes_back {
            return Err(not_found());
        }
        if self.banned.has(knock.user_id) {
            return Err(banned("You are banned from this room.", "banned"));
        }
        if let Some(kicked) = self.kicked.0.get(knock.user_id)
            && invite.is_none_or(|invite| invite.event <= *kicked)
        {
            return Err(banned("You were sent out of this room; a new invite lets you in again.", "kicked"));
        }
        if is_locked && !comes_back {
            return Err(locked("The room is locked.", "locked"));
        }
        let knows = comes_back || password.is_none() || knock.password == password;
        if !knows && invite.is_none() {
            return Err(ErrorBody::new(ErrorCode::WrongPassword, "The room has a password, and that is not it."));
        }
        // Whoever needs none does not use one up.
        let needs = visibility == Visibility::Private || !knows || self.kicked.has(knock.user_id);
        Ok(knock.invite.filter(|_| !comes_back && needs && invite.is_some()))
    }

    /// Notes that somebody came in with an invite.
    fn use_up(&mut self, code: &str) {
        let Some(invite) = self.invites.get_mut(code) else { return };
        if let Some(uses) = &mut invite.uses {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.invites.remove(code);
            }
        }
    }
}

impl Room {
    /// Whether somebody may come in, as far as the doors go; gives the invite that is used up by it.
    ///
    /// # Errors
    /// In this order: `room_not_found`, `banned`, `room_locked`, `wrong_password`, `room_locked`.
    pub(super) fn pass_doors<'a>(&self, join: &'a Join) -> Result<Option<&'a str>, ErrorBody> {
        let Join { user_id, password, .. } = join;
        let record = &self.record;
        let is_in = self.people.contains_key(user_id) && !self.is_bots_name(user_id);
        let is_first = self.people_ever == 0 && record.created_by.as_ref() == Some(user_id);
        let is_owner = record.owner.as_ref() == Some(user_id);
        let comes_back = is_in || is_first || is_owner || self.is_reserved_for(user_id);
        let frame = Frame {
            visibility: record.visibility,
            locked: record.locked,
            password: record.password.as_ref().map(|_| record.password_number),
        };
        let knock = Knock { user_id, is_in, invite: join.invite.as_deref(), password: *password, now: self.stage.now };
        let used = self.doors.pass(frame, &knock, comes_back)?;
        let begins = join.role == Role::Player && self.stage.seating.of_user(user_id).is_none();
        if begins && self.refuses_late() {
            return Err(locked("A match is being played, and takes nobody in late.", "playing"));
        }
        Ok(used)
    }

    /// Whether a bot that plays here has the id of a user.
    pub(super) fn is_bots_name(&self, user_id: &UserId) -> bool {
        let seat = self.stage.seating.of_user(user_id);
        seat.and_then(|seat| self.stage.seating.occupant(seat)).is_some_and(|occupant| occupant.bot)
    }

    /// Whether nobody may begin to play just now.
    pub(super) fn refuses_late(&self) -> bool {
        !self.kind.late_join && matches!(self.stage.state, RoomState::Playing | RoomState::Paused)
    }

    /// Somebody has come in, with an invite perhaps.
    pub(super) fn came_in(&mut self, user_id: &UserId, invite: Option<&str>) {
        if let Some(code) = invite {
            self.doors.use_up(code);
            self.doors.kicked.0.remove(user_id);
            self.door_changed = true;
        }
    }

    pub(super) fn kick(&mut self, id: MemberId, request: Kick, effects: &mut Effects) -> Result<Reply, ErrorBody> {
        self.check_owner(id)?;
        let user_id = self.somebody_else(id, request.user_id)?;
        if !self.people.contains_key(&user_id) {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "Nobody of that id is in the room."));
        }
        let event = self.doors.event();
        self.doors.kicked.add(user_id.clone(), event);
        self.door_changed = true;
        self.send_out(&user_id, LeftReason::Kicked, ClosedReason::Kicked, effects);
        Ok(Reply::Done)
    }

    pub(super) fn ban(&mut self, id: MemberId, request: Ban, effects: &mut Effects) -> Result<Reply, ErrorBody> {
        self.check_owner(id)?;
        let user_id = self.somebody_else(id, request.user_id)?;
        let event = self.doors.event();
        self.doors.banned.add(user_id.clone(), event);
        self.door_changed = true;
        self.plan.reserved.remove(&user_id);
        self.send_out(&user_id, LeftReason::Banned, ClosedReason::Banned, effects);
        Ok(Reply::Done)
    }

    pub(super) fn unban(&mut self, id: MemberId, request: &Unban) -> Result<Reply, ErrorBody> {
        self.check_owner(id)?;
        if self.doors.banned.0.remove(&request.user_id).is_none() {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "Nobody of that id is banned."));
        }
        self.doors.kicked.0.remove(&request.user_id);
        self.door_changed = true;
        Ok(Reply::Done)
    }

    /// Whom an owner means, who is not the owner.
    fn somebody_else(&self, id: MemberId, user_id: UserId) -> Result<UserId, ErrorBody> {
        if self.user_of(id)? == user_id {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "An owner who wants to go leaves the room."));
        }
        if self.stage.seating.of_user(&user_id).is_some_and(|seat| self.is_computer(seat)) {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "A computer is taken away with `remove_bot`."));
        }
        Ok(user_id)
    }

    /// Ends every lane of a user, and gives their seat up.
    fn send_out(&mut self, user_id: &UserId, left: LeftReason, reason: ClosedReason, effects: &mut Effects) {
        let message = self.closing_words(reason);
        let mut watched = None;
        for member in self.sessions_of(user_id) {
            // Nothing follows a lane's last message, so what was said before it must not wait behind it.
            self.stage.said.seal(&mut effects.dispatches);
            self.say(To::Only(member), &RoomClosed { reason, message: message.into() });
            watched = self.dismiss(member, effects);
        }
        match (self.stage.seating.of_user(user_id), watched) {
            (Some(seat), _) => self.give_up_seat(seat, left),
            (None, Some(member)) => self.stop_watching(member, left),
            (None, None) => {}
        }
    }

    pub(super) fn mute(&mut self, id: MemberId, request: Mute) -> Result<Reply, ErrorBody> {
        self.check_owner(id)?;
        let Mute { user_id, muted } = request;
        let user_id = self.somebody_else(id, user_id)?;
        if !self.people.contains_key(&user_id) {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "Nobody of that id is in the room."));
        }
        if muted == self.doors.is_muted(&user_id) {
            return Err(ErrorBody::new(ErrorCode::Conflict, "That is how it is already."));
        }
        if muted {
            let event = self.doors.event();
            self.doors.muted.add(user_id.clone(), event);
        } else {
            self.doors.muted.0.remove(&user_id);
        }
        if let Some(person) = self.people.get(&user_id) {
            let (number, is_listed) = (person.number, person.listed);
            let update = MemberUpdated { muted: Some(muted), ..MemberUpdated::of(user_id.clone(), number) };
            if is_listed {
                self.say_about(To::Everyone, &user_id, &update);
            } else {
                for member in self.sessions_of(&user_id) {
                    self.say_about(To::Only(member), &user_id, &update);
                }
            }
        }
        Ok(Reply::Done)
    }

    /// `with` has the code, a space, and the link.
    pub(super) fn create_invite(
        &mut self,
        id: MemberId,
        request: CreateInvite,
        with: Option<&str>,
    ) -> Result<Reply, ErrorBody> {
        self.check_host(id)?;
        let lasts = request.expires_ms.map_or(INVITE_LASTS, Duration::from_millis);
        if lasts.is_zero() || lasts > INVITE_LASTS_MAX {
            let sentence = "An invite expires in 1 ms to 30 days (`expires_ms`).";
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        if request.uses.is_some_and(|uses| uses == 0 || uses > INVITE_USES_MAX) {
            let sentence = format!("An invite is for 1 to {INVITE_USES_MAX} uses.");
            return Err(ErrorBody::new(ErrorCode::InvalidData, sentence));
        }
        let (code, url) = with
            .and_then(|with| with.split_once(' '))
            .ok_or_else(|| ErrorBody::new(ErrorCode::Internal, "The invite has no code."))?;
        let now = self.stage.now;
        self.door_changed = true;
        self.doors.invites.retain(|_, invite| invite.expires_at > now);
        if self.doors.invites.len() >= INVITES_MAX
            && let Some(oldest) =
                self.doors.invites.iter().min_by_key(|(_, invite)| invite.event).map(|(code, _)| code.clone())
        {
            self.doors.invites.remove(&oldest);
        }
        let event = self.doors.event();
        self.doors.invites.insert(code.to_owned(), Invite { event, uses: request.uses, expires_at: now + lasts });
        Ok(Reply::Invite(InviteCreated { code: code.to_owned(), url: url.to_owned() }))
    }
}

fn banned(sentence: &str, reason: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Banned, sentence).with_details(&BTreeMap::from([("reason", reason)]))
}

fn locked(sentence: &str, reason: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomLocked, sentence).with_details(&BTreeMap::from([("reason", reason)]))
}
