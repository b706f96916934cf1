//! A membership in one room: acting, and what happens there.

mod asking;

use std::time::Duration;

use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientLeft, ClientReconnected, LeftReason, MemberUpdated, PresenceChanged, RoomUpdated,
    SystemSaid,
};
use anteroom_protocol::message::request::LeaveRoom;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{Member, Role};
use anteroom_protocol::variant::{self, VariantError};
use anteroom_protocol::{Codec, ErrorBody, RoomId, UserId};

use crate::draft::Draft;
use crate::error::{ClientError, RoomEnd};
use crate::game::Game;
use crate::inbox::{Content, Happening, keep_info, keep_members};
use crate::record::RoomInfo;
use crate::shared::{Command, Joined, Place};

/// This session's membership in a room of the game `G`. Dropping it leaves the room.
///
/// What happens waits in an inbox of at most 1,024 events and 4 MiB until [`next`](Self::next) takes it. Nothing else
/// waits for a slow reader: when the inbox overflows, everything in it gives way to one [`RoomEvent::Missed`] and the
/// newest state.
#[derive(Debug)]
pub struct Room<G: Game> {
    place: Place,
    info: RoomInfo,
    seat: Option<u16>,
    role: Role,
    members: Vec<Member>,
    view: G::View,
}

/// Something that happened in a room, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RoomEvent<G: Game> {
    /// The game looks like this now.
    State(G::View),
    /// The game says something.
    Game(G::Event),
    /// Someone came in.
    Joined(Member),
    /// Someone lost the connection; the seat is kept for a while.
    Disconnected {
        /// Who.
        user_id: UserId,
        /// The name to show.
        username: String,
        /// How long the seat is kept.
        grace: Duration,
    },
    /// Someone is back in their seat.
    Reconnected {
        /// Who.
        user_id: UserId,
        /// The name to show.
        username: String,
    },
    /// Someone is gone for good.
    Left {
        /// Who.
        user_id: UserId,
        /// The name to show.
        username: String,
        /// Why.
        reason: LeftReason,
    },
    /// Something about the room has changed; [`Room::info`] has it.
    RoomUpdated(Box<RoomUpdated>),
    /// Something about a member has changed; [`Room::members`] has it.
    MemberUpdated(MemberUpdated),
    /// What a member does just now; [`Room::members`] has it.
    Presence(PresenceChanged),
    /// Somebody said something, or says something else instead; [`RoomInfo::chat`] has it.
    Chat(ChatEntry),
    /// Something that is worth a line among what is said.
    System(SystemSaid),
    /// A message of [`Room::send`] was refused.
    Error(ErrorBody),
    /// Something has another shape than this program expects; what it said is lost.
    Unreadable {
        /// The message's type.
        kind: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Messages were lost on the way, because the connection was lost or slow for longer than the server keeps them.
    /// [`Room::members`] is right again, and the state as it is now follows.
    Gap {
        /// How many, at least. 0 if the server was started anew, which does not know whether there were any.
        missed: u64,
    },
    /// [`Room::next`] was not called for so long that events were dropped. [`Room::members`] is right again, and the
    /// newest state follows if there was one among them.
    Missed {
        /// How many.
        events: u64,
    },
    /// The membership is over. The last event.
    Closed(RoomEnd),
}

impl<G: Game> Room<G> {
    /// Checks what was joined; a room of the wrong kind is left again.
    pub(crate) fn new(joined: Joined) -> Result<Self, ClientError> {
        let Joined { room, place } = joined;
        if room.game != G::KIND {
            return Err(ClientError::WrongGame { expected: G::KIND, found: room.game });
        }
        if room.game_version != G::VERSION && place.shared.codec() == Codec::Bincode {
            return Err(ClientError::GameVersion { game: G::KIND, server: room.game_version, client: G::VERSION });
        }
        let view =
            room.view.data().decode().map_err(|error| ClientError::InvalidAnswer(format!("the view: {error}")))?;
        let info = RoomInfo::of(&room);
        let RoomJoined { seat, role, members, .. } = room;
        Ok(Self { place, info, seat, role, members, view })
    }

    /// The room's id, for others to join by.
    #[must_use]
    pub fn room_id(&self) -> RoomId {
        self.place.room_id
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// What the room is as of the last event that [`next`](Self::next) gave: who owns it, its doors and data, what was
    /// said last.
    #[must_use]
    pub fn info(&self) -> &RoomInfo {
        &self.info
    }

    /// This player's seat, counted from 0; none for a spectator.
    #[must_use]
    pub fn seat(&self) -> Option<u16> {
        self.seat
    }

    /// How this session takes part.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether the room outlives the server's process: nothing that was acknowledged here is lost when it ends.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.info.durable
    }

    /// Everyone in the room as of the last event that [`next`](Self::next) gave, this session among them.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The game as of the last event that [`next`](Self::next) gave.
    #[must_use]
    pub fn view(&self) -> &G::View {
        &self.view
    }

