//! What a room says between two flushes: encoded once per codec when it is said, cut into batches when it is
//! sealed.
//!
//! Members who hear the same share one batch per codec; a member with private messages gets its own, in true
//! order. Who hears what is decided when it is said, never again: membership only changes when nothing is unsealed.

pub(crate) mod late;
mod seal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::codec::{Body, InvalidData};
use anteroom_protocol::limits::{KEY_BYTES_MAX, SERVER_FRAME_BYTES_MAX};
use anteroom_protocol::message::push::{GAME_STATE, RoomClosed};
use anteroom_protocol::message::{Message, Role};
use anteroom_protocol::{Batch, Codec, Data, Delivery, Header, RoomId, Tally, UserId, envelope, variant};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::room::{GameFailure, MemberId};

/// Something for one member's lane, in the order of delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Dispatch {
    /// The lane begins: its member has come in.
    Enter(MemberId),
    /// Something goes on the lane.
    Say {
        /// Whose lane.
        to: MemberId,
        /// What.
        outgoing: Outgoing,
    },
    /// What is unwritten on the lane is void, and what follows does not follow on what was written: it goes on with a gap.
    Lose(MemberId),
}

impl Dispatch {
    /// What goes on a lane, and whose it is; none if a lane begins, or goes on with a gap.
    #[must_use]
    pub fn said(&self) -> Option<(MemberId, &Outgoing)> {
        match self {
            Self::Enter(_) | Self::Lose(_) => None,
            Self::Say { to, outgoing } => Some((*to, outgoing)),
        }
    }
}

/// What goes on a lane. Batches are shared among all members that get them.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// Ordered, exactly once.
    Reliable(Arc<Batch>),
    /// One message that says where everything stands, for a lane that lost messages; dropped on any other.
    Snapshot {
        /// The highest number of the member's messages whose outcome it has: their answers may be among what was lost, and
        /// whoever is told of the gap is told so.
        applied: u64,
        /// A batch of one.
        message: Arc<Batch>,
    },
    /// One message that replaces an unwritten one of the same key, behind what is pending.
    Latest {
        /// What the message is the newest of.
        key: Arc<str>,
        /// A batch of one.
        message: Arc<Batch>,
    },
    /// One message to be sent as a datagram; as [`Outgoing::Latest`] where there are none.
    Unreliable {
        /// The key to conflate by where there are no datagrams.
        key: Arc<str>,
        /// A batch of one.
        message: Arc<Batch>,
    },
}

impl Outgoing {
    /// The messages of it.
    #[must_use]
    pub fn batch(&self) -> &Arc<Batch> {
        match self {
            Self::Reliable(batch)
            | Self::Snapshot { message: batch, .. }
            | Self::Latest { message: batch, .. }
            | Self::Unreliable { message: batch, .. } => batch,
        }
    }
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum To {
    /// Every member.
    Everyone,
    /// Every member who only watches.
    Spectators,
    /// One member.
    Only(MemberId),
    /// Every member but one.
    Except(MemberId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    role: Role,
    codec: Codec,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    Reliable,
    Latest(Arc<str>),
    Unreliable(Arc<str>),
}

/// Whose message it is. A game chooses the keys of its newest values, or lets players do it: none of them may take the place
/// of what the room itself says, so on lanes those are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Games,
    Rooms,
}

/// What the keys of the room's own newest values begin with on lanes, and no others do.
const ROOMS: &str = "\0room.";

impl Whose {
    fn key(self, key: &str) -> Arc<str> {
        match self {
            Self::Rooms => format!("{ROOMS}{key}").into(),
            Self::Games if key.starts_with('\0') => format!("\0game.{key}").into(),
            Self::Games => key.into(),
        }
    }
}

/// Whether a key of a newest value is that of something a room says of itself: all of that is in its snapshots.
pub(crate) fn is_in_snapshots(key: &str) -> bool {
    key.starts_with(ROOMS)
}

/// When those who watch hear a message, where they hear things late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Late.
    InTurn,
    /// Like everybody: it answers them, or ends their lane.
    AtOnce,
    /// Now, since the others heard it before.
    Late,
}

#[derive(Debug)]
struct Item {
    to: To,
    class: Class,
    heard: Heard,
    /// Whom it is about, where it matters.
    about: Option<About>,
    /// Where its text lies in the bytes of each codec; empty in a codec that nobody it is for speaks.
    spans: PerCodec<Range<usize>>,
}

