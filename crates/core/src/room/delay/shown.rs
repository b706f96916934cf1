//! The room as those who watch see it, and what is different in it behind a turn.
//!
//! Only the differences are kept for each turn: of the members and of what was said those that are new or have changed. When
//! they are shown is decided elsewhere.

use std::collections::BTreeMap;

use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{DataMap, Member, RoomState};
use anteroom_protocol::{Codec, LaneId, Payload, UserId};
use serde::{Deserialize, Serialize};

use crate::flush::late::has;

/// What the room and each entry in it take besides their texts, in bytes.
const ENTRY_BYTES: usize = 160;

/// The room as it was at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    outline: Outline,
    data: Data,
    chat: Vec<ChatEntry>,
    /// How many entries there ever were.
    said_ever: u64,
    members: Vec<Seen>,
    view: View,
}

/// The room without what is beside it in [`Shown`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outline {
    room: RoomJoined,
    players: u16,
}

/// A member as the others see them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    pub(super) member: Member,
    /// What only the room's owner reads of them.
    #[serde(default, skip_serializing_if = "DataMap::is_empty")]
    pub(super) owners: DataMap,
}

/// What of the room is seen in the lobby.
#[derive(Debug, PartialEq)]
pub(in crate::room) struct Row {
    pub(in crate::room) name: String,
    pub(in crate::room) state: RoomState,
    pub(in crate::room) players: u16,
    pub(in crate::room) seats_max: u16,
    pub(in crate::room) spectators: u32,
    pub(in crate::room) locked: bool,
    pub(in crate::room) has_password: bool,
    pub(in crate::room) data: DataMap,
}

/// The room's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    everyones: DataMap,
    /// What only the room's owner reads.
    owners: DataMap,
}

/// The game, in each codec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    json: Payload,
    binary: Vec<u8>,
}

/// What is different in the room from what it was before; what is none is as it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    outline: Option<Outline>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<Lines>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Roll>,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<View>,
}

/// What is seen of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    /// What was said before is not seen any more.
    first: MessageId,
    said_ever: u64,
    /// Entries that are new or have changed, in order.
    changed: Vec<ChatEntry>,
}

/// Who is in the list of members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    /// The numbers of their stays, in order.
    order: Vec<u32>,
    /// Those of them who are new or have changed.
    changed: Vec<Seen>,
}

impl Shown {
    /// `room` has the data that is not for owners alone, no members, and no view.
    pub(super) fn new(mut room: RoomJoined, owners: DataMap, json: Payload, binary: Vec<u8>, players: u16) -> Self {
        let data = Data { everyones: std::mem::take(&mut room.data), owners };
        let (chat, view) = (std::mem::take(&mut room.chat), View { json, binary });
        Self { outline: Outline { room, players }, data, chat, said_ever: 0, members: Vec::new(), view }
    }

    pub(super) fn with(self, members: Vec<Seen>, said_ever: u64) -> Self {
        Self { members, said_ever, ..self }
    }

    /// Becomes the room as it is next, and gives what is different in it.
    pub(super) fn go_on(&mut self, next: Self) -> Change {
        let change = Change {
            outline: changed(&self.outline, &next.outline),
            data: changed(&self.data, &next.data),
            chat: (self.said_ever != next.said_ever || self.chat != next.chat)
                .then(|| Lines::between(&self.chat, &next.chat, next.said_ever)),
            members: (self.members != next.members).then(|| Roll::between(&self.members, &next.members)),
            view: changed(&self.view, &next.view),
        };
        self.apply(change.clone());
        debug_assert_eq!(*self, next, "the differences are all that is different");
        change
    }

    /// Becomes the room as it is behind a change.
    pub(super) fn apply(&mut self, change: Change) {
        let Change { outline, data, chat, members, view } = change;
        if let Some(outline) = outline {
            self.outline = outline;
        }
        if let Some(data) = data {
            self.data = data;
        }
        if let Some(view) = view {
            self.view = view;
        }
        if let Some(lines) = chat {
            self.said_ever = lines.said_ever;
            lines.renew(&mut self.chat);
        }
        if let Some(Roll { order, changed }) = members {
            let before = std::mem::take(&mut self.members);
            let mut known: BTreeMap<u32, Seen> =
                before.into_iter().chain(changed).map(|seen| (seen.member.number, seen)).collect();
            self.members = order.iter().filter_map(|number| known.remove(number)).collect();
        }
    }

