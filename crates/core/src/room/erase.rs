//! Forgetting a user: nothing that a room keeps from then on, or says, has their id or name in it.
//!
//! Games keep seats and never users, so there is nothing to do in them. What was logged, stored or said before is not the
//! room's any more.

use anteroom_protocol::UserId;
use anteroom_protocol::message::push::LeftReason;

use super::inputs::RecentInputs;
use super::{Effects, MemberId, Room};

impl Room {
    /// The others hear that they have left, which is the last that is said of them; they themselves do so on each of their lanes.
    pub(super) fn erase(&mut self, user_id: &UserId, username: Option<&str>, effects: &mut Effects) {
        let mut names: Vec<String> = username.into_iter().map(str::to_owned).collect();
        let theirs = self.members.iter().filter(|(_, member)| member.user_id == *user_id);
        let theirs: Vec<MemberId> = theirs.map(|(id, _)| *id).collect();
        for id in theirs {
            names.extend(self.members.get(&id).map(|member| member.username.clone()));
            self.leave(id, None, None, effects);
        }
        // One that is kept for them while they are away.
        if let Some(seat) = self.stage.seating.of_user(user_id) {
            names.extend(self.stage.seating.occupant(seat).map(|occupant| occupant.username.clone()));
            self.give_up_seat(seat, LeftReason::Left);
        }
        self.stage.seating.forget_former(user_id);
        if names.iter().any(|name| !name.is_empty() && self.name.contains(name.as_str())) {
            self.name = format!("Room {}", self.stage.room_id);
            self.turnover += 1;
        }
        // What they did may have it, too.
        self.recent = RecentInputs::default();
    }
}