/// A user whom a message is about: they hear at once what is said of them, and not again when the others do who watch.
#[derive(Debug, Clone)]
struct About {
    user_id: UserId,
    /// Their sessions.
    sessions: Vec<MemberId>,
}

impl Item {
    /// Whether it is about the user whose session a member is.
    fn is_about(&self, member: MemberId) -> bool {
        self.about.as_ref().is_some_and(|about| about.sessions.contains(&member))
    }
}

type PerCodec<T> = [T; Codec::ALL.len()];

/// A room's messages since the last flush, and the members who hear them.
#[derive(Debug, Default)]
pub(crate) struct Said {
    listeners: BTreeMap<MemberId, Listener>,
    /// How many listeners of each codec there are: players, then spectators.
    counts: [PerCodec<usize>; 2],
    bytes: PerCodec<Vec<u8>>,
    scratch: Vec<u8>,
    items: Vec<Item>,
    failure: Option<GameFailure>,
    /// Whether those who watch hear things late.
    withholds: bool,
    withheld: Vec<late::Withheld>,
    /// What was said and is still in memory, here or on members' lanes.
    pub(crate) tally: Tally,
}

/// A place in what was said; see [`Said::mark`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    items: usize,
    bytes: PerCodec<usize>,
    failed: bool,
}

impl Said {
    /// Adds a member. The flush must be empty, or the member would hear what was said before.
    pub(crate) fn add(&mut self, member: MemberId, role: Role, codec: Codec) {
        debug_assert!(self.items.is_empty(), "membership changes on an empty flush");
        self.listeners.insert(member, Listener { role, codec });
        self.counts[role as usize][codec.index()] += 1;
    }

    /// Removes a member, who hears nothing of what was said since the last [`Said::seal`].
    pub(crate) fn remove(&mut self, member: MemberId) {
        if let Some(Listener { role, codec }) = self.listeners.remove(&member) {
            self.counts[role as usize][codec.index()] -= 1;
        }
    }

    /// Whether there is anyone to hear it.
    pub(crate) fn reaches(&self, to: To) -> bool {
        self.audience(to) != [0; Codec::ALL.len()]
    }

    /// How many members of each codec hear it.
    fn audience(&self, to: To) -> PerCodec<usize> {
        let [players, spectators] = &self.counts;
        // Who hears it late may come in later, too, whatever codec they speak.
        let late = usize::from(self.withholds);
        let everyone = |codec: usize| players[codec] + spectators[codec] + late;
        let one = |member, codec| self.listeners.get(&member).is_some_and(|who| who.codec.index() == codec);
        std::array::from_fn(|codec| match to {
            To::Everyone => everyone(codec),
            To::Spectators => spectators[codec] + late,
            To::Only(member) => usize::from(one(member, codec)),
            To::Except(member) => everyone(codec) - usize::from(one(member, codec)),
        })
    }

    /// Says one of a game's events. An empty key stands for the event's type.
    pub(crate) fn event<E: Body + DeserializeOwned>(
        &mut self,
        to: To,
        delivery: &Delivery,
        room_id: &RoomId,
        event: &E,
    ) {
        self.say(to, delivery, Whose::Games, |codec, latest, scratch, out| {
            scratch.clear();
            let kind = variant::encode(codec, event, scratch)?;
            let latest = latest.map(|key| if key.is_empty() { kind } else { key });
            let header = Header { latest, ..Header::new(kind) };
            let data = match codec {
                Codec::Json => Data::Json(std::str::from_utf8(scratch).unwrap_or_default()),
                Codec::Bincode => Data::Binary(scratch),
            };
            envelope::encode_raw(&header.in_room(room_id.as_str()), data, out)?;
            Ok(kind)
        });
    }

    /// Says what the game looks like now.
    pub(crate) fn view<V: Body>(&mut self, to: To, delivery: &Delivery, room_id: &RoomId, view: &V) {
        self.say(to, delivery, Whose::Games, |codec, latest, _, out| {
            let header = Header { latest, ..Header::new(GAME_STATE) };
            envelope::encode(codec, &header.in_room(room_id.as_str()), view, out)?;
            Ok(GAME_STATE)
        });
    }

