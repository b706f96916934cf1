//! How a room reaches a member: what goes on their lane, and how far what they said has been applied. What crosses the link is
//! data that could travel, but for what only a session of this server has: a door that says whether it still waits. A room learns of
//! a member by facts.

use std::sync::Arc;

use anteroom_core::Time;
use anteroom_core::flush::Outgoing;
use anteroom_core::room::Share;
use anteroom_protocol::LaneId;

use super::link::{Admitted, Entrance};
use crate::carrier::{Applied, Carrier, Knock, Presence};

/// Somebody at the door, and how they are reached.
#[derive(Debug)]
pub(crate) enum Visitor {
    /// A session of this server.
    Local { carrier: Arc<Carrier>, knock: Knock, entrance: Arc<Entrance> },
}

/// A member of a room, as the room reaches them.
#[derive(Debug)]
pub(super) enum MemberLink {
    /// A session of this server.
    Local(LocalMember),
}

#[derive(Debug)]
pub(super) struct LocalMember {
    carrier: Arc<Carrier>,
    lane: LaneId,
    /// Nothing if the session did not want to come in any more.
    applied: Option<Arc<Applied>>,
    /// The newest fact.
    presence: Presence,
    /// Their share of the room's mailbox.
    share: Arc<Share>,
}

impl Visitor {
    /// Whether they wait still: who has gone takes no seat.
    pub(super) fn is_waiting(&self) -> bool {
        match self {
            Self::Local { knock, .. } => knock.door.is_waiting(),
        }
    }

    /// They were let in, and are told so before anything of the room is on their lane.
    pub(super) fn enter(self, admitted: Admitted) -> MemberLink {
        match self {
            Self::Local { carrier, knock, entrance } => {
                let (room_id, share) = (*admitted.room.room_id(), admitted.share.clone());
                let applied = carrier.enter(knock.lane, room_id, || entrance.fill(admitted));
                MemberLink::Local(LocalMember { carrier, lane: knock.lane, applied, presence: knock.presence, share })
            }
        }
    }
}

impl MemberLink {
    /// A member of a room that was restored: nobody is connected to the session yet.
    pub(super) fn restored(carrier: Arc<Carrier>, lane: LaneId, applied: Arc<Applied>, share: Arc<Share>) -> Self {
        let presence = carrier.presence();
        Self::Local(LocalMember { carrier, lane, applied: Some(applied), presence, share })
    }

    /// The member plays from now on, or only watches.
    pub(super) fn set_plays(&self, plays: bool) {
        let Self::Local(member) = self;
        member.share.set_plays(plays);
    }

    /// Whether they came in. One who has gone at that very moment was not told of the place, and will not come back to it.
    pub(super) fn is_in(&self) -> bool {
        match self {
            Self::Local(member) => member.applied.is_some(),
        }
    }

    /// Whether a fact is newer than what is known.
    pub(super) fn is_newer(&self, presence: Presence) -> bool {
        match self {
            Self::Local(member) => presence > member.presence,
        }
    }

    /// Takes a fact.
    pub(super) fn learn(&mut self, presence: Presence) {
        match self {
            Self::Local(member) => member.presence = presence,
        }
    }

    /// Whether what they have not got is kept for them.
    pub(super) fn keeps(&self) -> bool {
        match self {
            Self::Local(member) => member.carrier.keeps,
        }
    }

    /// Puts something on the lane.
    pub(super) fn put(&self, now: Time, outgoing: Outgoing) {
        match self {
            Self::Local(member) => member.carrier.put(now, member.lane, outgoing),
        }
    }

    /// Everything that they have said up to a number is applied, and what follows from it is on the lane.
    pub(super) fn applied(&self, n: u64) {
        match self {
            Self::Local(member) => {
                if member.applied.as_ref().is_some_and(|applied| applied.tell(n)) {
                    member.carrier.wake();
                }
            }
        }
    }

    /// Puts the last messages on the lane and ends it.
    pub(super) fn end(self, now: Time, last: Vec<Outgoing>) {
        match self {
            Self::Local(member) => member.carrier.end_lane(now, member.lane, last),
        }
    }

    /// Lets go of what is unwritten on the lane, which goes on with a gap.
    pub(super) fn lose(&self) {
        match self {
            Self::Local(member) => member.carrier.lose(member.lane),
        }
    }

    /// Lets go of what is kept on the lane, if that is more than so many bytes still.
    pub(super) fn shed(&self, bytes_max: usize) {
        match self {
            Self::Local(member) => member.carrier.shed(member.lane, bytes_max),
        }
    }
}
