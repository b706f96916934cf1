//! Lists of rooms as they are sent, encoded once for everyone who asks until they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_protocol::{Codec, Payload};

/// How many lists of one version are kept that clients have made up questions for.
const MADE_UP_MAX: usize = 64;

/// The encoded lists of one version, by what was asked and codec.
#[derive(Debug)]
pub(super) struct Lists<Q> {
    version: u64,
    /// How many are of questions that are made up.
    made_up: usize,
    encoded: BTreeMap<(Arc<Q>, Codec), Arc<Payload>>,
}

impl<Q> Default for Lists<Q> {
    fn default() -> Self {
        Self { version: 0, made_up: 0, encoded: BTreeMap::new() }
    }
}

impl<Q: Ord> Lists<Q> {
    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.encoded.len()
    }

    /// A list of this version, if it is known.
    pub(super) fn get(&self, version: u64, asked: &Arc<Q>, codec: Codec) -> Option<Arc<Payload>> {
        if version != self.version {
            return None;
        }
        self.encoded.get(&(asked.clone(), codec)).cloned()
    }

    /// Keeps a list, unless there are newer ones, or too many of such.
    pub(super) fn keep(
        &mut self,
        version: u64,
        asked: &Arc<Q>,
        is_made_up: bool,
        codec: Codec,
        encoded: &Arc<Payload>,
    ) {
        if version > self.version {
            *self = Self { version, ..Self::default() };
        }
        if version != self.version || is_made_up && self.made_up == MADE_UP_MAX {
            return;
        }
        if self.encoded.insert((asked.clone(), codec), encoded.clone()).is_none() {
            self.made_up += usize::from(is_made_up);
        }
    }
}
