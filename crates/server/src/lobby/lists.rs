//! Lists of rooms as they are sent, encoded once for everyone who asks until they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_protocol::message::result::RoomList;
use anteroom_protocol::{Codec, Payload};

/// The encoded lists of one version, by filter and codec: two for each game in which there are rooms, and two of all.
#[derive(Debug, Default)]
pub(super) struct Lists {
    version: u64,
    encoded: BTreeMap<(Option<String>, Codec), Arc<Payload>>,
}

impl Lists {
    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.encoded.len()
    }

    /// A list of this version, if it is known.
    pub(super) fn get(&self, version: u64, game: Option<&str>, codec: Codec) -> Option<Arc<Payload>> {
        if version != self.version {
            return None;
        }
        self.encoded.get(&(game.map(str::to_owned), codec)).cloned()
    }

    /// Keeps a list, unless there are newer ones.
    pub(super) fn keep(
        &mut self,
        version: u64,
        game: Option<&str>,
        list: &RoomList,
        codec: Codec,
        encoded: &Arc<Payload>,
    ) {
        if version > self.version {
            *self = Self { version, encoded: BTreeMap::new() };
        }
        // Games without rooms may be any: what a client makes up is not kept.
        if version == self.version && (game.is_none() || !list.rooms.is_empty()) {
            self.encoded.insert((game.map(str::to_owned), codec), encoded.clone());
        }
    }
}
