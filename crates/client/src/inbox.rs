//! What has happened in one room and was not taken yet: filled by the session's task, emptied by the room's handle.
//!
//! Bounded without ever making the session's task wait, because that task also brings the answers a slow reader may
//! be waiting for. When it overflows, everything in it gives way to one note of how much was missed, with the members
//! and the newest state as they are now. What ends the membership is kept apart and always arrives.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::message::push::{
    ClientDisconnected, ClientLeft, ClientReconnected, MemberUpdated, PresenceChanged, RoomUpdated, SystemSaid,
};
use anteroom_protocol::message::{DataMap, Member};
use anteroom_protocol::{Data, ErrorBody};
use tokio::sync::Notify;

use crate::error::RoomEnd;
use crate::record::{RoomInfo, update_member, update_presence};

/// How many events may wait.
pub(crate) const EVENTS_MAX: usize = 1024;
/// How many bytes of game messages may wait.
pub(crate) const EVENT_BYTES_MAX: usize = 4 << 20;
/// How many members of a room are listed; more than any room has.
const MEMBERS_MAX: usize = 16 << 10;

/// The data of a message, kept after the record it came in.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Json(Box<str>),
    Binary(Box<[u8]>),
}

impl Content {
    pub(crate) fn new(data: Data<'_>) -> Self {
        match data {
            Data::Json(text) => Self::Json(text.into()),
            Data::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }

    pub(crate) fn data(&self) -> Data<'_> {
        match self {
            Self::Json(text) => Data::Json(text),
            Self::Binary(bytes) => Data::Binary(bytes),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Something that happened in a room, the game's own messages not decoded.
#[derive(Debug)]
pub(crate) enum Happening {
    State(Content),
    Game {
        kind: Box<str>,
        content: Content,
    },
    Joined(Member),
    Disconnected(ClientDisconnected),
    Reconnected(ClientReconnected),
    Left(ClientLeft),
    RoomUpdated(Box<RoomUpdated>),
    MemberUpdated(MemberUpdated),
    Presence(PresenceChanged),
    Chat(ChatEntry),
    System(SystemSaid),
    Error(ErrorBody),
    /// One of the lobby's own messages, of a shape that this build does not know.
    Unreadable {
        kind: Box<str>,
        reason: String,
    },
    /// Messages were lost on the way; the state as it is now follows.
    Gap {
        missed: u64,
        members: Vec<Member>,
        info: Box<RoomInfo>,
    },
    /// The inbox overflowed.
    Missed {
        events: u64,
        members: Vec<Member>,
        info: Box<RoomInfo>,
    },
    /// The last one.
    End(RoomEnd),
}

impl Happening {
    fn bytes(&self) -> usize {
        match self {
            Self::State(content) | Self::Game { content, .. } => content.len(),
            Self::Chat(entry) => entry.text.len(),
            Self::RoomUpdated(changes) => data_bytes(changes.data.as_ref()),
            Self::MemberUpdated(changes) => data_bytes(changes.data.as_ref()),
            _ => 0,
        }
    }
}

fn data_bytes(data: Option<&DataMap>) -> usize {
    data.into_iter().flatten().map(|(key, value)| key.len() + value.text().len()).sum()
}

/// Keeps the record of a room as it changes.
pub(crate) fn keep_info(info: &mut RoomInfo, happening: &Happening) {
    match happening {
        Happening::RoomUpdated(changes) => info.update(changes),
        Happening::Chat(entry) => info.say(entry),
        Happening::Missed { info: now, .. } | Happening::Gap { info: now, .. } => info.clone_from(now),
        _ => {}
    }
}

/// Keeps a list of members as others come and go.
pub(crate) fn keep_members(members: &mut Vec<Member>, happening: &Happening) {
    match happening {
        Happening::Joined(member) => {
            // A user is one entry; who watched may sit down.
            members.retain(|known| known.user_id != member.user_id);
            if members.len() < MEMBERS_MAX {
                members.push(member.clone());
            }
        }
        Happening::Disconnected(ClientDisconnected { user_id, .. }) => {
            members.iter_mut().filter(|member| member.user_id == *user_id && member.seat.is_some()).for_each(
                |member| {
                    member.connected = false;
                },
            );
        }
        Happening::Reconnected(ClientReconnected { user_id, .. }) => {
            members.iter_mut().filter(|member| member.user_id == *user_id).for_each(|member| member.connected = true);
        }
        Happening::Left(ClientLeft { user_id, .. }) => members.retain(|member| member.user_id != *user_id),
        Happening::MemberUpdated(changes) => update_member(members, changes),
        Happening::Presence(presence) => update_presence(members, presence),
        Happening::Missed { members: now, .. } | Happening::Gap { members: now, .. } => members.clone_from(now),
        _ => {}
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Happening>,
    bytes: usize,
    /// As they are when everything that waits was taken.
    members: Vec<Member>,
    /// The same of the room.
    info: RoomInfo,
    end: Option<RoomEnd>,
    ended: bool,
}

impl Inbox {
    pub(crate) fn new(members: Vec<Member>, info: RoomInfo) -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, members, info, end: None, ended: false };
        Self { state: Mutex::new(state), filled: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the queue is valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what happened; never waits.
    pub(crate) fn put(&self, happening: Happening) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if state.waiting.len() >= EVENTS_MAX || state.bytes + happening.bytes() > EVENT_BYTES_MAX {
            state.overflow();
        }
        keep_members(&mut state.members, &happening);
        keep_info(&mut state.info, &happening);
        state.bytes += happening.bytes();
        state.waiting.push_back(happening);
        drop(state);
        self.filled.notify_one();
    }

    /// Adds what happened, unless that would make the inbox overflow.
    pub(crate) fn offer(&self, happening: Happening) {
        let state = self.lock();
        let fits = state.waiting.len() < EVENTS_MAX && state.bytes + happening.bytes() <= EVENT_BYTES_MAX;
        drop(state);
        if fits {
            self.put(happening);
        }
    }

    /// Says that nothing more will happen. The first reason stays.
    pub(crate) fn end(&self, end: RoomEnd) {
        let mut state = self.lock();
        if !state.ended {
            state.ended = true;
            state.end = Some(end);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Takes the next one; `None` after [`Happening::End`]. Cancel-safe: it is taken when the future completes.
    pub(crate) async fn next(&self) -> Option<Happening> {
        loop {
            if let Some(taken) = self.lock().take() {
                return taken;
            }
            // There is one reader, so the permit that `notify_one` leaves cannot be lost to another.
            self.filled.notified().await;
        }
    }
}

impl State {
    /// Something, that nothing will ever come again, or `None` if it is time to wait.
    fn take(&mut self) -> Option<Option<Happening>> {
        if let Some(happening) = self.waiting.pop_front() {
            self.bytes -= happening.bytes();
            return Some(Some(happening));
        }
        if let Some(end) = self.end.take() {
            return Some(Some(Happening::End(end)));
        }
        self.ended.then_some(None)
    }

    fn overflow(&mut self) {
        let mut missed = 0;
        let mut newest = None;
        for happening in self.waiting.drain(..) {
            missed += match &happening {
                Happening::Missed { events, .. } => *events,
                _ => 1,
            };
            if matches!(happening, Happening::State(_)) {
                newest = Some(happening);
            }
        }
        let kept = newest.is_some();
        let (members, info) = (self.members.clone(), Box::new(self.info.clone()));
        self.waiting.push_back(Happening::Missed { events: missed - u64::from(kept), members, info });
        self.waiting.extend(newest);
        self.bytes = self.waiting.iter().map(Happening::bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use anteroom_protocol::message::Role;
    use anteroom_protocol::message::push::LeftReason;

    use super::*;

    fn member(name: &str, seat: Option<u16>) -> Member {
        let role = if seat.is_some() { Role::Player } else { Role::Spectator };
        Member::of(name.parse().unwrap(), name, role, seat, true)
    }

    fn state(text: &str) -> Happening {
        Happening::State(Content::new(Data::Json(text)))
    }

    fn left(name: &str, reason: LeftReason) -> Happening {
        Happening::Left(ClientLeft { user_id: name.parse().unwrap(), username: name.to_owned(), reason })
    }

    #[tokio::test]
    async fn an_overflow_leaves_the_newest_state_and_the_members() {
        let inbox = Inbox::new(vec![member("ada", Some(0))], RoomInfo::default());
        inbox.put(Happening::Joined(member("bob", Some(1))));
        for number in 0..EVENTS_MAX {
            inbox.put(state(&number.to_string()));
        }
        inbox.put(left("ada", LeftReason::Left));
        let Some(Happening::Missed { events, members, .. }) = inbox.next().await else { panic!("not said") };
        assert_eq!(events, EVENTS_MAX as u64 - 1);
        assert_eq!(members, [member("ada", Some(0)), member("bob", Some(1))]);
        let Some(Happening::State(newest)) = inbox.next().await else { panic!("no state") };
        assert_eq!(newest.data(), Data::Json("1022"));
        let Some(Happening::State(newest)) = inbox.next().await else { panic!("no state") };
        assert_eq!(newest.data(), Data::Json("1023"));
        assert!(matches!(inbox.next().await, Some(Happening::Left(_))));
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_the_end_always_arrives() {
        let inbox = Inbox::new(Vec::new(), RoomInfo::default());
        for _ in 0..100 {
            let content = Content::new(Data::Binary(&[0; EVENT_BYTES_MAX / 10]));
            inbox.put(Happening::Game { kind: "noise".into(), content });
            assert!(inbox.lock().bytes <= EVENT_BYTES_MAX);
        }
        inbox.end(RoomEnd::Left);
        inbox.end(RoomEnd::Session(crate::SessionEnd::ByClient));
        inbox.put(state("{}"));
        let Some(Happening::Missed { events, .. }) = inbox.next().await else { panic!("not said") };
        let mut rest = 0;
        loop {
            match inbox.next().await {
                Some(Happening::Game { .. }) => rest += 1,
                Some(Happening::End(end)) => break assert_eq!(end, RoomEnd::Left),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(events + rest, 100);
        assert!(inbox.next().await.is_none());
        assert!(inbox.next().await.is_none());
    }

    #[test]
    fn members_come_and_go() {
        let mut members = vec![member("ada", Some(0)), member("bob", Some(1))];
        for happening in [
            left("ada", LeftReason::Left),
            Happening::Joined(member("ada", None)),
            Happening::Joined(member("ada", Some(0))),
            Happening::Disconnected(ClientDisconnected {
                user_id: "bob".parse().unwrap(),
                username: "bob".into(),
                grace_ms: 1,
            }),
        ] {
            keep_members(&mut members, &happening);
        }
        let gone = Member { connected: false, ..member("bob", Some(1)) };
        assert_eq!(members, [gone, member("ada", Some(0))]);
        keep_members(&mut members, &left("bob", LeftReason::TimedOut));
        keep_members(&mut members, &left("nobody", LeftReason::Left));
        assert_eq!(members, [member("ada", Some(0))]);
    }
}