    /// What of it is seen in the lobby, in a game that shows these keys there.
    pub(super) fn row(&self, searchable: &[&str]) -> Row {
        let Outline { room, players } = &self.outline;
        let value = |key: &&str| Some(((*key).to_owned(), self.data.everyones.get(*key)?.clone()));
        Row {
            name: room.name.clone(),
            state: room.state,
            players: *players,
            seats_max: room.seats_max,
            spectators: room.spectators,
            locked: room.locked,
            has_password: room.has_password,
            data: searchable.iter().filter_map(value).collect(),
        }
    }

    /// Where the match stands.
    pub(super) fn state(&self) -> RoomState {
        self.outline.room.state
    }

    /// How many entries there ever were.
    pub(super) fn said_ever(&self) -> u64 {
        self.said_ever
    }

    /// Forgets what was said before a time, in Unix milliseconds.
    pub(super) fn forget_before(&mut self, at_ms: u64) {
        if self.chat.first().is_some_and(|first| first.at_ms < at_ms) {
            self.chat.retain(|entry| entry.at_ms >= at_ms);
        }
    }

    /// The room as one of those who watch it is told of it.
    pub(super) fn joined(&self, reader: Option<&UserId>, lane: LaneId, codec: Codec) -> RoomJoined {
        let view = match codec {
            Codec::Json => self.view.json.clone(),
            Codec::Bincode => Payload::Binary(self.view.binary.clone()),
        };
        let room = self.outline.room.clone();
        let mut data = self.data.everyones.clone();
        let is_owner = reader.is_some() && reader == room.owner.as_ref();
        if is_owner {
            data.extend(self.data.owners.clone());
        }
        let members = self.members.iter().map(|Seen { member, owners }| {
            let mut member = member.clone();
            if is_owner {
                member.data.extend(owners.clone());
            }
            member
        });
        RoomJoined { lane, data, chat: self.chat.clone(), members: members.collect(), view, ..room }
    }

    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        self.outline.mentions(user_id)
            || self.chat.iter().any(|entry| entry.user_id == *user_id)
            || self.members.iter().any(|seen| seen.member.user_id == *user_id)
    }

    /// Forgets a user, in a room that has this name now.
    pub(super) fn forget(&mut self, user_id: &UserId, name: &str) {
        self.members.retain(|seen| seen.member.user_id != *user_id);
        self.chat.retain(|entry| entry.user_id != *user_id);
        let room = &mut self.outline.room;
        room.seat_queue.retain(|queued| queued != user_id);
        room.created_by.take_if(|creator| creator == user_id);
        room.owner.take_if(|owner| owner == user_id);
        if let Some(vote) = &mut room.vote {
            [&mut vote.absent, &mut vote.yes, &mut vote.no]
                .into_iter()
                .for_each(|users| users.retain(|id| id != user_id));
        }
        name.clone_into(&mut room.name);
    }

    /// Whether a text is in what is seen of the game.
    pub(super) fn view_has(&self, text: &str) -> bool {
        has(&self.view.binary, text) || matches!(&self.view.json, Payload::Json(json) if json.get().contains(text))
    }

    /// Shows the game as it is in another.
    pub(super) fn look_at(&mut self, other: Self) {
        self.view = other.view;
    }
}

impl Outline {
    fn mentions(&self, user_id: &UserId) -> bool {
        let RoomJoined { created_by, owner, seat_queue, vote, .. } = &self.room;
        let votes = vote.iter().flat_map(|vote| vote.absent.iter().chain(&vote.yes).chain(&vote.no));
        [created_by, owner].into_iter().flatten().chain(seat_queue).chain(votes).any(|there| there == user_id)
    }
}

