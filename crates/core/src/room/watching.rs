//! Those who only watch: how many there are, and who of them is known by name.
//!
//! The first are in the list of members; of all the others only the number is told, a few times in a second at most, so that
//! many who come and go cost the others nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_protocol::UserId;
use anteroom_protocol::message::push::RoomUpdated;
use serde::{Deserialize, Serialize};

use super::Room;
use crate::flush::To;
use crate::time::Time;

/// How long a change of their number waits for others.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watching {
    /// Everyone in the room whom the others know by name, players too, by the numbers of their stays.
    pub(super) listed: BTreeMap<u32, UserId>,
    /// When it is told again.
    pub(super) due: Option<Time>,
}

impl Room {
    /// How many watch, as they and the others are told.
    pub(super) fn spectators_shown(&self) -> u32 {
        u32::from(self.spectators)
    }

    /// Counts somebody who began to watch.
    pub(super) fn count_in(&mut self, connected: bool) {
        self.spectators += 1;
        self.spectators_here += u16::from(connected);
        self.count_spectators();
    }

    /// Counts somebody no more who has ceased to watch.
    pub(super) fn count_out(&mut self, connected: bool) {
        self.spectators -= 1;
        self.spectators_here -= u16::from(connected);
        self.count_spectators();
    }

    fn count_spectators(&mut self) {
        if self.watching.due.is_none() {
            self.watching.due = Some(self.stage.now + TOLD_EVERY);
        }
    }

    /// Tells how many watch, also if as many as were told last: somebody who came in between has seen another number.
    pub(super) fn tell_spectators(&mut self) {
        self.watching.due = None;
        let updated = RoomUpdated { spectators: Some(self.spectators_shown()), ..RoomUpdated::default() };
        self.say_latest(To::Everyone, "spectators", &updated);
    }
}
