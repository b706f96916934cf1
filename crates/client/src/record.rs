//! What a room is besides its game and its members, kept up to date by what it tells. Who is in it is elsewhere.

use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::message::push::{MemberUpdated, PresenceChanged, RoomUpdated, Vote};
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{DataMap, Member, RoomState, Visibility};
use anteroom_protocol::{Json, UserId};

/// How much of what was said last is kept.
const CHAT_MAX: usize = 50;

/// A room's record.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RoomInfo {
    /// The name to show.
    pub name: String,
    /// Whether the room outlives the server's process.
    pub durable: bool,
    /// Whether what happens in it is recorded, under the names of those who do it.
    pub recorded: bool,
    /// When the room was made: milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Who owns it, if anybody does.
    pub owner: Option<UserId>,
    /// How many seats there are.
    pub seats_max: u16,
    /// Who finds it.
    pub visibility: Visibility,
    /// Whether nobody else is let in.
    pub locked: bool,
    /// Whether a password is asked for.
    pub has_password: bool,
    /// Where the match stands.
    pub state: RoomState,
    /// How many watch, listed among the members or not.
    pub spectators: u32,
    /// By how much those who watch are behind, in milliseconds.
    pub spectator_delay_ms: u32,
    /// What was set for the room, as far as this member may see it.
    pub data: DataMap,
    /// Who waits for a seat, the first first.
    pub seat_queue: Vec<UserId>,
    /// What is being voted on.
    pub vote: Option<Vote>,
    /// What was said last, the oldest first: at most 50 entries.
    pub chat: Vec<ChatEntry>,
}

impl RoomInfo {
    pub(crate) fn of(room: &RoomJoined) -> Self {
        Self {
            name: room.name.clone(),
            durable: room.durable,
            recorded: room.recorded,
            created_at_ms: room.created_at_ms,
            created_by: room.created_by.clone(),
            owner: room.owner.clone(),
            seats_max: room.seats_max,
            visibility: room.visibility,
            locked: room.locked,
            has_password: room.has_password,
            state: room.state,
            spectators: room.spectators,
            spectator_delay_ms: room.spectator_delay_ms,
            data: room.data.clone(),
            seat_queue: room.seat_queue.clone(),
            vote: room.vote.clone(),
            chat: room.chat.clone(),
        }
    }

    pub(crate) fn update(&mut self, changes: &RoomUpdated) {
        set(&mut self.name, changes.name.as_ref());
        set(&mut self.visibility, changes.visibility.as_ref());
        set(&mut self.locked, changes.locked.as_ref());
        set(&mut self.has_password, changes.has_password.as_ref());
        set(&mut self.seats_max, changes.seats_max.as_ref());
        set(&mut self.owner, changes.owner.as_ref());
        set(&mut self.state, changes.state.as_ref());
        set(&mut self.spectators, changes.spectators.as_ref());
        set(&mut self.seat_queue, changes.seat_queue.as_ref());
        set(&mut self.vote, changes.vote.as_ref());
        set_data(&mut self.data, changes.data.as_ref());
    }

    /// Adds what was said, or puts it in place of what was said under the same id.
    pub(crate) fn say(&mut self, entry: &ChatEntry) {
        match self.chat.binary_search_by_key(&entry.message_id, |known| known.message_id) {
            Ok(place) => self.chat[place] = entry.clone(),
            Err(place) => self.chat.insert(place, entry.clone()),
        }
        if self.chat.len() > CHAT_MAX {
            self.chat.remove(0);
        }
    }
}

/// Changes a member as told, if it is this stay of theirs.
pub(crate) fn update_member(members: &mut [Member], changes: &MemberUpdated) {
    let Some(member) = member(members, &changes.user_id, changes.number) else { return };
    set(&mut member.role, changes.role.as_ref());
    set(&mut member.seat, changes.seat.as_ref());
    set(&mut member.ready, changes.ready.as_ref());
    set(&mut member.bot, changes.bot.as_ref());
    set(&mut member.muted, changes.muted.as_ref());
    set(&mut member.wants_seat, changes.wants_seat.as_ref());
    set_data(&mut member.data, changes.data.as_ref());
}

/// The same for what a member does just now.
pub(crate) fn update_presence(members: &mut [Member], presence: &PresenceChanged) {
    let Some(member) = member(members, &presence.user_id, presence.number) else { return };
    (member.typing, member.away) = (presence.typing, presence.away);
}

fn member<'a>(members: &'a mut [Member], user_id: &UserId, number: u32) -> Option<&'a mut Member> {
    members.iter_mut().find(|member| member.user_id == *user_id && member.number == number)
}

fn set<T: Clone>(field: &mut T, changed: Option<&T>) {
    if let Some(changed) = changed {
        field.clone_from(changed);
    }
}

fn set_data(data: &mut DataMap, changed: Option<&DataMap>) {
    for (key, value) in changed.into_iter().flatten() {
        if *value == Json::default() {
            data.remove(key);
        } else {
            data.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::message::Role;
    use anteroom_protocol::message::chat::MessageId;

    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn what_is_told_changes_and_the_rest_stays() {
        let data = DataMap::from([("map".into(), Json::from(1)), ("mode".into(), Json::from(2))]);
        let mut info = RoomInfo { owner: Some(user("ada")), seats_max: 2, data, ..RoomInfo::default() };
        info.update(&RoomUpdated { locked: Some(true), owner: Some(None), ..RoomUpdated::default() });
        assert_eq!((info.locked, &info.owner, info.seats_max), (true, &None, 2));
        let changed = DataMap::from([("map".into(), Json::default()), ("level".into(), Json::from(3))]);
        info.update(&RoomUpdated { data: Some(changed), ..RoomUpdated::default() });
        assert_eq!(info.data, DataMap::from([("level".into(), Json::from(3)), ("mode".into(), Json::from(2))]));
    }

    #[test]
    fn a_member_changes_only_in_the_stay_that_is_meant() {
        let mut members = vec![Member { number: 2, ..Member::of(user("bob"), "Bob", Role::Spectator, None, true) }];
        let seated =
            MemberUpdated { seat: Some(Some(1)), role: Some(Role::Player), ..MemberUpdated::of(user("bob"), 1) };
        update_member(&mut members, &seated);
        assert_eq!(members[0].seat, None);
        update_member(&mut members, &MemberUpdated { number: 2, ..seated });
        assert_eq!((members[0].seat, members[0].role), (Some(1), Role::Player));
        let presence = PresenceChanged { user_id: user("bob"), number: 2, typing: true, away: false };
        update_presence(&mut members, &presence);
        assert!(members[0].typing && !members[0].away);
    }

    #[test]
    fn what_was_said_last_is_in_order_and_bounded() {
        let entry = |id, text: &str| ChatEntry {
            message_id: MessageId(id),
            user_id: user("ada"),
            username: "Ada".into(),
            text: text.into(),
            at_ms: id,
            edited: false,
            deleted: false,
        };
        let mut info = RoomInfo::default();
        for id in [9, 10, 11] {
            info.say(&entry(id, "Hi"));
        }
        info.say(&entry(10, "Hello"));
        let texts: Vec<_> = info.chat.iter().map(|entry| &*entry.text).collect();
        assert_eq!(texts, ["Hi", "Hello", "Hi"]);
        for id in 12..200 {
            info.say(&entry(id, ""));
        }
        assert_eq!((info.chat.len(), info.chat[49].message_id), (CHAT_MAX, MessageId(199)));
    }
}