    /// Does something, without asking for an answer; a refusal comes as [`RoomEvent::Error`]. It happens exactly once
    /// and in order with everything else that this session does here, whatever becomes of the connection, as long as
    /// the membership lasts.
    ///
    /// Waits while the server is behind by more than its [`Limits`](crate::Limits), and while 64 messages of this
    /// session wait to be sent. Cancel-safe: sent or not at all.
    ///
    /// # Errors
    /// [`ClientError::Closed`], [`ClientError::TooLarge`], [`ClientError::InvalidData`], [`ClientError::Encode`].
    pub async fn send(&self, action: &G::Action) -> Result<(), ClientError> {
        let draft = self.place.shared.checked(self.draft(action)?)?;
        self.place.shared.command(Command::Send(draft)).await
    }

    /// Does something that may be lost, doubled or overtaken, at once or not at all: a datagram where there are any
    /// and it fits. For what the next message of its kind makes obsolete; number them where the order matters.
    ///
    /// # Errors
    /// As of [`send`](Self::send). Nothing tells whether it has arrived.
    pub fn send_unreliable(&self, action: &G::Action) -> Result<(), ClientError> {
        self.place.shared.send_unreliable(self.draft(action)?.unreliable())
    }

    /// Does something, and waits for the game's answer. The events that follow from it come through
    /// [`next`](Self::next), perhaps before this returns. If it is dropped, the action may happen all the same.
    ///
    /// # Errors
    /// [`ClientError::Server`] if the game or the room refuses, and every other [`ClientError`] of a request.
    pub async fn act(&self, action: &G::Action) -> Result<(), ClientError> {
        self.place.shared.request(self.draft(action)?, Command::Send).await.map(drop)
    }

    fn draft(&self, action: &G::Action) -> Result<Draft, ClientError> {
        let draft = Draft::action(self.place.shared.codec(), action)?;
        Ok(draft.within(self.place.room_id, self.place.lane))
    }

    /// Waits for the next event; `None` after [`RoomEvent::Closed`]. Cancel-safe: a dropped future has taken nothing.
    pub async fn next(&mut self) -> Option<RoomEvent<G>> {
        let happening = self.place.inbox.next().await?;
        keep_members(&mut self.members, &happening);
        keep_info(&mut self.info, &happening);
        // Another one may be theirs now, or this player watches. What is said of an earlier stay of theirs is past.
        let own = &self.place.shared.accepted.user_id;
        if let Happening::MemberUpdated(MemberUpdated { user_id, number, role, seat, .. }) = &happening
            && user_id == own
            && self.members.iter().find(|member| member.user_id == *own).is_none_or(|member| member.number == *number)
        {
            self.role = role.unwrap_or(self.role);
            self.seat = seat.unwrap_or(self.seat);
        }
        let event = event(happening);
        if let RoomEvent::State(view) = &event {
            self.view.clone_from(view);
        }
        Some(event)
    }

    /// Leaves the room, and waits until the server has said so. If it is dropped, the room is left all the same.
    ///
    /// # Errors
    /// [`ClientError`]; the room is left in any case.
    pub async fn leave(self) -> Result<(), ClientError> {
        let Place { shared, room_id, lane, .. } = &self.place;
        let draft = Draft::of(shared.codec(), &LeaveRoom::default()).map_err(ClientError::Encode)?;
        match shared.request(draft.within(*room_id, *lane), Command::Send).await {
            // The answer is lost only if the membership has ended.
            Ok(_) | Err(ClientError::OutcomeUnknown) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn event<G: Game>(happening: Happening) -> RoomEvent<G> {
    match happening {
        Happening::State(content) => match content.data().decode() {
            Ok(view) => RoomEvent::State(view),
            Err(error) => unreadable("game_state", error.to_string()),
        },
        Happening::Game { kind, content } => game_event(&kind, &content),
        Happening::Joined(member) => RoomEvent::Joined(member),
        Happening::Disconnected(ClientDisconnected { user_id, username, grace_ms }) => {
            RoomEvent::Disconnected { user_id, username, grace: Duration::from_millis(grace_ms) }
        }
        Happening::Reconnected(ClientReconnected { user_id, username }) => RoomEvent::Reconnected { user_id, username },
        Happening::Left(ClientLeft { user_id, username, reason }) => RoomEvent::Left { user_id, username, reason },
        Happening::RoomUpdated(changes) => RoomEvent::RoomUpdated(changes),
        Happening::MemberUpdated(changes) => RoomEvent::MemberUpdated(changes),
        Happening::Presence(presence) => RoomEvent::Presence(presence),
        Happening::Chat(entry) => RoomEvent::Chat(entry),
        Happening::System(said) => RoomEvent::System(said),
        Happening::Error(error) => RoomEvent::Error(error),
        Happening::Unreadable { kind, reason } => unreadable(&kind, reason),
        Happening::Gap { missed, .. } => RoomEvent::Gap { missed },
        Happening::Missed { events, .. } => RoomEvent::Missed { events },
        Happening::End(end) => RoomEvent::Closed(end),
    }
}

fn game_event<G: Game>(kind: &str, content: &Content) -> RoomEvent<G> {
    match variant::decode(kind, content.data()) {
        Ok(event) => RoomEvent::Game(event),
        Err(VariantError::Unknown) => unreadable(kind, "this program knows no such message".to_owned()),
        Err(VariantError::Invalid(error)) => unreadable(kind, error.to_string()),
    }
}

fn unreadable<G: Game>(kind: &str, reason: String) -> RoomEvent<G> {
    RoomEvent::Unreadable { kind: kind.to_owned(), reason }
}
