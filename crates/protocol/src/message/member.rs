//! What a member asks of the room that they are in. Each carries the room's `room_id` at the top level, goes on its lane, and is
//! answered there, by the room.

use serde::{Deserialize, Serialize};

use super::chat::{ChatEntry, MessageId};
use super::{AccessMap, DataMap, Member, Visibility};
use crate::id::UserId;

/// `update_room`: changes what is named. The owner's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct UpdateRoom {
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Whether nobody else is let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// The password to come in; `null` or an empty one takes it away.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub password: Option<Option<String>>,
    /// How many seats there are, from those that are taken up to as many as the game has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_max: Option<u16>,
    /// Keys of the room's data to set, and with `null` to remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataMap>,
    /// Who may read which of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessMap>,
}

/// `set_member_data`: changes what is said of oneself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SetMemberData {
    /// Keys to set, and with `null` to remove.
    pub data: DataMap,
    /// Who may read which of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessMap>,
}

/// `kick`: sends somebody out, who needs a new invite to come again. The owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Kick {
    /// Whom.
    pub user_id: UserId,
}

/// `ban`: sends somebody out, here or not, who is not let in again. The owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Ban {
    /// Whom.
    pub user_id: UserId,
}

/// `unban`: takes a ban back. The owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Unban {
    /// Whose.
    pub user_id: UserId,
}

/// `transfer_owner`: gives the room to another member. The owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct TransferOwner {
    /// To whom.
    pub user_id: UserId,
}

/// `mute`: lets nobody hear what somebody says, or hear it again. The owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Mute {
    /// Whom.
    pub user_id: UserId,
    /// Whether they are not heard.
    pub muted: bool,
}

/// `ready`: whether the match may begin as far as this player goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Ready {
    /// Whether it may.
    pub ready: bool,
}

/// `choose_seat`: moves to another seat while no match is being played. A taken one is swapped when both have asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ChooseSeat {
    /// Which.
    pub seat: u16,
}

/// `queue_for_seat`: a spectator wants the next seat that is free, or does not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct QueueForSeat {
    /// Whether they want one.
    pub queued: bool,
}

/// `add_bot`: has a computer take a seat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct AddBot {
    /// Which; the first that is free without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<u16>,
}

/// `remove_bot`: frees a computer's seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RemoveBot {
    /// Which.
    pub seat: u16,
}

/// `pause`: stops the match, its timers and its clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Pause {}

/// `unpause`: goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Unpause {}

/// `vote`: whether to go on without those who are away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct CastVote {
    /// Whether to.
    #[serde(rename = "continue")]
    pub goes_on: bool,
}

/// `create_invite`: a code that lets somebody in. The owner's; any player's in a room without an owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct CreateInvite {
    /// How many may come in with it; as many as like without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// In how many milliseconds it expires; in a day without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

/// `get_participants`: who is in the room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct GetParticipants {}

/// `chat`: says something to everyone in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Chat {
    /// What: at most [`crate::limits::CHAT_BYTES_MAX`] bytes.
    pub text: String,
}

/// `chat_edit`: says something else instead. The author's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ChatEdit {
    /// Instead of what.
    pub message_id: MessageId,
    /// What.
    pub text: String,
}

/// `chat_delete`: takes back what was said. The author's and the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ChatDelete {
    /// What.
    pub message_id: MessageId,
}

/// `chat_history`: what was said before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ChatHistory {
    /// Before what; the newest without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<MessageId>,
    /// How much at most: 50 without, 100 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// `presence`: what others see of what one does just now. What is left out stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SetPresence {
    /// Whether one writes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
    /// Whether one is away from the keyboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<bool>,
}

/// `choose_seat_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SeatChosen {
    /// The seat that one has now: the one asked for, or the same as before until its player agrees to swap.
    pub seat: u16,
}

/// `queue_for_seat_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SeatQueued {
    /// The place in the queue, counted from 0; none if one is not in it, or has a seat now.
    pub position: Option<u32>,
}

/// `add_bot_result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct BotAdded {
    /// Where it sits.
    pub seat: u16,
    /// Who it is.
    pub user_id: UserId,
}

/// `create_invite_result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct InviteCreated {
    /// What `join_room.invite` takes.
    pub code: String,
    /// The link to the page that comes in with it; the code is in the fragment, which no server sees.
    pub url: String,
}

/// `get_participants_result`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Participants {
    /// Everyone who plays, and the first of those who watch.
    pub members: Vec<Member>,
    /// How many watch.
    pub spectators: u32,
}

/// `chat_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ChatSaid {
    /// What it is called from now on.
    pub message_id: MessageId,
}

/// `chat_history_result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ChatPage {
    /// What was said, the oldest first.
    pub messages: Vec<ChatEntry>,
    /// What to ask for as `before` to get what was said before that; none if there is nothing.
    pub next: Option<MessageId>,
}
