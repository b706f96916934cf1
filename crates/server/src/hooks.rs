//! What an embedder can be told of: sessions and rooms that begin and end, and matches that end.
//!
//! Hooks are told and not asked: they refuse nothing and change nothing, and the server goes on without waiting for what comes
//! of it. What has to survive a crash does not belong here, since a server that is killed tells nobody.

use std::fmt;
use std::sync::Arc;

use anteroom_core::game::Outcome;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::{RoomId, SessionId, UserId};

use crate::panics::guarded;

/// Told of what happens in a server. Each method does nothing unless it is written.
///
/// They are called in tasks of the server, between its own work, so they must not block: put what takes time on a bounded
/// channel of yours, and drop it where that is full. A panic is logged, and goes no further. A session and a room are told of
/// from one place each, in order: that it began, then that it ended, which may be in another process where there is a store. Different ones may be told of at the same time.
pub trait Hooks: Send + Sync + 'static {
    /// A session has begun. Its player has not heard of it yet.
    fn session_began(&self, session: &SessionFacts<'_>) {
        let _ = session;
    }

    /// A session has ended, for this reason in words. Its seats are given away or about to be.
    fn session_ended(&self, session: &SessionFacts<'_>, why: &str) {
        let _ = (session, why);
    }

    /// A room has opened. Its creator is not in it yet.
    fn room_opened(&self, room: &RoomFacts<'_>) {
        let _ = room;
    }

    /// A match has ended in a room, which goes on; its members see it at about the same time.
    fn match_ended(&self, room: &RoomFacts<'_>, outcome: &Outcome) {
        let _ = (room, outcome);
    }

    /// A room has closed, for this reason; with none the last one has left. Nobody is in it any more, and it is not in the list.
    fn room_closed(&self, room: &RoomFacts<'_>, reason: Option<ClosedReason>) {
        let _ = (room, reason);
    }
}

/// Whose session it is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SessionFacts<'a> {
    /// The session.
    pub session_id: SessionId,
    /// Its player.
    pub user_id: &'a UserId,
    /// What the others call them.
    pub username: &'a str,
    /// Whether nothing but the session says who it is.
    pub is_guest: bool,
}

/// Which room it is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RoomFacts<'a> {
    /// The room.
    pub room_id: RoomId,
    /// Its game.
    pub game: &'a str,
    /// What its creator called it.
    pub name: &'a str,
}

/// Who is told, if anybody is.
#[derive(Clone, Default)]
pub(crate) struct Hooked(Option<Arc<dyn Hooks>>);

impl Hooked {
    pub(crate) fn to(hooks: impl Hooks) -> Self {
        Self(Some(Arc::new(hooks)))
    }

    /// Tells what has happened. What takes long to put together belongs into `tell`, which may not be needed.
    pub(crate) fn tell(&self, tell: impl FnOnce(&dyn Hooks)) {
        if let Some(hooks) = &self.0
            && let Err(why) = guarded(|| tell(&**hooks))
        {
            tracing::error!(why, "a hook failed");
        }
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hooked").field(&self.0.is_some()).finish()
    }
}
