//! Forgetting a user: nothing that a room keeps from then on, or says, has their id or name in it.
//!
//! Games keep seats and never users, so there is nothing to do in them. What was logged, stored or said before is not the
//! room's any more.

use anteroom_protocol::UserId;
use anteroom_protocol::message::push::LeftReason;

use super::inputs::RecentInputs;
use super::{Effects, MemberId, Room};

/// Whether a room's name tells a user's. One that a room gets by itself does, and any with theirs as words of it if they were there:
/// else a guest called "room" would take the name of everybody's.
#[must_use]
pub fn is_named_after(room: &str, username: &str, was_there: bool) -> bool {
    if username.is_empty() {
        return false;
    }
    let is_default = room.strip_prefix(username).is_some_and(|rest| rest.is_empty() || rest == "'s room");
    is_default || was_there && has_word(room, username)
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

impl Room {
    /// The others hear that they have left, which is the last that is said of them; they themselves do so on each of their lanes.
    pub(super) fn erase(&mut self, user_id: &UserId, username: Option<&str>, effects: &mut Effects) {
        let mut names: Vec<String> = username.into_iter().map(str::to_owned).collect();
        let theirs = self.members.iter().filter(|(_, member)| member.user_id == *user_id);
        let theirs: Vec<MemberId> = theirs.map(|(id, _)| *id).collect();
        let mut was_there = !theirs.is_empty();
        for id in theirs {
            names.extend(self.members.get(&id).map(|member| member.username.clone()));
            self.leave(id, None, None, effects);
        }
        // One that is kept for them while they are away.
        if let Some(seat) = self.stage.seating.of_user(user_id) {
            was_there = true;
            names.extend(self.stage.seating.occupant(seat).map(|occupant| occupant.username.clone()));
            self.give_up_seat(seat, LeftReason::Left);
        }
        was_there |= self.stage.seating.forget_former(user_id);
        was_there |= self.record.mentions(user_id) | self.talk.mentions(user_id);
        self.forget_in_record(user_id);
        self.doors.forget(user_id);
        self.plan.reserved.remove(user_id);
        self.talk.forget(user_id);
        if names.iter().any(|name| is_named_after(&self.name, name, was_there)) {
            self.name = format!("Room {}", self.stage.room_id);
            self.turnover += 1;
        }
        self.forget_votes(user_id);
        self.forget_late(user_id, &names, effects);
        // What they did may have it, too.
        self.recent = RecentInputs::default();
    }
}
