//! A room that has one member at most, and the lanes that it has had for it.

use std::collections::{BTreeMap, VecDeque};

use anteroom_protocol::LaneId;
use anteroom_protocol::envelope::Ref;

use crate::lanes::words::KEYS;

/// How many commands wait at most, besides those that are never refused.
const MAILBOX_MAX: usize = 6;

#[derive(Debug)]
pub(crate) enum Command {
    Join { lane: LaneId, id: u64, n: Option<u64>, reference: Option<Ref> },
    Leave { lane: LaneId, id: u64, n: Option<u64>, reference: Option<Ref> },
    Act { lane: LaneId, id: u64, n: Option<u64>, reference: Option<Ref>, refuse: bool },
    Snapshot { lane: LaneId },
}

/// What was ever put on a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Told {
    /// How many counted words.
    pub(crate) words: u64,
    /// The newest value of each key, and whether it was sent as a datagram, so that nobody knows whether it arrived.
    pub(crate) values: [u64; KEYS],
    pub(crate) loose: [bool; KEYS],
    pub(crate) ended: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The member's lane, from the request to join on.
    pub(crate) lane: Option<LaneId>,
    /// The member was let in.
    pub(crate) is_in: bool,
    pub(crate) mailbox: VecDeque<Command>,
    /// The highest number that it has acted on, or refused, on each lane.
    pub(crate) applied: BTreeMap<LaneId, u64>,
    /// How many more actions are turned away.
    pub(crate) busy: u32,
}

impl Room {
    /// Whether an action finds no place.
    pub(crate) fn turns_away(&mut self) -> bool {
        let busy = self.busy > 0;
        self.busy = self.busy.saturating_sub(1);
        busy || self.mailbox.len() >= MAILBOX_MAX
    }

    pub(crate) fn lane_of_member(&self) -> Option<LaneId> {
        self.lane.filter(|_| self.is_in)
    }
}
