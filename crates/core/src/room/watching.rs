//! Those who only watch: how many there are, and what they see of a room that is to be seen later.

use serde::{Deserialize, Serialize};

use super::Room;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watching {}

impl Room {
    /// How many watch, as they and the others are told.
    pub(super) fn spectators_shown(&self) -> u32 {
        u32::from(self.spectators)
    }
}
