//! A session's lanes after the server that held them is gone: what has to be known of them, and how they go on.
//!
//! What was on its way is lost, so each lane begins with a gap and a snapshot. Everything that is counted from then on belongs
//! to a higher generation, and lies so far above what came before that nothing can be taken for something else: not a number
//! of a message, and not a lane. Where this is stored is not known here.

use anteroom_protocol::lane::{Marks, Outbound};
use anteroom_protocol::{Codec, LaneId, RoomId};
use serde::{Deserialize, Serialize};

use super::lane::Lane;
use super::{Lanes, SessionBounds, resume};

/// How many messages on one lane a generation has numbers for.
const MESSAGES_BITS: u32 = 32;
/// How many lanes it has numbers for.
const LANES_BITS: u32 = 16;

/// What has to be known of a session's lanes to go on with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLanes {
    /// How often the session was restored: raise it before it is restored.
    pub generation: u16,
    /// The number of the newest resume token that the client is known to have.
    pub token: u64,
    /// How often the client began anew, and its attempts with it.
    pub round: u64,
    /// The newest attempt to resume of this round that was accepted.
    pub attempt: Option<u64>,
    /// The number up to which the session itself has acted on everything.
    pub applied: u64,
    /// The lane that was opened last: a generation that has opened more than it has numbers for goes on above them.
    pub last_lane: LaneId,
    /// The lanes of the rooms that the session is still in, in the order in which they were opened.
    pub rooms: Vec<KeptLane>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptLane {
    /// The lane.
    pub lane: LaneId,
    /// The room.
    pub room_id: RoomId,
    /// The highest number that the room has applied: what the client has sent behind it comes again.
    pub applied: u64,
}

impl Lanes {
    /// What has to be known to go on with them. Of rooms' lanes those on which something was said, and which have not ended.
    #[must_use]
    pub fn kept(&self) -> KeptLanes {
        let (token, round, attempt) = self.proof.kept();
        let rooms = self.rooms.iter().filter(|(_, lane)| !lane.ended && lane.out.last() > 0);
        let rooms = rooms.filter_map(|(id, lane)| {
            Some(KeptLane { lane: *id, room_id: lane.room_id?, applied: lane.marks.applied() })
        });
        KeptLanes {
            generation: self.generation,
            token,
            round,
            attempt,
            applied: self.control.marks.applied(),
            last_lane: self.last_lane,
            rooms: rooms.collect(),
        }
    }

    /// Goes on with lanes that a client knows, without a connection. The client is told of a gap on each, and gets snapshots.
    /// `keeps` says whether it acknowledges, as in [`Lanes::new`].
    #[must_use]
    pub fn restore(codec: Codec, keeps: bool, bounds: SessionBounds, kept: &KeptLanes) -> Self {
        let last = u64::from(kept.generation) << MESSAGES_BITS;
        let restored = |room_id, applied| Lane {
            room_id,
            out: Outbound::restored(keeps, last),
            marks: Marks::behind(applied),
            told: applied,
            ..Lane::new(keeps, false)
        };
        let rooms: Vec<_> =
            kept.rooms.iter().map(|kept| (kept.lane, restored(Some(kept.room_id), kept.applied))).collect();
        let applied = rooms.iter().map(|(_, lane)| lane.marks.applied()).chain([kept.applied]);
        let last_n = applied.max().unwrap_or_default();
        let (mut lanes, _) = Self::new(codec, keeps, bounds, None);
        lanes.generation = kept.generation;
        lanes.carrying = resume::Connections::default();
        lanes.proof = resume::Proof::restored(kept.token, kept.round, kept.attempt);
        lanes.control = restored(None, kept.applied);
        lanes.rooms = rooms;
        // A lane that was opened and not kept is not given again.
        lanes.last_lane = kept.last_lane.max(LaneId(u32::from(kept.generation) << LANES_BITS));
        lanes.last_n = last_n;
        lanes
    }
}
