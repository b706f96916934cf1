//! What is said in rooms, as the server goes about it: what may be said, and for how long it is kept.
//!
//! Rooms say and number it, and stores keep it; neither is known here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::{Data, RoomId};
use serde::{Deserialize, Serialize};

use crate::panics::guarded;

/// Which words are welcome. It is asked before a room gets a text; lengths and characters are checked behind it.
///
/// The example `chat_filter` has one with a list of words. It is called in tasks of the server, so it must not block. If it panics,
/// the text is refused.
pub trait ChatFilter: Send + Sync + 'static {
    /// What becomes of a text that somebody wants to say, or to say instead of what they said.
    fn check(&self, text: &str, facts: &ChatFacts<'_>) -> Verdict;
}

/// What becomes of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is said.
    Pass,
    /// This is said instead.
    Replace(String),
    /// It is not said; whoever wanted to is told this sentence.
    Refuse(String),
}

/// Where a text would be said.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ChatFacts<'a> {
    /// The room.
    pub room_id: RoomId,
    /// Its game.
    pub game: &'a str,
}

/// The section `chat`: for how long what is said is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChatSection {
    /// How long what was said in durable rooms is stored, in milliseconds; 0: for as long as its room.
    pub keep_ms: u64,
}

impl Default for ChatSection {
    fn default() -> Self {
        Self { keep_ms: 30 * 24 * 60 * 60 * 1000 }
    }
}

impl ChatSection {
    pub(crate) fn keep(self) -> Option<Duration> {
        (self.keep_ms > 0).then(|| Duration::from_millis(self.keep_ms))
    }
}

/// Who is asked, if anybody is.
#[derive(Clone, Default)]
pub(crate) struct Filter(Option<Arc<dyn ChatFilter>>);

impl Filter {
    pub(crate) fn by(filter: impl ChatFilter) -> Self {
        Self(Some(Arc::new(filter)))
    }

    /// What a room is to know of a request besides what is in it, if it says something that is not to be said as it is.
    pub(crate) fn verdict(&self, kind: &str, data: Data<'_>, facts: &ChatFacts<'_>) -> Option<String> {
        let filter = self.0.as_ref().filter(|_| matches!(kind, "chat" | "chat_edit"))?;
        // The room refuses what cannot be read.
        let text = anteroom_core::text::said_by(kind, data)?;
        let verdict = guarded(|| filter.check(&text, facts)).unwrap_or_else(|why| {
            tracing::error!(why, "a chat filter failed");
            Verdict::Refuse("What may be said cannot be told just now.".to_owned())
        });
        match verdict {
            Verdict::Pass => None,
            Verdict::Replace(text) => Some(anteroom_core::text::Filtered::Replaced(text).to_string()),
            Verdict::Refuse(why) => Some(anteroom_core::text::Filtered::Refused(why).to_string()),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.0.is_some()).finish()
    }
}
