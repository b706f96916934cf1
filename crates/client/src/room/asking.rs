//! What a member asks of the room: owners' tools, seats, bots, votes, invites, chat. What it means, and who may, is for
//! the room to say.

use anteroom_protocol::UserId;
use anteroom_protocol::message::chat::MessageId;
use anteroom_protocol::message::member::*;
use anteroom_protocol::message::{AccessMap, Answered, DataMap};

use super::Room;
use crate::draft::Draft;
use crate::error::ClientError;
use crate::game::Game;
use crate::shared::{Answer, Command};

/// Each fails with [`ClientError::Server`] if the room refuses, such as with `not_owner`, `conflict` or `invalid_data`, and
/// then has changed nothing; and with every other [`ClientError`] of a request. What follows from it comes through
/// [`next`](Room::next), perhaps before it returns.
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
impl<G: Game> Room<G> {
    async fn ask<R: Answered>(&self, request: &R) -> Result<R::Answer, ClientError> {
        let shared = &self.place.shared;
        let draft = Draft::of(shared.codec(), request).map_err(ClientError::Encode)?;
        match shared.request(draft.within(self.place.room_id, self.place.lane), Command::Send).await? {
            Answer::Done(content) => {
                content.data().decode().map_err(|error| ClientError::InvalidAnswer(error.to_string()))
            }
            _ => Err(ClientError::InvalidAnswer("it answers another request".into())),
        }
    }

    /// Changes the room as named. The owner's.
    pub async fn update(&self, changes: &UpdateRoom) -> Result<(), ClientError> {
        self.ask(changes).await.map(drop)
    }

    /// Sets keys of one's own data, and with `null` removes them; `access` says who may read them.
    pub async fn set_data(&self, data: DataMap, access: Option<AccessMap>) -> Result<(), ClientError> {
        self.ask(&SetMemberData { data, access }).await.map(drop)
    }

    /// Sends somebody out, who needs a new invite to come again. The owner's.
    pub async fn kick(&self, user_id: UserId) -> Result<(), ClientError> {
        self.ask(&Kick { user_id }).await.map(drop)
    }

    /// Sends somebody out for good, here or not. The owner's.
    pub async fn ban(&self, user_id: UserId) -> Result<(), ClientError> {
        self.ask(&Ban { user_id }).await.map(drop)
    }

    /// Takes a ban back. The owner's.
    pub async fn unban(&self, user_id: UserId) -> Result<(), ClientError> {
        self.ask(&Unban { user_id }).await.map(drop)
    }

    /// Gives the room to another member. The owner's.
    pub async fn transfer_owner(&self, user_id: UserId) -> Result<(), ClientError> {
        self.ask(&TransferOwner { user_id }).await.map(drop)
    }

    /// Lets nobody hear what somebody says, or hear it again. The owner's.
    pub async fn mute(&self, user_id: UserId, muted: bool) -> Result<(), ClientError> {
        self.ask(&Mute { user_id, muted }).await.map(drop)
    }

    /// Whether the match may begin as far as this player goes.
    pub async fn ready(&self, ready: bool) -> Result<(), ClientError> {
        self.ask(&Ready { ready }).await.map(drop)
    }

    /// Moves to another seat. Gives the one that this player has now: a taken one is swapped when both have asked.
    pub async fn choose_seat(&self, seat: u16) -> Result<u16, ClientError> {
        self.ask(&ChooseSeat { seat }).await.map(|SeatChosen { seat }| seat)
    }

    /// Waits for the next free seat, or does not any more. Gives the place in the queue, from 0.
    pub async fn queue_for_seat(&self, queued: bool) -> Result<Option<u32>, ClientError> {
        self.ask(&QueueForSeat { queued }).await.map(|SeatQueued { position }| position)
    }

    /// Has a computer take this seat, or the first that is free.
    pub async fn add_bot(&self, seat: Option<u16>) -> Result<BotAdded, ClientError> {
        self.ask(&AddBot { seat }).await
    }

    /// Frees a computer's seat.
    pub async fn remove_bot(&self, seat: u16) -> Result<(), ClientError> {
        self.ask(&RemoveBot { seat }).await.map(drop)
    }

    /// Stops the match and its clock.
    pub async fn pause(&self) -> Result<(), ClientError> {
        self.ask(&Pause {}).await.map(drop)
    }

    /// Goes on.
    pub async fn unpause(&self) -> Result<(), ClientError> {
        self.ask(&Unpause {}).await.map(drop)
    }

    /// Whether to go on without those who are away.
    pub async fn vote(&self, goes_on: bool) -> Result<(), ClientError> {
        self.ask(&CastVote { goes_on }).await.map(drop)
    }

    /// A code, and the link with it, that let somebody in: so many times, and for so many milliseconds.
    pub async fn create_invite(&self, limits: CreateInvite) -> Result<InviteCreated, ClientError> {
        self.ask(&limits).await
    }

    /// Who is in the room now.
    pub async fn participants(&self) -> Result<Participants, ClientError> {
        self.ask(&GetParticipants {}).await
    }

    /// Says something to everyone in the room. Gives what it is called from now on.
    pub async fn chat(&self, text: impl Into<String>) -> Result<MessageId, ClientError> {
        self.ask(&Chat { text: text.into() }).await.map(|ChatSaid { message_id }| message_id)
    }

    /// Says something else instead. The author's.
    pub async fn edit_chat(&self, message_id: MessageId, text: impl Into<String>) -> Result<(), ClientError> {
        self.ask(&ChatEdit { message_id, text: text.into() }).await.map(drop)
    }

    /// Takes back what was said. The author's and the owner's.
    pub async fn delete_chat(&self, message_id: MessageId) -> Result<(), ClientError> {
        self.ask(&ChatDelete { message_id }).await.map(drop)
    }

    /// What was said before something, or last.
    pub async fn chat_history(&self, which: ChatHistory) -> Result<ChatPage, ClientError> {
        self.ask(&which).await
    }

    /// What others see of what one does just now.
    pub async fn set_presence(&self, presence: SetPresence) -> Result<(), ClientError> {
        self.ask(&presence).await.map(drop)
    }
}
