//! What was said and has been changed or taken back since, as those who watch still see it, until the change is shown to them.
//!
//! It is bounded: where it is too much they do not see the entry at all until then, and it is never shown early.

use std::collections::VecDeque;
use std::time::Duration;

use anteroom_protocol::UserId;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// How many changes there may be that are not shown yet.
const CHANGES_MAX: usize = 4096;
/// How much is kept of what was said, in bytes.
const TEXTS_BYTES_MAX: usize = 256 << 10;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Former(VecDeque<Version>);

/// An entry as it was until somebody changed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    message_id: MessageId,
    /// None if there was no space for it.
    entry: Option<ChatEntry>,
    /// When it was changed.
    until: Time,
}

impl Version {
    fn bytes(&self) -> usize {
        self.entry.as_ref().map_or(0, |entry| entry.text.len() + entry.username.len())
    }
}

impl Former {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= CHANGES_MAX
    }

    /// Notes how an entry was that is changed now.
    pub(super) fn keep(&mut self, entry: ChatEntry, now: Time) {
        self.0.push_back(Version { message_id: entry.message_id, entry: Some(entry), until: now });
        let mut bytes: usize = self.0.iter().map(Version::bytes).sum();
        for version in &mut self.0 {
            if bytes <= TEXTS_BYTES_MAX {
                break;
            }
            bytes -= version.bytes();
            version.entry = None;
        }
    }

    /// What was changed until a time is shown now.
    pub(super) fn show(&mut self, until: Time) {
        while self.0.front().is_some_and(|version| version.until <= until) {
            self.0.pop_front();
        }
    }

    pub(super) fn has(&self, message_id: MessageId) -> bool {
        self.0.iter().any(|version| version.message_id == message_id)
    }

    /// Makes an entry what is seen of it. Gives whether it is seen at all.
    pub(super) fn restore(&self, entry: &mut ChatEntry) -> bool {
        match self.0.iter().find(|version| version.message_id == entry.message_id) {
            None => true,
            Some(Version { entry: Some(before), .. }) => {
                entry.clone_from(before);
                true
            }
            Some(_) => false,
        }
    }

    /// Keeps only what passes.
    pub(super) fn retain(&mut self, passes: impl Fn(&ChatEntry) -> bool) {
        self.0.retain(|version| version.entry.as_ref().is_none_or(&passes));
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|version| version.until = version.until + by);
    }

    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        self.0.iter().filter_map(|version| version.entry.as_ref()).any(|entry| entry.user_id == *user_id)
    }

    /// Whether it can be: nothing is out of order, of a later time, or too much.
    pub(super) fn is_sound(&self, now: Time) -> bool {
        let rises = self.0.iter().zip(self.0.iter().skip(1)).all(|(a, b)| a.until <= b.until);
        rises && self.0.len() <= CHANGES_MAX && self.0.back().is_none_or(|last| last.until <= now)
    }
}