    /// Says one of the room's own messages, reliably.
    pub(crate) fn message<T: Body + ?Sized>(&mut self, to: To, header: &Header<'_>, data: &T) {
        let items = self.items.len();
        self.say(to, &Delivery::Reliable, Whose::Rooms, |codec, _, _, out| {
            envelope::encode(codec, header, data, out)?;
            Ok("")
        });
        let is_at_once = header.success.is_some() || header.kind == RoomClosed::TYPE;
        if let Some(item) = self.items.get_mut(items).filter(|_| is_at_once) {
            item.heard = Heard::AtOnce;
        }
    }

    /// Says one of the room's own messages so that it replaces an unwritten one of the same key.
    pub(crate) fn message_latest<T: Body + ?Sized>(&mut self, to: To, key: &str, header: &Header<'_>, data: &T) {
        let delivery = Delivery::Latest { key: key.to_owned().into() };
        self.say(to, &delivery, Whose::Rooms, |codec, latest, _, out| {
            envelope::encode(codec, &Header { latest, ..*header }, data, out)?;
            Ok("")
        });
    }

    /// `encode` gets the codec, the key, scratch memory and where to append, and gives the message's type.
    fn say(
        &mut self,
        to: To,
        delivery: &Delivery,
        whose: Whose,
        encode: impl Fn(Codec, Option<&str>, &mut Vec<u8>, &mut Vec<u8>) -> Result<&'static str, InvalidData>,
    ) {
        let audience = self.audience(to);
        let key = delivery.key().map(|key| &key[..floor_char_boundary(key, KEY_BYTES_MAX)]);
        let mut kind = None;
        let mut spans = [0..0, 0..0];
        for codec in Codec::ALL.into_iter().filter(|codec| audience[codec.index()] > 0) {
            let bytes = &mut self.bytes[codec.index()];
            let start = bytes.len();
            match encode(codec, key, &mut self.scratch, bytes) {
                Ok(_) if bytes.len() - start > SERVER_FRAME_BYTES_MAX => {
                    return self.report(GameFailure::TooLarge { bytes: self.bytes[codec.index()].len() - start });
                }
                Ok(said) => kind = Some(said),
                Err(error) => return self.report(error.into()),
            }
            spans[codec.index()] = start..bytes.len();
        }
        // Without a kind there is nobody to hear it.
        let Some(kind) = kind else { return };
        let key = key.map(|key| whose.key(if key.is_empty() { kind } else { key }));
        let class = match (delivery, key) {
            (Delivery::Latest { .. }, Some(key)) => Class::Latest(key),
            (Delivery::Unreliable { .. }, Some(key)) => Class::Unreliable(key),
            _ => Class::Reliable,
        };
        self.items.push(Item { to, class, heard: Heard::InTurn, about: None, spans });
    }

    /// Bytes said so far, in all codecs.
    pub(crate) fn len(&self) -> usize {
        self.bytes.iter().map(Vec::len).sum()
    }

    /// The place after everything said so far.
    pub(crate) fn mark(&self) -> Mark {
        let bytes = std::array::from_fn(|codec| self.bytes[codec].len());
        Mark { items: self.items.len(), bytes, failed: self.failure.is_some() }
    }

    /// Takes back everything said after the mark, and the failure to say it.
    pub(crate) fn take_back(&mut self, mark: Mark) {
        self.items.truncate(mark.items);
        for (bytes, len) in self.bytes.iter_mut().zip(mark.bytes) {
            bytes.truncate(len);
        }
        if !mark.failed {
            self.failure = None;
        }
    }

    /// What was said since the mark is about a user, who has these sessions here.
    pub(crate) fn mark_as_about(&mut self, since: Mark, user_id: &UserId, sessions: &[MemberId]) {
        for item in self.items.iter_mut().skip(since.items) {
            item.about = Some(About { user_id: user_id.clone(), sessions: sessions.to_vec() });
        }
    }

    /// Moves what was said last to the mark, in front of what was said since.
    pub(crate) fn move_last_to(&mut self, mark: Mark) {
        if let Some(tail) = self.items.get_mut(mark.items..).filter(|tail| !tail.is_empty()) {
            tail.rotate_right(1);
        }
    }

    /// Notes that something could not be said. The first failure counts.
    pub(crate) fn report(&mut self, failure: GameFailure) {
        self.failure.get_or_insert(failure);
    }

    /// What could not be said, if anything.
    pub(crate) fn failure(&self) -> Option<&GameFailure> {
        self.failure.as_ref()
    }
}