impl Change {
    /// Adds what was different behind it.
    pub(super) fn join(&mut self, later: Self) {
        let Self { outline, data, chat, members, view } = later;
        self.outline = outline.or(self.outline.take());
        self.data = data.or(self.data.take());
        self.view = view.or(self.view.take());
        self.chat = match (self.chat.take(), chat) {
            (Some(before), Some(later)) => Some(before.join(later)),
            (before, later) => later.or(before),
        };
        self.members = match (self.members.take(), members) {
            (Some(before), Some(later)) => Some(before.join(later)),
            (before, later) => later.or(before),
        };
    }

    /// How much it takes.
    pub(super) fn bytes(&self) -> usize {
        let outline = self.outline.as_ref().map_or(0, |Outline { room, .. }| {
            let votes = room.vote.as_ref().map_or(0, |vote| vote.absent.len() + vote.yes.len() + vote.no.len());
            ENTRY_BYTES * (1 + room.seat_queue.len() + votes) + room.name.len()
        });
        let data = self.data.as_ref().map_or(0, |data| data_bytes(&data.everyones) + data_bytes(&data.owners));
        let lines = self.chat.iter().flat_map(|lines| &lines.changed);
        let chat = lines.map(|entry| ENTRY_BYTES + entry.text.len());
        let members = self.members.as_ref().map_or(0, |Roll { order, changed }| {
            let changed = changed
                .iter()
                .map(|Seen { member, owners }| ENTRY_BYTES + data_bytes(&member.data) + data_bytes(owners));
            order.len() * size_of::<u32>() + changed.sum::<usize>()
        });
        let view = self.view.as_ref().map_or(0, |View { json, binary }| {
            binary.len() + if let Payload::Json(text) = json { text.get().len() } else { 0 }
        });
        outline + data + chat.sum::<usize>() + members + view
    }

    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        self.outline.as_ref().is_some_and(|outline| outline.mentions(user_id))
            || self.chat.iter().flat_map(|lines| &lines.changed).any(|entry| entry.user_id == *user_id)
            || self.members.iter().flat_map(|roll| &roll.changed).any(|seen| seen.member.user_id == *user_id)
    }
}

impl Lines {
    fn between(before: &[ChatEntry], now: &[ChatEntry], said_ever: u64) -> Self {
        Self {
            said_ever,
            first: now.first().map_or(MessageId(u64::MAX), |entry| entry.message_id),
            changed: now.iter().filter(|entry| !before.contains(entry)).cloned().collect(),
        }
    }

    /// Puts the entries among others, or in place of what they were.
    fn renew(self, entries: &mut Vec<ChatEntry>) {
        for entry in self.changed {
            match entries.binary_search_by_key(&entry.message_id, |entry| entry.message_id) {
                Ok(place) => entries[place] = entry,
                Err(place) => entries.insert(place, entry),
            }
        }
        entries.retain(|entry| entry.message_id >= self.first);
    }

    fn join(self, later: Self) -> Self {
        let (first, said_ever, mut changed) = (later.first, later.said_ever, self.changed);
        later.renew(&mut changed);
        Self { first, said_ever, changed }
    }
}

impl Roll {
    fn between(before: &[Seen], now: &[Seen]) -> Self {
        let known: BTreeMap<u32, &Seen> = before.iter().map(|seen| (seen.member.number, seen)).collect();
        let is_news = |seen: &&Seen| known.get(&seen.member.number) != Some(seen);
        Self {
            order: now.iter().map(|seen| seen.member.number).collect(),
            changed: now.iter().filter(is_news).cloned().collect(),
        }
    }

    fn join(self, later: Self) -> Self {
        let Self { order, changed } = later;
        let changed = self.changed.into_iter().chain(changed).map(|seen| (seen.member.number, seen));
        let mut changed: BTreeMap<u32, Seen> = changed.collect();
        let changed = order.iter().filter_map(|number| changed.remove(number)).collect();
        Self { order, changed }
    }
}

fn changed<T: Clone + PartialEq>(before: &T, now: &T) -> Option<T> {
    (before != now).then(|| now.clone())
}

fn data_bytes(data: &DataMap) -> usize {
    data.iter().map(|(key, value)| key.len() + value.text().len()).sum()
}
